// What carries the bytes of a SocketConnection: a socket of Node's (plain while connecting, or TLS), or the bare
// handle of an accepted connection (accepted-handle.ts), which spares the socket object altogether. Knows how to
// open, end and close; reading and writing go through the handle.

import type { Socket } from 'node:net';
import type { SocketAddress } from '../api/connection.ts';
import { plainIp } from './address.ts';
import { handleOf, type StreamHandle } from './stream-handle.ts';

/** The connection that a transport belongs to. */
export interface TransportOwner {
  /** onTransportClosed follows. */
  onTransportError(error: NodeJS.ErrnoException): void;
  onTransportClosed(): void;
  /** Node saw the peer's FIN before our reader was there. */
  onReadEnd(): void;
  onFinSent(): void;
}

export interface Transport {
  readonly isTls: boolean;
  /** Tells `owner` from now on. Once. */
  attach(owner: TransportOwner): void;
  /** Null when it is closed already. */
  handle(): StreamHandle | null;
  /** What Node read before our reader was there; Node reads no more. */
  takeEarly(): Buffer | null;
  remoteAddress(): SocketAddress | null;
  localAddress(): SocketAddress | null;
  /** FIN after what the handle has been given; onFinSent follows. */
  sendFin(): void;
  /** No onTransportClosed need follow. */
  close(): void;
  /** As close, with RST. */
  reset(): void;
}

/** A net.Socket or tls.TLSSocket. */
export class SocketTransport implements Transport {
  readonly isTls: boolean;
  readonly #socket: Socket;
  #owner: TransportOwner | null = null;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.isTls = 'encrypted' in socket;
  }

  /** One set of listeners per connection; per event or per request nothing is allocated here. */
  attach(owner: TransportOwner): void {
    this.#owner = owner;
    this.#socket.on('error', (error: NodeJS.ErrnoException) => owner.onTransportError(error));
    this.#socket.on('close', () => owner.onTransportClosed());
    this.#socket.on('end', () => owner.onReadEnd());
  }

  handle(): StreamHandle | null {
    // Otherwise Node starts reading behind our back after 'connect'.
    this.#socket.pause();
    return handleOf(this.#socket);
  }

  takeEarly(): Buffer | null {
    this.#socket.pause();
    const early: unknown = this.#socket.read();
    // read() starts reading, whatever pause() said.
    handleOf(this.#socket)?.readStop();
    return early instanceof Buffer ? early : null;
  }

  remoteAddress(): SocketAddress | null {
    const { remoteAddress, remotePort } = this.#socket;
    if (remoteAddress === undefined) return null;
    return { ip: plainIp(remoteAddress), port: remotePort ?? 0 };
  }

  localAddress(): SocketAddress | null {
    const { localAddress, localPort } = this.#socket;
    if (localAddress === undefined) return null;
    return { ip: plainIp(localAddress), port: localPort ?? 0 };
  }

  sendFin(): void {
    this.#socket.end(() => this.#owner?.onFinSent());
  }

  close(): void {
    this.#socket.destroy();
  }

  reset(): void {
    this.#socket.resetAndDestroy();
  }
}
