// One request and its response on an HTTP/2 client connection: the RequestEncoder that the router writes to. Made
// by Http2ClientConnection, which does the reading. An upgrade looks like HTTP/1's to those above (RFC 8441 5):
//
//   GET + upgrade: websocket  ->  CONNECT + :protocol websocket      200  ->  101

import {
  type RequestEncoder,
  type ResponseDecoder,
  type StreamCallbacks,
  StreamResetReason,
} from '../../api/codec.ts';
import {
  getField,
  type HeaderFields,
  type RequestHeaders,
  type ResponseHeaders,
  removeField,
  type Trailers,
} from '../../api/headers.ts';
import { MAX_INFORMATIONAL_RESPONSES } from '../limits.ts';
import { asksForUpgrade } from '../tunnel.ts';
import { ErrorCode } from './frames.ts';
import { facts, MESSAGING_RULE } from './heads.ts';
import { Http2Stream, type Http2StreamOwner } from './stream.ts';

/** So long the rest of a request may wait for window behind the end of its answer; Envoy's stream_idle_timeout. */
const FLUSH_TIMEOUT_MS = 300_000;

/** See the file head. Writes after its end or reset are ignored. */
export class Http2ClientStream extends Http2Stream implements RequestEncoder {
  readonly decoder: ResponseDecoder;
  /** The final response's head is through. */
  headReceived: boolean;
  #isHead: boolean;
  #isConnect: boolean;
  /** What an extended CONNECT asks for, else ''. */
  #upgradeType: string;
  #informational: number;

  constructor(owner: Http2StreamOwner, id: number, decoder: ResponseDecoder) {
    super(owner, id);
    this.decoder = decoder;
    this.headReceived = false;
    this.#isHead = false;
    this.#isConnect = false;
    this.#upgradeType = '';
    this.#informational = 0;
  }

  /** The connection may be full already. */
  override setCallbacks(callbacks: StreamCallbacks): void {
    super.setCallbacks(callbacks);
    if (this.owner.isAboveHighWatermark) callbacks.onAboveWriteBufferHighWatermark();
  }

  encodeHeaders(headers: RequestHeaders, endStream: boolean): void {
    if (this.isClosed || this.headSent) return;
    const { method, scheme, authority, path, fields, neverIndexed } = headers;
    this.#isHead = method === 'HEAD';
    this.#isConnect = method === 'CONNECT';
    if (!endStream && !this.#isConnect && asksForUpgrade(fields)) {
      this.#upgradeType = getField(fields, 'upgrade')!;
    }
    this.isTunnel = this.#isConnect || this.#upgradeType !== '';
    let pseudo: HeaderFields;
    if (this.#isConnect) pseudo = [':method', method, ':authority', authority];
    else if (this.#upgradeType === '') {
      pseudo = [':method', method, ':scheme', scheme, ':authority', authority, ':path', path];
    } else {
      pseudo = [':method', 'CONNECT', ':protocol', this.#upgradeType];
      pseudo.push(':scheme', scheme, ':authority', authority, ':path', path);
    }
    this.sendHead(0, pseudo, fields, neverIndexed, endStream);
  }

  /** A final or informational head. */
  receiveHead(headers: ResponseHeaders, endStream: boolean): void {
    const { status } = headers;
    if (status < 200) {
      if (endStream || ++this.#informational > MAX_INFORMATIONAL_RESPONSES) {
        this.owner.onMalformed(this, MESSAGING_RULE);
      } else this.decoder.decode1xxHeaders(headers);
      return;
    }
    this.headReceived = true;
    this.remoteEnded = endStream;
    this.isTunnel &&= status < 300 && !endStream;
    if (!this.isTunnel && !this.#takeLength(status, endStream)) return;
    if (this.isTunnel) this.#openTunnel(headers);
    this.decoder.decodeHeaders(headers, endStream);
    if (endStream) this.endReceiving();
  }

  /** False = the response has ended: its length is none that it may have. */
  #takeLength(status: number, endStream: boolean): boolean {
    const { contentLength } = facts;
    const isBodiless = this.#isHead || status === 304;
    if (!isBodiless && contentLength > 0 && (endStream || status === 204)) {
      this.owner.onMalformed(this, MESSAGING_RULE);
      return false;
    }
    this.contentLeft = isBodiless || status === 204 ? 0 : contentLength;
    return true;
  }

  /** A body before its head would reach those above before they know of an answer. */
  override takeContent(bytes: number, endStream: boolean): boolean {
    if (this.headReceived) return super.takeContent(bytes, endStream);
    this.owner.onMalformed(this, MESSAGING_RULE);
    return false;
  }

  /** One application's mistake: the connection's other streams need not pay for it. */
  protected override onBadContent(): void {
    this.owner.onStreamError(this, ErrorCode.ProtocolError, MESSAGING_RULE);
  }

  /** RFC 9110 9.3.6: framing headers of a response that opens a tunnel mean nothing. */
  #openTunnel(headers: ResponseHeaders): void {
    const { fields } = headers;
    removeField(fields, 'content-length');
    if (this.#isConnect) return;
    headers.status = 101;
    fields.push('connection', 'upgrade', 'upgrade', this.#upgradeType);
  }

  protected override onBody(data: Buffer, endStream: boolean): void {
    this.decoder.decodeData(data, endStream);
  }

  protected override onTrailers(trailers: Trailers): void {
    this.decoder.decodeTrailers(trailers);
  }

  /** The router is done and minds it no more. */
  protected override onRemoteEndFirst(): void {
    this.setFlushTimeout(FLUSH_TIMEOUT_MS);
    this.armFlushTimer();
  }

  /** After the whole answer nothing was cancelled: the rest of the request is not wanted. */
  override resetStream(reason: StreamResetReason): void {
    if (!this.headSent) {
      // RST_STREAM of a stream that the peer has not heard of would end the connection.
      this.owner.streams.remove(this);
      return;
    }
    let code: ErrorCode = this.remoteEnded ? ErrorCode.NoError : ErrorCode.Cancel;
    if (reason === StreamResetReason.ProtocolError) code = ErrorCode.ProtocolError;
    this.owner.streams.reset(this, code);
  }
}
