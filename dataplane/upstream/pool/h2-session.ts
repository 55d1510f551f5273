// HTTP/2 on a pool's connection: as many streams as our config and the peer's SETTINGS allow. Adapts the codec
// to http-session.ts.

import type { RequestEncoder, ResponseDecoder } from '../../api/codec.ts';
import type { ConnectionEvent } from '../../api/connection.ts';
import type { Http2ClientCallbacks } from '../../http/h2/options.ts';
import type { HttpSession, HttpSessionOwner } from './http-session.ts';
import type { Http2Codec, PoolConnection, PoolContext } from './pool-context.ts';

/** See the file head. */
export class H2Session implements HttpSession, Http2ClientCallbacks {
  readonly protocol = 'HTTP/2';
  readonly #owner: HttpSessionOwner;
  readonly #connection: PoolConnection;
  readonly #codec: Http2Codec;
  /** Until the peer's SETTINGS say how many it takes: more than it does would be refused. */
  readonly #streamsBeforeSettings: number;
  #hasSettings = false;

  constructor(
    owner: HttpSessionOwner,
    connection: PoolConnection,
    context: Pick<PoolContext, 'createHttp2Codec'>,
    streamsBeforeSettings: number,
  ) {
    this.#owner = owner;
    this.#streamsBeforeSettings = streamsBeforeSettings;
    this.#connection = connection;
    this.#codec = context.createHttp2Codec(connection, this);
    connection.setReadSink(this.#codec);
  }

  startStream(decoder: ResponseDecoder): RequestEncoder {
    return this.#codec.newStream(decoder);
  }

  canOpenStream(): boolean {
    const codec = this.#codec;
    if (!this.#hasSettings && codec.activeStreams() >= this.#streamsBeforeSettings) return false;
    return codec.canOpenStream();
  }

  activeStreams(): number {
    return this.#codec.activeStreams();
  }

  maxStreams(): number {
    return this.#codec.maxStreams();
  }

  isReusable(): boolean {
    return this.#connection.isOpen();
  }

  onClosed(event: ConnectionEvent): boolean {
    const wasBusy = this.#codec.activeStreams() > 0;
    this.#codec.onConnectionEvent(event);
    return wasBusy;
  }

  flush(): void {
    this.#codec.flush();
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#codec.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#codec.onBelowWriteBufferLowWatermark();
  }

  // -- the codec ------------------------------------------------------------------------------------

  onStreamClosed(): void {
    this.#owner.onStreamClosed();
  }

  onGoAway(isError: boolean): void {
    this.#owner.onGoAway(isError);
  }

  onSettings(): void {
    this.#hasSettings = true;
    this.#owner.onCapacityChanged();
  }

  onProtocolError(): void {
    this.#owner.onProtocolError();
  }
}
