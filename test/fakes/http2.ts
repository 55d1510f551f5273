// Both ends of HTTP/2 for codec tests, without sockets: our client and our server on two fake connections with a
// pump between them, and a peer that is nothing but frames.

import type {
  CodecError,
  RequestDecoder,
  RequestEncoder,
  ResponseEncoder,
  ServerConnectionCallbacks,
} from '../../dataplane/api/codec.ts';
import { defaultHttp2, type Http2Data } from '../../dataplane/api/config/http2.ts';
import { ConnectionCloseType, type ConnectionEvent } from '../../dataplane/api/connection.ts';
import { RequestHeaders, ResponseHeaders } from '../../dataplane/api/headers.ts';
import { Http2ClientConnection } from '../../dataplane/http/h2/client-connection.ts';
import { Http2CodecStats } from '../../dataplane/http/h2/codec-stats.ts';
import {
  FRAME_HEADER_BYTES,
  readUint31,
  writeFrameHeader,
} from '../../dataplane/http/h2/frames.ts';
import { HpackDecoder } from '../../dataplane/http/h2/hpack/decoder.ts';
import type {
  Http2ClientCallbacks,
  Http2ClientOptions,
  Http2ServerOptions,
} from '../../dataplane/http/h2/options.ts';
import { PREFACE } from '../../dataplane/http/h2/preface.ts';
import { Http2ServerConnection } from '../../dataplane/http/h2/server-connection.ts';
import { FakeConnection } from './connection.ts';
import { RecordedRequest, RecordedResponse } from './http1.ts';
import { FakeTimers } from './timers.ts';

/** What both sides are told. */
function codecOptions(protocol: Partial<Http2Data>) {
  const timers = new FakeTimers();
  return {
    protocol: { ...defaultHttp2, ...protocol },
    maxHeadersCount: 100,
    bufferLimitBytes: 1024 * 1024,
    timers,
    clock: timers.clock,
    random: () => 0,
    stats: new Http2CodecStats(),
  };
}

export function http2ServerOptions(
  protocol: Partial<Http2Data> = {},
  overrides: Partial<Http2ServerOptions> = {},
): Http2ServerOptions {
  return {
    ...codecOptions(protocol),
    scheme: 'http',
    headersWithUnderscoresAction: 'ALLOW',
    maxRequestHeadersKb: 60,
    streamFlushTimeoutMs: 300_000,
    ...overrides,
  };
}

export function http2ClientOptions(
  protocol: Partial<Http2Data> = {},
  overrides: Partial<Http2ClientOptions> = {},
): Http2ClientOptions {
  return {
    ...codecOptions(protocol),
    maxResponseHeadersKb: 60,
    ...overrides,
  };
}

/** What was written and not yet taken. Gathered frames come with the tick's end: see takeOutput. */
class FrameConnection extends FakeConnection {
  /** Bytes written in the order of writing; copies, as their memory is used again. */
  #output: Buffer[] = [];

  override write(data: Buffer | string): void {
    if (!this.isOpen()) return;
    this.#output.push(typeof data === 'string' ? Buffer.from(data, 'latin1') : Buffer.from(data));
  }

  async takeOutput(): Promise<Buffer> {
    // Gathered frames are handed over at the end of the tick, and what that raises in the next one.
    await new Promise((resolve) => process.nextTick(resolve));
    await new Promise((resolve) => process.nextTick(resolve));
    const output = Buffer.concat(this.#output);
    this.#output = [];
    return output;
  }
}

/** Our server codec with the application's side recorded. `answer` runs when a request is complete. */
export class Http2ServerHarness implements ServerConnectionCallbacks {
  readonly connection = new FrameConnection();
  readonly options: Http2ServerOptions;
  readonly codec: Http2ServerConnection;
  readonly requests: RecordedRequest[] = [];
  readonly errors: CodecError[] = [];
  brokenBy = '';
  wasFlood = false;
  readonly #answer: ((request: RecordedRequest) => void) | null;

  constructor(
    options: Http2ServerOptions = http2ServerOptions(),
    answer: ((request: RecordedRequest) => void) | null = null,
  ) {
    this.options = options;
    this.#answer = answer;
    this.codec = new Http2ServerConnection(this.connection, this, options);
    this.connection.addConnectionCallbacks(this);
  }

  newStream(encoder: ResponseEncoder): RequestDecoder {
    const request = new RecordedRequest(encoder, this.#answer);
    this.requests.push(request);
    return request;
  }

  onCodecError(error: CodecError, encoder: ResponseEncoder): void {
    this.errors.push(error);
    encoder.encodeHeaders(new ResponseHeaders(error.status, []), true);
  }

  onConnectionError(details: string, isFlood: boolean): void {
    this.brokenBy = details;
    this.wasFlood = isFlood;
    this.connection.close(ConnectionCloseType.FlushWriteAndDelay);
  }

  onEvent(event: ConnectionEvent): void {
    this.codec.onConnectionEvent(event);
  }

  onAboveWriteBufferHighWatermark(): void {
    this.codec.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.codec.onBelowWriteBufferLowWatermark();
  }
}

/** Our client codec as a pool would own it. */
export class Http2ClientHarness implements Http2ClientCallbacks {
  readonly connection = new FrameConnection();
  readonly options: Http2ClientOptions;
  readonly codec: Http2ClientConnection;
  streamsClosed = 0;
  goAways = 0;
  settings = 0;
  readonly errors: CodecError[] = [];

  constructor(options: Http2ClientOptions = http2ClientOptions()) {
    this.options = options;
    this.codec = new Http2ClientConnection(this.connection, options, this);
    this.connection.addConnectionCallbacks({
      onEvent: (event) => this.codec.onConnectionEvent(event),
      onAboveWriteBufferHighWatermark: () => this.codec.onAboveWriteBufferHighWatermark(),
      onBelowWriteBufferLowWatermark: () => this.codec.onBelowWriteBufferLowWatermark(),
    });
  }

  /** A request without a body unless `endStream` is false. */
  request(
    headers: RequestHeaders = new RequestHeaders('GET', '/', 'a.test', 'http', []),
    endStream = true,
  ): { encoder: RequestEncoder; response: RecordedResponse } {
    const response = new RecordedResponse();
    const encoder = this.codec.newStream(response);
    encoder.setCallbacks(response);
    encoder.encodeHeaders(headers, endStream);
    return { encoder, response };
  }

  onStreamClosed(): void {
    this.streamsClosed++;
  }

  onGoAway(): void {
    this.goAways++;
  }

  onSettings(): void {
    this.settings++;
  }

  onProtocolError(error: CodecError): void {
    this.errors.push(error);
  }
}

/** Carries bytes between the two until neither has any, `pieceBytes` at a time (0 = as they come). */
export async function pump(
  client: Http2ClientHarness,
  server: Http2ServerHarness,
  pieceBytes = 0,
): Promise<void> {
  for (;;) {
    const up = await client.connection.takeOutput();
    for (const piece of pieces(up, pieceBytes)) server.codec.dispatch(piece, false);
    const down = await server.connection.takeOutput();
    for (const piece of pieces(down, pieceBytes)) client.codec.onData(piece, false);
    if (up.length + down.length === 0) return;
  }
}

function* pieces(bytes: Buffer, pieceBytes: number): Iterable<Buffer> {
  if (bytes.length === 0) return;
  const step = pieceBytes === 0 ? bytes.length : pieceBytes;
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
}

/** One frame, taken apart. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, id: number, payload: Buffer | string): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES + body.length);
  body.copy(bytes, writeFrameHeader(bytes, 0, body.length, type, flags, id));
  return bytes;
}

export function parseFrames(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at + FRAME_HEADER_BYTES <= bytes.length; ) {
    const length = bytes.readUIntBE(at, 3);
    const start = at + FRAME_HEADER_BYTES;
    const payload = bytes.subarray(start, start + length);
    frames.push({
      type: bytes[at + 3]!,
      flags: bytes[at + 4]!,
      id: readUint31(bytes, at + 5),
      payload,
    });
    at = start + length;
  }
  return frames;
}

/** A peer that speaks frames: what a hostile client or server is made of. */
export class FramePeer {
  readonly decoder = new HpackDecoder(4096);

  /**
   * A header block of [name, value, ...] as literals, whatever they are; `isIndexed`: they go into the table, the
   * last one is then 0xbe.
   */
  block(fields: readonly string[], isIndexed = false): Buffer {
    const parts: Buffer[] = [];
    for (let i = 0; i < fields.length; i += 2) {
      parts.push(Buffer.of(isIndexed ? 0x40 : 0), literal(fields[i]!), literal(fields[i + 1]!));
    }
    return Buffer.concat(parts);
  }

  headers(id: number, flags: number, fields: readonly string[]): Buffer {
    return frame(1, flags, id, this.block(fields));
  }

  /** Fields of a HEADERS frame, `:status` first. */
  decode({ payload }: Frame): string[] {
    this.decoder.decode(payload, 0, payload.length, 1000, 1024 * 1024);
    return this.decoder.fields;
  }
}

/** RFC 7541 5.2, without Huffman. */
function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  if (bytes.length < 127) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  const length = [127];
  let left = bytes.length - 127;
  for (; left >= 128; left = Math.floor(left / 128)) length.push((left % 128) | 128);
  length.push(left);
  return Buffer.concat([Buffer.from(length), bytes]);
}

export const GET = [':method', 'GET', ':scheme', 'http', ':authority', 'a.test', ':path', '/'];

/** Preface and empty SETTINGS. */
export const CLIENT_START = Buffer.concat([PREFACE, frame(4, 0, 0, '')]);
