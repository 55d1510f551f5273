// The HTTP connection manager of one downstream connection: the terminal network filter. It chooses and owns the
// codec, owns the connection's timers and makes an ActiveStream per request; it knows nothing of filters or routes.
//
//   keep-alive --idle timeout, max duration, max requests, drain--> draining --drain_timeout--> close
//      HTTP/1: the next response says Connection: close, only who is silent is closed without one
//      HTTP/2: GOAWAY that allows all streams, after drain_timeout one that allows no new ones; none is lost

import type {
  CodecError,
  RequestDecoder,
  ResponseEncoder,
  ServerCodec,
  ServerConnectionCallbacks,
} from '../api/codec.ts';
import {
  type Connection,
  type ConnectionCallbacks,
  ConnectionCloseType,
  ConnectionEvent,
} from '../api/connection.ts';
import type { DrainSequence } from '../api/drain.ts';
import {
  NetworkFilterStatus,
  type ReadFilter,
  type ReadFilterCallbacks,
} from '../api/network-filter.ts';
import { type Protocol, ResponseFlag, type StreamInfo } from '../api/stream-info.ts';
import { ServerConnection } from '../http/h1/server-connection.ts';
import { Http2ServerConnection } from '../http/h2/server-connection.ts';
import { readRuntime } from '../matcher/runtime-value.ts';
import { keepBytes } from '../network/read-slab.ts';
import { ActiveStream, type StreamOwner } from './active-stream.ts';
import { type CodecProtocol, codecProtocolOf } from './codec-choice.ts';
import type { DrainableConnection, HttpConnectionManagerConfig } from './config.ts';
import { ConnectionTimers, type TimedConnection } from './connection-timers.ts';
import { DeferredRequests } from './deferred-requests.ts';
import { closeIdleAfterMs, goAwayIdleAfterMs } from './drain-close.ts';
import { PrematureResets, TOO_MANY_PREMATURE_RESETS } from './premature-resets.ts';
import type { StreamTimers } from './stream-timers.ts';

/** What the codec hands back to onCodecError when the head did not come in time. */
const headersTimeout: CodecError = Object.freeze({
  status: 408,
  details: 'request_header_timeout',
  message: 'request_headers_timeout',
});

/** So long a draining connection must have been without requests before it is closed under its client. */
const SILENT_MS = 1000;

export class ConnectionManager
  implements
    ReadFilter,
    ServerConnectionCallbacks,
    ConnectionCallbacks,
    StreamOwner,
    DrainableConnection,
    TimedConnection
{
  readonly config: HttpConnectionManagerConfig;
  /** Set by initializeReadFilterCallbacks, before anything else is called. */
  connection!: Connection;
  /** The connection's own, for the listener's access log; set with `connection`. */
  #connectionInfo!: StreamInfo;
  filterChainName: string;
  /** Null until the first bytes have told which. */
  #codec: ServerCodec | null;
  isHttp2: boolean;
  /** What came while it was not clear which codec they are for; null = nothing. */
  #unclear: Buffer | null;
  /** Each knows its place. */
  readonly #streams: ActiveStream[];
  /** Clock.nowMs of the end of the last stream, or of the connection's start. */
  #idleSinceMs: number;
  /** Requests since the connection began. */
  #requests: number;
  readonly #resets: PrematureResets;
  /** Null = HTTP/1. */
  #deferred: DeferredRequests | null;
  /** It was decided to close the connection under its streams. */
  #isCondemned: boolean;
  /** HTTP/1: the next response says Connection: close. HTTP/2: the first GOAWAY is written. */
  #isDraining: boolean;
  #isAboveHighWatermark: boolean;
  #startMs: number;
  readonly #timers: ConnectionTimers;

  constructor(config: HttpConnectionManagerConfig) {
    this.config = config;
    this.filterChainName = '';
    this.#codec = null;
    this.isHttp2 = false;
    this.#unclear = null;
    this.#streams = [];
    this.#idleSinceMs = 0;
    this.#requests = 0;
    this.#resets = new PrematureResets(config.data.prematureResets);
    this.#deferred = null;
    this.#isCondemned = false;
    this.#isDraining = false;
    this.#isAboveHighWatermark = false;
    this.#startMs = 0;
    this.#timers = new ConnectionTimers(this, config.timers, config.clock);
  }

  connectionFilterState(): StreamInfo['filterState'] {
    return this.#connectionInfo.filterState;
  }

  // ---- ReadFilter ----

  initializeReadFilterCallbacks(callbacks: ReadFilterCallbacks): void {
    const { connection, streamInfo } = callbacks;
    const { config } = this;
    const { stats, data } = config;
    this.connection = connection;
    this.#connectionInfo = streamInfo;
    this.filterChainName = streamInfo.filterChainName;
    const nowMs = config.clock.nowMs();
    this.#startMs = nowMs;
    this.#idleSinceMs = nowMs;
    stats.cxTotal++;
    stats.cxActive++;
    if (connection.tls !== null) {
      stats.cxSslTotal++;
      stats.cxSslActive++;
    }
    connection.addConnectionCallbacks(this);
    connection.setDelayedCloseTimeout(data.delayedCloseTimeoutMs);
    config.addConnection(this);
    this.#timers.startIdle(data.idleTimeoutMs, nowMs);
    const { maxConnectionDurationMs, maxConnectionDurationJitterPercent } = data;
    if (maxConnectionDurationMs > 0) {
      const ms = config.jittered(maxConnectionDurationMs, maxConnectionDurationJitterPercent);
      this.#timers.startDuration(ms, nowMs);
    }
  }

  onNewConnection(): NetworkFilterStatus {
    return NetworkFilterStatus.Continue;
  }

  onData(data: Buffer, endStream: boolean): NetworkFilterStatus {
    this.config.stats.rxBytesTotal += data.length;
    const codec = this.#codec;
    if (codec !== null) this.#dispatch(codec, data, endStream);
    else this.#chooseCodec(data, endStream);
    return NetworkFilterStatus.StopIteration;
  }

  #dispatch(codec: ServerCodec, data: Buffer, endStream: boolean): void {
    if (this.#deferred !== null) this.#deferred.onRead();
    codec.dispatch(data, endStream);
    const info = this.#connectionInfo;
    // A head that has begun well counts, as in Envoy; one that the codec refuses does not.
    if (info.protocol === '' && codec.isReadingHead()) info.protocol = codec.protocol;
    if (this.config.data.requestHeadersTimeoutMs > 0) this.#watchHead(codec.isReadingHead());
  }

  /** A preface may come byte by byte: until then the bytes wait here. */
  #chooseCodec(data: Buffer, endStream: boolean): void {
    const unclear = this.#unclear;
    const bytes = unclear === null ? data : Buffer.concat([unclear, data]);
    const protocol = codecProtocolOf(this.config.data.codecType, this.connection.tls, bytes);
    if (protocol === 'unclear') {
      this.#unclear = keepBytes(bytes);
      if (this.config.data.requestHeadersTimeoutMs > 0) this.#watchHead(true);
      return;
    }
    this.#unclear = null;
    this.#dispatch(this.#createCodec(protocol), bytes, endStream);
  }

  #createCodec(protocol: CodecProtocol): ServerCodec {
    const { config, connection } = this;
    const { stats } = config;
    let codec: ServerCodec;
    if (protocol === 'HTTP/2') {
      stats.cxHttp2Total++;
      stats.cxHttp2Active++;
      this.isHttp2 = true;
      this.#deferred = new DeferredRequests(readRuntime(config.data.maxRequestsPerIoCycle));
      this.#connectionInfo.protocol = protocol;
      codec = new Http2ServerConnection(connection, this, config.http2OptionsOf(connection));
    } else {
      stats.cxHttp1Total++;
      stats.cxHttp1Active++;
      codec = new ServerConnection(connection, this, config.http1OptionsOf(connection));
    }
    this.#codec = codec;
    return codec;
  }

  /** request_headers_timeout runs from a head's first byte to its last. */
  #watchHead(isReadingHead: boolean): void {
    if (isReadingHead) this.#timers.watchHead(this.config.data.requestHeadersTimeoutMs);
    else this.#timers.stopWatchingHead();
  }

  // ---- from the codec ----

  newStream(encoder: ResponseEncoder): RequestDecoder {
    this.#connectionInfo.protocol = this.protocol();
    return this.#openStream(encoder);
  }

  onCodecError(error: CodecError, encoder: ResponseEncoder): void {
    // Of HTTP/1, whose one stream it may be; with HTTP/2 it is always a new one.
    const open = this.#streams[0];
    const stream = open?.encoder === encoder ? open : this.#openStream(encoder);
    if (error === headersTimeout) {
      this.config.stats.rqHeaderTimeout++;
      stream.onHeadersTimeout();
      return;
    }
    this.config.stats.cxProtocolError++;
    this.#connectionInfo.responseFlags |= ResponseFlag.DownstreamProtocolError;
    stream.onCodecError(error);
  }

  onConnectionError(details: string, isFlood: boolean): void {
    if (!isFlood) this.config.stats.cxProtocolError++;
    this.#connectionInfo.responseFlags |= ResponseFlag.DownstreamProtocolError;
    this.#condemn(`codec_error:${details}`, ResponseFlag.DownstreamProtocolError);
    // The client gets time to read why.
    this.connection.close(ConnectionCloseType.FlushWriteAndDelay);
  }

  /** The connection is about to be closed: its streams end now, `flag` and `details` say why. */
  #condemn(details: string, flag: number): void {
    this.#isCondemned = true;
    this.connection.connectionTerminationDetails = details;
    this.#countActiveRequests(false);
    for (const stream of this.#streams) stream.onCondemned(details, flag);
    this.#codec?.onConnectionEvent(ConnectionEvent.LocalClose);
  }

  #openStream(encoder: ResponseEncoder): ActiveStream {
    this.#timers.stopIdle();
    this.#timers.stopWatchingHead();
    const { stats, data } = this.config;
    this.#requests++;
    const most = data.maxRequestsPerConnection;
    if (most > 0 && this.#requests >= most) {
      stats.cxMaxRequestsReached++;
      if (this.isHttp2) this.startDrain();
      else this.#isDraining = true;
    }
    const stream = new ActiveStream(this, encoder);
    stream.index = this.#streams.push(stream) - 1;
    // A request may begin while the client still has the last response to read.
    if (this.#isAboveHighWatermark) stream.onAboveWriteBufferHighWatermark();
    return stream;
  }

  // ---- StreamOwner ----

  reopenStream(encoder: ResponseEncoder): ActiveStream {
    return this.#openStream(encoder);
  }

  protocol(): Protocol {
    return this.#codec === null ? 'HTTP/1.1' : this.#codec.protocol;
  }

  closesAfterResponse(isLast: boolean): boolean {
    if (!this.#isDraining && this.config.drainClose()) {
      this.config.stats.cxDrainClose++;
      if (this.isHttp2) this.startDrain();
      else this.#isDraining = true;
    }
    if (!this.isHttp2) return isLast || this.#isDraining;
    if (isLast) this.startDrain();
    return false;
  }

  borrowTimers(): StreamTimers {
    return this.config.streamTimers.borrow();
  }

  mustDefer(stream: ActiveStream): boolean {
    return this.#deferred?.mustWait(stream, this.#resets.areUsual()) ?? false;
  }

  onStreamFinished(stream: ActiveStream, timers: StreamTimers): void {
    const { stats, data } = this.config;
    stats.txBytesTotal += stream.encoder.bytesSent();
    const streams = this.#streams;
    const last = streams.pop()!;
    if (last !== stream) {
      streams[stream.index] = last;
      last.index = stream.index;
    }
    this.config.streamTimers.giveBack(timers);
    this.#judgeEnd(stream);
    if (streams.length > 0) return;
    this.#idleSinceMs = stream.streamInfo.endMs;
    this.#timers.startIdle(data.idleTimeoutMs, stream.streamInfo.endMs);
  }

  /** Rapid reset (CVE-2023-44487): who resets most of what it asks for before it is answered asks no more. */
  #judgeEnd({ streamInfo }: ActiveStream): void {
    this.#resets.count(streamInfo);
    if (!this.#resets.areTooMany()) return;
    if (this.#isCondemned || !this.connection.isOpen()) return;
    this.config.stats.rqTooManyPrematureResets++;
    this.#condemn(TOO_MANY_PREMATURE_RESETS, 0);
    this.connection.close(ConnectionCloseType.NoFlush);
  }

  // ---- ConnectionCallbacks ----

  onEvent(event: ConnectionEvent): void {
    if (event === ConnectionEvent.Connected) return;
    const isRemote = event === ConnectionEvent.RemoteClose;
    const { stats, clock } = this.config;
    this.config.removeConnection(this);
    this.#timers.dispose();
    if (isRemote) stats.cxDestroyRemote++;
    else stats.cxDestroyLocal++;
    this.#countActiveRequests(isRemote);
    for (const stream of this.#streams) stream.onConnectionClose(isRemote);
    this.#codec?.onConnectionEvent(event);
    this.#unclear = null;
    stats.cxDestroy++;
    stats.cxActive--;
    if (this.connection.tls !== null) stats.cxSslActive--;
    if (this.isHttp2) stats.cxHttp2Active--;
    else if (this.#codec !== null) stats.cxHttp1Active--;
    stats.cxLengthMs.record(clock.nowMs() - this.#startMs);
  }

  #countActiveRequests(isRemote: boolean): void {
    if (!this.#streams.some((stream) => !stream.isEnding())) return;
    const { stats } = this.config;
    stats.cxDestroyActiveRq++;
    if (isRemote) stats.cxDestroyRemoteActiveRq++;
    else stats.cxDestroyLocalActiveRq++;
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#isAboveHighWatermark = true;
    this.#codec?.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#isAboveHighWatermark = false;
    this.#codec?.onBelowWriteBufferLowWatermark();
  }

  // ---- the end of keep-alive ----

  /** HTTP/1: the next response is the last, or an idle connection closes after drain_timeout. HTTP/2: GOAWAY. */
  startDrain(): void {
    if (this.#timers.isDraining()) return;
    this.#isDraining = true;
    this.#codec?.shutdownNotice();
    const { clock, data } = this.config;
    const afterMs = this.config.jittered(data.drainTimeoutMs, data.drainTimeoutJitterPercent);
    this.#timers.startDrain(afterMs, clock.nowMs());
  }

  startListenerDrain(drain: DrainSequence): void {
    const { clock, data, random } = this.config;
    const nowMs = clock.nowMs();
    const afterMs = this.isHttp2
      ? goAwayIdleAfterMs(drain, nowMs, random)
      : closeIdleAfterMs(drain, nowMs, data.drainTimeoutMs, random);
    this.#timers.startListenerDrain(afterMs, nowMs);
  }

  /** The client had drain_timeout to see the end coming. */
  onDrainTimeout(): void {
    if (this.isHttp2) {
      this.#codec?.goAway();
      return;
    }
    const leftMs = this.#closeWhenSilent();
    if (leftMs > 0) this.#timers.startDrain(leftMs, this.config.clock.nowMs());
  }

  onListenerDrainTimeout(): void {
    if (!this.#isDraining) {
      this.#isDraining = true;
      this.config.stats.cxDrainClose++;
    }
    if (this.isHttp2) {
      this.startDrain();
      return;
    }
    const leftMs = this.#closeWhenSilent();
    if (leftMs > 0) this.#timers.startListenerDrain(leftMs, this.config.clock.nowMs());
  }

  /**
   * A client that used the connection a moment ago may be sending the next request, and one that reads a response
   * without Connection: close will: they hear of the end from the next head. Only who is silent is closed. Returns
   * how long to wait before it is asked again.
   */
  #closeWhenSilent(): number {
    const { clock, data } = this.config;
    const neededMs = Math.min(SILENT_MS, data.drainTimeoutMs);
    const silentMs = this.#streams.length > 0 ? 0 : clock.nowMs() - this.#idleSinceMs;
    if (silentMs < neededMs) return neededMs - silentMs;
    if (this.#codec === null) this.connection.close(ConnectionCloseType.FlushWrite);
    else this.#codec.goAway();
    return 0;
  }

  onIdleTimeout(): void {
    // It may be waiting for its client to read the last of it.
    if (!this.connection.isOpen()) return;
    this.config.stats.cxIdleTimeout++;
    this.#endKeepAlive();
  }

  onMaxDuration(): void {
    if (!this.connection.isOpen()) return;
    this.config.stats.cxMaxDurationReached++;
    const waitsForResponse = this.config.data.http1SafeMaxConnectionDuration && !this.isHttp2;
    // A request that is on its way then finds the connection open.
    if (waitsForResponse && this.#codec !== null) this.#isDraining = true;
    else this.#endKeepAlive();
  }

  onHeadersTimeout(): void {
    const unclear = this.#unclear;
    if (unclear !== null) {
      this.#unclear = null;
      this.#createCodec('HTTP/1').dispatch(unclear, false);
    }
    this.#codec?.abortHead(headersTimeout);
  }

  /** A connection that never carried a request has nothing to drain. */
  #endKeepAlive(): void {
    if (this.#codec === null) this.connection.close(ConnectionCloseType.FlushWrite);
    else this.startDrain();
  }
}
