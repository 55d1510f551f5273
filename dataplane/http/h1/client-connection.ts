// HTTP/1 client codec: requests -> bytes of one upstream connection -> responses; one at a time.
// Owned by a pool, which forwards to it what the connection says. Sans I/O but for Connection.
//
//   idle --newStream--> head (1xx heads may come first) --> body --> idle, if canReuse()
//                              '--101, or 2xx to CONNECT--> tunnel --> closed
//
// Bytes while idle, or behind the end of a response, mean that the peer and we disagree about where
// messages end: the connection is closed and they are never taken for an answer (reliability UP-06/07).

import {
  type CodecError,
  type RequestEncoder,
  type ResponseDecoder,
  StreamResetReason,
} from '../../api/codec.ts';
import { type Connection, ConnectionCloseType, ConnectionEvent } from '../../api/connection.ts';
import { ResponseHeaders, removeField } from '../../api/headers.ts';
import type { ReadSink } from '../../network/connection.ts';
import { keepBytes } from '../../network/read-slab.ts';
import { MAX_INFORMATIONAL_RESPONSES } from '../limits.ts';
import { isTunnelStatus } from '../tunnel.ts';
import { BodyDecoder, BodyEvent } from './body-decoder.ts';
import { ClientStream, type ClientStreamOwner } from './client-stream.ts';
import { canAdvance, type HeadLimits, HeadParser, NEED_MORE, PARSE_ERROR } from './head-parser.ts';
import type { ClientConnectionCallbacks, ClientOptions } from './options.ts';

const EMPTY = Buffer.alloc(0);
/** So long the end of a tunnel waits for a peer that takes nothing of what is left. */
const TUNNEL_CLOSE_TIMEOUT_MS = 5000;

/** Its results are read before anything else can parse, so all connections of a worker share one. */
const parser = new HeadParser();

const limitsOf = new WeakMap<ClientOptions, HeadLimits>();

function headLimits(options: ClientOptions): HeadLimits {
  let limits = limitsOf.get(options);
  if (limits === undefined) {
    limits = {
      maxHeadBytes: options.maxResponseHeadersKb * 1024,
      maxHeadersCount: options.maxHeadersCount,
      underscores: 'ALLOW',
      allowAbsoluteUrl: false,
      allowChunkedLength: options.allowChunkedLength,
      allowCustomMethods: false,
      ignoredUpgrades: [],
      preserveCase: options.preserveCase,
    };
    limitsOf.set(options, limits);
  }
  return limits;
}

/** The head that was parsed last. */
function parsedHeaders(): ResponseHeaders {
  const headers = new ResponseHeaders(parser.status, parser.fields);
  headers.spelling = parser.spelling;
  return headers;
}

/** One per upstream connection; see the file head. */
export class ClientConnection implements ReadSink, ClientStreamOwner {
  readonly connection: Connection;
  readonly options: ClientOptions;
  readonly #callbacks: ClientConnectionCallbacks;
  readonly #limits: HeadLimits;
  readonly #body = new BodyDecoder();
  #active: ClientStream | null = null;
  /** An incomplete head. */
  #unparsed: Buffer | null = null;
  #informational = 0;
  #keepAlive = true;
  #isDone = false;

  constructor(
    connection: Connection,
    options: ClientOptions,
    callbacks: ClientConnectionCallbacks,
  ) {
    this.connection = connection;
    this.options = options;
    this.#callbacks = callbacks;
    this.#limits = headLimits(options);
  }

  /**
   * Begins an exchange; only when canReuse(). Set the stream's callbacks before encodeHeaders.
   * A reset by the caller closes the connection; onResetStream comes only for what others cause, and
   * not any more once the response is complete.
   */
  newStream(decoder: ResponseDecoder): RequestEncoder {
    if (this.#active !== null) throw new Error('newStream on a busy HTTP/1 connection');
    this.#informational = 0;
    this.#active = new ClientStream(this, decoder);
    return this.#active;
  }

  /** No exchange is open, the connection is open, and nothing forbids another request on it. */
  canReuse(): boolean {
    return this.#active === null && this.#keepAlive && !this.#isDone && this.connection.isOpen();
  }

  hasActiveStream(): boolean {
    return this.#active !== null;
  }

  /** ReadSink: same as dispatch, so the codec can be the connection's sink itself. */
  onData(data: Buffer, endStream: boolean): void {
    this.dispatch(data, endStream);
  }

  /** Bytes from the connection. Small chunks of a chunked body may be moved together inside `data`. */
  dispatch(data: Buffer, endStream: boolean): void {
    if (this.#isDone) return;
    if (data.length > 0) this.#read(data);
    if (endStream) this.#onEndStream();
  }

  /** FIN with half-close on: the upstream's side of a tunnel has ended. */
  #onEndStream(): void {
    const stream = this.#active;
    if (stream === null || !stream.isTunnel || stream.responseComplete) return;
    stream.responseComplete = true;
    stream.decoder.decodeData(EMPTY, true);
    if (this.#active === stream && stream.requestComplete) this.#finishStream(stream);
  }

  #read(data: Buffer): void {
    let bytes = data;
    const unparsed = this.#unparsed;
    if (unparsed !== null) {
      bytes = Buffer.concat([unparsed, data]);
      if (bytes.length <= this.#limits.maxHeadBytes && !canAdvance(unparsed, data)) {
        this.#unparsed = bytes;
        return;
      }
      this.#unparsed = null;
    }
    let pos = 0;
    while (pos < bytes.length && !this.#isDone) {
      const stream = this.#active;
      if (stream === null || stream.responseComplete || !stream.requestStarted) {
        this.#unsolicited(bytes, pos);
        return;
      }
      if (stream.responseStarted) pos = this.#readBody(stream, bytes, pos);
      else {
        const next = this.#readHead(stream, bytes, pos);
        if (next === NEED_MORE) {
          this.#unparsed = keepBytes(pos === 0 ? bytes : bytes.subarray(pos));
          return;
        }
        pos = next;
      }
    }
  }

  /** Forward every event, before the pool acts on it: a close ends the open stream. */
  onConnectionEvent(event: ConnectionEvent): void {
    if (event === ConnectionEvent.Connected) return;
    const wasDone = this.#isDone;
    const isInHead = this.#unparsed !== null;
    this.#isDone = true;
    this.#unparsed = null;
    const stream = this.#active;
    if (stream === null || wasDone) return;
    this.#active = null;
    if (stream.responseComplete) {
      if (stream.isTunnel && !stream.requestComplete) {
        stream.fail(StreamResetReason.ConnectionTermination, '');
      } else stream.detach();
      return;
    }
    const isUntilClose = stream.responseStarted && this.#body.isUntilClose();
    if (event === ConnectionEvent.RemoteClose) {
      // The end of the connection is the end of such a body, if it was an orderly end.
      if (isUntilClose && !stream.isTunnel && this.connection.wasReset !== true) {
        stream.responseComplete = true;
        stream.decoder.decodeData(EMPTY, true);
        stream.detach();
        return;
      }
      // As in Envoy a peer that stops within a message broke the protocol; before its first byte it just left.
      if ((stream.responseStarted && !isUntilClose) || isInHead) {
        stream.fail(StreamResetReason.ProtocolError, cutShort.details);
        this.#callbacks.onProtocolError(cutShort);
        return;
      }
    }
    stream.fail(StreamResetReason.ConnectionTermination, '');
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#active?.callbacks?.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#active?.callbacks?.onBelowWriteBufferLowWatermark();
  }

  // -- ClientStreamOwner ------------------------------------------------------------------------

  onRequestComplete(stream: ClientStream): void {
    if (this.#active === stream && stream.responseComplete) this.#finishStream(stream);
  }

  onStreamReset(stream: ClientStream): void {
    if (this.#active !== stream) return;
    this.#active = null;
    this.#isDone = true;
    this.connection.close(ConnectionCloseType.NoFlush);
  }

  // -- reading ----------------------------------------------------------------------------------

  /** Position after one head (final or 1xx), or NEED_MORE. On an error everything is consumed. */
  #readHead(stream: ClientStream, bytes: Buffer, start: number): number {
    const after = parser.parseResponse(bytes, start, this.#limits);
    if (after === NEED_MORE) return NEED_MORE;
    if (after === PARSE_ERROR) {
      this.#protocolError(parser.error);
      return bytes.length;
    }
    stream.received += after - start;
    const { status, contentLength, isChunked } = parser;
    if ((stream.isConnect || stream.isUpgrade) && isTunnelStatus(stream.isConnect, status)) {
      this.#openTunnel(stream);
      return after;
    }
    if (status < 200) {
      if (status === 101) this.#protocolError(unexpected101);
      else if (++this.#informational > MAX_INFORMATIONAL_RESPONSES) {
        this.#protocolError(tooManyInformational);
      } else stream.decoder.decode1xxHeaders(parsedHeaders());
      return after;
    }
    if (status === 204 && (isChunked || contentLength > 0)) {
      this.#protocolError(bodyDisallowed);
      return bytes.length;
    }
    const isHttp10 = parser.minorVersion === 0;
    const hasNoBody = stream.isHead || status === 204 || status === 304 || contentLength === 0;
    const untilClose = !hasNoBody && !isChunked && contentLength === -1;
    this.#keepAlive =
      !untilClose && !parser.connectionClose && (!isHttp10 || parser.connectionKeepAlive);
    if (!hasNoBody) {
      if (isChunked) this.#body.startChunked();
      else if (untilClose) this.#body.startUntilClose();
      else this.#body.startLength(contentLength);
    }
    const headers = parsedHeaders();
    stream.responseStarted = true;
    if (!this.#keepAlive) this.#callbacks.onGoAway();
    if (hasNoBody) {
      stream.responseComplete = true;
      stream.decoder.decodeHeaders(headers, true);
      this.#onResponseComplete(stream, bytes, after);
    } else stream.decoder.decodeHeaders(headers, false);
    return after;
  }

  /** RFC 9110 9.3.6: framing headers of a response that opens a tunnel mean nothing. */
  #openTunnel(stream: ClientStream): void {
    this.#keepAlive = false;
    removeField(parser.fields, 'content-length');
    const headers = parsedHeaders();
    this.#body.startUntilClose();
    stream.responseStarted = true;
    stream.startTunnel();
    this.connection.setDelayedCloseTimeout(TUNNEL_CLOSE_TIMEOUT_MS);
    stream.decoder.decodeHeaders(headers, false);
  }

  #readBody(stream: ClientStream, bytes: Buffer, start: number): number {
    const body = this.#body;
    const event = stream.readBody(body, bytes, start);
    const pos = body.position;
    switch (event) {
      case BodyEvent.NeedMore:
        return pos;
      case BodyEvent.Error:
        if (this.#active === stream) this.#protocolError(body.error);
        return bytes.length;
      default:
        this.#endBody(stream, event, bytes.subarray(body.dataStart, body.dataEnd));
        this.#onResponseComplete(stream, bytes, pos);
        return pos;
    }
  }

  #endBody(stream: ClientStream, event: BodyEvent, data: Buffer): void {
    const { decoder } = stream;
    const { trailers } = this.#body;
    if (event === BodyEvent.Trailers && this.options.enableTrailers) {
      if (data.length > 0) decoder.decodeData(data, false);
      if (this.#active !== stream) return;
      stream.responseComplete = true;
      decoder.decodeTrailers(trailers);
    } else {
      stream.responseComplete = true;
      decoder.decodeData(data, true);
    }
  }

  #onResponseComplete(stream: ClientStream, bytes: Buffer, pos: number): void {
    if (this.#active !== stream) return;
    // Whatever is glued to a response belongs to nobody; do not let the next request find it.
    if (pos < bytes.length) this.#keepAlive = false;
    if (stream.requestComplete) this.#finishStream(stream);
  }

  #finishStream(stream: ClientStream): void {
    this.#active = null;
    stream.detach();
    if (stream.isTunnel) {
      // Not idle, but over: what was written last must still get out, then the pool hears of the close.
      this.#isDone = true;
      this.connection.close(ConnectionCloseType.FlushWrite);
      return;
    }
    this.#callbacks.onIdle();
  }

  #unsolicited(bytes: Buffer, pos: number): void {
    this.#isDone = true;
    // Servers that time out idle connections with a 408 break no rule that matters (Envoy: same).
    const isTimeout = bytes.toString('latin1', pos, pos + 12) === 'HTTP/1.1 408';
    const stream = this.#active;
    this.#active = null;
    if (stream !== null) {
      if (stream.responseComplete) stream.detach();
      else stream.fail(StreamResetReason.ProtocolError, unsolicitedBytes.details);
    }
    if (!isTimeout) this.#callbacks.onProtocolError(unsolicitedBytes);
    this.connection.close(ConnectionCloseType.NoFlush);
  }

  #protocolError(error: CodecError): void {
    this.#isDone = true;
    const stream = this.#active;
    this.#active = null;
    stream?.fail(StreamResetReason.ProtocolError, error.details);
    this.#callbacks.onProtocolError(error);
    this.connection.close(ConnectionCloseType.NoFlush);
  }
}

const unsolicitedBytes: CodecError = Object.freeze({
  status: 502,
  details: 'http1.codec_error',
  message: 'bytes from the upstream that no request asked for',
});
const cutShort: CodecError = Object.freeze({
  status: 502,
  details: 'http1.codec_error',
  message: 'the connection ended within a response',
});
const unexpected101: CodecError = Object.freeze({
  status: 502,
  details: 'http1.codec_error',
  message: '101 without an upgrade request',
});
const tooManyInformational: CodecError = Object.freeze({
  status: 502,
  details: 'http1.codec_error',
  message: 'too many 1xx responses',
});
const bodyDisallowed: CodecError = Object.freeze({
  status: 502,
  details: 'http1.body_disallowed',
  message: '204 with a body',
});
