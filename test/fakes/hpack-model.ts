// HPACK written once more, straight from RFC 7541 and without a thought for speed: an encoder that picks any of the
// allowed ways to write each field, and a decoder to compare ours with. Used by the tests and the fuzz target.

import { huffmanLength } from '../../dataplane/http/h2/hpack/huffman.ts';
import { STATIC_NAMES, STATIC_VALUES } from '../../dataplane/http/h2/hpack/static-table.ts';

export interface ModelField {
  readonly name: string;
  readonly value: string;
  readonly neverIndexed: boolean;
}

/** Code of each byte as text of 0 and 1; 256 is EOS. */
const codes: readonly string[] = canonicalCodes();

function canonicalCodes(): string[] {
  // Eight times the code of a character takes as many bytes as it has bits.
  const bits = Array.from({ length: 256 }, (_, i) =>
    huffmanLength(String.fromCharCode(i).repeat(8)),
  );
  bits.push(30);
  const result: string[] = new Array<string>(257).fill('');
  let code = 0n;
  for (let length = 1; length <= 30; length++) {
    for (const [symbol, symbolBits] of bits.entries()) {
      if (symbolBits !== length) continue;
      result[symbol] = code.toString(2).padStart(length, '0');
      code++;
    }
    code <<= 1n;
  }
  return result;
}

const symbols = new Map(codes.map((code, symbol) => [code, symbol]));

/** The dynamic table, newest first. */
class ModelTable {
  entries: (readonly [string, string])[] = [];
  maxBytes = 4096;
  #bytes = 0;

  get(index: number): readonly [string, string] | null {
    if (index === 0) return null;
    if (index <= 61) return [STATIC_NAMES[index] ?? '', STATIC_VALUES[index] ?? ''];
    return this.entries[index - 62] ?? null;
  }

  add(name: string, value: string): void {
    this.entries.unshift([name, value]);
    this.#bytes += name.length + value.length + 32;
    this.evict();
  }

  evict(): void {
    while (this.#bytes > this.maxBytes) {
      const [name, value] = this.entries.pop() ?? ['', ''];
      this.#bytes -= name.length + value.length + 32;
    }
  }
}

/** Throws on a compression error. */
export class ModelDecoder {
  readonly #table = new ModelTable();
  readonly #maxTableBytes: number;

  constructor(maxTableBytes: number) {
    this.#maxTableBytes = maxTableBytes;
  }

  decode(block: Buffer): ModelField[] {
    const fields: ModelField[] = [];
    let pos = 0;
    const byte = () => {
      const value = block[pos++];
      if (value === undefined) throw new Error('cut off');
      return value;
    };
    const integer = (prefixBits: number) => {
      const mask = 2 ** prefixBits - 1;
      let value = byte() & mask;
      if (value < mask) return value;
      for (let shift = 0; shift < 35; shift += 7) {
        const next = byte();
        value += (next & 127) * 2 ** shift;
        if (next < 128) return value;
      }
      throw new Error('integer too long');
    };
    const text = () => {
      const isHuffman = (block[pos] ?? 0) >= 128;
      const length = integer(7);
      if (pos + length > block.length) throw new Error('string too long');
      pos += length;
      const bytes = block.subarray(pos - length, pos);
      return isHuffman ? huffmanText(bytes) : bytes.toString('latin1');
    };
    const at = (index: number) => {
      const entry = this.#table.get(index);
      if (entry === null) throw new Error('no such index');
      return entry;
    };
    let mayResize = true;
    while (pos < block.length) {
      const first = block[pos] ?? 0;
      if ((first & 0xe0) === 0x20) {
        const maxBytes = integer(5);
        if (!mayResize || maxBytes > Math.max(this.#maxTableBytes, 4096)) throw new Error('size');
        this.#table.maxBytes = maxBytes;
        this.#table.evict();
        continue;
      }
      mayResize = false;
      if (first >= 0x80) {
        const [name, value] = at(integer(7));
        fields.push({ name, value, neverIndexed: false });
        continue;
      }
      const index = integer(first >= 0x40 ? 6 : 4);
      const name = index === 0 ? text() : at(index)[0];
      const value = text();
      fields.push({ name, value, neverIndexed: first >= 0x10 && first < 0x20 });
      if (first >= 0x40) this.#table.add(name, value);
    }
    return fields;
  }
}

function huffmanText(bytes: Buffer): string {
  let text = '';
  let open = '';
  for (const byte of bytes) {
    for (const bit of byte.toString(2).padStart(8, '0')) {
      open += bit;
      const symbol = symbols.get(open);
      if (symbol === undefined) continue;
      if (symbol === 256) throw new Error('EOS');
      text += String.fromCharCode(symbol);
      open = '';
    }
  }
  if (open.length > 7 || open.includes('0')) throw new Error('padding');
  return text;
}

/** Writes a field in any way that is allowed, as `pick` says (0 <= result < its argument). */
export class ModelEncoder {
  readonly #table = new ModelTable();
  readonly #pick: (bound: number) => number;

  constructor(pick: (bound: number) => number) {
    this.#pick = pick;
  }

  /** `maxTableBytes`: what the table may be from this block on; null = as it was. */
  encode(fields: readonly ModelField[], maxTableBytes: number | null): Buffer {
    const out: number[] = [];
    if (maxTableBytes !== null) {
      if (this.#pick(3) === 0) integer(out, 0x20, 5, 0);
      const isSmaller = this.#pick(2) === 0;
      this.#table.maxBytes = 0;
      if (out.length > 0) this.#table.evict();
      this.#table.maxBytes = isSmaller ? this.#pick(maxTableBytes + 1) : maxTableBytes;
      this.#table.evict();
      integer(out, 0x20, 5, this.#table.maxBytes);
    }
    for (const field of fields) this.#field(out, field);
    return Buffer.from(out);
  }

  #field(out: number[], { name, value, neverIndexed }: ModelField): void {
    const indices = [...STATIC_NAMES.keys()].slice(1);
    indices.push(...this.#table.entries.map((_, i) => 62 + i));
    const withName = indices.filter((index) => this.#table.get(index)?.[0] === name);
    const whole = withName.filter((index) => this.#table.get(index)?.[1] === value);
    if (!neverIndexed && whole.length > 0 && this.#pick(4) > 0) {
      integer(out, 0x80, 7, whole[this.#pick(whole.length)] ?? 0);
      return;
    }
    const isAdded = !neverIndexed && this.#pick(2) === 0;
    const nameIndex = this.#pick(4) > 0 ? (withName[this.#pick(withName.length)] ?? 0) : 0;
    if (isAdded) integer(out, 0x40, 6, nameIndex);
    else integer(out, neverIndexed ? 0x10 : 0, 4, nameIndex);
    if (nameIndex === 0) this.#text(out, name);
    this.#text(out, value);
    if (isAdded) this.#table.add(name, value);
  }

  #text(out: number[], text: string): void {
    if (this.#pick(2) === 0) {
      integer(out, 0, 7, text.length);
      for (const char of text) out.push(char.charCodeAt(0));
      return;
    }
    let bits = [...text].map((char) => codes[char.charCodeAt(0)]).join('');
    while (bits.length % 8 !== 0) bits += '1';
    integer(out, 0x80, 7, bits.length / 8);
    for (let i = 0; i < bits.length; i += 8) out.push(Number.parseInt(bits.slice(i, i + 8), 2));
  }
}

function integer(out: number[], first: number, prefixBits: number, value: number): void {
  const mask = 2 ** prefixBits - 1;
  if (value < mask) {
    out.push(first | value);
    return;
  }
  out.push(first | mask);
  let rest = value - mask;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  out.push(rest);
}
