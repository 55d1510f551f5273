// Header blocks of one connection: HEADERS, and CONTINUATION gathered behind it, to decoded fields. Used by
// frame-reader.ts. Blocks of streams that nobody wants are decoded too, for the table's sake (RFC 9113 4.3).
//
//   HEADERS [CONTINUATION ...] END_HEADERS -> HpackDecoder -> owner.onHeaderBlock

import type { Http2CodecStats } from './codec-stats.ts';
import { ErrorCode, FRAME_HEADER_BYTES, FrameFlag, readUint31 } from './frames.ts';
import { HpackDecoder, HpackStatus } from './hpack/decoder.ts';
import { Flood, type ProtocolConstraints } from './protocol-constraints.ts';

/** nghttp2 has the same limit; a block of 60 KiB needs three. */
const MAX_CONTINUATIONS = 8;

/** What it asks of the codec's connection. */
interface HeaderBlockOwner {
  readonly stats: Http2CodecStats;
  readonly constraints: ProtocolConstraints;
  /** HEADERS may come on `id`: the right half of the ids, without 0. */
  mayHaveHeaders(id: number): boolean;
  /** A whole block of `bytes` was decoded; `decoder` holds it until this returns. */
  onHeaderBlock(id: number, endStream: boolean, bytes: number): void;
  connectionError(code: ErrorCode, details: string): void;
  flooded(flood: Flood): void;
}

/** Limits of a block; the settings they come from stand in options.ts. */
interface HeaderBlockLimits {
  /** Of the table that the peer's encoder may use. */
  readonly tableBytes: number;
  readonly maxFields: number;
  /** As RFC 9113 6.5.2 counts a header list. */
  readonly maxListBytes: number;
  /** Blocks longer than maxListBytes end the connection before they are decoded. */
  readonly boundsBlocks: boolean;
}

/** One per connection; see the file head. */
export class HeaderBlockReader {
  /** What the last block said. */
  readonly decoder: HpackDecoder;
  /** Of the block that has begun; 0 = none. */
  streamId: number;
  readonly #owner: HeaderBlockOwner;
  readonly #limits: HeaderBlockLimits;
  #endsStream: boolean;
  #fragments: Buffer[];
  #bytes: number;

  constructor(owner: HeaderBlockOwner, limits: HeaderBlockLimits) {
    this.decoder = new HpackDecoder(limits.tableBytes);
    this.streamId = 0;
    this.#owner = owner;
    this.#limits = limits;
    this.#endsStream = false;
    this.#fragments = [];
    this.#bytes = 0;
  }

  /** The connection ends: no rest is waited for. */
  stop(): void {
    this.#fragments = [];
  }

  /** Names of the last block's fields that must never be indexed; null = none. */
  neverIndexed(): string[] | null {
    const { neverIndexed, fields } = this.decoder;
    return neverIndexed === null ? null : neverIndexed.map((index) => fields[index] ?? '');
  }

  /** A HEADERS frame: its payload lies from `start` to `end`. */
  onHeaders(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    const owner = this.#owner;
    let from = start;
    let to = end;
    if (!owner.mayHaveHeaders(id)) {
      owner.connectionError(ErrorCode.ProtocolError, 'http2.headers_on_wrong_stream');
      return;
    }
    if ((flags & FrameFlag.Padded) !== 0) to -= bytes[from++] ?? 0;
    if ((flags & FrameFlag.Priority) !== 0) {
      if (to - from >= 5 && readUint31(bytes, from) === id) {
        owner.connectionError(ErrorCode.ProtocolError, 'http2.priority_on_itself');
        return;
      }
      from += 5;
    }
    if (from > to) {
      owner.connectionError(ErrorCode.ProtocolError, 'http2.bad_padding');
      return;
    }
    const endStream = (flags & FrameFlag.EndStream) !== 0;
    const isWhole = (flags & FrameFlag.EndHeaders) !== 0;
    if (!this.#accept(from === to && !isWhole && !endStream)) return;
    if (isWhole) {
      this.#decode(id, endStream, bytes, from, to);
      return;
    }
    this.streamId = id;
    this.#endsStream = endStream;
    this.#fragments = [Buffer.from(bytes.subarray(from, to))];
    this.#bytes = to - from;
  }

  /** A CONTINUATION frame, of streamId's if a block has begun: its payload lies from `start` to `end`. */
  onContinuation(flags: number, bytes: Buffer, start: number, end: number): void {
    const owner = this.#owner;
    const id = this.streamId;
    if (id === 0) {
      owner.connectionError(ErrorCode.ProtocolError, 'http2.unexpected_continuation');
      return;
    }
    const isWhole = (flags & FrameFlag.EndHeaders) !== 0;
    if (!this.#accept(start === end && !isWhole)) return;
    this.#bytes += end - start;
    // Huffman can make four bytes of one character, but nobody's encoder does.
    // A server's large head costs its own stream only, once it was decoded; MAX_CONTINUATIONS bounds it.
    const { boundsBlocks, maxListBytes } = this.#limits;
    const isTooLarge = boundsBlocks && this.#bytes > maxListBytes;
    if (isTooLarge || this.#fragments.length > MAX_CONTINUATIONS) {
      owner.stats.headerOverflow++;
      owner.connectionError(ErrorCode.EnhanceYourCalm, 'http2.continuation_flood');
      return;
    }
    this.#fragments.push(Buffer.from(bytes.subarray(start, end)));
    if (!isWhole) return;
    const block = Buffer.concat(this.#fragments);
    this.#fragments = [];
    this.streamId = 0;
    this.#decode(id, this.#endsStream, block, 0, block.length);
  }

  /** False = the connection has ended. */
  #accept(isEmpty: boolean): boolean {
    const flood = this.#owner.constraints.onPayloadFrame(isEmpty);
    if (flood === Flood.None) return true;
    this.#owner.flooded(flood);
    return false;
  }

  #decode(id: number, endStream: boolean, bytes: Buffer, start: number, end: number): void {
    const { maxFields, maxListBytes } = this.#limits;
    const status = this.decoder.decode(bytes, start, end, maxFields, maxListBytes);
    if (status === HpackStatus.Ok) {
      this.#owner.onHeaderBlock(id, endStream, end - start + FRAME_HEADER_BYTES);
    } else this.#owner.connectionError(ErrorCode.CompressionError, 'http2.compression_error');
  }
}
