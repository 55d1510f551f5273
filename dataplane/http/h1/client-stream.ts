// One request and its response on an HTTP/1 client connection: the RequestEncoder that the router
// writes to. Made by ClientConnection, which does the reading.

import { type RequestEncoder, type ResponseDecoder, StreamResetReason } from '../../api/codec.ts';
import type { Connection } from '../../api/connection.ts';
import type { RequestHeaders, Trailers } from '../../api/headers.ts';
import { asksForUpgrade } from '../tunnel.ts';
import {
  contentLengthOf,
  Framing,
  headerLine,
  headerLines,
  isBodilessMethod,
  nameStyle,
} from './encoder.ts';
import type { ClientOptions } from './options.ts';
import { Http1Stream } from './stream.ts';

/** What a stream asks of its connection. */
export interface ClientStreamOwner {
  readonly connection: Connection;
  readonly options: ClientOptions;
  onRequestComplete(stream: ClientStream): void;
  onStreamReset(stream: ClientStream): void;
}

/** See the file head. Writes after its end or reset are ignored. */
export class ClientStream extends Http1Stream implements RequestEncoder {
  readonly decoder: ResponseDecoder;
  isHead: boolean;
  isConnect: boolean;
  /** The request asks for another protocol: 101 is an answer to it. */
  isUpgrade: boolean;
  requestStarted: boolean;
  readonly #owner: ClientStreamOwner;

  constructor(owner: ClientStreamOwner, decoder: ResponseDecoder) {
    super(owner.connection);
    this.decoder = decoder;
    this.isHead = false;
    this.isConnect = false;
    this.isUpgrade = false;
    this.requestStarted = false;
    this.#owner = owner;
  }

  encodeHeaders(headers: RequestHeaders, endStream: boolean): void {
    if (this.isReset || this.requestStarted) return;
    this.requestStarted = true;
    const { method, fields } = headers;
    const { options } = this.#owner;
    const style = nameStyle(headers.spelling, options.properCaseHeaderKeys);
    this.isHead = method === 'HEAD';
    this.isConnect = method === 'CONNECT';
    const contentLength = contentLengthOf(fields);
    let framing: Framing = Framing.None;
    let framingLine = '';
    if (contentLength !== -1) framing = Framing.Length;
    else if (endStream) {
      if (!isBodilessMethod(method)) {
        framingLine = headerLine('content-length', '0', style);
      }
    } else {
      // The connection manager lets these two through only where they may become tunnels; what goes into
      // the tunnel waits for the answer.
      this.isUpgrade = !this.isConnect && asksForUpgrade(fields);
      if (!this.isConnect && !this.isUpgrade) {
        framing = Framing.Chunked;
        framingLine = headerLine('transfer-encoding', 'chunked', style);
      }
    }
    let target = this.isConnect ? headers.authority : headers.path;
    if (options.sendFullyQualifiedUrl && !this.isConnect) {
      target = `${headers.scheme}://${headers.authority}${target}`;
    }
    const host = headerLine('host', headers.authority, style);
    const lines = headerLines(fields, style);
    this.writer.head(
      `${method} ${target} HTTP/1.1\r\n${host}${lines}${framingLine}\r\n`,
      framing,
      contentLength,
      false,
    );
    if (endStream) this.#end(null);
  }

  encodeData(data: Buffer, endStream: boolean): void {
    if (this.isReset || this.requestComplete) return;
    if (!this.writer.data(data)) {
      this.#brokenBody();
      return;
    }
    if (endStream) this.#end(null);
  }

  encodeTrailers(trailers: Trailers): void {
    if (this.isReset || this.requestComplete) return;
    this.#end(this.#owner.options.enableTrailers ? trailers : null);
  }

  #end(trailers: Trailers | null): void {
    if (!this.writer.end(trailers)) {
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

  protected override passOn(data: Buffer): void {
    this.decoder.decodeData(data, false);
  }

  /** Closes the connection. The caller gets no onResetStream for its own reset. */
  override resetStream(_reason: StreamResetReason): void {
    if (this.isReset) return;
    this.detach();
    this.#owner.onStreamReset(this);
  }
}
