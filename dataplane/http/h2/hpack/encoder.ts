// Encodes HPACK header blocks (RFC 7541) of one direction of one connection. Called by the HTTP/2 codecs, which put the
// fields in order and make room for them (maxFieldBytes); knows nothing of frames.
//
// A field that repeats costs a look at its name and its last value, no hashing of values. Which values get a place in
// the table is learnt per name: each new entry costs credit that only hits give back, so request ids and paths
// with ids soon stop evicting what repeats. bench/micro/hpack.ts has the figures.

import { huffmanEncode, huffmanLength } from './huffman.ts';
import {
  HIT_CREDIT,
  INSERT_COST,
  MAX_CREDIT,
  MISS_CREDIT,
  NameEntry,
  NameKind,
} from './name-entry.ts';
import { DEFAULT_TABLE_BYTES, ENTRY_OVERHEAD_BYTES, FIRST_DYNAMIC_INDEX } from './static-table.ts';

/** When there are more names on a connection than this, all are learnt anew: peers choose them. */
const MAX_NAMES = 128;
const INITIAL_NAME_SLOTS = 32;
const ORDER_MASK = 31;
/** Entries of one name that are compared with a value. */
const MAX_COMPARED = 8;
/** Shorter strings are written byte by byte: cheaper than a call out of JavaScript. */
const SHORT_TEXT = 20;
const SHORT_COOKIE_BYTES = 20;

/** What encodeField writes at most for a field. */
export function maxFieldBytes(name: string, value: string): number {
  return name.length + value.length + 16;
}

/** Bytes that beginBlock writes at most. */
export const MAX_BLOCK_START_BYTES = 12;

/** Stands where no name stood yet. */
const noName = new NameEntry('');

const statusTexts: readonly string[] = Array.from({ length: 1000 }, (_, status) => String(status));

/** One per connection. */
export class HpackEncoder {
  readonly #maxTableBytes: number;
  readonly #huffman: boolean;

  /** What the dynamic table may take now, and what the peer thinks that is. */
  #tableMaxBytes = DEFAULT_TABLE_BYTES;
  #toldBytes = DEFAULT_TABLE_BYTES;
  #tableBytes = 0;
  /** The least that #tableMaxBytes was since the last block (RFC 7541 4.2). */
  #leastBytes = DEFAULT_TABLE_BYTES;

  // The dynamic table. Its entries are numbered from 1 as they come; those of (#inserted - #count, #inserted] are in it.
  // Number n stands at n & #mask; lengths are powers of two. Names are not kept: entries are looked for by name.
  #inserted = 0;
  #count = 0;
  #mask = 15;
  #entryValues: string[] = new Array<string>(16).fill('');
  #entryBytes: number[] = new Array<number>(16).fill(0);
  /** Number of the entry before with the same name. */
  #entryBefore: number[] = new Array<number>(16).fill(0);

  /** Open addressing by a few characters; a power of two long, never more than half full. */
  #names: (NameEntry | null)[] = new Array<NameEntry | null>(INITIAL_NAME_SLOTS).fill(null);
  #nameCount = 0;
  /** Entries of the names as they came in the last block, and how many came since this one began. */
  readonly #order: NameEntry[] = new Array<NameEntry>(ORDER_MASK + 1).fill(noName);
  #position = 0;

  /** `maxTableBytes`: the most that we use whatever the peer allows. `huffman`: smaller strings for more CPU. */
  constructor(maxTableBytes: number, huffman: boolean) {
    this.#maxTableBytes = maxTableBytes;
    this.#huffman = huffman;
    if (maxTableBytes < DEFAULT_TABLE_BYTES) this.setPeerTableSize(DEFAULT_TABLE_BYTES);
  }

  /**
   * The peer's SETTINGS_HEADER_TABLE_SIZE came. The next block tells it what we made of that: the least size and the
   * last one when it changed more than once (RFC 7541 4.2).
   */
  setPeerTableSize(bytes: number): void {
    const maxBytes = Math.min(bytes, this.#maxTableBytes);
    if (maxBytes < this.#leastBytes) this.#leastBytes = maxBytes;
    this.#tableMaxBytes = maxBytes;
    this.#evictTo(maxBytes);
  }

  /** Begins a header block at out[at]; returns the position after what has to stand before the first field. */
  beginBlock(out: Buffer, at: number): number {
    this.#position = 0;
    let pos = at;
    const maxBytes = this.#tableMaxBytes;
    if (this.#leastBytes < this.#toldBytes && this.#leastBytes < maxBytes) {
      pos = writeInteger(out, pos, 0x20, 0x1f, this.#leastBytes);
      this.#toldBytes = this.#leastBytes;
    }
    if (maxBytes !== this.#toldBytes) pos = writeInteger(out, pos, 0x20, 0x1f, maxBytes);
    this.#toldBytes = maxBytes;
    this.#leastBytes = maxBytes;
    return pos;
  }

  /** Writes `:status`, 100 to 999. */
  encodeStatus(out: Buffer, at: number, status: number): number {
    if (status === 200) {
      out[at] = 0x88;
      return at + 1;
    }
    return this.encodeField(out, at, ':status', statusTexts[status]!, false);
  }

  /**
   * Writes a field, latin1, at out[at], where maxFieldBytes must be free; returns the position after it, `at` itself
   * for what does not belong on HTTP/2 (names of one connection, TE other than trailers).
   */
  encodeField(out: Buffer, at: number, name: string, value: string, neverIndexed: boolean): number {
    // Messages of a connection resemble each other: mostly the name stood at the same place in the last block, and
    // had this value. Small, so that it is inlined where fields are gone through.
    const position = this.#position++ & ORDER_MASK;
    const entry = this.#order[position]!;
    if (entry.name === name && !neverIndexed) {
      // Only what may be indexed was ever found: no secrets, nothing that is left out.
      const found = entry.lastFound;
      if (this.#isAt(entry, found, value)) return this.#indexed(out, at, entry, found);
    }
    return this.#encodeSlowly(out, at, name, value, neverIndexed);
  }

  #encodeSlowly(
    out: Buffer,
    at: number,
    name: string,
    value: string,
    neverIndexed: boolean,
  ): number {
    const entry = this.#nameEntry(name);
    const { kind } = entry;
    let isNever = neverIndexed;
    if (kind !== NameKind.Plain) {
      if (isLeftOut(kind, value)) return at;
      if (isSecret(kind, value)) isNever = true;
    }
    this.#order[(this.#position - 1) & ORDER_MASK] = entry;
    if (isNever) {
      return this.#literal(out, at, 0x10, 0x0f, this.#nameIndex(entry), name, value);
    }
    const found = this.#find(entry, value);
    if (found === 0) return this.#newField(out, at, entry, value);
    entry.lastFound = found;
    return this.#indexed(out, at, entry, found);
  }

  #indexed(out: Buffer, at: number, entry: NameEntry, found: number): number {
    if (entry.credit < MAX_CREDIT) entry.credit += HIT_CREDIT;
    const index = found < 0 ? -found : FIRST_DYNAMIC_INDEX + this.#inserted - found;
    if (index >= 0x7f) return writeInteger(out, at, 0x80, 0x7f, index);
    out[at] = 0x80 | index;
    return at + 1;
  }

  /** Whether `found`, a -static index or the number of an entry, 0 = none, still stands for the value. */
  #isAt(entry: NameEntry, found: number, value: string): boolean {
    if (found < 0) return entry.staticValues[-found - entry.staticIndex] === value;
    return found > this.#inserted - this.#count && this.#entryValues[found & this.#mask] === value;
  }

  /** The field in one of the tables: -static index, or the number of an entry; 0 = it is not there. */
  #find(entry: NameEntry, value: string): number {
    const { staticValues } = entry;
    for (let i = 0; i < staticValues.length; i++) {
      if (staticValues[i] === value) return -(entry.staticIndex + i);
    }
    let number = entry.newestEntry;
    const oldest = this.#inserted - this.#count;
    for (let left = MAX_COMPARED; left > 0 && number > oldest; left--) {
      if (this.#entryValues[number & this.#mask] === value) return number;
      number = this.#entryBefore[number & this.#mask]!;
    }
    return 0;
  }

  /** A field that is in no table: with an entry of its own from now on, or without. */
  #newField(out: Buffer, at: number, entry: NameEntry, value: string): number {
    const { name } = entry;
    const entryBytes = name.length + value.length + ENTRY_OVERHEAD_BYTES;
    const index = this.#nameIndex(entry);
    // One that takes most of the table evicts the others for little.
    const fits = entryBytes <= this.#tableMaxBytes - (this.#tableMaxBytes >> 2);
    if (!fits || entry.credit < INSERT_COST) {
      if (entry.credit < MAX_CREDIT) entry.credit += MISS_CREDIT;
      return this.#literal(out, at, 0, 0x0f, index, name, value);
    }
    entry.credit -= INSERT_COST;
    this.#insert(entry, ownCopy(value), entryBytes);
    return this.#literal(out, at, 0x40, 0x3f, index, name, value);
  }

  /** An index that stands for the name, 0 = none. */
  #nameIndex(entry: NameEntry): number {
    if (entry.staticIndex !== 0) return entry.staticIndex;
    const number = entry.newestEntry;
    if (number === 0 || number <= this.#inserted - this.#count) return 0;
    return FIRST_DYNAMIC_INDEX + this.#inserted - number;
  }

  #insert(entry: NameEntry, value: string, entryBytes: number): void {
    this.#evictTo(this.#tableMaxBytes - entryBytes);
    if (this.#count > this.#mask) this.#grow();
    const number = ++this.#inserted;
    const slot = number & this.#mask;
    this.#entryValues[slot] = value;
    this.#entryBytes[slot] = entryBytes;
    this.#entryBefore[slot] = entry.newestEntry;
    this.#count++;
    this.#tableBytes += entryBytes;
    entry.newestEntry = number;
    entry.lastFound = number;
  }

  #evictTo(bytes: number): void {
    while (this.#tableBytes > bytes) {
      const slot = (this.#inserted - this.#count + 1) & this.#mask;
      this.#tableBytes -= this.#entryBytes[slot]!;
      this.#entryValues[slot] = '';
      this.#count--;
    }
  }

  #grow(): void {
    const slots = 2 * (this.#mask + 1);
    const values = new Array<string>(slots).fill('');
    const bytes = new Array<number>(slots).fill(0);
    const before = new Array<number>(slots).fill(0);
    for (let i = 0; i < this.#count; i++) {
      const number = this.#inserted - i;
      const from = number & this.#mask;
      const to = number & (slots - 1);
      values[to] = this.#entryValues[from]!;
      bytes[to] = this.#entryBytes[from]!;
      before[to] = this.#entryBefore[from]!;
    }
    this.#entryValues = values;
    this.#entryBytes = bytes;
    this.#entryBefore = before;
    this.#mask = slots - 1;
  }

  #nameEntry(name: string): NameEntry {
    let slot = this.#nameSlot(name);
    let entry = this.#names[slot]!;
    if (entry !== null) return entry;
    if (2 * this.#nameCount === this.#names.length) {
      this.#moveNames();
      slot = this.#nameSlot(name);
    }
    entry = new NameEntry(name);
    this.#names[slot] = entry;
    this.#nameCount++;
    return entry;
  }

  /** Where the name is or has to go. */
  #nameSlot(name: string): number {
    const { length } = name;
    const mixed =
      length * 7 +
      name.charCodeAt(0) * 31 +
      name.charCodeAt(length >> 1) * 127 +
      name.charCodeAt(length - 1) * 17;
    const mask = this.#names.length - 1;
    let slot = mixed & mask;
    for (;;) {
      const entry = this.#names[slot]!;
      if (entry === null || entry.name === name) return slot;
      slot = (slot + 1) & mask;
    }
  }

  /** To twice as many slots, or away: what is forgotten is only where to look for entries of the dynamic table. */
  #moveNames(): void {
    const names = this.#names;
    const isFull = this.#nameCount === MAX_NAMES;
    const slots = isFull ? INITIAL_NAME_SLOTS : 2 * names.length;
    this.#names = new Array<NameEntry | null>(slots).fill(null);
    this.#order.fill(noName);
    if (isFull) {
      this.#nameCount = 0;
      return;
    }
    for (const entry of names) if (entry !== null) this.#names[this.#nameSlot(entry.name)] = entry;
  }

  /** A literal: `first` and `mask` say of which kind; index 0 = with its name. */
  #literal(
    out: Buffer,
    at: number,
    first: number,
    mask: number,
    index: number,
    name: string,
    value: string,
  ): number {
    let pos: number;
    if (index !== 0) {
      if (index < mask) {
        out[at] = first | index;
        pos = at + 1;
      } else pos = writeInteger(out, at, first, mask, index);
    } else {
      out[at] = first;
      pos = this.#string(out, at + 1, name);
    }
    return this.#string(out, pos, value);
  }

  #string(out: Buffer, at: number, text: string): number {
    const { length } = text;
    if (this.#huffman) {
      const codeBytes = huffmanLength(text);
      if (codeBytes < length) {
        return huffmanEncode(text, out, writeInteger(out, at, 0x80, 0x7f, codeBytes));
      }
    }
    let pos: number;
    if (length < 0x7f) {
      out[at] = length;
      pos = at + 1;
    } else pos = writeInteger(out, at, 0, 0x7f, length);
    if (length >= SHORT_TEXT) return pos + out.write(text, pos, 'latin1');
    for (let i = 0; i < length; i++) out[pos + i] = text.charCodeAt(i);
    return pos + length;
  }
}

function isLeftOut(kind: NameKind, value: string): boolean {
  return kind === NameKind.Connection || (kind === NameKind.Te && value !== 'trailers');
}

function isSecret(kind: NameKind, value: string): boolean {
  return (
    kind === NameKind.Secret || (kind === NameKind.Cookie && value.length < SHORT_COOKIE_BYTES)
  );
}

/** A value of HTTP/1 is a slice that holds its whole head in memory; an entry of the table outlives that by far. */
function ownCopy(value: string): string {
  return Buffer.from(value, 'latin1').toString('latin1');
}

/** RFC 7541 5.1: `mask` is the prefix with all bits set, `first` the bits before it. */
function writeInteger(out: Buffer, at: number, first: number, mask: number, value: number): number {
  if (value < mask) {
    out[at] = first | value;
    return at + 1;
  }
  out[at] = first | mask;
  let pos = at + 1;
  let rest = value - mask;
  while (rest >= 128) {
    out[pos++] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
  }
  out[pos++] = rest;
  return pos;
}
