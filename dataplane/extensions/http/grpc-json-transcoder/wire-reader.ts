// Reads protobuf's wire format where it lies, without copying. The bytes come from an upstream and may be
// anything: what does not fit sets `isBroken`, and everything read after that is worthless but harmless.

const TWO_32 = 2 ** 32;

export class WireReader {
  buffer: Buffer = Buffer.alloc(0);
  at = 0;
  end = 0;
  isBroken = false;
  /** The halves of the last varint. */
  #low = 0;
  #high = 0;

  /** Reads `buffer[start..end)` from now on. */
  enter(buffer: Buffer, start: number, end: number): void {
    this.buffer = buffer;
    this.at = start;
    this.end = end;
  }

  /** Field number times eight, and the wire type. */
  tag(): number {
    this.#varint();
    if (this.#high !== 0 || this.#low >>> 3 === 0) this.isBroken = true;
    return this.#low;
  }

  /** The low 32 bits, unsigned. */
  uint32(): number {
    this.#varint();
    return this.#low;
  }

  bool(): boolean {
    this.#varint();
    return this.#low !== 0 || this.#high !== 0;
  }

  sint32(): number {
    this.#varint();
    return (this.#low >>> 1) ^ -(this.#low & 1);
  }

  /** Decimal digits of a varint as unsigned 64 bits. */
  uint64Text(): string {
    this.#varint();
    return uint64Text(this.#low, this.#high);
  }

  int64Text(): string {
    this.#varint();
    return int64Text(this.#low, this.#high);
  }

  sint64Text(): string {
    this.#varint();
    const sign = -(this.#low & 1);
    const low = (((this.#low >>> 1) | (this.#high << 31)) ^ sign) >>> 0;
    return int64Text(low, ((this.#high >>> 1) ^ sign) >>> 0);
  }

  /** A varint as a number; exact up to 2^53. */
  int64(): number {
    this.#varint();
    return (this.#high | 0) * TWO_32 + this.#low;
  }

  fixed32(): number {
    return this.#skip(4) ? this.buffer.readUInt32LE(this.at - 4) : 0;
  }

  sfixed32(): number {
    return this.#skip(4) ? this.buffer.readInt32LE(this.at - 4) : 0;
  }

  fixed64Text(): string {
    if (!this.#skip(8)) return '0';
    return uint64Text(this.buffer.readUInt32LE(this.at - 8), this.buffer.readUInt32LE(this.at - 4));
  }

  sfixed64Text(): string {
    if (!this.#skip(8)) return '0';
    return int64Text(this.buffer.readUInt32LE(this.at - 8), this.buffer.readUInt32LE(this.at - 4));
  }

  float(): number {
    return this.#skip(4) ? this.buffer.readFloatLE(this.at - 4) : 0;
  }

  double(): number {
    return this.#skip(8) ? this.buffer.readDoubleLE(this.at - 8) : 0;
  }

  /** Passes over a length and as many bytes; returns where they begin, `at` is behind them. */
  bytes(): number {
    this.#varint();
    const start = this.at;
    if (this.#high !== 0) this.isBroken = true;
    else this.#skip(this.#low);
    return start;
  }

  /** Passes over the value of a field. A group is looked through `maxDepth` levels deep. */
  skip(tag: number, maxDepth: number): void {
    switch (tag & 7) {
      case 0:
        this.#varint();
        return;
      case 1:
        this.#skip(8);
        return;
      case 2:
        this.bytes();
        return;
      case 3:
        this.group(tag, maxDepth);
        return;
      case 5:
        this.#skip(4);
        return;
      default:
        this.isBroken = true;
    }
  }

  /** Passes over what a group holds and its end; returns where the end begins. */
  group(tag: number, maxDepth: number): number {
    if (maxDepth <= 0) {
      this.isBroken = true;
      return this.at;
    }
    const endTag = (tag & ~7) | 4;
    while (!this.isBroken) {
      const start = this.at;
      const next = this.tag();
      if (next === endTag >>> 0) return start;
      this.skip(next, maxDepth - 1);
    }
    return this.at;
  }

  #skip(count: number): boolean {
    if (count > this.end - this.at) {
      this.isBroken = true;
      this.at = this.end;
      return false;
    }
    this.at += count;
    return true;
  }

  #varint(): void {
    const { buffer, end } = this;
    let { at } = this;
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (at >= end) break;
      const byte = buffer[at++]!;
      if (shift < 28) low |= (byte & 0x7f) << shift;
      else if (shift === 28) {
        low |= (byte & 0x0f) << 28;
        high = (byte & 0x70) >>> 4;
      } else if (shift < 63) high |= (byte & 0x7f) << (shift - 32);
      else high |= (byte & 1) << 31;
      if (byte < 0x80) {
        this.at = at;
        this.#low = low >>> 0;
        this.#high = high >>> 0;
        return;
      }
    }
    this.isBroken = true;
    this.at = end;
    this.#low = 0;
    this.#high = 0;
  }
}

function uint64Text(low: number, high: number): string {
  if (high < 0x200000) return String(high * TWO_32 + low);
  return String((BigInt(high) << 32n) | BigInt(low));
}

function int64Text(low: number, high: number): string {
  if (high < 0x200000) return String(high * TWO_32 + low);
  return String(BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low)));
}
