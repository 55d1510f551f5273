// HTTP/2 server codec: bytes of one downstream connection -> requests, responses -> bytes. Owned by the HCM, which
// forwards to it what the connection says.
//
//   preface -> SETTINGS -> HEADERS [newStream, decodeHeaders] ... many at once ...
//   shutdownNotice: GOAWAY(2^31-1) -> goAway: GOAWAY(last stream) -> last stream ends -> closed

import {
  type CodecError,
  type ServerCodec,
  type ServerConnectionCallbacks,
  StreamResetReason,
} from '../../api/codec.ts';
import { type Connection, ConnectionCloseType } from '../../api/connection.ts';
import type { HeaderFields } from '../../api/headers.ts';
import { Http2Connection } from './connection.ts';
import { ErrorCode, MAX_STREAM_ID } from './frames.ts';
import { checkTrailers, facts, MESSAGING_RULE, requestHead, TOO_MANY_HEADERS } from './heads.ts';
import type { Http2ServerOptions } from './options.ts';
import { PREFACE } from './preface.ts';
import { Http2ServerStream } from './server-stream.ts';

/** Envoy: Http2ResponseCodeDetails. */
const UNEXPECTED_UNDERSCORE = 'http2.unexpected_underscore';

/** One per downstream connection; see the file head. */
export class Http2ServerConnection extends Http2Connection implements ServerCodec {
  readonly protocol = 'HTTP/2';
  readonly #callbacks: ServerConnectionCallbacks;
  readonly #options: Http2ServerOptions;
  /** Bytes of the preface that have come. */
  #prefaceBytes: number;
  #noticeSent: boolean;
  #goawaySent: boolean;
  /** Of those that the client began behind our GOAWAY, the last. */
  #lastIgnoredId: number;

  constructor(
    connection: Connection,
    callbacks: ServerConnectionCallbacks,
    options: Http2ServerOptions,
  ) {
    super(connection, options, true, options.maxRequestHeadersKb, options.streamFlushTimeoutMs);
    this.#callbacks = callbacks;
    this.#options = options;
    this.#prefaceBytes = 0;
    this.#noticeSent = false;
    this.#goawaySent = false;
    this.#lastIgnoredId = 0;
    this.begin();
  }

  /** `endStream`: HTTP/2 has no half-closed connections; the close event follows. */
  dispatch(data: Buffer, _endStream: boolean): void {
    if (this.isDone) return;
    const left = PREFACE.length - this.#prefaceBytes;
    if (left === 0) {
      this.read(data);
      return;
    }
    const length = Math.min(left, data.length);
    if (PREFACE.compare(data, 0, length, this.#prefaceBytes, this.#prefaceBytes + length) !== 0) {
      this.connectionError(ErrorCode.ProtocolError, 'http2.bad_preface');
      return;
    }
    this.#prefaceBytes += length;
    if (data.length > length) this.read(data.subarray(length));
  }

  shutdownNotice(): void {
    if (this.isDone || this.#noticeSent || this.#goawaySent) return;
    this.#noticeSent = true;
    this.outbound.writeGoaway(MAX_STREAM_ID, ErrorCode.NoError);
  }

  goAway(): void {
    if (this.isDone || this.#goawaySent) return;
    this.#goawaySent = true;
    // Envoy counts no other: not the notice before it, not that of an error.
    this.stats.goawaySent++;
    this.outbound.writeGoaway(this.lastPeerStreamId, ErrorCode.NoError);
    this.#closeIfDrained();
  }

  hasActiveStream(): boolean {
    return this.streams.size > 0;
  }

  /** The rest of the head is decoded when it comes, for the table's sake, and dropped. */
  abortHead(error: CodecError): void {
    const id = this.headerBlocks.streamId;
    if (this.isDone || this.#goawaySent || id <= this.lastPeerStreamId) return;
    this.lastPeerStreamId = id;
    const stream = new Http2ServerStream(this, id, '');
    this.streams.add(stream);
    this.#callbacks.onCodecError(error, stream);
  }

  // -- Http2Connection ----------------------------------------------------------------------------

  override isIdle(id: number): boolean {
    return (id > this.lastPeerStreamId && id > this.#lastIgnoredId) || (id & 1) === 0;
  }

  /** RFC 9113 6.8: behind our GOAWAY nothing is wrong, and the connection's window counts it all the same. */
  override isForgiven(id: number): boolean {
    return id > this.lastPeerStreamId || super.isForgiven(id);
  }

  override mayHaveHeaders(id: number): boolean {
    return (id & 1) === 1;
  }

  override onHeaderBlock(id: number, endStream: boolean, bytes: number): void {
    if (id > this.lastPeerStreamId) {
      this.#onRequest(id, endStream, bytes);
      return;
    }
    const stream = this.streams.get(id);
    if (stream !== undefined && !stream.remoteEnded) {
      this.#onTrailers(stream as Http2ServerStream, endStream, bytes);
    } else if (stream === undefined && this.streams.isForgiven(id)) this.stats.headersCbNoStream++;
    else this.connectionError(ErrorCode.StreamClosed, 'http2.headers_on_closed_stream');
  }

  #onRequest(id: number, endStream: boolean, bytes: number): void {
    // Behind the last stream of our GOAWAY: the client sends it again somewhere else.
    if (this.#goawaySent) {
      this.#lastIgnoredId = Math.max(id, this.#lastIgnoredId);
      return;
    }
    this.lastPeerStreamId = id;
    if (this.streams.size >= this.settings.maxConcurrentStreams) {
      this.constraints.onStreamOpened();
      this.streams.refuse(id, ErrorCode.RefusedStream);
      return;
    }
    const { decoder } = this.headerBlocks;
    if (decoder.overflow) {
      this.stats.headerOverflow++;
      this.#reject(id, bytes, ErrorCode.EnhanceYourCalm, TOO_MANY_HEADERS);
      return;
    }
    if (decoder.invalid !== '') {
      this.#rejectMalformed(id, bytes, decoder.invalid);
      return;
    }
    const { fields } = decoder;
    if (decoder.hasUnderscore && !this.#takeUnderscores(fields)) {
      this.#reject(id, bytes, ErrorCode.ProtocolError, UNEXPECTED_UNDERSCORE);
      return;
    }
    const neverIndexed = this.headerBlocks.neverIndexed();
    const headers = requestHead(fields, this.#options.scheme, this.settings.allowConnect);
    if (headers === null || (endStream && facts.contentLength > 0)) {
      this.#rejectMalformed(id, bytes, headers === null ? facts.error : MESSAGING_RULE);
      return;
    }
    headers.neverIndexed = neverIndexed;
    const stream = new Http2ServerStream(this, id, facts.upgradeType);
    stream.contentLeft = stream.canTunnel ? -1 : facts.contentLength;
    stream.countReceived(bytes);
    this.streams.add(stream);
    this.keepalive.onNewStream();
    stream.decoder = this.#callbacks.newStream(stream);
    stream.receiveHead(headers, endStream);
  }

  #onTrailers(stream: Http2ServerStream, endStream: boolean, bytes: number): void {
    const { decoder } = this.headerBlocks;
    stream.countReceived(bytes);
    if (decoder.overflow) {
      this.stats.headerOverflow++;
      const reason = StreamResetReason.ProtocolError;
      this.streams.breakOff(stream, ErrorCode.EnhanceYourCalm, reason, TOO_MANY_HEADERS);
    } else if (decoder.invalid !== '') this.onMalformed(stream, decoder.invalid);
    else if (stream.canTunnel) {
      // RFC 9113 8.5: nothing but DATA.
      this.onStreamError(stream, ErrorCode.ProtocolError, MESSAGING_RULE);
    } else if (!endStream || !checkTrailers(decoder.fields)) {
      this.onMalformed(stream, MESSAGING_RULE);
    } else {
      this.stats.trailers++;
      stream.receiveTrailers(decoder.fields);
    }
  }

  /** headers_with_underscores_action. False = the request is refused. */
  #takeUnderscores(fields: HeaderFields): boolean {
    const { stats } = this;
    switch (this.#options.headersWithUnderscoresAction) {
      case 'ALLOW':
        return true;
      case 'REJECT_REQUEST':
        stats.requestsRejectedWithUnderscoresInHeaders++;
        return false;
      default:
        for (let i = fields.length - 2; i >= 0; i -= 2) {
          if (!fields[i]!.includes('_')) continue;
          fields.splice(i, 2);
          stats.droppedHeadersWithUnderscores++;
        }
        return true;
    }
  }

  #reject(id: number, bytes: number, code: ErrorCode, details: string): void {
    const stream = this.#openForLog(id, bytes);
    this.streams.breakOff(stream, code, StreamResetReason.ProtocolError, details);
  }

  #rejectMalformed(id: number, bytes: number, details: string): void {
    this.onMalformed(this.#openForLog(id, bytes), details);
  }

  /** A request that nobody sees but the access log. */
  #openForLog(id: number, bytes: number): Http2ServerStream {
    const stream = new Http2ServerStream(this, id, '');
    stream.countReceived(bytes);
    this.streams.add(stream);
    stream.decoder = this.#callbacks.newStream(stream);
    return stream;
  }

  protected override onPeerSettings(): void {}

  /** A client opens streams, we do not: nothing ends for us. */
  override onPeerGoaway(): void {}

  protected override onBroken(details: string, isFlood: boolean): void {
    this.#callbacks.onConnectionError(details, isFlood);
  }

  override onStreamRemoved(): void {
    if (this.#goawaySent) this.#closeIfDrained();
  }

  #closeIfDrained(): void {
    if (this.streams.size > 0 || this.isDone) return;
    this.stop();
    this.outbound.flush();
    this.connection.close(ConnectionCloseType.FlushWriteAndDelay);
  }
}
