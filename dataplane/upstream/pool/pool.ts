// What HTTP and TCP pools have in common: the queue of requests that wait for a connection, making
// connections on demand under the cluster's ceilings, counting, failing and draining. One pool per host,
// priority, protocol and worker. Follows Envoy's conn_pool_base: what a connection that is being made will
// carry is its capacity, and there are as many as the capacity for all that wait takes.
//
//   request --no ready connection--> pending --connection up--> attached (subclass) --end--> next pending
//                  | ceiling                | connect failed: all that wait fail together
//                  v                        v
//               Overflow          Remote/LocalConnectionFailure, ConnectionTimeout

import { ConnectionUse, type ResourceManager } from '../../api/cluster.ts';
import { type ResponseDecoder, StreamResetReason } from '../../api/codec.ts';
import { ConnectionEvent, type ProxyProtocolInfo } from '../../api/connection.ts';
import type { ClusterStats } from '../cluster-stats.ts';
import { type FailureCallbacks, Pending, PendingList, type PendingOwner } from './pending-list.ts';
import type { PoolClient } from './pool-client.ts';
import type { PoolConnection, PoolContext, PoolHost, PoolOwner } from './pool-context.ts';

/** Envoy attempts at most so many connections per event. */
const MAX_CONNECTS_PER_EVENT = 3;

export abstract class ConnectionPool<
  Callbacks extends FailureCallbacks,
  Client extends PoolClient = PoolClient,
> implements PendingOwner<Callbacks>
{
  protected readonly context: PoolContext;
  protected readonly host: PoolHost;
  protected readonly stats: ClusterStats;
  protected readonly resources: ResourceManager;
  protected readonly pending = new PendingList<Callbacks>();
  protected readonly clients = new Set<Client>();
  protected isDraining = false;
  /** Its name among the pools of the host; '' = it stays when it is empty. */
  name = '';
  /** It is one of those that max_connection_pools counts: from its first request until it is empty. */
  isCounted = false;
  readonly #owner: PoolOwner<ConnectionPool<Callbacks, Client>>;
  readonly #serverName: string;
  readonly #downstream: ProxyProtocolInfo | null;
  /** Requests that the connections under way will take. */
  protected connectingCapacity = 0;

  constructor(
    context: PoolContext,
    host: PoolHost,
    priority: 0 | 1,
    owner: PoolOwner<ConnectionPool<Callbacks, Client>>,
    serverName: string,
    downstream: ProxyProtocolInfo | null,
  ) {
    this.context = context;
    this.host = host;
    this.stats = context.stats;
    this.resources = context.resources[priority];
    this.#owner = owner;
    this.#serverName = serverName;
    this.#downstream = downstream;
  }

  /** What TLS offers by ALPN where its own config does not say. */
  protected abstract readonly alpnProtocols: readonly string[];

  protected abstract createClient(connection: PoolConnection): Client;

  /** No connection, nothing waiting. */
  isEmpty(): boolean {
    return this.clients.size === 0 && this.pending.size === 0;
  }

  /** What connections it has are only kept for later. */
  isIdle(): boolean {
    if (this.pending.size > 0) return false;
    for (const client of this.clients) if (client.isBusy()) return false;
    return true;
  }

  /** False = its ceilings are those of the other priority. */
  hasResources(resources: ResourceManager): boolean {
    return this.resources === resources;
  }

  /** From now on no connection is reused; what is under way, or still comes, is served. */
  drain(): void {
    this.isDraining = true;
    this.drainConnections();
  }

  /** Replaces the connections that exist; the pool goes on with new ones. */
  drainConnections(): void {
    for (const client of [...this.clients]) {
      if (client.isBusy()) this.retire(client);
      else if (!client.isConnecting()) client.closeNow();
      else if (this.connectingCapacity - client.connectCapacity >= this.pending.size) {
        client.closeNow();
      }
    }
  }

  /** A connection gets nothing new from now on. */
  protected retire(client: Client): void {
    client.isDraining = true;
  }

  /** Closes every connection, busy or not. */
  closeAll(): void {
    for (const client of [...this.clients]) client.closeNow();
  }

  // -- requests -----------------------------------------------------------------------------------

  /** Queues a request and connects for it. Null = it failed by overflow, or was served at once. */
  protected enqueue(
    callbacks: Callbacks,
    decoder: ResponseDecoder | null,
    use: ConnectionUse = ConnectionUse.Any,
  ): Pending<Callbacks> | null {
    const { stats } = this;
    if (!this.resources.pendingRequests.tryAcquire()) {
      stats.upstreamRqPendingOverflow++;
      callbacks.onPoolFailure(StreamResetReason.Overflow, '', null);
      this.tellIfDrained();
      return null;
    }
    const pending = new Pending<Callbacks>(this, callbacks, decoder);
    pending.needsNew = use === ConnectionUse.New;
    if (use === ConnectionUse.Again) this.pending.pushAgain(pending);
    else this.pending.push(pending);
    stats.upstreamRqPendingTotal++;
    stats.upstreamRqPendingActive++;
    this.host.stats.rqPendingActive++;
    this.connectForPending();
    return pending.isQueued ? pending : null;
  }

  /** The oldest that waits and may have the connection, no longer counted as waiting. */
  protected takePending(isUsed = false): Pending<Callbacks> | null {
    if (isUsed && this.connectingCapacity > 0 && this.pending.peek()?.needsNew === true) {
      return null;
    }
    const pending = this.pending.shift();
    if (pending !== null) this.#leavePending();
    return pending;
  }

  onPendingCancelled(pending: Pending<Callbacks>): void {
    this.pending.remove(pending);
    this.#leavePending();
    this.stats.upstreamRqCancelled++;
    this.tellIfDrained();
  }

  #leavePending(): void {
    this.stats.upstreamRqPendingActive--;
    this.host.stats.rqPendingActive--;
    this.resources.pendingRequests.release();
  }

  /** Fails all that wait. Retries that their owners make meanwhile join a new queue. */
  #failPending(reason: StreamResetReason, transportFailureReason: string): void {
    const failed: Pending<Callbacks>[] = [];
    for (let next = this.takePending(); next !== null; next = this.takePending()) {
      failed.push(next);
    }
    for (const { isCancelled, callbacks } of failed) {
      if (isCancelled) continue;
      this.stats.upstreamRqPendingFailureEject++;
      callbacks.onPoolFailure(reason, transportFailureReason, this.host);
    }
  }

  // -- connections --------------------------------------------------------------------------------

  /** Connects until every waiting request has room on a connection under way, as far as ceilings allow. */
  protected connectForPending(): void {
    for (let i = 0; i < MAX_CONNECTS_PER_EVENT && this.wantsConnection(); i++) {
      if (!this.connect()) return;
    }
  }

  protected wantsConnection(): boolean {
    return this.pending.size > this.connectingCapacity;
  }

  /** False = the ceiling forbids it. */
  protected connect(): boolean {
    const { stats, context } = this;
    if (!this.#tryCountConnection()) {
      stats.upstreamCxOverflow++;
      // Envoy: a pool without any connection gets one, or what waits here would wait forever while
      // other hosts' connections hold the ceiling.
      if (this.clients.size > 0) return false;
      this.resources.connections.acquire();
      this.host.stats.adjustCxActive(1);
    }
    stats.upstreamCxTotal++;
    stats.upstreamCxActive++;
    this.host.stats.cxTotal++;
    const connection = context.connect(
      this.host,
      this.#serverName,
      this.#downstream,
      this.alpnProtocols,
    );
    const client = this.createClient(connection);
    this.clients.add(client);
    this.connectingCapacity += client.connectCapacity;
    connection.addConnectionCallbacks(client);
    return true;
  }

  /** Against both ceilings, the host's and the cluster's; false = one is reached, nothing is counted. */
  #tryCountConnection(): boolean {
    const { connections, maxConnectionsPerHost } = this.resources;
    if (!this.host.stats.tryAddCx(maxConnectionsPerHost)) return false;
    if (connections.tryAcquire()) return true;
    this.host.stats.adjustCxActive(-1);
    return false;
  }

  /** The client: its connection is up. */
  protected countConnected(client: Client): void {
    this.connectingCapacity -= client.connectCapacity;
    client.connectedMs = this.context.clock.nowMs();
    this.stats.recordCxConnectMs(client.connectedMs - client.createdMs);
  }

  /** The client: its connection is gone. Fails what waited for it, or connects anew. */
  protected onClosed(client: Client, event: ConnectionEvent, hadRequest: boolean): void {
    const { stats } = this;
    this.clients.delete(client);
    this.resources.connections.release();
    this.host.stats.adjustCxActive(-1);
    stats.upstreamCxActive--;
    countDestroy(stats, event, hadRequest);
    if (client.connectedMs >= 0) {
      stats.recordCxLengthMs(this.context.clock.nowMs() - client.connectedMs);
    } else this.#onConnectFailed(client, event);
    this.connectForPending();
    this.tellIfDrained();
  }

  #onConnectFailed(client: Client, event: ConnectionEvent): void {
    const { stats } = this;
    const { connection } = client;
    this.connectingCapacity -= client.connectCapacity;
    stats.upstreamCxConnectFail++;
    this.host.stats.cxConnectFail++;
    let reason: StreamResetReason = StreamResetReason.LocalConnectionFailure;
    if (connection.connectTimedOut) {
      stats.upstreamCxConnectTimeout++;
      reason = StreamResetReason.ConnectionTimeout;
    } else if (event === ConnectionEvent.RemoteClose) {
      reason = StreamResetReason.RemoteConnectionFailure;
    }
    // The others may be coming up, but Envoy lets nobody wait for a host that just refused.
    if (this.pending.size > this.connectingCapacity) {
      this.#failPending(reason, connection.transportFailureReason);
    }
  }

  protected tellIfDrained(): void {
    if (this.isEmpty()) this.#owner.onPoolEmpty(this);
  }
}

function countDestroy(stats: ClusterStats, event: ConnectionEvent, hadRequest: boolean): void {
  const isRemote = event === ConnectionEvent.RemoteClose;
  stats.upstreamCxDestroy++;
  if (isRemote) stats.upstreamCxDestroyRemote++;
  else stats.upstreamCxDestroyLocal++;
  if (!hadRequest) return;
  stats.upstreamCxDestroyWithActiveRq++;
  if (isRemote) stats.upstreamCxDestroyRemoteWithActiveRq++;
  else stats.upstreamCxDestroyLocalWithActiveRq++;
}
