// A buffer that grows, written front to back: JSON text in one direction, protobuf in the other. One per
// direction and filter config; a message is written in one go and taken out.

import { FieldKind } from './data.ts';

const START_BYTES = 1024;
/** What a large message needed is given back. */
const KEPT_BYTES = 64 * 1024;
const TWO_32 = 2 ** 32;

export class ByteWriter {
  buffer: Buffer = Buffer.allocUnsafeSlow(START_BYTES);
  length = 0;

  /** A copy of all that was written; the writer is empty then. */
  take(): Buffer {
    const taken = Buffer.from(this.buffer.subarray(0, this.length));
    this.reset();
    return taken;
  }

  reset(): void {
    this.length = 0;
    if (this.buffer.length > KEPT_BYTES) this.buffer = Buffer.allocUnsafeSlow(START_BYTES);
  }

  byte(value: number): void {
    if (this.length === this.buffer.length) this.#grow(1);
    this.buffer[this.length++] = value;
  }

  /** Copies `from[start..end)`. */
  bytes(from: Uint8Array, start: number, end: number): void {
    const count = end - start;
    this.reserve(count);
    // Copying a short run by hand is faster than a call into C++.
    if (count < 24) {
      const { buffer } = this;
      let at = this.length;
      for (let i = start; i < end; i++) buffer[at++] = from[i]!;
    } else this.buffer.set(from.subarray(start, end), this.length);
    this.length += count;
  }

  /** Text whose characters are all below 0x100, one byte each. */
  latin1(text: string): void {
    this.reserve(text.length);
    const { buffer } = this;
    let at = this.length;
    for (let i = 0; i < text.length; i++) buffer[at++] = text.charCodeAt(i);
    this.length = at;
  }

  utf8(text: string): void {
    this.reserve(text.length * 3);
    this.length += this.buffer.write(text, this.length);
  }

  reserve(count: number): void {
    if (this.length + count > this.buffer.length) this.#grow(count);
  }

  // ---- protobuf ----

  /** An unsigned number below 2^53. */
  varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.byte((rest % 0x80) | 0x80);
      rest = rest < TWO_32 ? rest >>> 7 : Math.floor(rest / 0x80);
    }
    this.byte(rest);
  }

  /** Any 64 bits, also of a negative number (ten bytes). */
  varint64(value: bigint): void {
    let rest = BigInt.asUintN(64, value);
    while (rest >= 0x80n) {
      this.byte(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.byte(Number(rest));
  }

  tag(field: number, wireType: number): void {
    this.varint(((field << 3) | wireType) >>> 0);
  }

  fixed32(value: number): void {
    this.reserve(4);
    this.buffer.writeInt32LE(value | 0, this.length);
    this.length += 4;
  }

  fixed64(value: bigint): void {
    this.reserve(8);
    this.buffer.writeBigUInt64LE(BigInt.asUintN(64, value), this.length);
    this.length += 8;
  }

  float(value: number): void {
    this.reserve(4);
    this.length = this.buffer.writeFloatLE(value, this.length);
  }

  double(value: number): void {
    this.reserve(8);
    this.length = this.buffer.writeDoubleLE(value, this.length);
  }

  /** A field of UTF-8 text. */
  stringField(field: number, text: string): void {
    this.tag(field, 2);
    const start = this.begin();
    this.utf8(text);
    this.end(start);
  }

  /** Room for the length of what is written from now on, until `end` with what this returned. */
  begin(): number {
    this.byte(0);
    return this.length;
  }

  end(start: number): void {
    const size = this.length - start;
    if (size < 0x80) {
      this.buffer[start - 1] = size;
      return;
    }
    const extra = size < 0x4000 ? 1 : size < 0x200000 ? 2 : size < 0x10000000 ? 3 : 4;
    this.reserve(extra);
    this.buffer.copyWithin(start + extra, start, this.length);
    this.length = start - 1;
    this.varint(size);
    this.length += size;
  }

  /** A message of a field: its tag and what `endMessage` wants. */
  beginMessage(field: number, kind: FieldKind): number {
    if (kind !== FieldKind.Group) {
      this.tag(field, 2);
      return this.begin();
    }
    this.tag(field, 3);
    return -1;
  }

  endMessage(start: number, field: number): void {
    if (start === -1) this.tag(field, 4);
    else this.end(start);
  }

  #grow(count: number): void {
    const size = Math.max(this.buffer.length * 2, this.length + count);
    const larger = Buffer.allocUnsafeSlow(size);
    larger.set(this.buffer.subarray(0, this.length));
    this.buffer = larger;
  }
}
