// HTTP/1.1 on a pool's connection: one request at a time. Adapts the codec to http-session.ts.

import type { RequestEncoder, ResponseDecoder } from '../../api/codec.ts';
import type { ConnectionEvent } from '../../api/connection.ts';
import { ClientConnection } from '../../http/h1/client-connection.ts';
import { ClientStream } from '../../http/h1/client-stream.ts';
import type { ClientConnectionCallbacks, ClientOptions } from '../../http/h1/options.ts';
import type { HttpSession, HttpSessionOwner } from './http-session.ts';
import type { PoolConnection } from './pool-context.ts';

/** See the file head. */
export class H1Session implements HttpSession, ClientConnectionCallbacks {
  readonly protocol = 'HTTP/1.1';
  readonly #owner: HttpSessionOwner;
  readonly #codec: ClientConnection;
  #stream: RequestEncoder | null = null;

  constructor(owner: HttpSessionOwner, connection: PoolConnection, options: ClientOptions) {
    this.#owner = owner;
    this.#codec = new ClientConnection(connection, options, this);
    connection.setReadSink(this.#codec);
  }

  startStream(decoder: ResponseDecoder): RequestEncoder {
    const stream = this.#codec.newStream(decoder);
    this.#stream = stream;
    return stream;
  }

  canOpenStream(): boolean {
    return this.#stream === null && this.#codec.canReuse();
  }

  activeStreams(): number {
    return this.#stream === null ? 0 : 1;
  }

  maxStreams(): number {
    return 1;
  }

  /** Asked between requests only: a busy connection has no room anyway. */
  isReusable(): boolean {
    return this.#stream !== null || this.#codec.canReuse();
  }

  onClosed(event: ConnectionEvent): boolean {
    const stream = this.#stream;
    if (stream !== null) {
      // First, so that a retry finds room below the ceilings.
      this.#stream = null;
      this.#owner.onStreamClosed();
    }
    this.#codec.onConnectionEvent(event);
    // A response that ends with its connection is complete only now.
    const wasComplete = stream instanceof ClientStream && stream.responseComplete;
    return stream !== null && !wasComplete;
  }

  /** Nothing is gathered. */
  flush(): void {}

  onAboveWriteBufferHighWatermark(): void {
    this.#codec.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#codec.onBelowWriteBufferLowWatermark();
  }

  // -- the codec ------------------------------------------------------------------------------------

  onIdle(): void {
    this.#stream = null;
    this.#owner.onStreamClosed();
  }

  onGoAway(): void {
    this.#owner.onGoAway(false);
  }

  onProtocolError(): void {
    this.#owner.onProtocolError();
  }
}
