// HTTP connections to one host. Those with room for another stream are a stack: the one that came to have room last
// is filled up first, as in Envoy, so that others can go idle. HTTP/1.1 has room for one stream; HTTP/2 for as many
// as its SETTINGS say; an 'auto' pool holds connections of both. newStream on a warm pool is the hot path: it
// allocates nothing but the codec's stream.
//
//   connecting --up--> ready <--stream closed, SETTINGS--> full
//                        '--GOAWAY, limits reached, drain--> draining --last stream closed--> closed

import type { Timer } from '../../../common/timer.ts';
import {
  type Cancellable,
  ConnectionUse,
  type HttpPool,
  type HttpPoolCallbacks,
} from '../../api/cluster.ts';
import { type ResponseDecoder, StreamResetReason } from '../../api/codec.ts';
import type { ConnectionEvent, ProxyProtocolInfo } from '../../api/connection.ts';
import { HttpClient, type HttpClientOwner } from './http-client.ts';
import { ConnectionPool } from './pool.ts';
import type {
  PoolConnection,
  PoolContext,
  PoolHost,
  PoolOwner,
  PoolProtocol,
} from './pool-context.ts';

/**
 * Peers tend to have the idle timeout that we were given, and close on their own clock. A request that cannot be
 * sent again takes an idle connection only in this first part of it.
 */
const FRESH_SHARE = 0.5;

/** Streams before a peer's first SETTINGS, one round trip away: RFC 9113 6.5.2 wants no peer to take fewer. */
const STREAMS_BEFORE_SETTINGS = 100;

/** As Envoy offers them. */
const alpnOf: Readonly<Record<PoolProtocol, readonly string[]>> = {
  'HTTP/1.1': ['http/1.1'],
  'HTTP/2': ['h2'],
  auto: ['h2', 'http/1.1'],
};

/** See the file head. */
export class HttpConnectionPool
  extends ConnectionPool<HttpPoolCallbacks, HttpClient>
  implements HttpPool, HttpClientOwner
{
  /** Connected, with room. The last one is taken first. */
  readonly #ready: HttpClient[] = [];
  readonly #protocol: PoolProtocol;
  protected override readonly alpnProtocols: readonly string[];
  readonly #idleTimeoutMs: number;
  readonly #preconnectRatio: number;
  #idleTimer: Timer | null = null;
  /** Of an 'auto' pool: what ALPN chose last. */
  #choseHttp2 = false;
  /** Streams per connection, by the last SETTINGS that came: what the next connection is likely to take. */
  #learnedStreams = Number.POSITIVE_INFINITY;

  constructor(
    context: PoolContext,
    host: PoolHost,
    priority: 0 | 1,
    owner: PoolOwner<ConnectionPool<HttpPoolCallbacks, HttpClient>>,
    protocol: PoolProtocol,
    serverName = '',
    downstream: ProxyProtocolInfo | null = null,
  ) {
    super(context, host, priority, owner, serverName, downstream);
    this.#protocol = protocol;
    this.alpnProtocols = alpnOf[protocol];
    this.#idleTimeoutMs = context.config.http.idleTimeoutMs;
    this.#preconnectRatio = context.config.preconnect.perUpstreamRatio;
  }

  newStream(
    decoder: ResponseDecoder,
    callbacks: HttpPoolCallbacks,
    use: ConnectionUse,
  ): Cancellable | null {
    const client = use === ConnectionUse.Any ? this.#ready.at(-1) : this.#readyFor(use);
    if (client === undefined) {
      return this.enqueue(callbacks, decoder, use);
    }
    this.#attach(client, decoder, callbacks);
    if (this.#preconnectRatio > 1) this.connectForPending();
    return null;
  }

  /** For requests that must not meet a connection that the peer is closing. */
  #readyFor(use: ConnectionUse): HttpClient | undefined {
    const top = this.#ready.at(-1);
    if (top === undefined) return undefined;
    const { connections } = this.resources;
    if (use === ConnectionUse.New) {
      return connections.count() < connections.max() ? undefined : top;
    }
    if (this.#idleTimeoutMs === 0 || top.isBusy()) return top;
    const idleMs = this.context.clock.nowMs() - top.idleSinceMs;
    if (idleMs <= this.#idleTimeoutMs * FRESH_SHARE) return top;
    // Makes room below the ceiling; the others are older still.
    top.closeNow();
    return undefined;
  }

  protected override createClient(connection: PoolConnection): HttpClient {
    const { stats, context } = this;
    if (this.#protocol === 'HTTP/1.1') stats.upstreamCxHttp1Total++;
    else if (this.#protocol === 'HTTP/2') stats.upstreamCxHttp2Total++;
    return new HttpClient(this, connection, context, this.#protocol, this.#connectCapacity());
  }

  /** Envoy counts a connection whose ALPN is still to come as one request; we remember what the last one became. */
  #connectCapacity(): number {
    const isHttp2 = this.#protocol === 'auto' ? this.#choseHttp2 : this.#protocol === 'HTTP/2';
    if (!isHttp2) return 1;
    const { http2, maxRequestsPerConnection } = this.context.config.http;
    const streams = Math.max(1, Math.min(http2.maxConcurrentStreams, this.#learnedStreams));
    return maxRequestsPerConnection === 0 ? streams : Math.min(streams, maxRequestsPerConnection);
  }

  streamsBeforeSettings(): number {
    return Math.max(1, Math.min(STREAMS_BEFORE_SETTINGS, this.#learnedStreams));
  }

  /** `client` has room. */
  #attach(client: HttpClient, decoder: ResponseDecoder, callbacks: HttpPoolCallbacks): void {
    const { stats, host } = this;
    if (!this.resources.requests.tryAcquire()) {
      // Fails at once: this ceiling has no queue (Envoy #16610).
      stats.upstreamRqActiveOverflow++;
      callbacks.onPoolFailure(StreamResetReason.Overflow, '', host);
      return;
    }
    stats.upstreamRqTotal++;
    stats.upstreamRqActive++;
    host.stats.rqTotal++;
    host.stats.adjustActive(1);
    const encoder = client.startStream(decoder);
    if (client.isReady && !client.hasRoom()) this.#leaveReady(client);
    callbacks.onPoolReady(encoder, host, client);
  }

  // -- what connections tell ------------------------------------------------------------------------

  onClientConnected(client: HttpClient): void {
    this.countConnected(client);
    client.openSession();
    if (this.#protocol === 'auto') {
      this.#choseHttp2 = client.protocol === 'HTTP/2';
      if (this.#choseHttp2) this.stats.upstreamCxHttp2Total++;
      else this.stats.upstreamCxHttp1Total++;
    }
    this.#serve(client);
  }

  onStreamClosed(client: HttpClient): void {
    this.stats.upstreamRqActive--;
    this.host.stats.adjustActive(-1);
    this.resources.requests.release();
    this.#serve(client);
  }

  onCapacityChanged(client: HttpClient): void {
    this.#learnedStreams = client.maxStreams();
    if (client.isReady && !client.hasRoom()) this.#leaveReady(client);
    else if (!client.isReady) this.#serve(client);
  }

  onGoAway(client: HttpClient): void {
    this.stats.upstreamCxCloseNotify++;
    this.retire(client);
    // Of HTTP/1 its response has only begun.
    if (!client.isBusy()) client.closeNow();
  }

  onMaxRequests(client: HttpClient): void {
    this.stats.upstreamCxMaxRequests++;
    client.isDraining = true;
  }

  onMaxDuration(client: HttpClient): void {
    this.stats.upstreamCxMaxDurationReached++;
    if (client.isBusy()) this.retire(client);
    else client.closeNow();
  }

  onProtocolError(client: HttpClient): void {
    this.stats.upstreamCxProtocolError++;
    this.retire(client);
  }

  onClientClosing(client: HttpClient): void {
    if (client.isReady) this.#leaveReady(client);
  }

  onClientClosed(client: HttpClient, event: ConnectionEvent, hadRequest: boolean): void {
    if (client.connectedMs >= 0) this.stats.recordRqPerCx(client.requestCount);
    this.onClosed(client, event, hadRequest);
    if (this.clients.size === 0) this.#idleTimer?.stop();
  }

  protected override retire(client: HttpClient): void {
    super.retire(client);
    if (client.isReady) this.#leaveReady(client);
  }

  // -- ready connections ----------------------------------------------------------------------------

  /** A connection came up, or to have room again: the oldest that wait get it. */
  #serve(client: HttpClient): void {
    while (this.pending.size > 0 && client.hasRoom()) {
      const pending = this.takePending(client.requestCount > 0);
      if (pending === null) break;
      // HTTP pools queue nothing without a decoder.
      this.#attach(client, pending.decoder!, pending.callbacks);
    }
    if (client.isBusy()) {
      if (!client.isReady && client.hasRoom()) this.#enterReady(client);
    } else if (this.isDraining || !client.isReusable()) {
      this.retire(client);
      client.closeServed();
    } else this.#becomeIdle(client);
    if (this.pending.size > 0) this.connectForPending();
  }

  #becomeIdle(client: HttpClient): void {
    client.idleSinceMs = this.context.clock.nowMs();
    if (!client.isReady && client.hasRoom()) this.#enterReady(client);
    if (this.#idleTimeoutMs === 0) return;
    this.#idleTimer ??= this.context.timers.createTimer(closeIdle, this);
    if (!this.#idleTimer.isArmed()) this.#idleTimer.start(this.#idleTimeoutMs);
  }

  #enterReady(client: HttpClient): void {
    client.isReady = true;
    this.#ready.push(client);
  }

  #leaveReady(client: HttpClient): void {
    client.isReady = false;
    if (this.#ready.at(-1) === client) this.#ready.pop();
    else this.#ready.splice(this.#ready.indexOf(client), 1);
  }

  /** Idle timer: closes what has been idle for too long. */
  closeIdle(): void {
    const nowMs = this.context.clock.nowMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const client of [...this.clients]) {
      if (client.connectedMs < 0 || client.isBusy() || client.isDraining) continue;
      const leftMs = client.idleSinceMs + this.#idleTimeoutMs - nowMs;
      if (leftMs > 0) {
        nextMs = Math.min(nextMs, leftMs);
        continue;
      }
      this.stats.upstreamCxIdleTimeout++;
      client.closeNow();
    }
    if (nextMs !== Number.POSITIVE_INFINITY) this.#idleTimer?.start(nextMs);
  }

  // -- preconnecting --------------------------------------------------------------------------------

  protected override wantsConnection(): boolean {
    if (super.wantsConnection()) return true;
    const ratio = this.#preconnectRatio;
    if (ratio <= 1 || this.isDraining || this.host.health() !== 'healthy') return false;
    return this.#isBelow(ratio, 0);
  }

  /** predictive_preconnect_ratio: makes a connection for a request that may come here; false = none wanted. */
  preconnect(ratio: number): boolean {
    const isWanted =
      !this.isDraining && this.host.health() === 'healthy' && this.#isBelow(ratio, 1);
    const isMade = isWanted && this.connect();
    if (!isMade) this.tellIfDrained();
    return isMade;
  }

  /** Envoy's ConnPoolImplBase::shouldConnect. */
  #isBelow(ratio: number, anticipated: number): boolean {
    let active = 0;
    let unused = this.connectingCapacity;
    for (const client of this.clients) {
      active += client.activeStreams();
      unused += client.unusedCapacity();
    }
    return (this.pending.size + active + anticipated) * ratio > unused + active;
  }
}

function closeIdle(pool: HttpConnectionPool): void {
  pool.closeIdle();
}
