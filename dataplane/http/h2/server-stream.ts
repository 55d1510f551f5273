// One request and its response on an HTTP/2 server connection: the ResponseEncoder that the HCM writes to. Made by
// Http2ServerConnection, which does the reading. An upgrade looks like HTTP/1's to those above (RFC 8441 5):
//
//   CONNECT + :protocol websocket  ->  GET + upgrade: websocket      101  ->  200

import { type RequestDecoder, type ResponseEncoder, StreamResetReason } from '../../api/codec.ts';
import {
  findField,
  type RequestHeaders,
  type ResponseHeaders,
  removeField,
  type Trailers,
} from '../../api/headers.ts';
import { isTunnelStatus } from '../tunnel.ts';
import { ErrorCode } from './frames.ts';
import { Http2Stream, type Http2StreamOwner } from './stream.ts';

/** See the file head. Writes after its end or reset are ignored. */
export class Http2ServerStream extends Http2Stream implements ResponseEncoder {
  /** Null until the HCM was told of the stream. */
  decoder: RequestDecoder | null;
  readonly upgradeType: string;
  readonly canTunnel: boolean;
  /** The handshake's key is ours: its answer means nothing to the client. */
  #hasOwnKey: boolean;

  constructor(owner: Http2StreamOwner, id: number, upgradeType: string) {
    super(owner, id);
    this.decoder = null;
    this.upgradeType = upgradeType;
    this.canTunnel = upgradeType !== '';
    this.#hasOwnKey = false;
  }

  /** Passes the head on. The stream is in the connection's table, its decoder is set. */
  receiveHead(headers: RequestHeaders, endStream: boolean): void {
    this.remoteEnded = endStream;
    if (this.upgradeType === 'websocket') this.#addKey(headers);
    this.decoder?.decodeHeaders(headers, endStream);
    if (endStream) this.endReceiving();
  }

  /** RFC 8441 5.1: over HTTP/2 there is none, and an HTTP/1 server wants one. */
  #addKey({ fields }: RequestHeaders): void {
    if (findField(fields, 'sec-websocket-key') !== -1) return;
    this.#hasOwnKey = true;
    // A nonce, no secret: RFC 6455 10.3 wants it against caches.
    const key = Buffer.alloc(16);
    for (let i = 0; i < key.length; i++) key[i] = 256 * this.owner.random();
    fields.push('sec-websocket-key', key.toString('base64'));
  }

  protected override onBody(data: Buffer, endStream: boolean): void {
    this.decoder?.decodeData(data, endStream);
  }

  protected override onTrailers(trailers: Trailers): void {
    this.decoder?.decodeTrailers(trailers);
  }

  encode1xxHeaders(headers: ResponseHeaders): void {
    if (this.isClosed || this.headSent) return;
    this.sendInformational(headers.status, headers.fields);
  }

  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    if (this.isClosed || this.headSent) return;
    const { fields, neverIndexed } = headers;
    let { status } = headers;
    const isConnect = this.upgradeType === 'CONNECT';
    if (this.canTunnel && !endStream && isTunnelStatus(isConnect, status)) {
      this.isTunnel = true;
      if (status === 101) status = 200;
      if (this.#hasOwnKey) removeField(fields, 'sec-websocket-accept');
    }
    this.sendHead(status, null, fields, neverIndexed, endStream);
  }

  /** RFC 9113 8.1: the answer is complete, the rest of the request is not wanted. */
  protected override onLocalEndFirst(): void {
    if (!this.isTunnel) this.owner.streams.reset(this, ErrorCode.NoError);
  }

  override resetStream(reason: StreamResetReason): void {
    this.owner.streams.reset(this, codeOf(reason));
  }
}

function codeOf(reason: StreamResetReason): ErrorCode {
  switch (reason) {
    case StreamResetReason.LocalRefusedStreamReset:
      return ErrorCode.RefusedStream;
    case StreamResetReason.ProtocolError:
      return ErrorCode.ProtocolError;
    case StreamResetReason.RemoteConnectionFailure:
      return ErrorCode.ConnectError;
    default:
      // The client must see that what it has got is not all.
      return ErrorCode.InternalError;
  }
}
