// HTTP/1.1 connections to one host: one request at a time on each. Ready connections are a stack, so the
// most recently used one is taken and the rest can go idle. newStream on a warm pool is the hot path: it
// allocates nothing but the codec's stream.

import type { Timer } from '../../../common/timer.ts';
import {
  type Cancellable,
  ConnectionUse,
  type HttpPool,
  type HttpPoolCallbacks,
  type UpstreamStreamInfo,
} from '../../api/cluster.ts';
import {
  type CodecError,
  type RequestEncoder,
  type ResponseDecoder,
  StreamResetReason,
} from '../../api/codec.ts';
import { ConnectionEvent, type ProxyProtocolInfo } from '../../api/connection.ts';
import { ClientConnection } from '../../http/h1/client-connection.ts';
import { ClientStream } from '../../http/h1/client-stream.ts';
import type { ClientConnectionCallbacks } from '../../http/h1/options.ts';
import { ConnectionPool } from './pool.ts';
import { PoolClient } from './pool-client.ts';
import type { PoolConnection, PoolContext, PoolHost, PoolOwner } from './pool-context.ts';

/**
 * Peers tend to have the idle timeout that we were given, and close on their own clock. A request that cannot be
 * sent again takes a connection only in this first part of it.
 */
const FRESH_SHARE = 0.5;

/** See the file head. */
export class H1Pool extends ConnectionPool<HttpPoolCallbacks> implements HttpPool {
  /** Longest idle first. */
  readonly #ready: H1Client[] = [];
  readonly #idleTimeoutMs: number;
  protected override readonly preconnectRatio: number;
  #idleTimer: Timer | null = null;

  constructor(
    context: PoolContext,
    host: PoolHost,
    priority: 0 | 1,
    owner: PoolOwner<ConnectionPool<HttpPoolCallbacks>>,
    serverName = '',
    downstream: ProxyProtocolInfo | null = null,
  ) {
    super(context, host, priority, owner, serverName, downstream);
    this.#idleTimeoutMs = context.config.http.idleTimeoutMs;
    this.preconnectRatio = context.config.preconnect.perUpstreamRatio;
  }

  protected override readyCount(): number {
    return this.#ready.length;
  }

  newStream(
    decoder: ResponseDecoder,
    callbacks: HttpPoolCallbacks,
    use: ConnectionUse,
  ): Cancellable | null {
    const client = use === ConnectionUse.Any ? this.#ready.pop() : this.#takeReady(use);
    if (client === undefined) {
      return this.enqueue(callbacks, decoder, use === ConnectionUse.New);
    }
    this.#attach(client, decoder, callbacks);
    if (this.preconnectRatio > 1) this.connectForPending();
    return null;
  }

  /** Like #ready.pop() for requests that must not meet a connection that the peer is closing. */
  #takeReady(use: ConnectionUse): H1Client | undefined {
    const newest = this.#ready.at(-1);
    if (newest === undefined) return undefined;
    const { connections } = this.resources;
    if (use === ConnectionUse.New) {
      return connections.count() < connections.max() ? undefined : this.#ready.pop();
    }
    const idleMs = this.context.clock.nowMs() - newest.idleSinceMs;
    if (this.#idleTimeoutMs === 0 || idleMs <= this.#idleTimeoutMs * FRESH_SHARE) {
      return this.#ready.pop();
    }
    // Makes room below the ceiling; the others are older still.
    this.#ready.pop();
    newest.closeNow();
    return undefined;
  }

  protected override createClient(connection: PoolConnection): PoolClient {
    this.stats.upstreamCxHttp1Total++;
    return new H1Client(this, connection, this.context);
  }

  /** `client` is connected, without a request, and not among the ready. */
  #attach(client: H1Client, decoder: ResponseDecoder, callbacks: HttpPoolCallbacks): void {
    const { stats, host } = this;
    if (!this.resources.requests.tryAcquire()) {
      // Fails at once: this ceiling has no queue (Envoy #16610).
      this.#makeReady(client);
      stats.upstreamRqActiveOverflow++;
      callbacks.onPoolFailure(StreamResetReason.Overflow, '', host);
      return;
    }
    stats.upstreamRqTotal++;
    stats.upstreamRqActive++;
    host.stats.rqTotal++;
    host.stats.adjustActive(1);
    callbacks.onPoolReady(client.startStream(decoder), host, client);
  }

  onClientConnected(client: H1Client): void {
    this.countConnected(client);
    client.openCodec();
    this.#serveNext(client);
  }

  /** Its request and response are complete. */
  onClientIdle(client: H1Client): void {
    this.#countStreamEnd();
    this.#serveNext(client);
  }

  onClientClosed(client: H1Client, event: ConnectionEvent, hadRequest: boolean): void {
    const at = this.#ready.indexOf(client);
    if (at !== -1) this.#ready.splice(at, 1);
    if (this.#ready.length === 0) this.#idleTimer?.stop();
    if (client.connectedMs >= 0) this.stats.recordRqPerCx(client.requestCount);
    this.onClosed(client, event, hadRequest);
  }

  /** The stream of a client ended with its connection; before anybody is told, so that a retry finds room. */
  onStreamLost(): void {
    this.#countStreamEnd();
  }

  onCloseNotify(): void {
    this.stats.upstreamCxCloseNotify++;
  }

  onProtocolError(): void {
    this.stats.upstreamCxProtocolError++;
  }

  onMaxDuration(client: H1Client): void {
    this.stats.upstreamCxMaxDurationReached++;
    if (client.isBusy()) client.isDraining = true;
    else client.closeNow();
  }

  onMaxRequests(): void {
    this.stats.upstreamCxMaxRequests++;
  }

  /** Idle timer: closes what has been idle for too long. */
  closeIdle(): void {
    const nowMs = this.context.clock.nowMs();
    for (;;) {
      const oldest = this.#ready[0];
      if (oldest === undefined) return;
      const leftMs = oldest.idleSinceMs + this.#idleTimeoutMs - nowMs;
      if (leftMs > 0) {
        this.#idleTimer?.start(leftMs);
        return;
      }
      this.stats.upstreamCxIdleTimeout++;
      oldest.closeNow();
    }
  }

  #countStreamEnd(): void {
    this.stats.upstreamRqActive--;
    this.host.stats.adjustActive(-1);
    this.resources.requests.release();
  }

  #serveNext(client: H1Client): void {
    if (!client.canReuse()) {
      client.closeNow();
      return;
    }
    const pending = this.takePending(client.requestCount > 0);
    if (pending !== null) {
      // HTTP pools queue nothing without a decoder.
      this.#attach(client, pending.decoder!, pending.callbacks);
    } else if (this.isDraining) client.closeNow();
    else this.#makeReady(client);
  }

  #makeReady(client: H1Client): void {
    if (this.isDraining) {
      client.closeNow();
      return;
    }
    client.idleSinceMs = this.context.clock.nowMs();
    this.#ready.push(client);
    if (this.#idleTimeoutMs === 0) return;
    this.#idleTimer ??= this.context.timers.createTimer(closeIdle, this);
    if (!this.#idleTimer.isArmed()) this.#idleTimer.start(this.#idleTimeoutMs);
  }
}

function closeIdle(pool: H1Pool): void {
  pool.closeIdle();
}

/** One HTTP/1.1 connection. It is its streams' UpstreamStreamInfo, too. */
class H1Client extends PoolClient implements ClientConnectionCallbacks, UpstreamStreamInfo {
  readonly protocol = 'HTTP/1.1';
  idleSinceMs = 0;
  requestCount = 0;
  #isClosedByPeer = false;
  readonly #pool: H1Pool;
  readonly #context: PoolContext;
  /** Null until connected. */
  #codec: ClientConnection | null = null;
  #stream: RequestEncoder | null = null;
  #durationTimer: Timer | null = null;

  constructor(pool: H1Pool, connection: PoolConnection, context: PoolContext) {
    super(connection, context.clock.nowMs());
    this.#pool = pool;
    this.#context = context;
  }

  openCodec(): void {
    this.#codec = new ClientConnection(this.connection, this.#context.codecOptions, this);
    this.connection.setReadSink(this.#codec);
    const { maxConnectionDurationMs } = this.#context.config.http;
    if (maxConnectionDurationMs > 0) {
      this.#durationTimer = this.#context.timers.createTimer(onMaxDuration, this);
      this.#durationTimer.start(maxConnectionDurationMs);
    }
  }

  startStream(decoder: ResponseDecoder): RequestEncoder {
    const { maxRequestsPerConnection } = this.#context.config.http;
    if (++this.requestCount === maxRequestsPerConnection) {
      this.isDraining = true;
      this.#pool.onMaxRequests();
    }
    // Only connected clients get streams.
    const stream = this.#codec!.newStream(decoder);
    this.#stream = stream;
    return stream;
  }

  canReuse(): boolean {
    return !this.isDraining && this.#codec !== null && this.#codec.canReuse();
  }

  override isBusy(): boolean {
    return this.#stream !== null;
  }

  wasReused(): boolean {
    return this.#isClosedByPeer && this.requestCount > 1;
  }

  onMaxDuration(): void {
    this.#pool.onMaxDuration(this);
  }

  // -- the connection -------------------------------------------------------------------------------

  override onEvent(event: ConnectionEvent): void {
    if (event === ConnectionEvent.Connected) {
      this.#pool.onClientConnected(this);
      return;
    }
    this.#isClosedByPeer = event === ConnectionEvent.RemoteClose;
    this.#durationTimer?.stop();
    const stream = this.#stream;
    if (stream !== null) {
      this.#stream = null;
      this.#pool.onStreamLost();
    }
    this.#codec?.onConnectionEvent(event);
    // A response that ends with its connection is complete only now.
    const wasComplete = stream instanceof ClientStream && stream.responseComplete;
    this.#pool.onClientClosed(this, event, stream !== null && !wasComplete);
  }

  override onAboveWriteBufferHighWatermark(): void {
    this.#codec?.onAboveWriteBufferHighWatermark();
  }

  override onBelowWriteBufferLowWatermark(): void {
    this.#codec?.onBelowWriteBufferLowWatermark();
  }

  // -- the codec ------------------------------------------------------------------------------------

  onIdle(): void {
    this.#stream = null;
    this.#pool.onClientIdle(this);
  }

  onGoAway(): void {
    this.isDraining = true;
    this.#pool.onCloseNotify();
  }

  onProtocolError(_error: CodecError): void {
    this.#pool.onProtocolError();
  }
}

function onMaxDuration(client: H1Client): void {
  client.onMaxDuration();
}
