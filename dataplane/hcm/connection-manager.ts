// The HTTP connection manager of one downstream connection: the terminal network filter. It owns the codec
// and the connection's timers and makes an ActiveStream per request; it knows nothing of filters or routes.
//
//   keep-alive --idle timeout, max duration, max requests, drain--> draining --drain_timeout--> close
//                                                                      '--next response: Connection: close
//
// HTTP/1 only for now: an HTTP/2 preface is answered by the HTTP/1 codec as the protocol error it is there.

import type {
  CodecError,
  RequestDecoder,
  ResponseEncoder,
  ServerConnectionCallbacks,
} from '../api/codec.ts';
import {
  type Connection,
  type ConnectionCallbacks,
  ConnectionCloseType,
  ConnectionEvent,
} from '../api/connection.ts';
import {
  NetworkFilterStatus,
  type ReadFilter,
  type ReadFilterCallbacks,
} from '../api/network-filter.ts';
import { type Protocol, ResponseFlag, type StreamInfo } from '../api/stream-info.ts';
import { ServerConnection } from '../http/h1/server-connection.ts';
import { ActiveStream, type StreamOwner } from './active-stream.ts';
import type { DrainableConnection, HttpConnectionManagerConfig } from './config.ts';
import { DeadlineTimer } from './deadline-timer.ts';
import { StreamTimers } from './stream-timers.ts';

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
    DrainableConnection
{
  readonly config: HttpConnectionManagerConfig;
  /** Set by initializeReadFilterCallbacks, before anything else is called. */
  connection!: Connection;
  /** The connection's own, for the listener's access log; set with `connection`. */
  #connectionInfo!: StreamInfo;
  filterChainName: string;
  #codec: ServerConnection | null;
  readonly #streams: ActiveStream[];
  /** Clock.nowMs of the end of the last stream, or of the connection's start. */
  #idleSinceMs: number;
  /** Requests since the connection began. */
  #requests: number;
  /** The next response says Connection: close. */
  #isDraining: boolean;
  #isAboveHighWatermark: boolean;
  #startMs: number;
  #freeTimers: StreamTimers | null;
  #idleTimer: DeadlineTimer<ConnectionManager> | null;
  #durationTimer: DeadlineTimer<ConnectionManager> | null;
  #headersTimer: DeadlineTimer<ConnectionManager> | null;
  #drainTimer: DeadlineTimer<ConnectionManager> | null;
  #listenerDrainTimer: DeadlineTimer<ConnectionManager> | null;

  constructor(config: HttpConnectionManagerConfig) {
    this.config = config;
    this.filterChainName = '';
    this.#codec = null;
    this.#streams = [];
    this.#idleSinceMs = 0;
    this.#requests = 0;
    this.#isDraining = false;
    this.#isAboveHighWatermark = false;
    this.#startMs = 0;
    this.#freeTimers = null;
    this.#idleTimer = null;
    this.#durationTimer = null;
    this.#headersTimer = null;
    this.#drainTimer = null;
    this.#listenerDrainTimer = null;
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
    if (data.idleTimeoutMs > 0) {
      this.#idleTimer = this.#timer(onIdleTimeout);
      this.#idleTimer.start(data.idleTimeoutMs, nowMs);
    }
    if (data.maxConnectionDurationMs > 0) {
      this.#durationTimer = this.#timer(onMaxDuration);
      this.#durationTimer.start(data.maxConnectionDurationMs, nowMs);
    }
  }

  onNewConnection(): NetworkFilterStatus {
    return NetworkFilterStatus.Continue;
  }

  onData(data: Buffer, endStream: boolean): NetworkFilterStatus {
    this.config.stats.rxBytesTotal += data.length;
    this.#codec ??= this.#createCodec();
    this.#codec.dispatch(data, endStream);
    const info = this.#connectionInfo;
    // A head that has begun well counts, as in Envoy; one that the codec refuses does not.
    if (info.protocol === '' && this.#codec.isReadingHead()) info.protocol = this.#codec.protocol;
    if (this.config.data.requestHeadersTimeoutMs > 0) this.#watchHead(this.#codec);
    return NetworkFilterStatus.StopIteration;
  }

  #createCodec(): ServerConnection {
    const { config, connection } = this;
    config.stats.cxHttp1Total++;
    config.stats.cxHttp1Active++;
    const options = connection.tls === null ? config.plaintextOptions : config.tlsOptions;
    return new ServerConnection(connection, this, options);
  }

  /** request_headers_timeout runs from a head's first byte to its last. */
  #watchHead(codec: ServerConnection): void {
    if (!codec.isReadingHead()) {
      this.#headersTimer?.stop();
      return;
    }
    this.#headersTimer ??= this.#timer(onHeadersTimeout);
    if (this.#headersTimer.isArmed()) return;
    const { data, clock } = this.config;
    this.#headersTimer.start(data.requestHeadersTimeoutMs, clock.nowMs());
  }

  // ---- from the codec ----

  newStream(encoder: ResponseEncoder): RequestDecoder {
    this.#connectionInfo.protocol = this.protocol();
    return this.#openStream(encoder);
  }

  onCodecError(error: CodecError, encoder: ResponseEncoder): void {
    let stream = this.#streams.find((open) => open.encoder === encoder) ?? null;
    stream ??= this.#openStream(encoder);
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
    this.connection.connectionTerminationDetails = `codec_error:${details}`;
    this.connection.close(ConnectionCloseType.FlushWriteAndDelay);
  }

  #openStream(encoder: ResponseEncoder): ActiveStream {
    this.#idleTimer?.stop();
    this.#headersTimer?.stop();
    const { stats, data } = this.config;
    this.#requests++;
    if (this.#requests === data.maxRequestsPerConnection) {
      stats.cxMaxRequestsReached++;
      this.#isDraining = true;
    }
    const stream = new ActiveStream(this, encoder);
    this.#streams.push(stream);
    // A pipelined request may begin while the client still has the last response to read.
    if (this.#isAboveHighWatermark) stream.onAboveWriteBufferHighWatermark();
    return stream;
  }

  // ---- StreamOwner ----

  protocol(): Protocol {
    return this.#codec === null ? 'HTTP/1.1' : this.#codec.protocol;
  }

  shouldCloseAfterResponse(): boolean {
    if (this.#isDraining) return true;
    if (!this.config.drainClose()) return false;
    this.#isDraining = true;
    this.config.stats.cxDrainClose++;
    return true;
  }

  borrowTimers(): StreamTimers {
    const timers = this.#freeTimers;
    if (timers === null) return new StreamTimers(this.config.timers, this.config.clock);
    this.#freeTimers = null;
    return timers;
  }

  onStreamFinished(stream: ActiveStream, timers: StreamTimers): void {
    const { stats, data } = this.config;
    stats.txBytesTotal += stream.encoder.bytesSent();
    const streams = this.#streams;
    const at = streams.indexOf(stream);
    const last = streams.pop()!;
    if (last !== stream && at !== -1) streams[at] = last;
    if (this.#freeTimers === null && this.connection.isOpen()) this.#freeTimers = timers;
    else timers.dispose();
    if (streams.length > 0) return;
    this.#idleSinceMs = stream.streamInfo.endMs;
    this.#idleTimer?.start(data.idleTimeoutMs, stream.streamInfo.endMs);
  }

  // ---- ConnectionCallbacks ----

  onEvent(event: ConnectionEvent): void {
    if (event === ConnectionEvent.Connected) return;
    const isRemote = event === ConnectionEvent.RemoteClose;
    const { stats, clock } = this.config;
    this.config.removeConnection(this);
    this.#disposeTimers();
    if (isRemote) stats.cxDestroyRemote++;
    else stats.cxDestroyLocal++;
    if (this.#streams.some((stream) => !stream.isEnding())) {
      stats.cxDestroyActiveRq++;
      if (isRemote) stats.cxDestroyRemoteActiveRq++;
      else stats.cxDestroyLocalActiveRq++;
      for (const stream of this.#streams) stream.onConnectionClose(isRemote);
    }
    this.#codec?.onConnectionEvent(event);
    stats.cxDestroy++;
    stats.cxActive--;
    if (this.connection.tls !== null) stats.cxSslActive--;
    if (this.#codec !== null) stats.cxHttp1Active--;
    stats.cxLengthMs.record(clock.nowMs() - this.#startMs);
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

  /** Ends keep-alive: the next response is the last; an idle connection closes after drain_timeout. */
  startDrain(): void {
    if (this.#drainTimer !== null) return;
    this.#isDraining = true;
    this.#drainTimer = this.#timer(onDrainTimeout);
    this.#drainTimer.start(this.config.data.drainTimeoutMs, this.config.clock.nowMs());
  }

  startListenerDrain(closeIdleAfterMs: number): void {
    const timer = this.#listenerDrainTimer ?? this.#timer(onListenerDrainTimeout);
    this.#listenerDrainTimer = timer;
    timer.start(closeIdleAfterMs, this.config.clock.nowMs());
  }

  /** The client had drain_timeout to see the end coming. */
  onDrainTimeout(): void {
    this.#closeWhenSilent(this.#drainTimer);
  }

  onListenerDrainTimeout(): void {
    if (!this.#isDraining) {
      this.#isDraining = true;
      this.config.stats.cxDrainClose++;
    }
    this.#closeWhenSilent(this.#listenerDrainTimer);
  }

  /**
   * A client that used the connection a moment ago may be sending the next request, and one that reads a response
   * without Connection: close will: they hear of the end from the next head. Only who is silent is closed.
   */
  #closeWhenSilent(timer: DeadlineTimer<ConnectionManager> | null): void {
    const { clock, data } = this.config;
    const nowMs = clock.nowMs();
    const neededMs = Math.min(SILENT_MS, data.drainTimeoutMs);
    const silentMs = this.#streams.length > 0 ? 0 : nowMs - this.#idleSinceMs;
    if (silentMs < neededMs) timer?.start(neededMs - silentMs, nowMs);
    else if (this.#codec === null) this.connection.close(ConnectionCloseType.FlushWrite);
    else this.#codec.goAway();
  }

  onIdleTimeout(): void {
    this.config.stats.cxIdleTimeout++;
    this.#endKeepAlive();
  }

  onMaxDuration(): void {
    this.config.stats.cxMaxDurationReached++;
    // A request that is on its way then finds the connection open.
    if (this.config.data.http1SafeMaxConnectionDuration && this.#codec !== null)
      this.#isDraining = true;
    else this.#endKeepAlive();
  }

  onHeadersTimeout(): void {
    this.#codec?.abortHead(headersTimeout);
  }

  /** A connection that never carried a request has nothing to drain. */
  #endKeepAlive(): void {
    if (this.#codec === null) this.connection.close(ConnectionCloseType.FlushWrite);
    else this.startDrain();
  }

  #timer(expire: (manager: ConnectionManager) => void): DeadlineTimer<ConnectionManager> {
    return new DeadlineTimer<ConnectionManager>(
      this.config.timers,
      this.config.clock,
      expire,
      this,
    );
  }

  #disposeTimers(): void {
    this.#idleTimer?.dispose();
    this.#idleTimer = null;
    this.#durationTimer?.dispose();
    this.#headersTimer?.dispose();
    this.#drainTimer?.dispose();
    this.#listenerDrainTimer?.dispose();
    this.#freeTimers?.dispose();
    this.#freeTimers = null;
  }
}

function onIdleTimeout(manager: ConnectionManager): void {
  manager.onIdleTimeout();
}

function onMaxDuration(manager: ConnectionManager): void {
  manager.onMaxDuration();
}

function onHeadersTimeout(manager: ConnectionManager): void {
  manager.onHeadersTimeout();
}

function onListenerDrainTimeout(manager: ConnectionManager): void {
  manager.onListenerDrainTimeout();
}

function onDrainTimeout(manager: ConnectionManager): void {
  manager.onDrainTimeout();
}
