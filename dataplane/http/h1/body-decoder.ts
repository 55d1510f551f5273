// Finds the body and the trailers of one HTTP/1 message in the bytes behind its head. Sans I/O and
// pulled by the codecs: each call of next() says what stands at a position. Makes no copies.
//
//   next(): NeedMore | Data [dataStart, dataEnd) | End | Trailers (fields) | Error
//
//   ChunkSize --digits--> ChunkExtension? --CRLF--> ChunkData --bytes--> ChunkDataEnd --CRLF--+
//      ^  '-- 0 --> Trailers --CRLF CRLF--> Done                                              |
//      '--------------------------------------------------------------------------------------+

import type { CodecError } from '../../api/codec.ts';
import type { Trailers } from '../../api/headers.ts';
import { keepBytes } from '../../network/read-slab.ts';
import { type HeadLimits, HeadParser, NEED_MORE, PARSE_ERROR } from './head-parser.ts';
import { MAX_CHUNK_EXTENSION_BYTES, MAX_TRAILER_BYTES, MAX_TRAILER_COUNT } from './limits.ts';

/** What next() found. */
export const BodyEvent = { NeedMore: 0, Data: 1, End: 2, Trailers: 3, Error: 4 } as const;
export type BodyEvent = (typeof BodyEvent)[keyof typeof BodyEvent];

const State = {
  Done: 0,
  Length: 1,
  UntilClose: 2,
  ChunkSize: 3,
  ChunkExtension: 4,
  ChunkSizeLf: 5,
  ChunkData: 6,
  ChunkDataCr: 7,
  ChunkDataLf: 8,
  Trailers: 9,
} as const;
type State = (typeof State)[keyof typeof State];

const CR = 13;
const LF = 10;
/** Sizes past this are refused before they can lose precision as numbers. */
const MAX_CHUNK_BYTES = Number.MAX_SAFE_INTEGER;

const trailerLimits: HeadLimits = {
  maxHeadBytes: MAX_TRAILER_BYTES,
  maxHeadersCount: MAX_TRAILER_COUNT,
  underscores: 'ALLOW',
  allowAbsoluteUrl: false,
  allowChunkedLength: false,
  allowCustomMethods: false,
  ignoredUpgrades: [],
  preserveCase: null,
};

const trailerParser = new HeadParser();

/**
 * Fields that frame, route or authenticate must not come as trailers (RFC 9110 6.5.1): somebody behind
 * us could merge them into the head. They are dropped. Also everything that begins with x-envoy-.
 */
const forbiddenTrailers = new Set(
  (
    'transfer-encoding content-length host trailer te connection upgrade keep-alive proxy-connection ' +
    'content-encoding content-type content-range authorization proxy-authorization cookie set-cookie ' +
    'cache-control expect max-forwards range x-request-id x-forwarded-for x-forwarded-proto ' +
    'x-forwarded-host x-forwarded-client-cert'
  ).split(' '),
);

/** One per connection, re-armed for each message with one of the start functions. */
export class BodyDecoder {
  /** After next(): where to go on. */
  position = 0;
  dataStart = 0;
  dataEnd = 0;
  trailers: Trailers = [];
  error: CodecError = badChunk;
  #state: State = State.Done;
  /** Bytes left of the body (Length) or of the chunk; the size so far while its digits are read. */
  #remaining = 0;
  #sizeDigits = 0;
  #extensionBytes = 0;
  /** Trailer bytes of earlier calls. */
  #partial: Buffer | null = null;

  /** `bytes` > 0. */
  startLength(bytes: number): void {
    this.#state = State.Length;
    this.#remaining = bytes;
  }

  startChunked(): void {
    this.#state = State.ChunkSize;
    this.#remaining = 0;
    this.#sizeDigits = 0;
    this.#extensionBytes = 0;
    this.#partial = null;
  }

  /** A response that ends with its connection. */
  startUntilClose(): void {
    this.#state = State.UntilClose;
  }

  /** The connection's end is the body's end. */
  isUntilClose(): boolean {
    return this.#state === State.UntilClose;
  }

  next(bytes: Buffer, start: number): BodyEvent {
    const end = bytes.length;
    let pos = start;
    for (;;) {
      switch (this.#state) {
        case State.Done:
          this.position = pos;
          return BodyEvent.End;
        case State.Length:
        case State.ChunkData: {
          if (pos === end) return this.#needMore(pos);
          const take = Math.min(this.#remaining, end - pos);
          this.dataStart = pos;
          this.dataEnd = pos + take;
          this.position = pos + take;
          this.#remaining -= take;
          if (this.#remaining === 0) {
            this.#state = this.#state === State.Length ? State.Done : State.ChunkDataCr;
          }
          return BodyEvent.Data;
        }
        case State.UntilClose:
          if (pos === end) return this.#needMore(pos);
          this.dataStart = pos;
          this.dataEnd = end;
          this.position = end;
          return BodyEvent.Data;
        case State.ChunkSize: {
          if (pos === end) return this.#needMore(pos);
          const code = bytes[pos]!;
          const digit = hexValue(code);
          if (digit !== -1) {
            this.#remaining = this.#remaining * 16 + digit;
            // 16 digits with leading zeros are odd, more are an attempt at overflow.
            if (++this.#sizeDigits > 16 || this.#remaining > MAX_CHUNK_BYTES) return this.#bad();
            pos++;
            break;
          }
          if (this.#sizeDigits === 0) return this.#bad();
          if (code === CR) this.#state = State.ChunkSizeLf;
          else if (code === 0x3b) this.#state = State.ChunkExtension;
          else return this.#bad();
          pos++;
          break;
        }
        case State.ChunkExtension: {
          if (pos === end) return this.#needMore(pos);
          const code = bytes[pos]!;
          if (++this.#extensionBytes > MAX_CHUNK_EXTENSION_BYTES) {
            this.error = extensionsTooLarge;
            return BodyEvent.Error;
          }
          // Skipped, not forwarded (RFC 9112 7.1.1); but no byte that another parser may end it at.
          if (code === CR) this.#state = State.ChunkSizeLf;
          else if ((code < 32 && code !== 9) || code === 127) return this.#bad();
          pos++;
          break;
        }
        case State.ChunkSizeLf:
          if (pos === end) return this.#needMore(pos);
          if (bytes[pos] !== LF) return this.#bad();
          this.#state = this.#remaining === 0 ? State.Trailers : State.ChunkData;
          this.#sizeDigits = 0;
          pos++;
          break;
        case State.ChunkDataCr:
          if (pos === end) return this.#needMore(pos);
          if (bytes[pos] !== CR) return this.#bad();
          this.#state = State.ChunkDataLf;
          pos++;
          break;
        case State.ChunkDataLf:
          if (pos === end) return this.#needMore(pos);
          if (bytes[pos] !== LF) return this.#bad();
          this.#state = State.ChunkSize;
          pos++;
          break;
        case State.Trailers:
          return this.#trailers(bytes, pos);
        default:
          this.#state satisfies never;
      }
    }
  }

  #trailers(bytes: Buffer, start: number): BodyEvent {
    const end = bytes.length;
    if (
      this.#partial === null &&
      end - start >= 2 &&
      bytes[start] === CR &&
      bytes[start + 1] === LF
    ) {
      this.#state = State.Done;
      this.position = start + 2;
      return BodyEvent.End;
    }
    if (start === end) return this.#needMore(start);
    const before = this.#partial === null ? 0 : this.#partial.length;
    const section =
      this.#partial === null
        ? bytes.subarray(start)
        : Buffer.concat([this.#partial, bytes.subarray(start)]);
    const after = trailerParser.parseTrailers(section, 0, trailerLimits);
    if (after === PARSE_ERROR) {
      this.error = trailerParser.error.status === 431 ? trailersTooLarge : trailerParser.error;
      return BodyEvent.Error;
    }
    if (after === NEED_MORE) {
      this.#partial = keepBytes(section);
      return this.#needMore(end);
    }
    this.#partial = null;
    this.#state = State.Done;
    this.position = start + after - before;
    this.trailers = allowedTrailers(trailerParser.fields);
    return this.trailers.length === 0 ? BodyEvent.End : BodyEvent.Trailers;
  }

  #needMore(position: number): BodyEvent {
    this.position = position;
    return BodyEvent.NeedMore;
  }

  #bad(): BodyEvent {
    this.error = badChunk;
    return BodyEvent.Error;
  }
}

function hexValue(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

function allowedTrailers(fields: Trailers): Trailers {
  let to = 0;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!;
    if (forbiddenTrailers.has(name) || name.startsWith('x-envoy-')) continue;
    fields[to] = name;
    fields[to + 1] = fields[i + 1]!;
    to += 2;
  }
  fields.length = to;
  return fields;
}

const badChunk: CodecError = Object.freeze({
  status: 400,
  details: 'http1.codec_error',
  message: 'invalid chunked encoding',
});
const extensionsTooLarge: CodecError = Object.freeze({
  status: 413,
  details: 'http1.codec_error',
  message: 'chunk extensions too large',
});
const trailersTooLarge: CodecError = Object.freeze({
  status: 431,
  details: 'http1.trailers_too_large',
  message: 'trailer section too large',
});
