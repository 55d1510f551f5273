// Decodes HPACK header blocks (RFC 7541) of one direction of one connection. Called by the HTTP/2 codecs with whole
// blocks, those of dead streams included; knows nothing of frames, pseudo-header rules or requests.
//
// Says which fields are malformed by themselves (RFC 9113 8.2.1) while their bytes go by, because that is where it is
// cheap: a value from a table was validated when it came in. bench/micro/hpack.ts has the figures.

import { hashStep, internName, underscoreSeen } from '../../header-names.ts';
import { DecoderTable } from './decoder-table.ts';
import { isPadded, NAME_CHAR, trimmed, valueHash } from './field-chars.ts';
import { huffmanDecode, maxDecodedBytes } from './huffman.ts';
import {
  DEFAULT_TABLE_BYTES,
  ENTRY_OVERHEAD_BYTES,
  FIRST_DYNAMIC_INDEX,
  STATIC_NAMES,
  STATIC_VALUES,
} from './static-table.ts';
import { findValue, isSecondOffer, keepValue, MAX_CACHED_BYTES, valueKey } from './value-cache.ts';

/** Outcome of a block. CompressionError is a connection error COMPRESSION_ERROR: both tables differ from now on. */
export const HpackStatus = { Ok: 0, CompressionError: 1 } as const;
export type HpackStatus = (typeof HpackStatus)[keyof typeof HpackStatus];

/** Detail of a field that RFC 9113 8.2.1 calls malformed, as Envoy logs it. */
export const INVALID_FIELD = 'http2.invalid.header.field';

// Flags of a name or a field; dynamic table entries keep them.
const UNDERSCORE = 1;
const INVALID_NAME = 2;
const INVALID_VALUE = 4;
const NEVER_INDEXED = 8;
/** A value begins or ends with a space or tab. */
const PADDED = 16;

const COLON = 58;

/** Short strings as keys: the lookup gives back the shared string. */
const pseudoNames = new Map(
  [':authority', ':method', ':path', ':protocol', ':scheme', ':status'].map((name) => [name, name]),
);

/** Longest continuation of an integer: 5 bytes hold 35 bits, more than any length or index that could be right. */
const MAX_INTEGER_BYTES = 5;

/** Decoded Huffman strings before they become strings of ours. */
const scratch = Buffer.allocUnsafeSlow(64 * 1024);

/** The list while it is decoded; keeps what was in it until the next block, so it does not stay long. */
const gathered: string[] = [];
const MAX_GATHERED = 512;

/** One per connection; every field is valid after `decode` and until the next. */
export class HpackDecoder {
  /**
   * Names and values, pseudo-headers included, flat and in order. A new array per block, the caller's. Names are
   * interned (header-names.ts) unless they are invalid.
   */
  fields: string[] = [];
  /** Sum of name + value + 32 of all fields (RFC 9113 6.5.2), also of those that were not stored. */
  listBytes = 0;
  /** Of all fields, also those that were not stored. */
  fieldCount = 0;
  /** The list is larger than was allowed; `fields` ends before the first field that was too much. */
  overflow = false;
  /** '' or the detail of the first malformed field; it stands in `fields` like the others. */
  invalid = '';
  /** A regular name has '_'. */
  hasUnderscore = false;
  /** Positions in `fields` of names of never-indexed fields (RFC 7541 7.1.3), which must stay so; null = none. */
  neverIndexed: number[] | null = null;

  readonly #maxTableBytes: number;
  /** What the peer may set now. The peer starts with the default and hears of ours by SETTINGS. */
  #allowedTableBytes: number;
  /** The next block must begin with a size update (RFC 7541 4.2). */
  #mustResize = false;
  readonly #table = new DecoderTable();

  // Results of the methods below.
  #pos = 0;
  #name = '';
  #value = '';
  #valueBytes = 0;
  #flags = 0;

  /** `maxTableBytes` is what our SETTINGS_HEADER_TABLE_SIZE says. */
  constructor(maxTableBytes: number) {
    this.#maxTableBytes = maxTableBytes;
    this.#allowedTableBytes = Math.max(maxTableBytes, DEFAULT_TABLE_BYTES);
  }

  /**
   * The peer acknowledged our SETTINGS: from now on its table is within our maximum. Only of consequence when that is
   * less than the default of 4096.
   */
  acknowledgeTableSize(): void {
    this.#allowedTableBytes = this.#maxTableBytes;
    if (this.#table.maxBytes > this.#maxTableBytes) this.#mustResize = true;
  }

  /**
   * Decodes the block in block[start, end). A list of more than `maxFields` fields or `maxListBytes` is decoded to its
   * end all the same, because the table must stay that of the peer.
   */
  decode(
    block: Buffer,
    start: number,
    end: number,
    maxFields: number,
    maxListBytes: number,
  ): HpackStatus {
    this.overflow = false;
    this.neverIndexed = null;
    const table = this.#table;
    let listBytes = 0;
    let fieldCount = 0;
    let seenFlags = 0;
    let length = 0;

    let pos = this.#sizeUpdates(block, start, end);
    if (pos < 0) return HpackStatus.CompressionError;
    while (pos < end) {
      const first = block[pos]!;
      let name: string;
      let value: string;
      let flags = 0;
      let valueBytes: number;
      if (first >= 0x80) {
        let index = first & 0x7f;
        pos++;
        if (index === 0x7f) {
          index = this.#integer(block, pos, end, 0x7f);
          if (index < 0) return HpackStatus.CompressionError;
          pos = this.#pos;
        }
        if (index < FIRST_DYNAMIC_INDEX) {
          if (index === 0) return HpackStatus.CompressionError;
          name = STATIC_NAMES[index]!;
          value = STATIC_VALUES[index]!;
        } else {
          const slot = table.slot(index - FIRST_DYNAMIC_INDEX);
          if (slot < 0) return HpackStatus.CompressionError;
          name = table.names[slot]!;
          value = table.values[slot]!;
          flags = table.flags[slot]!;
        }
        valueBytes = value.length;
      } else {
        pos = this.#literal(block, pos, end);
        if (pos < 0) return HpackStatus.CompressionError;
        name = this.#name;
        value = this.#value;
        flags = this.#flags;
        valueBytes = this.#valueBytes;
      }
      fieldCount++;
      listBytes += name.length + valueBytes + ENTRY_OVERHEAD_BYTES;
      seenFlags |= flags;
      if (this.overflow) continue;
      if (listBytes > maxListBytes || fieldCount > maxFields) this.overflow = true;
      else {
        if ((flags & NEVER_INDEXED) !== 0) this.#noteNeverIndexed(length);
        gathered[length] = name;
        gathered[length + 1] = value;
        length += 2;
      }
    }
    // Gathering in one array and copying it costs half of pushing to a new one.
    this.fields = gathered.slice(0, length);
    if (length > MAX_GATHERED) gathered.length = MAX_GATHERED;
    this.listBytes = listBytes;
    this.fieldCount = fieldCount;
    this.hasUnderscore = (seenFlags & UNDERSCORE) !== 0;
    this.invalid = (seenFlags & (INVALID_NAME | INVALID_VALUE)) !== 0 ? INVALID_FIELD : '';
    if ((seenFlags & PADDED) !== 0) this.#trimValues();
    return HpackStatus.Ok;
  }

  /**
   * RFC 9113 8.2.1 forbids outer spaces; Envoy 1.40 lets them pass, so peers that send them exist. What HTTP/1 does
   * with them is right for all who come behind us. The table keeps them: its size counts.
   */
  #trimValues(): void {
    const { fields } = this;
    for (let i = 0; i < fields.length; i += 2) {
      const value = fields[i + 1]!;
      const clean = trimmed(value);
      if (clean.length === value.length) continue;
      fields[i + 1] = clean;
      if (fields[i]!.charCodeAt(0) === COLON) this.invalid = INVALID_FIELD;
    }
  }

  /**
   * The literal at `start`; gives the position after it, or -1, and sets #name, #value, #flags and #valueBytes.
   */
  #literal(block: Buffer, start: number, end: number): number {
    // 01 = added to the table; 0000 = not; 0001 = never. 001 is a size update, at the start of a block only.
    const first = block[start]!;
    const isAdded = first >= 0x40;
    if (!isAdded && first >= 0x20) return -1;
    const mask = isAdded ? 0x3f : 0x0f;
    let index = first & mask;
    let pos = start + 1;
    if (index === mask) {
      index = this.#integer(block, pos, end, mask);
      if (index < 0) return -1;
      pos = this.#pos;
    }
    const table = this.#table;
    let name: string;
    let flags = 0;
    if (index === 0) {
      name = this.#literalName(block, pos, end);
      pos = this.#pos;
      if (pos < 0) return -1;
      flags = this.#flags;
    } else if (index < FIRST_DYNAMIC_INDEX) {
      name = STATIC_NAMES[index]!;
    } else {
      const slot = table.slot(index - FIRST_DYNAMIC_INDEX);
      if (slot < 0) return -1;
      name = table.names[slot]!;
      // An invalid value belongs to the entry, an invalid name to whoever uses it.
      flags = table.flags[slot]! & (UNDERSCORE | INVALID_NAME);
    }
    this.#flags = flags;
    pos = this.#literalValue(block, pos, end, first);
    if (pos < 0) return -1;
    this.#name = name;
    if (isAdded) {
      if (table.reserve(name.length, this.#valueBytes)) table.add(name, this.#value, this.#flags);
    } else if (first >= 0x10) this.#flags |= NEVER_INDEXED;
    return pos;
  }

  #noteNeverIndexed(position: number): void {
    this.neverIndexed ??= [];
    this.neverIndexed.push(position);
  }

  /** Size updates at the start of a block (RFC 7541 4.2, 6.3); the position after them, or -1. */
  #sizeUpdates(block: Buffer, start: number, end: number): number {
    let pos = start;
    while (pos < end && (block[pos]! & 0xe0) === 0x20) {
      let maxBytes = block[pos]! & 0x1f;
      pos++;
      if (maxBytes === 0x1f) {
        maxBytes = this.#integer(block, pos, end, 0x1f);
        if (maxBytes < 0) return -1;
        pos = this.#pos;
      }
      if (maxBytes > this.#allowedTableBytes) return -1;
      this.#table.resize(maxBytes);
      if (maxBytes <= this.#maxTableBytes) this.#mustResize = false;
    }
    return this.#mustResize ? -1 : pos;
  }

  /** An integer of which `prefix`, all ones, has been read (RFC 7541 5.1); -1 = cut off or too long. Sets #pos. */
  #integer(block: Buffer, start: number, end: number, prefix: number): number {
    let value = prefix;
    let factor = 1;
    const last = Math.min(end, start + MAX_INTEGER_BYTES);
    for (let pos = start; pos < last; pos++) {
      const byte = block[pos]!;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        this.#pos = pos + 1;
        return value;
      }
      factor *= 128;
    }
    return -1;
  }

  /** Length of the string literal at `start`; sets #pos to its bytes. -1 = more than there are. */
  #stringLength(block: Buffer, start: number, end: number): number {
    if (start >= end) return -1;
    let length = block[start]! & 0x7f;
    this.#pos = start + 1;
    if (length === 0x7f) length = this.#integer(block, start + 1, end, 0x7f);
    return length > end - this.#pos ? -1 : length;
  }

  /** The name literal at `start`; sets #pos after it, or to -1, and #flags. */
  #literalName(block: Buffer, start: number, end: number): string {
    const length = this.#stringLength(block, start, end);
    if (length < 0) return this.#fail();
    let bytes = block;
    let from = this.#pos;
    let to = from + length;
    this.#pos = to;
    if (block[start]! >= 0x80) {
      bytes = decodeBuffer(length);
      to = huffmanDecode(block, from, to, bytes);
      from = 0;
      if (to < 0) return this.#fail();
    }
    if (from < to && bytes[from] === COLON) return this.#pseudoName(bytes, from, to);
    let hash = 0;
    let isValid = from < to;
    for (let i = from; i < to; i++) {
      const char = bytes[i]!;
      if (NAME_CHAR[char] === 0) {
        isValid = false;
        break;
      }
      hash = hashStep(hash, char);
    }
    if (!isValid) {
      this.#flags = INVALID_NAME;
      return bytes.toString('latin1', from, to);
    }
    const name = internName(bytes, from, to, hash);
    this.#flags = underscoreSeen ? UNDERSCORE : 0;
    return name;
  }

  /** Which ones may stand where is the codec's question; only a known one is given as the constant. */
  #pseudoName(bytes: Buffer, from: number, to: number): string {
    const text = bytes.toString('latin1', from, to);
    const known = pseudoNames.get(text);
    this.#flags = 0;
    if (known !== undefined) return known;
    for (let i = from + 1; i < to; i++) if (NAME_CHAR[bytes[i]!] === 0) this.#flags = INVALID_NAME;
    if (text.length === 1) this.#flags = INVALID_NAME;
    return text;
  }

  /**
   * The value literal at `start`; gives the position after it, or -1, sets #value and #valueBytes and adds to #flags.
   * `first` is the first byte of the field.
   */
  #literalValue(block: Buffer, start: number, end: number, first: number): number {
    const length = this.#stringLength(block, start, end);
    if (length < 0) return -1;
    const rawStart = this.#pos;
    const rawEnd = rawStart + length;
    this.#value = '';
    this.#valueBytes = 0;
    if (length === 0) return rawEnd;
    const isHuffman = block[start]! >= 0x80;
    // Secrets (0001) do not go where values of other connections are looked up.
    const isCached = length <= MAX_CACHED_BYTES && (first < 0x10 || first >= 0x40);
    let key = 0;
    if (isCached) {
      key = valueKey(block, rawStart, rawEnd, isHuffman);
      const found = findValue(block, rawStart, rawEnd, key);
      if (found !== null) {
        this.#value = found;
        this.#valueBytes = found.length;
        return rawEnd;
      }
    }
    let bytes = block;
    let from = rawStart;
    let to = rawEnd;
    if (isHuffman) {
      bytes = decodeBuffer(length);
      from = 0;
      to = huffmanDecode(block, rawStart, rawEnd, bytes);
      if (to < 0) return -1;
    }
    this.#valueBytes = to - from;
    const hash = from === to ? 0 : valueHash(bytes, from, to);
    if (hash < 0) this.#flags |= INVALID_VALUE;
    const hasOuterSpace = from < to && isPadded(bytes, from, to);
    if (hasOuterSpace) this.#flags |= PADDED;
    const isKept = isCached && hash >= 0 && !hasOuterSpace && isSecondOffer(key, hash);
    // Nobody wants it.
    if (this.overflow && first < 0x40) return rawEnd;
    // Not a slice of a string of the whole block: it would cost its users more than it saves here, and hold the rest
    // of the block in memory for as long as it lives.
    this.#value = bytes.toString('latin1', from, to);
    if (isKept) keepValue(block, rawStart, rawEnd, key, this.#value);
    return rawEnd;
  }

  #fail(): '' {
    this.#pos = -1;
    return '';
  }
}

/** Where a Huffman string of `length` bytes can be decoded to. */
function decodeBuffer(length: number): Buffer {
  const needed = maxDecodedBytes(length);
  return needed <= scratch.length ? scratch : Buffer.allocUnsafeSlow(needed);
}
