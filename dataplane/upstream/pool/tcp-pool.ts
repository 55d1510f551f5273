// TCP connections to one host for tcp_proxy: each is made for one borrower and never reused. Counts a
// borrower as a request of the cluster, as Envoy does, but the ceiling of requests does not apply.

import type { Cancellable, TcpPool, TcpPoolCallbacks } from '../../api/cluster.ts';
import { ConnectionEvent } from '../../api/connection.ts';
import type { Pending } from './pending-list.ts';
import { ConnectionPool } from './pool.ts';
import { PoolClient } from './pool-client.ts';
import type { PoolConnection } from './pool-context.ts';

/** See the file head. */
export class TcpConnectionPool
  extends ConnectionPool<TcpPoolCallbacks, TcpClient>
  implements TcpPool
{
  protected override readonly alpnProtocols: readonly string[] = [];

  newConnection(callbacks: TcpPoolCallbacks): Cancellable | null {
    return this.enqueue(callbacks, null);
  }

  protected override createClient(connection: PoolConnection): TcpClient {
    return new TcpClient(this, connection, this.context.clock.nowMs());
  }

  onClientConnected(client: TcpClient): void {
    this.countConnected(client);
    const pending = this.takePending();
    if (pending === null) {
      client.closeNow();
      return;
    }
    const { stats, host } = this;
    stats.upstreamRqTotal++;
    stats.upstreamRqActive++;
    this.resources.requests.acquire();
    host.stats.rqTotal++;
    host.stats.adjustActive(1);
    client.hasBorrower = true;
    pending.callbacks.onPoolReady(client.connection, host);
  }

  onClientClosed(client: TcpClient, event: ConnectionEvent): void {
    const { hasBorrower } = client;
    if (hasBorrower) {
      client.hasBorrower = false;
      this.stats.upstreamRqActive--;
      this.resources.requests.release();
      this.host.stats.adjustActive(-1);
    }
    this.onClosed(client, event, hasBorrower);
  }

  /** Nobody may want the connection that was being made for a borrower who left (Envoy: CloseExcess). */
  override onPendingCancelled(pending: Pending<TcpPoolCallbacks>): void {
    super.onPendingCancelled(pending);
    if (this.connectingCapacity <= this.pending.size) return;
    for (const client of this.clients) {
      if (!client.isConnecting()) continue;
      client.closeNow();
      return;
    }
  }
}

/** One connection and who has borrowed it. */
export class TcpClient extends PoolClient {
  hasBorrower = false;
  readonly #pool: TcpConnectionPool;

  constructor(pool: TcpConnectionPool, connection: PoolConnection, createdMs: number) {
    super(connection, createdMs, 1);
    this.#pool = pool;
  }

  override isBusy(): boolean {
    return this.hasBorrower;
  }

  override onEvent(event: ConnectionEvent): void {
    if (event === ConnectionEvent.Connected) this.#pool.onClientConnected(this);
    else this.#pool.onClientClosed(this, event);
  }

  /** The borrower has added callbacks of its own for these. */
  override onAboveWriteBufferHighWatermark(): void {}
  override onBelowWriteBufferLowWatermark(): void {}
}
