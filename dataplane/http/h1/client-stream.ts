// One request and its response on an HTTP/1 client connection: the RequestEncoder that the router
// writes to. Made by ClientConnection, which does the reading.

import {
  type RequestEncoder,
  type ResponseDecoder,
  type StreamCallbacks,
  StreamResetReason,
} from '../../api/codec.ts';
import type { Connection } from '../../api/connection.ts';
import type { RequestHeaders, Trailers } from '../../api/headers.ts';
import { contentLengthOf, Framing, headerLine, headerLines, isBodilessMethod } from './encoder.ts';
import { MessageWriter } from './message-writer.ts';
import type { ClientOptions } from './options.ts';

/** What a stream asks of its connection. */
export interface ClientStreamOwner {
  readonly connection: Connection;
  readonly options: ClientOptions;
  onRequestComplete(stream: ClientStream): void;
  onStreamReset(stream: ClientStream): void;
}

/** See the file head. Writes after its end or reset are ignored. */
export class ClientStream implements RequestEncoder {
  callbacks: StreamCallbacks | null = null;
  readonly decoder: ResponseDecoder;
  isHead = false;
  requestStarted = false;
  requestComplete = false;
  /** The final response's head has gone up. */
  responseStarted = false;
  responseComplete = false;
  received = 0;
  readonly #owner: ClientStreamOwner;
  readonly #writer: MessageWriter;
  #readDisableCount = 0;
  #isReset = false;

  constructor(owner: ClientStreamOwner, decoder: ResponseDecoder) {
    this.#owner = owner;
    this.decoder = decoder;
    this.#writer = new MessageWriter(owner.connection);
  }

  setCallbacks(callbacks: StreamCallbacks): void {
    this.callbacks = callbacks;
  }

  encodeHeaders(headers: RequestHeaders, endStream: boolean): void {
    if (this.#isReset || this.requestStarted) return;
    this.requestStarted = true;
    const { method, fields } = headers;
    const { properCaseHeaderKeys } = this.#owner.options;
    this.isHead = method === 'HEAD';
    const contentLength = contentLengthOf(fields);
    let framing: Framing = Framing.None;
    let framingLine = '';
    if (contentLength !== -1) framing = Framing.Length;
    else if (!endStream) {
      framing = Framing.Chunked;
      framingLine = headerLine('transfer-encoding', 'chunked', properCaseHeaderKeys);
    } else if (!isBodilessMethod(method)) {
      framingLine = headerLine('content-length', '0', properCaseHeaderKeys);
    }
    const target = method === 'CONNECT' ? headers.authority : headers.path;
    const host = headerLine('host', headers.authority, properCaseHeaderKeys);
    const lines = headerLines(fields, properCaseHeaderKeys);
    this.#writer.head(
      `${method} ${target} HTTP/1.1\r\n${host}${lines}${framingLine}\r\n`,
      framing,
      contentLength,
      false,
    );
    if (endStream) this.#end(null);
  }

  encodeData(data: Buffer, endStream: boolean): void {
    if (this.#isReset || this.requestComplete) return;
    if (!this.#writer.data(data)) {
      this.#brokenBody();
      return;
    }
    if (endStream) this.#end(null);
  }

  encodeTrailers(trailers: Trailers): void {
    if (this.#isReset || this.requestComplete) return;
    this.#end(this.#owner.options.enableTrailers ? trailers : null);
  }

  #end(trailers: Trailers | null): void {
    if (!this.#writer.end(trailers, this.#owner.options.properCaseHeaderKeys)) {
      this.#brokenBody();
      return;
    }
    this.requestComplete = true;
    this.#owner.onRequestComplete(this);
  }

  /** The body does not match its Content-Length: the exchange cannot be finished. */
  #brokenBody(): void {
    const { callbacks } = this;
    this.resetStream(StreamResetReason.LocalReset);
    callbacks?.onResetStream(StreamResetReason.LocalReset, 'http1.content_length_mismatch');
  }

  /** Closes the connection. The caller gets no onResetStream for its own reset. */
  resetStream(_reason: StreamResetReason): void {
    if (this.#isReset) return;
    this.detach();
    this.#owner.onStreamReset(this);
  }

  /** The connection: the stream is over, tell nobody any more. */
  detach(): void {
    this.#isReset = true;
    for (; this.#readDisableCount > 0; this.#readDisableCount--) {
      this.#owner.connection.readDisable(false);
    }
  }

  /** The connection: the transport or the codec ended the stream; tells the router. */
  fail(reason: StreamResetReason, details: string): void {
    if (this.#isReset) return;
    this.detach();
    this.callbacks?.onResetStream(reason, details);
  }

  readDisable(disable: boolean): void {
    if (this.#isReset) return;
    if (!disable && this.#readDisableCount === 0) return;
    this.#readDisableCount += disable ? 1 : -1;
    this.#owner.connection.readDisable(disable);
  }

  bytesSent(): number {
    return this.#writer.bytes;
  }

  bytesReceived(): number {
    return this.received;
  }
}
