// An accepted connection as the kernel's bare handle. Most plaintext connections never become more; for
// listener filters and TLS it turns into a net.Socket. Made by the listener's socket, used by listener/ until the
// connection is served, then the transport of its SocketConnection.
//
// Measured (bench/micro/h1-relay.ts and a twin of it on handles, Nov 2026, Node 24.21): a new connection per
// request costs 48-55 us with net.Socket and 38-43 us without.

import { Socket } from 'node:net';
import type { SocketAddress } from '../api/connection.ts';
import { plainIp } from './address.ts';
import {
  type AcceptedStreamHandle,
  type HandleAddress,
  type StreamHandle,
  shutdownHandle,
} from './stream-handle.ts';
import type { Transport, TransportOwner } from './transport.ts';

/** See the head comment. */
export class AcceptedHandle implements Transport {
  readonly isTls = false;
  readonly #handle: AcceptedStreamHandle;
  #owner: TransportOwner | null = null;
  #socket: Socket | null = null;
  #isClosed = false;
  #onClosed: (() => void) | null = null;

  constructor(handle: AcceptedStreamHandle) {
    this.#handle = handle;
  }

  /** Called once when the connection is closed, in whatever form. At most one. */
  whenClosed(onClosed: () => void): void {
    this.#onClosed = onClosed;
  }

  /** From now on it is this socket's; paused. */
  toSocket(): Socket {
    if (this.#socket !== null) return this.#socket;
    // Node's types leave these options out; net.Server gives them to the sockets that it makes.
    const options = {
      handle: this.#handle,
      allowHalfOpen: true,
      pauseOnCreate: true,
      readable: true,
      writable: true,
    };
    const socket = new Socket(options as object);
    this.#socket = socket;
    if (this.#onClosed !== null) socket.once('close', () => this.#closed());
    return socket;
  }

  attach(owner: TransportOwner): void {
    this.#owner = owner;
  }

  handle(): StreamHandle | null {
    return this.#isClosed ? null : this.#handle;
  }

  takeEarly(): null {
    return null;
  }

  /** Null when the peer is gone already, and for Unix sockets. */
  remoteAddress(): SocketAddress | null {
    const found: HandleAddress = {};
    return this.#handle.getpeername?.(found) === 0 ? fromHandle(found) : null;
  }

  localAddress(): SocketAddress | null {
    const found: HandleAddress = {};
    return this.#handle.getsockname?.(found) === 0 ? fromHandle(found) : null;
  }

  sendFin(): void {
    const owner = this.#owner;
    if (owner !== null) shutdownHandle(this.#handle, owner);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#socket !== null) {
      this.#socket.destroy();
      return;
    }
    this.#handle.close();
    this.#closed();
  }

  reset(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // Pipes cannot be reset.
    if (this.#handle.reset === undefined || this.#handle.reset() !== 0) this.#handle.close();
    this.#closed();
  }

  #closed(): void {
    const onClosed = this.#onClosed;
    this.#onClosed = null;
    onClosed?.();
  }
}

function fromHandle({ address, port }: HandleAddress): SocketAddress {
  return { ip: plainIp(address ?? ''), port: port ?? 0 };
}
