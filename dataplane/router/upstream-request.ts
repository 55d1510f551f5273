// One try of a request at one host: waits for a connection, writes the request, reads the response, minds the
// per-try timers and the flow control of both directions. Owned by the router filter (UpstreamRequestParent),
// which decides about retries and answers; this class knows neither.
//
//   pending ──onPoolReady──> encoding ──> awaiting headers ──> reading ──> done
//      └─onPoolFailure─┐         └──────── onResetStream ──────────┘
//                      └──> parent.onUpstreamReset

import type { Clock } from '../../common/clock.ts';
import type { Timer, TimerService } from '../../common/timer.ts';
import {
  type Cancellable,
  type Cluster,
  ConnectionUse,
  type HttpPool,
  type HttpPoolCallbacks,
  type UpstreamStreamInfo,
} from '../api/cluster.ts';
import {
  type RequestEncoder,
  type ResponseDecoder,
  type StreamCallbacks,
  StreamResetReason,
} from '../api/codec.ts';
import type { Connection } from '../api/connection.ts';
import type { RequestHeaders, ResponseHeaders, Trailers } from '../api/headers.ts';
import type { Host } from '../api/host.ts';
import type { StreamInfo } from '../api/stream-info.ts';
import { KeptPieces } from '../network/kept-pieces.ts';
import type { BreakerPass } from './breaker-pass.ts';
import { countStreamReset } from './reset-reason.ts';

/** The router filter, as its tries see it. */
export interface UpstreamRequestParent {
  readonly streamInfo: StreamInfo;
  readonly clock: Clock;
  readonly timers: TimerService;
  /** The whole request has come from the client. */
  isRequestComplete(): boolean;
  /** Body bytes that may wait for a connection before the client is paused. */
  bufferLimitBytes(): number;
  /** 0 = none. */
  perTryTimeoutMs(): number;
  perTryIdleTimeoutMs(): number;
  /** Of the try as a whole, asked for by the request; -1 = it does not say. */
  streamDurationMs(): number;
  /** The try has a connection to that host, or none could be made. */
  onHostAttempted(host: Host): void;
  /** A connection is there; the last chance to change the head (auto_host_rewrite). */
  onUpstreamHostReady(host: Host): void;
  onUpstream1xx(headers: ResponseHeaders): void;
  onUpstreamHeaders(headers: ResponseHeaders, request: UpstreamRequest, endStream: boolean): void;
  onUpstreamData(data: Buffer, request: UpstreamRequest, endStream: boolean): void;
  onUpstreamTrailers(trailers: Trailers, request: UpstreamRequest): void;
  /** The try is over without a (complete) response. */
  onUpstreamReset(
    reason: StreamResetReason,
    transportFailureReason: string,
    request: UpstreamRequest,
  ): void;
  onPerTryTimeout(request: UpstreamRequest, isIdle: boolean): void;
  onMaxStreamDuration(request: UpstreamRequest): void;
  /** More / no more of the request can be taken. Counted. */
  onRequestSinkFull(): void;
  onRequestSinkDrained(): void;
}

/** See the file head. */
export class UpstreamRequest implements ResponseDecoder, HttpPoolCallbacks, StreamCallbacks {
  readonly host: Host;
  readonly cluster: Cluster;
  /** Null = no error-ratio breaker watches the try. */
  readonly breakers: BreakerPass | null;
  readonly #parent: UpstreamRequestParent;
  readonly #headers: RequestHeaders;
  #pool: HttpPool | null;
  /** The whole of it is the head, and RFC 9110 9.2.2 lets it be sent twice. */
  #isRepeatable: boolean;
  #isSentAgain: boolean;
  #info: UpstreamStreamInfo | null;
  #pending: Cancellable | null;
  #encoder: RequestEncoder | null;
  #connection: Connection | null;
  /** The host took part: false when a ceiling turned the try away before it. */
  hostAttempted: boolean;
  /** Some of the request was written. */
  started: boolean;
  /** Clock.nowMs then; -1 = it was not. */
  #startedMs: number;
  headersReceived: boolean;
  /** It exceeded its time, and another try was begun for it (hedge.ts, which writes all three). */
  isRetried: boolean;
  /** Outlier detection was told of that. */
  isTimeoutReported: boolean;
  /** StreamInfo's before another try wrote it. */
  lastTxMs: number;
  /** No event may come any more. */
  #isOver: boolean;
  /** Request: everything was handed over / encoded. */
  #headersEnd: boolean;
  #encodeComplete: boolean;
  /** Body (and end) that came before the connection. */
  #waiting: KeptPieces | null;
  #waitingBytes: number;
  #waitingEnd: boolean;
  #waitingTrailers: Trailers | null;
  #waitingIsFull: boolean;
  /** How often the sink said full and has not yet said drained. */
  #sinkFull: number;
  /** How often the client asked us to pause the upstream, before and after the encoder was there. */
  #readDisabled: number;
  #perTryTimer: Timer | null;
  #idleTimer: Timer | null;
  #durationTimer: Timer | null;

  constructor(
    parent: UpstreamRequestParent,
    cluster: Cluster,
    host: Host,
    headers: RequestHeaders,
    breakers: BreakerPass | null,
  ) {
    this.breakers = breakers;
    this.#parent = parent;
    this.cluster = cluster;
    this.host = host;
    this.#headers = headers;
    this.#pool = null;
    this.#isRepeatable = false;
    this.#isSentAgain = false;
    this.#info = null;
    this.#pending = null;
    this.#encoder = null;
    this.#connection = null;
    this.hostAttempted = false;
    this.started = false;
    this.#startedMs = -1;
    this.headersReceived = false;
    this.isRetried = false;
    this.isTimeoutReported = false;
    this.lastTxMs = -1;
    this.#isOver = false;
    this.#headersEnd = false;
    this.#encodeComplete = false;
    this.#waiting = null;
    this.#waitingBytes = 0;
    this.#waitingEnd = false;
    this.#waitingTrailers = null;
    this.#waitingIsFull = false;
    this.#sinkFull = 0;
    this.#readDisabled = 0;
    this.#perTryTimer = null;
    this.#idleTimer = null;
    this.#durationTimer = null;
  }

  /** Begins the try; `isAgain`: a peer refused the one before. The answer may come before this returns. */
  start(pool: HttpPool, endStream: boolean, isAgain: boolean): void {
    this.#pool = pool;
    this.#headersEnd = endStream;
    this.#isRepeatable = endStream && isIdempotent(this.#headers.method);
    let use: ConnectionUse = ConnectionUse.Again;
    if (!isAgain) use = this.#isRepeatable ? ConnectionUse.Any : ConnectionUse.Unrepeatable;
    this.#begin(pool, use);
  }

  #begin(pool: HttpPool, use: ConnectionUse): void {
    const pending = pool.newStream(this, this, use);
    // Null, or called back already: then there is nothing to cancel.
    if (this.#encoder === null && !this.#isOver) this.#pending = pending;
  }

  isOver(): boolean {
    return this.#isOver;
  }

  /** GOAWAY came on its connection. */
  peerIsGoingAway(): boolean {
    return this.#info?.isGoingAway() === true;
  }

  isEncodeComplete(): boolean {
    return this.#encodeComplete;
  }

  /** Body of the request, in order. Buffers are kept, not copied. */
  encodeData(data: Buffer, endStream: boolean): void {
    if (this.#isOver) return;
    if (this.#encoder !== null) {
      this.#encode(this.#encoder, data, endStream);
      return;
    }
    this.#waiting ??= new KeptPieces();
    if (data.length > 0) this.#waiting.add(data);
    this.#waitingBytes += data.length;
    this.#waitingEnd = endStream;
    if (!this.#waitingIsFull && this.#waitingBytes > this.#parent.bufferLimitBytes()) {
      this.#waitingIsFull = true;
      this.#parent.onRequestSinkFull();
    }
  }

  encodeTrailers(trailers: Trailers): void {
    if (this.#isOver) return;
    if (this.#encoder === null) {
      this.#waitingTrailers = trailers;
      return;
    }
    this.#encodeComplete = true;
    this.#encoder.encodeTrailers(trailers);
    this.#parent.streamInfo.lastUpstreamTxByteMs = this.#parent.clock.nowMs();
  }

  /** The whole request is there: the per-try timers start now if a connection is there, else with it. */
  onRequestComplete(): void {
    if (this.#encoder !== null && !this.#isOver) this.#startTimers();
  }

  /** The client cannot take more (true) / can again (false) of the response. Counted. */
  readDisable(disable: boolean): void {
    this.#readDisabled += disable ? 1 : -1;
    if (this.#isOver) return;
    const { stats } = this.cluster;
    if (disable) stats.upstreamFlowControlPausedReadingTotal++;
    else stats.upstreamFlowControlResumedReadingTotal++;
    if (this.#encoder !== null) this.#encoder.readDisable(disable);
  }

  /** Ends the try from our side, at any moment; no callback follows. */
  reset(): void {
    if (this.breakers !== null) this.breakers.cancel();
    if (this.#isOver) return;
    const encoder = this.#encoder;
    const pending = this.#pending;
    if (this.host.meter !== null && this.started && !this.headersReceived) {
      this.host.meter.onAbandoned(this.#elapsedMs());
    }
    this.#finish();
    if (encoder !== null) {
      countStreamReset(this.cluster.stats, this.#info, StreamResetReason.LocalReset);
      encoder.resetStream(StreamResetReason.LocalReset);
    }
    if (pending !== null) pending.cancel();
  }

  #elapsedMs(): number {
    return this.#parent.clock.nowMs() - this.#startedMs;
  }

  // ---- pool ----

  onPoolReady(encoder: RequestEncoder, host: Host, info: UpstreamStreamInfo): void {
    this.#pending = null;
    this.#encoder = encoder;
    this.#connection = info.connection;
    this.#info = info;
    this.hostAttempted = true;
    const parent = this.#parent;
    const { streamInfo } = parent;
    encoder.setCallbacks(this);
    this.#describe(streamInfo, info);
    for (let i = 0; i < this.#readDisabled; i++) encoder.readDisable(true);
    parent.onHostAttempted(host);
    parent.onUpstreamHostReady(host);
    const asked = parent.streamDurationMs();
    const durationMs = asked === -1 ? this.cluster.config.http.maxStreamDurationMs : asked;
    if (durationMs > 0 && this.#durationTimer === null) {
      this.#durationTimer = parent.timers.createTimer(onDurationTimer, this);
      this.#durationTimer.start(durationMs);
    }
    const nowMs = parent.clock.nowMs();
    streamInfo.firstUpstreamTxByteMs = nowMs;
    this.started = true;
    this.#startedMs = nowMs;
    const waits = this.#waiting !== null || this.#waitingTrailers !== null;
    const endStream = this.#headersEnd && !waits;
    this.#encodeComplete = endStream;
    encoder.encodeHeaders(this.#headers, endStream);
    if (this.#isOver) return;
    if (endStream) streamInfo.lastUpstreamTxByteMs = nowMs;
    if (waits) this.#encodeWaiting(encoder);
    if (!this.#isOver && parent.isRequestComplete()) this.#startTimers();
  }

  /** The log line tells of this try, whatever other tries have done since. */
  describeAgain(): void {
    const { streamInfo } = this.#parent;
    if (this.#info !== null) this.#describe(streamInfo, this.#info);
    streamInfo.firstUpstreamTxByteMs = this.#startedMs;
    if (this.lastTxMs !== -1) streamInfo.lastUpstreamTxByteMs = this.lastTxMs;
  }

  #describe(streamInfo: StreamInfo, { connection, protocol }: UpstreamStreamInfo): void {
    // Not the host's, which may have another by now (LOGICAL_DNS, dynamic forward proxy).
    streamInfo.upstreamHost = connection.remoteAddress;
    streamInfo.upstreamHostName = this.host.hostname;
    streamInfo.upstreamLocalAddress = connection.localAddress;
    streamInfo.upstreamProtocol = protocol;
    streamInfo.upstreamTls = connection.tls;
    streamInfo.upstreamConnectionId = connection.id;
  }

  onPoolFailure(
    reason: StreamResetReason,
    transportFailureReason: string,
    host: Host | null,
  ): void {
    this.#pending = null;
    if (host !== null) {
      const { streamInfo } = this.#parent;
      this.hostAttempted = true;
      streamInfo.upstreamHost = host.address;
      streamInfo.upstreamHostName = host.hostname;
      streamInfo.upstreamTransportFailureReason = transportFailureReason;
      if (host.meter !== null && reason !== StreamResetReason.Overflow) host.meter.onFailure(0);
      this.#parent.onHostAttempted(host);
    }
    this.#finish();
    this.#parent.onUpstreamReset(reason, transportFailureReason, this);
  }

  // ---- response ----

  decode1xxHeaders(headers: ResponseHeaders): void {
    if (!this.#isOver) this.#parent.onUpstream1xx(headers);
  }

  decodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    if (this.#isOver) return;
    const nowMs = this.#parent.clock.nowMs();
    const { streamInfo } = this.#parent;
    streamInfo.firstUpstreamRxByteMs = nowMs;
    this.headersReceived = true;
    const { meter, loadMetrics } = this.host;
    if (meter !== null) {
      meter.onResponseHeaders(headers.status, headers.fields, nowMs - this.#startedMs);
    }
    if (loadMetrics !== null) loadMetrics.take(headers.fields);
    if (this.#perTryTimer !== null) this.#perTryTimer.stop();
    if (this.#idleTimer !== null) this.#idleTimer.start(this.#parent.perTryIdleTimeoutMs());
    if (endStream) this.#onResponseEnd(nowMs);
    this.#parent.onUpstreamHeaders(headers, this, endStream);
  }

  decodeData(data: Buffer, endStream: boolean): void {
    if (this.#isOver) return;
    if (this.#idleTimer !== null) this.#idleTimer.start(this.#parent.perTryIdleTimeoutMs());
    if (endStream) this.#onResponseEnd(this.#parent.clock.nowMs());
    this.#parent.onUpstreamData(data, this, endStream);
  }

  decodeTrailers(trailers: Trailers): void {
    if (this.#isOver) return;
    this.#onResponseEnd(this.#parent.clock.nowMs());
    if (this.host.meter !== null) this.host.meter.onResponseTrailers(trailers);
    if (this.host.loadMetrics !== null) this.host.loadMetrics.take(trailers);
    this.#parent.onUpstreamTrailers(trailers, this);
  }

  // ---- stream ----

  /** A codec's own details are for its log; clients are told of the transport only. */
  onResetStream(reason: StreamResetReason): void {
    if (this.#isOver) return;
    countStreamReset(this.cluster.stats, this.#info, reason);
    if (reason === StreamResetReason.ConnectionTermination && this.#sendAgain()) return;
    const transportFailureReason = this.#connection?.transportFailureReason ?? '';
    if (transportFailureReason !== '') {
      this.#parent.streamInfo.upstreamTransportFailureReason = transportFailureReason;
    }
    if (this.host.meter !== null && !this.headersReceived) {
      this.host.meter.onFailure(this.#elapsedMs());
    }
    this.#finish();
    this.#parent.onUpstreamReset(reason, transportFailureReason, this);
  }

  /**
   * The peer closed a kept connection while the request was on its way to it, and answered nothing: the usual
   * race with its idle timeout. Once, on a new connection; ADR 11 says for which requests.
   */
  #sendAgain(): boolean {
    const pool = this.#pool;
    if (!this.#isRepeatable || this.#isSentAgain || pool === null || this.isRetried) return false;
    if (this.#info?.wasReused() !== true || this.#encoder?.bytesReceived() !== 0) return false;
    this.#isSentAgain = true;
    this.cluster.stats.upstreamRqStaleConnection++;
    this.#encoder = null;
    this.#connection = null;
    this.started = false;
    this.#encodeComplete = false;
    this.#begin(pool, ConnectionUse.New);
    return true;
  }

  onAboveWriteBufferHighWatermark(): void {
    if (this.#isOver) return;
    this.cluster.stats.upstreamFlowControlBackedUpTotal++;
    this.#sinkFull++;
    this.#parent.onRequestSinkFull();
  }

  onBelowWriteBufferLowWatermark(): void {
    if (this.#isOver || this.#sinkFull === 0) return;
    this.cluster.stats.upstreamFlowControlDrainedTotal++;
    this.#sinkFull--;
    this.#parent.onRequestSinkDrained();
  }

  /** For timers, which are module functions. */
  onTimer(isIdle: boolean): void {
    if (!this.#isOver) this.#parent.onPerTryTimeout(this, isIdle);
  }

  onDurationTimer(): void {
    if (!this.#isOver) this.#parent.onMaxStreamDuration(this);
  }

  /** The response is complete and passed on; a request that is not complete is given up. */
  complete(): void {
    if (!this.#encodeComplete) {
      this.reset();
      return;
    }
    if (this.breakers !== null) this.breakers.cancel();
    this.#finish();
  }

  #onResponseEnd(nowMs: number): void {
    this.#parent.streamInfo.lastUpstreamRxByteMs = nowMs;
    this.#stopTimers();
  }

  #encodeWaiting(encoder: RequestEncoder): void {
    const waiting = this.#waiting?.pieces ?? [];
    const trailers = this.#waitingTrailers;
    const endsWithData = this.#waitingEnd && trailers === null;
    this.#waiting = null;
    this.#waitingTrailers = null;
    if (waiting.length === 0 && endsWithData) this.#encode(encoder, EMPTY, true);
    for (let i = 0; i < waiting.length && !this.#isOver; i++) {
      this.#encode(encoder, waiting[i]!, endsWithData && i === waiting.length - 1);
    }
    if (this.#isOver) return;
    if (trailers !== null) this.encodeTrailers(trailers);
    if (this.#waitingIsFull && !this.#isOver) {
      this.#waitingIsFull = false;
      this.#parent.onRequestSinkDrained();
    }
  }

  #encode(encoder: RequestEncoder, data: Buffer, endStream: boolean): void {
    if (endStream) this.#encodeComplete = true;
    encoder.encodeData(data, endStream);
    if (endStream) this.#parent.streamInfo.lastUpstreamTxByteMs = this.#parent.clock.nowMs();
  }

  #startTimers(): void {
    const perTryMs = this.#parent.perTryTimeoutMs();
    if (perTryMs > 0 && !this.headersReceived && this.#perTryTimer === null) {
      this.#perTryTimer = this.#parent.timers.createTimer(onPerTryTimer, this);
      this.#perTryTimer.start(perTryMs);
    }
    const idleMs = this.#parent.perTryIdleTimeoutMs();
    if (idleMs > 0 && this.#idleTimer === null) {
      this.#idleTimer = this.#parent.timers.createTimer(onIdleTimer, this);
      this.#idleTimer.start(idleMs);
    }
  }

  #stopTimers(): void {
    if (this.#perTryTimer !== null) this.#perTryTimer.stop();
    if (this.#idleTimer !== null) this.#idleTimer.stop();
    if (this.#durationTimer !== null) this.#durationTimer.stop();
  }

  /** Takes back what it asked of others; afterwards nothing reaches the parent. */
  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stopTimers();
    this.#waiting = null;
    // A client that this try had paused must go on for the next one.
    let owed = this.#sinkFull + (this.#waitingIsFull ? 1 : 0);
    this.#sinkFull = 0;
    this.#waitingIsFull = false;
    while (owed-- > 0) this.#parent.onRequestSinkDrained();
  }
}

const EMPTY = Buffer.alloc(0);

function isIdempotent(method: string): boolean {
  switch (method) {
    case 'GET':
    case 'HEAD':
    case 'OPTIONS':
    case 'TRACE':
    case 'PUT':
    case 'DELETE':
      return true;
    default:
      return false;
  }
}

function onPerTryTimer(request: UpstreamRequest): void {
  request.onTimer(false);
}

function onDurationTimer(request: UpstreamRequest): void {
  request.onDurationTimer();
}

function onIdleTimer(request: UpstreamRequest): void {
  request.onTimer(true);
}
