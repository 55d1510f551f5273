// The connection that HTTP and gRPC checks of one host are made on: one exchange at a time, made anew when it
// was lost. Owned by a probe.
//
//   idle --begin--> connecting --Connected--> exchange --response ended--> idle, connection kept
//                        '------------ closed, reset: onLost ------------> idle, without a connection

import type { RequestEncoder, ResponseDecoder, StreamCallbacks } from '../../api/codec.ts';
import { StreamResetReason } from '../../api/codec.ts';
import {
  type ConnectionCallbacks,
  ConnectionCloseType,
  ConnectionEvent,
} from '../../api/connection.ts';
import type { HttpSession, HttpSessionOwner } from '../pool/http-session.ts';
import type { PoolConnection } from '../pool/pool-context.ts';

/** The probe; the decoder half gets the response of the exchange that runs. */
export interface CheckExchange extends ResponseDecoder {
  /** The connection is up. */
  sendRequest(encoder: RequestEncoder): void;
  /** No (further) response comes. */
  onLost(): void;
}

export interface CheckClientOptions {
  /** Begins to connect. */
  connect(): PoolConnection;
  /** On a connection that is up. */
  createSession(owner: HttpSessionOwner, connection: PoolConnection): HttpSession;
  readonly exchange: CheckExchange;
}

/** See the file head. */
export class CheckClient {
  readonly #options: CheckClientOptions;
  #link: Link | null = null;
  #isInExchange = false;

  constructor(options: CheckClientOptions) {
    this.#options = options;
  }

  /** Begins an exchange, on a new connection if the last one cannot be used any more. */
  begin(): void {
    this.#isInExchange = true;
    if (this.#link?.isUsable() === false) this.#drop();
    if (this.#link !== null) this.#link.open(this.#options.exchange);
    else this.#link = new Link(this, this.#options);
  }

  /** The exchange is over. The connection stays unless the peer said that it goes away. */
  end(): void {
    this.#isInExchange = false;
    if (this.#link?.isGoingAway === true) this.close();
  }

  /** Gives up the exchange and leaves the connection (HTTP/2). */
  cancel(): void {
    this.#isInExchange = false;
    const link = this.#link;
    // Its stream does not exist before the connection is up.
    if (link === null || link.isGoingAway || !link.resetStream()) this.close();
  }

  /** Gives up exchange and connection. */
  close(): void {
    this.#isInExchange = false;
    this.#drop();
  }

  #drop(): void {
    const link = this.#link;
    this.#link = null;
    link?.connection.close(ConnectionCloseType.NoFlush);
  }

  // -- of links; one that was dropped has nothing to say ----------------------------------------------

  onConnected(link: Link): void {
    if (this.#link === link && this.#isInExchange) link.open(this.#options.exchange);
  }

  /** What runs is finished, unless the peer speaks of an error. */
  onGoAway(link: Link, isError: boolean): void {
    if (this.#link !== link) return;
    if (!this.#isInExchange) this.#drop();
    else if (isError) {
      this.close();
      this.#options.exchange.onLost();
    }
  }

  onReset(link: Link): void {
    if (this.#link !== link || !this.#isInExchange) return;
    this.#isInExchange = false;
    if (link.isGoingAway) this.#drop();
    this.#options.exchange.onLost();
  }

  onClosed(link: Link): void {
    if (this.#link !== link) return;
    this.#link = null;
    if (!this.#isInExchange) return;
    this.#isInExchange = false;
    this.#options.exchange.onLost();
  }
}

/** One connection with the codec on it. */
class Link implements ConnectionCallbacks, HttpSessionOwner, StreamCallbacks {
  readonly connection: PoolConnection;
  isGoingAway = false;
  readonly #client: CheckClient;
  readonly #options: CheckClientOptions;
  /** Null until connected. */
  #session: HttpSession | null = null;
  #stream: RequestEncoder | null = null;

  constructor(client: CheckClient, options: CheckClientOptions) {
    this.#client = client;
    this.#options = options;
    this.connection = options.connect();
    this.connection.addConnectionCallbacks(this);
  }

  /** Between exchanges. */
  isUsable(): boolean {
    return !this.isGoingAway && this.#session?.canOpenStream() === true;
  }

  open(exchange: CheckExchange): void {
    const stream = this.#session!.startStream(exchange); // connected, or it would not be usable
    this.#stream = stream;
    stream.setCallbacks(this);
    exchange.sendRequest(stream);
  }

  /** False = there is none. */
  resetStream(): boolean {
    const stream = this.#stream;
    this.#stream = null;
    stream?.resetStream(StreamResetReason.LocalReset);
    return stream !== null;
  }

  // -- ConnectionCallbacks ----------------------------------------------------------------------------

  onEvent(event: ConnectionEvent): void {
    if (event === ConnectionEvent.Connected) {
      this.#session = this.#options.createSession(this, this.connection);
      this.#client.onConnected(this);
      return;
    }
    this.#session?.onClosed(event);
    this.#client.onClosed(this);
  }

  onAboveWriteBufferHighWatermark(): void {
    // Of the connection as of a stream: a request is a few hundred bytes, nobody could send less of it.
  }

  onBelowWriteBufferLowWatermark(): void {
    // See above.
  }

  // -- HttpSessionOwner and StreamCallbacks -------------------------------------------------------------

  onStreamClosed(): void {
    this.#stream = null;
  }

  onGoAway(isError: boolean): void {
    this.isGoingAway = true;
    this.#client.onGoAway(this, isError);
  }

  onCapacityChanged(): void {
    // One stream at a time.
  }

  onProtocolError(): void {
    // The stream is reset, or the connection closed, right after.
  }

  onResetStream(): void {
    this.#stream = null;
    this.#client.onReset(this);
  }
}
