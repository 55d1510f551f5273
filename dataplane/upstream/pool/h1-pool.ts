// HTTP/1 connections to one host at one priority: idle ones on a stack (the warmest is used next), requests
// that wait for a connection in a queue, ceilings as Envoy applies them (envoy-behaviour.md 2.9).

import type { Clock } from '../../../common/clock.ts';
import type { TimerService } from '../../../common/timer.ts';
import type {
  Cancellable,
  HttpPool,
  HttpPoolCallbacks,
  ResourceManager,
  UpstreamStreamInfo,
} from '../../api/cluster.ts';
import { type ResponseDecoder, StreamResetReason } from '../../api/codec.ts';
import type { ClusterConfig } from '../../api/config/cluster.ts';
import { type Connection, ConnectionCloseType } from '../../api/connection.ts';
import type { ClientOptions } from '../../http/h1/options.ts';
import type { UpstreamConnection } from '../../network/connector.ts';
import type { ClusterStats } from '../cluster-stats.ts';
import type { UpstreamHost } from '../host.ts';
import { PooledConnection } from './pooled-connection.ts';

/** What all pools of a cluster share. */
export interface PoolParts {
  readonly config: ClusterConfig;
  readonly stats: ClusterStats;
  readonly clientOptions: ClientOptions;
  readonly clock: Clock;
  readonly timers: TimerService;
  /** Begins a connection to `host`, TLS included. */
  connect(host: UpstreamHost): UpstreamConnection;
}

/** A request that waits for a connection. */
class PendingStream implements Cancellable {
  readonly decoder: ResponseDecoder;
  readonly callbacks: HttpPoolCallbacks;
  readonly #pool: H1Pool;

  constructor(pool: H1Pool, decoder: ResponseDecoder, callbacks: HttpPoolCallbacks) {
    this.#pool = pool;
    this.decoder = decoder;
    this.callbacks = callbacks;
  }

  cancel(): void {
    this.#pool.cancelPending(this);
  }
}

export class H1Pool implements HttpPool {
  readonly host: UpstreamHost;
  readonly parts: PoolParts;
  readonly stats: ClusterStats;
  readonly resources: ResourceManager;
  readonly #ready: PooledConnection[] = [];
  /** Every open or opening connection. */
  readonly #connections = new Set<PooledConnection>();
  #connecting = 0;
  readonly #pending: PendingStream[] = [];
  #draining = false;
  #onDrained: (() => void) | null = null;
  #lastInfo: UpstreamStreamInfo | null = null;

  constructor(host: UpstreamHost, parts: PoolParts, resources: ResourceManager) {
    this.host = host;
    this.parts = parts;
    this.stats = parts.stats;
    this.resources = resources;
  }

  newStream(decoder: ResponseDecoder, callbacks: HttpPoolCallbacks): Cancellable | null {
    const ready = this.#takeReady();
    if (ready !== null) {
      this.#attach(ready, decoder, callbacks);
      return null;
    }
    if (!this.resources.pendingRequests.tryAcquire()) {
      this.stats.upstreamRqPendingOverflow++;
      callbacks.onPoolFailure(StreamResetReason.Overflow, '', this.host);
      return null;
    }
    this.stats.upstreamRqPendingTotal++;
    this.stats.upstreamRqPendingActive++;
    const pending = new PendingStream(this, decoder, callbacks);
    this.#pending.push(pending);
    this.#connectIfNeeded();
    return pending;
  }

  isDraining(): boolean {
    return this.#draining;
  }

  isEmpty(): boolean {
    return this.#connections.size === 0 && this.#pending.length === 0;
  }

  /** The host or cluster is gone: idle connections close now, busy ones after their response. */
  drain(onDrained: () => void): void {
    this.#draining = true;
    this.#onDrained = onDrained;
    for (const connection of [...this.#ready]) {
      connection.connection.close(ConnectionCloseType.NoFlush);
    }
    this.#checkDrained();
  }

  /** close_connections_on_host_set_change, process end: everything goes now. */
  closeAll(): void {
    for (const { connection } of [...this.#connections])
      connection.close(ConnectionCloseType.NoFlush);
  }

  /** The same object for all requests of a connection in a row: allocated when the connection changes. */
  streamInfo(connection: Connection): UpstreamStreamInfo {
    if (this.#lastInfo === null || this.#lastInfo.connection !== connection) {
      this.#lastInfo = { protocol: 'HTTP/1.1', connection };
    }
    return this.#lastInfo;
  }

  /** A connection came up or finished a request: the longest waiting request gets it. */
  onReady(connection: PooledConnection): void {
    const pending = this.#pending.shift();
    if (pending === undefined) {
      this.#ready.push(connection);
      return;
    }
    this.#leavePending();
    this.#attach(connection, pending.decoder, pending.callbacks);
  }

  onConnected(connection: PooledConnection): void {
    this.#connecting--;
    if (this.#draining && this.#pending.length === 0) {
      connection.connection.close(ConnectionCloseType.NoFlush);
      return;
    }
    this.onReady(connection);
  }

  /** Envoy fails every request that waits when a connection cannot be made. */
  onConnectFailed(connection: PooledConnection, reason: StreamResetReason): void {
    this.#connecting--;
    this.#connections.delete(connection);
    const failed = this.#pending.splice(0);
    for (const { callbacks } of failed) {
      this.#leavePending();
      this.stats.upstreamRqPendingFailureEject++;
      callbacks.onPoolFailure(reason, connection.connection.transportFailureReason, this.host);
    }
    this.#checkDrained();
  }

  forget(connection: PooledConnection): void {
    this.#connections.delete(connection);
    const at = this.#ready.indexOf(connection);
    if (at !== -1) this.#ready.splice(at, 1);
  }

  onConnectionGone(): void {
    this.#connectIfNeeded();
    this.#checkDrained();
  }

  cancelPending(pending: PendingStream): void {
    const at = this.#pending.indexOf(pending);
    if (at === -1) return;
    this.#pending.splice(at, 1);
    this.#leavePending();
    this.stats.upstreamRqCancelled++;
    this.#checkDrained();
  }

  #attach(
    connection: PooledConnection,
    decoder: ResponseDecoder,
    callbacks: HttpPoolCallbacks,
  ): void {
    if (!this.resources.requests.tryAcquire()) {
      this.stats.upstreamRqActiveOverflow++;
      this.stats.upstreamRqPendingOverflow++;
      this.#ready.push(connection);
      callbacks.onPoolFailure(StreamResetReason.Overflow, '', this.host);
      return;
    }
    connection.attach(decoder, callbacks);
  }

  #takeReady(): PooledConnection | null {
    for (;;) {
      const connection = this.#ready.pop();
      if (connection === undefined) return null;
      if (connection.codec.canReuse()) return connection;
    }
  }

  #leavePending(): void {
    this.resources.pendingRequests.release();
    this.stats.upstreamRqPendingActive--;
  }

  /** One connection per waiting request; over the ceiling only if the pool has none at all. */
  #connectIfNeeded(): void {
    while (this.#connecting < this.#pending.length) {
      if (!this.resources.connections.tryAcquire()) {
        this.stats.upstreamCxOverflow++;
        if (this.#connections.size > 0) return;
        this.resources.connections.acquire();
      }
      this.#connecting++;
      this.#connections.add(new PooledConnection(this, this.parts.connect(this.host)));
    }
  }

  #checkDrained(): void {
    if (!this.#draining || !this.isEmpty()) return;
    const onDrained = this.#onDrained;
    this.#onDrained = null;
    onDrained?.();
  }
}
