// Raw connections to one host, for tcp_proxy: one per downstream connection, none reused.

import type { Cancellable, ResourceManager, TcpPool, TcpPoolCallbacks } from '../../api/cluster.ts';
import { StreamResetReason } from '../../api/codec.ts';
import {
  type ConnectionCallbacks,
  ConnectionCloseType,
  ConnectionEvent,
} from '../../api/connection.ts';
import type { UpstreamConnection } from '../../network/connector.ts';
import type { UpstreamHost } from '../host.ts';
import type { PoolParts } from './h1-pool.ts';

export class TcpHostPool implements TcpPool {
  readonly host: UpstreamHost;
  readonly parts: PoolParts;
  readonly resources: ResourceManager;
  readonly connections = new Set<UpstreamConnection>();

  constructor(host: UpstreamHost, parts: PoolParts, resources: ResourceManager) {
    this.host = host;
    this.parts = parts;
    this.resources = resources;
  }

  newConnection(callbacks: TcpPoolCallbacks): Cancellable | null {
    const { stats } = this.parts;
    if (!this.resources.connections.tryAcquire()) {
      stats.upstreamCxOverflow++;
      callbacks.onPoolFailure(StreamResetReason.Overflow, '', this.host);
      return null;
    }
    return new TcpAttempt(this, this.parts.connect(this.host), callbacks);
  }

  /** The host or cluster is gone; `force` also ends connections in use. */
  close(force: boolean): void {
    if (!force) return;
    for (const connection of [...this.connections]) connection.close(ConnectionCloseType.NoFlush);
  }
}

/** One connection from its beginning to its end; counts it. */
class TcpAttempt implements Cancellable, ConnectionCallbacks {
  readonly #pool: TcpHostPool;
  readonly #connection: UpstreamConnection;
  #callbacks: TcpPoolCallbacks | null;
  readonly #startMs: number;
  #connectedMs = -1;
  #closed = false;

  constructor(pool: TcpHostPool, connection: UpstreamConnection, callbacks: TcpPoolCallbacks) {
    this.#pool = pool;
    this.#connection = connection;
    this.#callbacks = callbacks;
    this.#startMs = pool.parts.clock.nowMs();
    const { stats } = pool.parts;
    stats.upstreamCxTotal++;
    stats.upstreamCxActive++;
    pool.host.stats.cxTotal++;
    pool.host.addConnection(1);
    pool.connections.add(connection);
    connection.addConnectionCallbacks(this);
  }

  cancel(): void {
    this.#callbacks = null;
    this.#connection.close(ConnectionCloseType.NoFlush);
  }

  onEvent(event: ConnectionEvent): void {
    const { stats, clock } = this.#pool.parts;
    if (event === ConnectionEvent.Connected) {
      this.#connectedMs = clock.nowMs();
      stats.recordCxConnectMs(this.#connectedMs - this.#startMs);
      const callbacks = this.#callbacks;
      this.#callbacks = null;
      callbacks?.onPoolReady(this.#connection, this.#pool.host);
      return;
    }
    if (this.#closed) return;
    this.#closed = true;
    stats.upstreamCxActive--;
    stats.upstreamCxDestroy++;
    if (event === ConnectionEvent.LocalClose) stats.upstreamCxDestroyLocal++;
    else stats.upstreamCxDestroyRemote++;
    this.#pool.host.addConnection(-1);
    this.#pool.resources.connections.release();
    this.#pool.connections.delete(this.#connection);
    if (this.#connectedMs >= 0) stats.recordCxLengthMs(clock.nowMs() - this.#connectedMs);
    else this.#onConnectFailed();
  }

  onAboveWriteBufferHighWatermark(): void {
    // Whoever writes to the connection listens for itself.
  }

  onBelowWriteBufferLowWatermark(): void {
    // Whoever writes to the connection listens for itself.
  }

  #onConnectFailed(): void {
    const { stats } = this.#pool.parts;
    stats.upstreamCxConnectFail++;
    this.#pool.host.stats.cxConnectFail++;
    let reason: StreamResetReason = StreamResetReason.RemoteConnectionFailure;
    if (this.#connection.connectTimedOut) {
      stats.upstreamCxConnectTimeout++;
      reason = StreamResetReason.ConnectionTimeout;
    }
    const callbacks = this.#callbacks;
    this.#callbacks = null;
    callbacks?.onPoolFailure(reason, this.#connection.transportFailureReason, this.#pool.host);
  }
}
