// HTTP/1 server codec: bytes of one downstream connection -> requests, responses -> bytes.
// Owned by the HCM, which forwards to it what the connection says. Sans I/O but for Connection.
//
//   head --> [newStream, decodeHeaders] --> body --> waiting for the response --> head of the next
//                                                          '--101, or 2xx to CONNECT--> tunnel --> closed
//
// One request at a time: what a client pipelines stays in #unparsed until the response before it is
// complete, and past MAX_PIPELINED_BYTES the connection is not read. The codec closes the connection
// itself: after the last response, after a protocol error's reply, when a stream is reset.

import {
  type CodecError,
  type ServerCodec,
  type ServerConnectionCallbacks,
  StreamResetReason,
} from '../../api/codec.ts';
import { type Connection, ConnectionCloseType, ConnectionEvent } from '../../api/connection.ts';
import { RequestHeaders } from '../../api/headers.ts';
import { keepBytes } from '../../network/read-slab.ts';
import { BodyDecoder, BodyEvent } from './body-decoder.ts';
import { canAdvance, type HeadLimits, HeadParser, NEED_MORE, PARSE_ERROR } from './head-parser.ts';
import { MAX_PIPELINED_BYTES } from './limits.ts';
import type { ServerOptions } from './options.ts';
import { ServerStream, type ServerStreamOwner } from './server-stream.ts';

const EMPTY = Buffer.alloc(0);

/** Its results are read before anything else can parse, so all connections of a worker share one. */
const parser = new HeadParser();

const lowVersion: CodecError = Object.freeze({
  status: 426,
  details: 'low_version',
  message: 'HTTP/1.0 is not accepted',
});

/** RFC 9110 9.3.6: content in a CONNECT has no meaning; what is behind its head belongs to the tunnel. */
const connectWithLength: CodecError = Object.freeze({
  status: 400,
  details: 'http1.body_disallowed',
  message: 'unsupported content length',
});
const chunkedConnect: CodecError = Object.freeze({
  status: 501,
  details: 'http1.invalid_transfer_encoding',
  message: 'unsupported transfer encoding',
});

const limitsOf = new WeakMap<ServerOptions, HeadLimits>();

function headLimits(options: ServerOptions): HeadLimits {
  let limits = limitsOf.get(options);
  if (limits === undefined) {
    limits = {
      maxHeadBytes: options.maxRequestHeadersKb * 1024,
      maxHeadersCount: options.maxHeadersCount,
      underscores: options.headersWithUnderscoresAction,
      allowAbsoluteUrl: options.allowAbsoluteUrl,
      allowChunkedLength: options.allowChunkedLength,
      allowCustomMethods: options.allowCustomMethods,
      ignoredUpgrades: options.ignoredUpgrades,
      preserveCase: options.preserveCase,
    };
    limitsOf.set(options, limits);
  }
  return limits;
}

/** One per downstream connection; see the file head. */
export class ServerConnection implements ServerCodec, ServerStreamOwner {
  /** Version of the request that was read last. */
  protocol: 'HTTP/1.0' | 'HTTP/1.1' = 'HTTP/1.1';
  readonly connection: Connection;
  readonly options: ServerOptions;
  readonly #callbacks: ServerConnectionCallbacks;
  readonly #limits: HeadLimits;
  readonly #body = new BodyDecoder();
  #active: ServerStream | null = null;
  /** An incomplete head, or pipelined requests while a response is in progress. */
  #unparsed: Buffer | null = null;
  /** What is in #unparsed has been tried and lacks a line end. */
  #headIncomplete = false;
  #closeAfterResponse = false;
  /** Nothing is parsed any more. */
  #isDone = false;
  #isDispatching = false;
  #yieldBeforeNext = false;
  #readDisabled = false;

  constructor(
    connection: Connection,
    callbacks: ServerConnectionCallbacks,
    options: ServerOptions,
  ) {
    this.connection = connection;
    this.options = options;
    this.#callbacks = callbacks;
    this.#limits = headLimits(options);
  }

  /**
   * Bytes from the connection. Small chunks of a chunked body may be moved together inside `data`.
   * `endStream` comes in tunnels only: without half-close a client's FIN is a RemoteClose.
   */
  dispatch(data: Buffer, endStream: boolean): void {
    if (this.#isDone) return;
    if (data.length > 0) this.#read(data);
    if (endStream) this.#onEndStream();
  }

  #onEndStream(): void {
    // What came before the tunnel was open goes first.
    this.resumePipelined();
    const stream = this.#active;
    if (stream === null || !stream.isTunnel || stream.requestComplete) return;
    stream.requestComplete = true;
    stream.decoder?.decodeData(EMPTY, true);
    if (this.#active === stream && stream.responseComplete) this.#finishTunnel(stream);
  }

  #read(data: Buffer): void {
    let bytes = data;
    const unparsed = this.#unparsed;
    if (unparsed !== null) {
      bytes = Buffer.concat([unparsed, data]);
      const isTooLong = bytes.length > this.#limits.maxHeadBytes;
      if (this.#headIncomplete && !isTooLong && !canAdvance(unparsed, data)) {
        this.#unparsed = bytes;
        return;
      }
      this.#unparsed = null;
    }
    this.#run(bytes);
  }

  /** HTTP/1 has no words for it. */
  shutdownNotice(): void {}

  /** `Connection: close` on the next response head, then close; at once when no request is open. */
  goAway(): void {
    if (this.#isDone) return;
    this.#closeAfterResponse = true;
    if (this.#active === null && this.#unparsed === null)
      this.#close(ConnectionCloseType.FlushWrite);
  }

  /**
   * Part of a head has come, but not all: the HCM runs request_headers_timeout while this is true and
   * no stream exists yet.
   */
  isReadingHead(): boolean {
    return this.#active === null && this.#unparsed !== null;
  }

  /** Answers a head that is not complete (request_headers_timeout: 408) through onCodecError, then closes. */
  abortHead(error: CodecError): void {
    if (this.#isDone || this.#active !== null) return;
    this.#unparsed = null;
    this.#codecError(error);
  }

  /** A close event ends the open stream with ConnectionTermination. */
  onConnectionEvent(event: ConnectionEvent): void {
    if (event === ConnectionEvent.Connected) return;
    this.#isDone = true;
    this.#unparsed = null;
    const stream = this.#active;
    if (stream === null) return;
    this.#active = null;
    stream.fail(StreamResetReason.ConnectionTermination, '');
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#active?.callbacks?.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#active?.callbacks?.onBelowWriteBufferLowWatermark();
  }

  /** A request's head was read and its response (or its body) is not complete. */
  hasActiveStream(): boolean {
    return this.#active !== null;
  }

  // -- ServerStreamOwner ------------------------------------------------------------------------

  isClosing(): boolean {
    return this.#closeAfterResponse;
  }

  closeAfterResponse(): void {
    this.#closeAfterResponse = true;
  }

  onTunnel(stream: ServerStream): void {
    if (this.#active !== stream) return;
    this.#body.startUntilClose();
    this.#resumeReading();
    if (this.#unparsed !== null) setImmediate(resume, this);
  }

  onResponseComplete(stream: ServerStream): void {
    if (this.#active !== stream) return;
    if (stream.isTunnel) {
      if (stream.requestComplete) this.#finishTunnel(stream);
      return;
    }
    if (!stream.requestComplete || this.#closeAfterResponse) {
      this.#active = null;
      stream.detach();
      // Unread bytes may be on their way: give the client time to read the answer before an RST.
      this.#close(
        stream.requestComplete && stream.decoder !== null && stream.upgradeType === ''
          ? ConnectionCloseType.FlushWrite
          : ConnectionCloseType.FlushWriteAndDelay,
      );
      return;
    }
    this.#finishStream(stream);
  }

  onStreamReset(stream: ServerStream): void {
    if (this.#active !== stream) return;
    this.#active = null;
    // Behind what was written: the client sees a body cut short, which is the point of a reset.
    this.#close(
      stream.responseStarted ? ConnectionCloseType.FlushWrite : ConnectionCloseType.NoFlush,
    );
  }

  // -- reading ----------------------------------------------------------------------------------

  #run(bytes: Buffer): void {
    this.#isDispatching = true;
    this.#yieldBeforeNext = false;
    let pos = 0;
    try {
      while (!this.#isDone && pos < bytes.length && this.connection.isOpen()) {
        const stream = this.#active;
        if (stream !== null && !stream.requestComplete) pos = this.#readBody(stream, bytes, pos);
        else if (stream !== null || this.#yieldBeforeNext) {
          this.#hold(bytes, pos);
          return;
        } else {
          const next = this.#readHead(bytes, pos);
          if (next === NEED_MORE) {
            this.#unparsed = keepBytes(pos === 0 ? bytes : bytes.subarray(pos));
            this.#headIncomplete = true;
            return;
          }
          pos = next;
        }
      }
    } finally {
      this.#isDispatching = false;
    }
  }

  #hold(bytes: Buffer, pos: number): void {
    this.#unparsed = keepBytes(bytes.subarray(pos));
    this.#headIncomplete = false;
    if (this.#active === null) setImmediate(resume, this);
    else if (this.#unparsed.length > MAX_PIPELINED_BYTES && !this.#readDisabled) {
      this.#readDisabled = true;
      this.connection.readDisable(true);
    }
  }

  /** Position after the head, or NEED_MORE. On an error everything is consumed. */
  #readHead(bytes: Buffer, start: number): number {
    const after = parser.parseRequest(bytes, start, this.#limits);
    if (after === NEED_MORE) return NEED_MORE;
    if (parser.droppedHeaders > 0) this.#countUnderscores(parser.droppedHeaders);
    if (after === PARSE_ERROR) {
      this.#codecError(parser.error);
      return bytes.length;
    }
    const isHttp10 = parser.minorVersion === 0;
    const { options } = this;
    if (isHttp10 && !options.acceptHttp10) {
      this.#codecError(lowVersion);
      return bytes.length;
    }
    this.protocol = isHttp10 ? 'HTTP/1.0' : 'HTTP/1.1';
    const { method, contentLength, isChunked } = parser;
    let { authority } = parser;
    if (authority === '' && isHttp10) authority = options.defaultHostForHttp10;
    if (parser.connectionClose || (isHttp10 && !parser.connectionKeepAlive)) {
      this.#closeAfterResponse = true;
    }
    const headers = new RequestHeaders(
      method,
      parser.path,
      authority,
      options.scheme,
      parser.fields,
    );
    headers.spelling = parser.spelling;

    const hasBody = isChunked || contentLength > 0;
    let upgradeType = '';
    if (method === 'CONNECT') {
      if (hasBody) {
        this.#codecError(isChunked ? chunkedConnect : connectWithLength);
        return bytes.length;
      }
      upgradeType = method;
    } else if (parser.isUpgrade && !isHttp10) upgradeType = parser.upgradeType();
    // What follows is for the tunnel, if there will be one: never read it as a request.
    if (upgradeType !== '') this.#closeAfterResponse = true;
    const canTunnel = upgradeType !== '' && !hasBody;
    const stream = new ServerStream(this, method, isHttp10, upgradeType, canTunnel);
    stream.received = after - start;
    if (isChunked) this.#body.startChunked();
    else if (hasBody) this.#body.startLength(contentLength);
    this.#active = stream;
    stream.requestComplete = !hasBody;
    stream.decoder = this.#callbacks.newStream(stream);
    stream.decoder.decodeHeaders(headers, !hasBody && !canTunnel);
    return after;
  }

  #countUnderscores(count: number): void {
    const { stats, headersWithUnderscoresAction } = this.options;
    if (headersWithUnderscoresAction === 'DROP_HEADER') {
      stats.droppedHeadersWithUnderscores += count;
    } else stats.requestsRejectedWithUnderscoresInHeaders++;
  }

  #readBody(stream: ServerStream, bytes: Buffer, start: number): number {
    const body = this.#body;
    const event = stream.readBody(body, bytes, start);
    switch (event) {
      case BodyEvent.NeedMore:
        return body.position;
      case BodyEvent.Error:
        if (this.#active === stream) this.#bodyError(stream, body.error);
        return bytes.length;
      default:
        this.#endBody(stream, event, bytes.subarray(body.dataStart, body.dataEnd));
        return body.position;
    }
  }

  #endBody(stream: ServerStream, event: BodyEvent, data: Buffer): void {
    const { decoder } = stream;
    if (decoder === null) return;
    const { trailers } = this.#body;
    if (event === BodyEvent.Trailers && this.options.enableTrailers) {
      if (data.length > 0) decoder.decodeData(data, false);
      if (this.#active !== stream) return;
      stream.requestComplete = true;
      decoder.decodeTrailers(trailers);
    } else {
      stream.requestComplete = true;
      decoder.decodeData(data.length > 0 ? data : EMPTY, true);
    }
  }

  /** A stream is complete in both directions. */
  #finishStream(stream: ServerStream): void {
    this.#active = null;
    stream.detach();
    this.#resumeReading();
    // The next pipelined request waits for the next turn: this one's finish is still on the stack, and
    // a client with ten thousand of them must not keep the others waiting (reliability row SL-08).
    if (this.#isDispatching) this.#yieldBeforeNext = true;
    else if (this.#unparsed !== null) setImmediate(resume, this);
  }

  #resumeReading(): void {
    if (!this.#readDisabled) return;
    this.#readDisabled = false;
    this.connection.readDisable(false);
  }

  /** Both directions have ended. */
  #finishTunnel(stream: ServerStream): void {
    this.#active = null;
    stream.detach();
    this.#close(ConnectionCloseType.FlushWrite);
  }

  /** For resume() below: pipelined requests, or what came for a tunnel before it was open. */
  resumePipelined(): void {
    const bytes = this.#unparsed;
    if (this.#isDone || bytes === null || this.#isDispatching) return;
    if (this.#active !== null && !this.#active.isTunnel) return;
    this.#unparsed = null;
    this.#run(bytes);
  }

  #codecError(error: CodecError): void {
    this.#isDone = true;
    this.#closeAfterResponse = true;
    const stream = new ServerStream(this, '', false, '', false);
    stream.requestComplete = true;
    this.#active = stream;
    this.protocol = 'HTTP/1.1';
    this.#callbacks.onCodecError(error, stream);
  }

  #bodyError(stream: ServerStream, error: CodecError): void {
    this.#isDone = true;
    this.#closeAfterResponse = true;
    if (!stream.responseStarted) {
      this.#callbacks.onCodecError(error, stream);
      return;
    }
    this.#active = null;
    stream.fail(StreamResetReason.ProtocolError, error.details);
    this.#close(ConnectionCloseType.FlushWrite);
  }

  #close(type: ConnectionCloseType): void {
    this.#isDone = true;
    this.#unparsed = null;
    this.connection.close(type);
  }
}

function resume(connection: ServerConnection): void {
  connection.resumePipelined();
}
