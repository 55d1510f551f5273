// One HTTP connection of a pool, whatever it speaks; it is its streams' UpstreamStreamInfo, too. Counts its
// requests and minds its duration; http-pool.ts decides what runs on it.

import type { Timer } from '../../../common/timer.ts';
import type { UpstreamStreamInfo } from '../../api/cluster.ts';
import type { RequestEncoder, ResponseDecoder } from '../../api/codec.ts';
import { ConnectionCloseType, ConnectionEvent } from '../../api/connection.ts';
import { H1Session } from './h1-session.ts';
import { H2Session } from './h2-session.ts';
import type { HttpSession, HttpSessionOwner } from './http-session.ts';
import { PoolClient } from './pool-client.ts';
import type { PoolConnection, PoolContext, PoolProtocol } from './pool-context.ts';

/** The pool, as its connections see it. */
export interface HttpClientOwner {
  /** How many streams an HTTP/2 connection may begin with. */
  streamsBeforeSettings(): number;
  onClientConnected(client: HttpClient): void;
  onStreamClosed(client: HttpClient): void;
  onGoAway(client: HttpClient): void;
  onCapacityChanged(client: HttpClient): void;
  /** Its streams hear of it next. */
  onProtocolError(client: HttpClient): void;
  onMaxRequests(client: HttpClient): void;
  onMaxDuration(client: HttpClient): void;
  /** Before its streams hear of it. */
  onClientClosing(client: HttpClient): void;
  onClientClosed(client: HttpClient, event: ConnectionEvent, hadRequest: boolean): void;
}

/** See the file head. */
export class HttpClient extends PoolClient implements HttpSessionOwner, UpstreamStreamInfo {
  /** Among the pool's ready ones. */
  isReady = false;
  /** Clock.nowMs since when it has no stream. */
  idleSinceMs = 0;
  requestCount = 0;
  readonly #pool: HttpClientOwner;
  readonly #context: PoolContext;
  readonly #protocol: PoolProtocol;
  /** Null until connected. */
  #session: HttpSession | null = null;
  #isClosedByPeer = false;
  #isGoingAway = false;
  /** Its requests that had ended when it was closed. */
  #served = 0;
  #durationTimer: Timer | null = null;

  constructor(
    pool: HttpClientOwner,
    connection: PoolConnection,
    context: PoolContext,
    protocol: PoolProtocol,
    connectCapacity: number,
  ) {
    super(connection, context.clock.nowMs(), connectCapacity);
    this.#pool = pool;
    this.#context = context;
    this.#protocol = protocol;
  }

  /** Of a connection that is up. */
  get protocol(): 'HTTP/1.1' | 'HTTP/2' {
    return this.#session?.protocol ?? 'HTTP/1.1';
  }

  /** The connection is up: from here on bytes go both ways. */
  openSession(): void {
    const context = this.#context;
    this.#session = this.#speaksHttp2()
      ? new H2Session(this, this.connection, context, this.#pool.streamsBeforeSettings())
      : new H1Session(this, this.connection, context.codecOptions);
    const { maxConnectionDurationMs } = context.config.http;
    if (maxConnectionDurationMs > 0) {
      this.#durationTimer = context.timers.createTimer(onMaxDuration, this);
      this.#durationTimer.start(maxConnectionDurationMs);
    }
  }

  /** Envoy: what ALPN did not make h2 is HTTP/1.1. */
  #speaksHttp2(): boolean {
    if (this.#protocol === 'auto') return this.connection.nextProtocol === 'h2';
    return this.#protocol === 'HTTP/2';
  }

  /** Only while hasRoom(). */
  startStream(decoder: ResponseDecoder): RequestEncoder {
    if (++this.requestCount === this.#context.config.http.maxRequestsPerConnection) {
      this.#pool.onMaxRequests(this);
    }
    return this.#session!.startStream(decoder);
  }

  /** For one more stream. */
  hasRoom(): boolean {
    return !this.isDraining && this.#session !== null && this.#session.canOpenStream();
  }

  /** Streams at once. */
  maxStreams(): number {
    return this.#session === null ? 0 : this.#session.maxStreams();
  }

  /** How many more streams it takes. */
  unusedCapacity(): number {
    const session = this.#session;
    if (session === null || !this.hasRoom()) return 0;
    const { maxRequestsPerConnection } = this.#context.config.http;
    const left = session.maxStreams() - session.activeStreams();
    if (maxRequestsPerConnection === 0) return left;
    return Math.min(left, maxRequestsPerConnection - this.requestCount);
  }

  /** False: it is closed once it is not busy. */
  isReusable(): boolean {
    return !this.isDraining && this.#session !== null && this.#session.isReusable();
  }

  activeStreams(): number {
    return this.#session === null ? 0 : this.#session.activeStreams();
  }

  override isBusy(): boolean {
    return this.activeStreams() > 0;
  }

  wasReused(): boolean {
    return this.#isClosedByPeer && this.#served > 0;
  }

  isGoingAway(): boolean {
    return this.#isGoingAway;
  }

  /** Its last stream has ended: what that one has written last still goes out. */
  closeServed(): void {
    const { connection } = this;
    this.#session?.flush();
    const isWritten = connection.writeBufferedBytes() === 0;
    connection.close(isWritten ? ConnectionCloseType.NoFlush : ConnectionCloseType.FlushWrite);
  }

  onDurationTimer(): void {
    this.#pool.onMaxDuration(this);
  }

  // -- the connection -------------------------------------------------------------------------------

  override onEvent(event: ConnectionEvent): void {
    if (event === ConnectionEvent.Connected) {
      this.#pool.onClientConnected(this);
      return;
    }
    this.#isClosedByPeer = event === ConnectionEvent.RemoteClose;
    this.#served = this.requestCount - this.activeStreams();
    this.#durationTimer?.stop();
    this.#pool.onClientClosing(this);
    const hadRequest = this.#session?.onClosed(event) ?? false;
    this.#pool.onClientClosed(this, event, hadRequest);
  }

  override onAboveWriteBufferHighWatermark(): void {
    this.#session?.onAboveWriteBufferHighWatermark();
  }

  override onBelowWriteBufferLowWatermark(): void {
    this.#session?.onBelowWriteBufferLowWatermark();
  }

  // -- the session ----------------------------------------------------------------------------------

  onStreamClosed(): void {
    this.#pool.onStreamClosed(this);
  }

  onGoAway(): void {
    this.#isGoingAway = true;
    this.#pool.onGoAway(this);
  }

  onCapacityChanged(): void {
    this.#pool.onCapacityChanged(this);
  }

  onProtocolError(): void {
    this.#pool.onProtocolError(this);
  }
}

function onMaxDuration(client: HttpClient): void {
  client.onDurationTimer();
}
