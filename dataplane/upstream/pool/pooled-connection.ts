// One HTTP/1 connection of a pool: connecting, ready, busy or draining, and what it is counted as.
//
//   connecting --Connected--> ready <--newStream / onIdle--> busy --(not reusable)--> closed
//
// All counting of connections and active requests is here, so that it cannot be forgotten on any way out.

import type { Timer } from '../../../common/timer.ts';
import type { HttpPoolCallbacks } from '../../api/cluster.ts';
import { type RequestEncoder, type ResponseDecoder, StreamResetReason } from '../../api/codec.ts';
import {
  type ConnectionCallbacks,
  ConnectionCloseType,
  ConnectionEvent,
} from '../../api/connection.ts';
import { ClientConnection } from '../../http/h1/client-connection.ts';
import type { ClientConnectionCallbacks } from '../../http/h1/options.ts';
import type { UpstreamConnection } from '../../network/connector.ts';
import type { H1Pool } from './h1-pool.ts';

export class PooledConnection implements ConnectionCallbacks, ClientConnectionCallbacks {
  readonly connection: UpstreamConnection;
  readonly codec: ClientConnection;
  readonly #pool: H1Pool;
  readonly #startMs: number;
  #connectedMs = -1;
  #busy = false;
  #closed = false;
  #requests = 0;
  #goingAway = false;
  #idleTimer: Timer | null = null;

  constructor(pool: H1Pool, connection: UpstreamConnection) {
    this.#pool = pool;
    this.connection = connection;
    this.#startMs = pool.parts.clock.nowMs();
    this.codec = new ClientConnection(connection, pool.parts.clientOptions, this);
    connection.addConnectionCallbacks(this);
    const { stats } = pool;
    stats.upstreamCxTotal++;
    stats.upstreamCxActive++;
    stats.upstreamCxHttp1Total++;
    pool.host.stats.cxTotal++;
    pool.host.addConnection(1);
  }

  isConnecting(): boolean {
    return this.#connectedMs < 0 && !this.#closed;
  }

  isBusy(): boolean {
    return this.#busy;
  }

  /** Begins a request; only on a ready connection, the caller has acquired the `requests` resource. */
  attach(decoder: ResponseDecoder, callbacks: HttpPoolCallbacks): void {
    const pool = this.#pool;
    this.#idleTimer?.stop();
    this.#busy = true;
    this.#requests++;
    pool.stats.upstreamRqTotal++;
    pool.stats.upstreamRqActive++;
    pool.host.stats.rqTotal++;
    pool.host.stats.adjustActive(1);
    const encoder: RequestEncoder = this.codec.newStream(decoder);
    callbacks.onPoolReady(encoder, pool.host, this.#pool.streamInfo(this.connection));
  }

  onIdle(): void {
    this.#release();
    const pool = this.#pool;
    const { maxRequestsPerConnection } = pool.parts.config.http;
    if (maxRequestsPerConnection > 0 && this.#requests >= maxRequestsPerConnection) {
      pool.stats.upstreamCxMaxRequests++;
      this.#goingAway = true;
    }
    if (this.#goingAway || !this.codec.canReuse() || pool.isDraining()) {
      this.connection.close(ConnectionCloseType.FlushWrite);
      return;
    }
    pool.onReady(this);
    if (!this.#busy && !this.#closed) this.#startIdleTimer();
  }

  onGoAway(): void {
    this.#goingAway = true;
    this.#pool.stats.upstreamCxCloseNotify++;
  }

  onProtocolError(): void {
    this.#pool.stats.upstreamCxProtocolError++;
  }

  onEvent(event: ConnectionEvent): void {
    if (event === ConnectionEvent.Connected) {
      const pool = this.#pool;
      this.#connectedMs = pool.parts.clock.nowMs();
      pool.stats.recordCxConnectMs(this.#connectedMs - this.#startMs);
      this.connection.setReadSink(this.codec);
      pool.onConnected(this);
      if (!this.#busy && !this.#closed) this.#startIdleTimer();
      return;
    }
    this.#onClosed(event);
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#pool.stats.upstreamFlowControlBackedUpTotal++;
    this.codec.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#pool.stats.upstreamFlowControlDrainedTotal++;
    this.codec.onBelowWriteBufferLowWatermark();
  }

  onIdleTimeout(): void {
    this.#pool.stats.upstreamCxIdleTimeout++;
    this.connection.close(ConnectionCloseType.NoFlush);
  }

  #startIdleTimer(): void {
    const { idleTimeoutMs } = this.#pool.parts.config.http;
    if (idleTimeoutMs === 0) return;
    this.#idleTimer ??= this.#pool.parts.timers.createTimer(onIdleTimer, this);
    this.#idleTimer.start(idleTimeoutMs);
  }

  #release(): void {
    if (!this.#busy) return;
    this.#busy = false;
    const pool = this.#pool;
    pool.stats.upstreamRqActive--;
    pool.host.stats.adjustActive(-1);
    pool.resources.requests.release();
  }

  #onClosed(event: ConnectionEvent): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#idleTimer?.stop();
    const pool = this.#pool;
    const { stats } = pool;
    stats.upstreamCxActive--;
    stats.upstreamCxDestroy++;
    const isLocal = event === ConnectionEvent.LocalClose;
    if (isLocal) stats.upstreamCxDestroyLocal++;
    else stats.upstreamCxDestroyRemote++;
    if (this.#busy) {
      stats.upstreamCxDestroyWithActiveRq++;
      if (isLocal) stats.upstreamCxDestroyLocalWithActiveRq++;
      else stats.upstreamCxDestroyRemoteWithActiveRq++;
    }
    pool.host.addConnection(-1);
    pool.resources.connections.release();
    if (this.#connectedMs < 0) {
      this.#onConnectFailed(event);
      return;
    }
    stats.recordCxLengthMs(pool.parts.clock.nowMs() - this.#connectedMs);
    // The stream learns of it first: it may retry, and that must not find this connection.
    pool.forget(this);
    this.codec.onConnectionEvent(event);
    this.#release();
    pool.onConnectionGone();
  }

  #onConnectFailed(event: ConnectionEvent): void {
    const pool = this.#pool;
    pool.stats.upstreamCxConnectFail++;
    pool.host.stats.cxConnectFail++;
    let reason: StreamResetReason = StreamResetReason.RemoteConnectionFailure;
    if (this.connection.connectTimedOut) {
      pool.stats.upstreamCxConnectTimeout++;
      reason = StreamResetReason.ConnectionTimeout;
    } else if (event === ConnectionEvent.LocalClose) {
      reason = StreamResetReason.LocalConnectionFailure;
    }
    pool.onConnectFailed(this, reason);
  }
}

function onIdleTimer(connection: PooledConnection): void {
  connection.onIdleTimeout();
}
