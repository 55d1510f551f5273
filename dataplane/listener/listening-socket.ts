// One listening socket of one worker: TCP or Unix. Binds, hands out accepted sockets, and closes without
// resetting the connections that the kernel has already completed for it.

import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import net from 'node:net';
import { getSystemErrorName } from 'node:util';
import type { ListenAddress } from '../api/config/listener.ts';
import type { SocketAddress } from '../api/connection.ts';
import { AcceptedHandle } from '../network/accepted-handle.ts';
import { type AcceptedStreamHandle, acceptHandles } from '../network/stream-handle.ts';

/** The listener of a listening socket. */
export interface SocketAcceptor {
  onAccepted(accepted: AcceptedHandle, address: SocketAddress): void;
  /** accept(2) failed, as a rule because the process has no file descriptors left. */
  onAcceptError(error: NodeJS.ErrnoException): void;
}

export interface ListenOptions {
  readonly backlog: number;
  /** Several workers bind the same address and the kernel spreads connections. */
  readonly reusePort: boolean;
}

/**
 * So many turns of the event loop are spent on emptying the accept queue: libuv accepts one connection in
 * each, and a queue is at most net.core.somaxconn long.
 */
const MAX_CLOSING_TURNS = 4096;
/** A call from the poll phase sees only the turn after next from its beginning. */
const MIN_CLOSING_TURNS = 2;

export function isUnixSocket({ ip }: SocketAddress): boolean {
  return ip.startsWith('/') || ip.startsWith('@');
}

/**
 * libuv takes one connection per socket and turn of the event loop. Turns are long where many connections are busy:
 * with one socket the last of 1,000 clients that came at once waited for seconds (`npm run bench`, 1,000 connections).
 * So an address that may be shared is shared with ourselves too.
 */
const SOCKETS_PER_ADDRESS = 8;

export class ListeningSocket {
  /** The first decides on the port; see SOCKETS_PER_ADDRESS. */
  readonly #servers: net.Server[] = [];
  #wanted: ListenAddress;
  #acceptor: SocketAcceptor;
  #address: SocketAddress;
  #acceptedInTurn = 0;

  constructor(address: ListenAddress, acceptor: SocketAcceptor) {
    this.#wanted = address;
    this.#address = { ip: address.ip, port: address.port };
    this.#acceptor = acceptor;
  }

  /** The port is the real one after listen(). */
  get address(): SocketAddress {
    return this.#address;
  }

  /** Resolves with the address; rejects with the system's error, and then nothing is bound. */
  async listen(options: ListenOptions): Promise<SocketAddress> {
    const isShared = options.reusePort && !isUnixSocket(this.#wanted);
    const count = isShared ? SOCKETS_PER_ADDRESS : 1;
    try {
      for (let i = 0; i < count; i++) await this.#open(this.#listenOptions(options));
    } catch (thrown) {
      this.closeNow();
      throw thrown;
    }
    if (isUnixSocket(this.#wanted)) this.#applyMode();
    return this.#address;
  }

  #open(options: net.ListenOptions): Promise<void> {
    const server = net.createServer();
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(options, () => {
        server.removeListener('error', reject);
        acceptHandles(
          server,
          (handle) => this.#onHandle(handle),
          (errno) => this.#acceptor.onAcceptError(acceptError(errno)),
        );
        if (!isUnixSocket(this.#wanted)) {
          // A TCP server's address is always an AddressInfo.
          const { port } = server.address() as net.AddressInfo;
          this.#address = { ip: this.#wanted.ip, port };
        }
        this.#servers.push(server);
        resolve();
      });
    });
  }

  /** Whether it is what listening on `address` would make. */
  isFor({ ip, port, ipv4Compat }: ListenAddress): boolean {
    const { address } = this;
    return address.ip === ip && address.port === port && this.#wanted.ipv4Compat === ipv4Compat;
  }

  /**
   * What it accepts from now on is `acceptor`'s. Unlike a second socket on the same address and the end of the
   * first, this loses nobody who waits in the accept queue. The backlog stays what it was.
   */
  handOver(address: ListenAddress, acceptor: SocketAcceptor): void {
    this.#wanted = address;
    this.#acceptor = acceptor;
    this.#applyMode();
  }

  /** `onClosed` once nothing more will be accepted; connections that stand are left alone. */
  close(onClosed: () => void): void {
    this.#closeWhenQuiet(0, onClosed);
  }

  /** At once; what waits in the accept queue is reset. */
  closeNow(): void {
    for (const server of this.#servers) server.close();
  }

  #listenOptions({ backlog, reusePort }: ListenOptions): net.ListenOptions {
    const { ip, ipv4Compat } = this.#wanted;
    const { port } = this.#address;
    if (!isUnixSocket(this.#wanted)) {
      return { host: ip, port, backlog, reusePort, ipv6Only: net.isIPv6(ip) && !ipv4Compat };
    }
    if (ip.startsWith('@')) return { path: `\0${ip.slice(1)}`, backlog };
    removeStaleSocket(ip);
    return { path: ip, backlog };
  }

  #onHandle(handle: AcceptedStreamHandle): void {
    const { keepaliveS } = this.#wanted;
    this.#acceptedInTurn++;
    handle.setNoDelay?.(true);
    if (keepaliveS !== null) handle.setKeepAlive?.(true, keepaliveS);
    this.#acceptor.onAccepted(new AcceptedHandle(handle), this.#address);
  }

  #applyMode(): void {
    const { ip, mode } = this.#wanted;
    if (mode !== 0) chmodSync(ip, mode);
  }

  #closeWhenQuiet(turn: number, onClosed: () => void): void {
    const isQuiet = this.#acceptedInTurn === 0 && turn >= MIN_CLOSING_TURNS;
    if (isQuiet || turn >= MAX_CLOSING_TURNS) {
      this.closeNow();
      onClosed();
      return;
    }
    this.#acceptedInTurn = 0;
    // Behind the next poll.
    setImmediate(() => this.#closeWhenQuiet(turn + 1, onClosed));
  }
}

function acceptError(errno: number): NodeJS.ErrnoException {
  const code = getSystemErrorName(errno);
  return Object.assign(new Error(`accept ${code}`), { code, errno, syscall: 'accept' });
}

/** Envoy does the same: a socket that nobody removed must not keep the next process from starting. */
function removeStaleSocket(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true) unlinkSync(path);
}
