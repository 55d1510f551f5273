// One request and its response on an HTTP/1 server connection: the ResponseEncoder that the HCM writes
// to. Made by ServerConnection, which does the reading.

import { type RequestDecoder, type ResponseEncoder, StreamResetReason } from '../../api/codec.ts';
import type { Connection } from '../../api/connection.ts';
import { findField, type ResponseHeaders, type Trailers } from '../../api/headers.ts';
import { isTunnelStatus } from '../tunnel.ts';
import {
  contentLengthOf,
  Framing,
  headerLine,
  headerLines,
  type NameStyle,
  nameStyle,
  statusLine,
} from './encoder.ts';
import type { ServerOptions } from './options.ts';
import { Http1Stream } from './stream.ts';

/** What a stream asks of its connection. */
export interface ServerStreamOwner {
  readonly connection: Connection;
  readonly options: ServerOptions;
  /** `Connection: close` belongs on the response. */
  isClosing(): boolean;
  /** The connection ends after this response. */
  closeAfterResponse(): void;
  onResponseComplete(stream: ServerStream): void;
  /** The response's head has made the stream a tunnel. */
  onTunnel(stream: ServerStream): void;
  onStreamReset(stream: ServerStream): void;
}

/** See the file head. Writes after its end or reset are ignored. */
export class ServerStream extends Http1Stream implements ResponseEncoder {
  /** Null until the HCM was told of the stream, and after a codec error. */
  decoder: RequestDecoder | null;
  readonly upgradeType: string;
  readonly canTunnel: boolean;
  readonly isHead: boolean;
  readonly isHttp10: boolean;
  readonly isConnect: boolean;
  readonly #owner: ServerStreamOwner;

  constructor(
    owner: ServerStreamOwner,
    method: string,
    isHttp10: boolean,
    upgradeType: string,
    canTunnel: boolean,
  ) {
    super(owner.connection);
    this.decoder = null;
    this.upgradeType = upgradeType;
    this.canTunnel = canTunnel;
    this.isHead = method === 'HEAD';
    this.isHttp10 = isHttp10;
    this.isConnect = method === 'CONNECT';
    this.#owner = owner;
  }

  /** What is encoded is the connection's to write. */
  setFlushTimeout(): void {}

  encode1xxHeaders(headers: ResponseHeaders): void {
    // RFC 9110 15.2: an HTTP/1.0 client does not know 1xx.
    if (this.isReset || this.responseStarted || this.isHttp10) return;
    const lines = headerLines(headers.fields, this.#nameStyle(headers));
    this.writer.text(`${statusLine(headers.status, false, reasonOf(headers))}${lines}\r\n`);
  }

  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    if (this.isReset || this.responseStarted) return;
    this.responseStarted = true;
    const owner = this.#owner;
    const { fields, status } = headers;
    if (this.canTunnel && !endStream && isTunnelStatus(this.isConnect, status)) {
      this.#openTunnel(headers);
      return;
    }
    const style = this.#nameStyle(headers);
    // The rest of a request that is answered early cannot be told from a next one (Envoy: same).
    if (!this.requestComplete) owner.closeAfterResponse();
    const connectionAt = findField(fields, 'connection');
    if (connectionAt !== -1 && /\bclose\b/i.test(fields[connectionAt + 1]!)) {
      owner.closeAfterResponse();
    }

    const isBodiless = status === 204 || status === 304 || status < 200;
    const contentLength = contentLengthOf(fields);
    let framing: Framing = Framing.None;
    let framingLine = '';
    if (contentLength !== -1) framing = Framing.Length;
    else if (isBodiless || (this.isConnect && status < 300)) framing = Framing.None;
    else if (endStream && !this.isHead) {
      framingLine = headerLine('content-length', '0', style);
    } else if (this.isHttp10) {
      framing = Framing.UntilClose;
      owner.closeAfterResponse();
    } else {
      framing = Framing.Chunked;
      framingLine = headerLine('transfer-encoding', 'chunked', style);
    }

    let head = statusLine(status, this.isHttp10, reasonOf(headers)) + headerLines(fields, style);
    if (connectionAt === -1) {
      if (owner.isClosing()) head += headerLine('connection', 'close', style);
      else if (this.isHttp10) head += headerLine('connection', 'keep-alive', style);
    }
    head += `${framingLine}\r\n`;
    this.writer.head(head, framing, contentLength, this.isHead || isBodiless);
    if (endStream) this.#end(null);
  }

  /** No framing lines, and no Connection line but the one of the upgrade itself. */
  #openTunnel(headers: ResponseHeaders): void {
    const owner = this.#owner;
    const lines = headerLines(headers.fields, this.#nameStyle(headers));
    this.startTunnel();
    const { status } = headers;
    this.writer.text(`${statusLine(status, this.isHttp10, reasonOf(headers))}${lines}\r\n`);
    owner.onTunnel(this);
  }

  #nameStyle(headers: ResponseHeaders): NameStyle {
    return nameStyle(headers.spelling, this.#owner.options.properCaseHeaderKeys);
  }

  encodeData(data: Buffer, endStream: boolean): void {
    if (this.isReset || this.responseComplete) return;
    if (!this.writer.data(data)) {
      this.resetStream(StreamResetReason.LocalReset);
      return;
    }
    if (endStream) this.#end(null);
  }

  encodeTrailers(trailers: Trailers): void {
    if (this.isReset || this.responseComplete) return;
    this.#end(this.#owner.options.enableTrailers ? trailers : null);
  }

  #end(trailers: Trailers | null): void {
    // A body shorter than its Content-Length: the client must see it broken, not padded by what follows.
    if (!this.writer.end(trailers)) {
      this.#owner.closeAfterResponse();
    }
    this.responseComplete = true;
    this.#owner.onResponseComplete(this);
  }

  protected override passOn(data: Buffer): void {
    this.decoder?.decodeData(data, false);
  }

  /** Closes the connection behind what was written. The caller gets no onResetStream for its own reset. */
  override resetStream(_reason: StreamResetReason): void {
    if (this.isReset) return;
    this.detach();
    this.#owner.onStreamReset(this);
  }
}

function reasonOf({ spelling }: ResponseHeaders): string {
  return spelling === null ? '' : spelling.reasonPhrase;
}
