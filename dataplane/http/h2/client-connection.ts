// HTTP/2 client codec: requests -> bytes of one upstream connection -> responses; many at once. Owned by a pool,
// which forwards to it what the connection says.
//
//   preface + SETTINGS -> newStream ... -> GOAWAY: no new streams, those above its last are refused -> last one ends

import { type RequestEncoder, type ResponseDecoder, StreamResetReason } from '../../api/codec.ts';
import { type Connection, ConnectionCloseType } from '../../api/connection.ts';
import type { ReadSink } from '../../network/connection.ts';
import { Http2ClientStream } from './client-stream.ts';
import { Http2Connection } from './connection.ts';
import { ErrorCode, MAX_STREAM_ID } from './frames.ts';
import { checkTrailers, facts, MESSAGING_RULE, responseHead, TOO_MANY_HEADERS } from './heads.ts';
import type { Http2ClientCallbacks, Http2ClientOptions } from './options.ts';
import { PREFACE } from './preface.ts';

/** One per upstream connection; see the file head. */
export class Http2ClientConnection extends Http2Connection implements ReadSink {
  readonly #callbacks: Http2ClientCallbacks;
  #nextStreamId: number;
  #isGoingAway: boolean;

  constructor(
    connection: Connection,
    options: Http2ClientOptions,
    callbacks: Http2ClientCallbacks,
  ) {
    // What waits for an upstream's window is the router's business: its timeouts end the request.
    super(connection, options, false, options.maxResponseHeadersKb, 0);
    this.#callbacks = callbacks;
    this.#nextStreamId = 1;
    this.#isGoingAway = false;
    connection.write(PREFACE);
    this.begin();
  }

  /** Begins an exchange; only when canOpenStream(). Set the stream's callbacks before encodeHeaders. */
  newStream(decoder: ResponseDecoder): RequestEncoder {
    if (!this.canOpenStream()) throw new Error('newStream on a full HTTP/2 connection');
    const stream = new Http2ClientStream(this, this.#nextStreamId, decoder);
    this.#nextStreamId += 2;
    this.streams.add(stream);
    this.keepalive.onNewStream();
    return stream;
  }

  canOpenStream(): boolean {
    if (this.isDone || this.#isGoingAway || this.#nextStreamId > MAX_STREAM_ID) return false;
    return this.streams.size < this.maxStreams();
  }

  activeStreams(): number {
    return this.streams.size;
  }

  /** At once: what the peer allows, and what max_concurrent_streams does. */
  maxStreams(): number {
    return Math.min(this.settings.maxConcurrentStreams, this.peer.maxConcurrentStreams);
  }

  /** ReadSink. HTTP/2 has no half-closed connections; the close event follows. */
  onData(data: Buffer, _endStream: boolean): void {
    if (!this.isDone && data.length > 0) this.read(data);
  }

  // -- Http2Connection ----------------------------------------------------------------------------

  override isIdle(id: number): boolean {
    return id >= this.#nextStreamId || (id & 1) === 0;
  }

  override mayHaveHeaders(id: number): boolean {
    return !this.isIdle(id);
  }

  override onHeaderBlock(id: number, endStream: boolean, bytes: number): void {
    const stream = this.streams.get(id) as Http2ClientStream | undefined;
    if (stream === undefined) {
      if (this.streams.isForgiven(id)) this.stats.headersCbNoStream++;
      else this.connectionError(ErrorCode.StreamClosed, 'http2.headers_on_closed_stream');
      return;
    }
    if (stream.remoteEnded) {
      this.connectionError(ErrorCode.StreamClosed, 'http2.headers_on_closed_stream');
      return;
    }
    stream.countReceived(bytes);
    const { decoder } = this.headerBlocks;
    if (decoder.overflow) {
      this.stats.headerOverflow++;
      // Envoy calls it so.
      const reason = StreamResetReason.RemoteReset;
      this.streams.breakOff(stream, ErrorCode.EnhanceYourCalm, reason, TOO_MANY_HEADERS);
    } else if (decoder.invalid !== '') this.onMalformed(stream, decoder.invalid);
    else if (stream.headReceived) this.#onTrailers(stream, endStream);
    else this.#onHead(stream, endStream);
  }

  #onHead(stream: Http2ClientStream, endStream: boolean): void {
    const neverIndexed = this.headerBlocks.neverIndexed();
    const headers = responseHead(this.headerBlocks.decoder.fields);
    if (headers === null) {
      this.onMalformed(stream, facts.error);
      return;
    }
    headers.neverIndexed = neverIndexed;
    stream.receiveHead(headers, endStream);
  }

  #onTrailers(stream: Http2ClientStream, endStream: boolean): void {
    const { fields } = this.headerBlocks.decoder;
    if (stream.isTunnel) {
      // RFC 9113 8.5: nothing but DATA.
      this.onStreamError(stream, ErrorCode.ProtocolError, MESSAGING_RULE);
      return;
    }
    if (!endStream || !checkTrailers(fields)) {
      this.onMalformed(stream, MESSAGING_RULE);
      return;
    }
    stream.receiveTrailers(fields);
  }

  /** As Envoy tells upstream resets apart. */
  protected override resetReason(code: number): StreamResetReason {
    if (code === ErrorCode.ProtocolError) return StreamResetReason.ProtocolError;
    if (code === ErrorCode.ConnectError) return StreamResetReason.ConnectError;
    return super.resetReason(code);
  }

  protected override onPeerSettings(): void {
    this.#callbacks.onSettings();
  }

  override onPeerGoaway(lastStreamId: number, code: number): void {
    this.#goAway(code !== ErrorCode.NoError);
    for (const stream of [...this.streams.values()]) {
      if (stream.id <= lastStreamId || stream.isClosed) continue;
      this.stats.streamRefusedErrors++;
      // Not ours to reset: the peer does not know it.
      this.streams.forgive(stream.id);
      this.streams.remove(stream);
      stream.fail(StreamResetReason.RemoteRefusedStreamReset, 'http2.remote_refuse');
    }
  }

  #goAway(isError: boolean): void {
    if (this.#isGoingAway) return;
    this.#isGoingAway = true;
    this.#callbacks.onGoAway(isError);
  }

  protected override onBroken(details: string, _isFlood: boolean): void {
    this.#callbacks.onProtocolError({ status: 502, details, message: details });
    this.streams.failAll(StreamResetReason.ProtocolError);
    this.connection.close(ConnectionCloseType.FlushWrite);
  }

  override onStreamRemoved(): void {
    if (this.#nextStreamId > MAX_STREAM_ID) this.#goAway(false);
    this.#callbacks.onStreamClosed();
  }
}
