// Makes upstream connections: TCP or Unix socket, optional TLS, connect timeout, failure reasons in
// Envoy's words. Used by upstream pools, tcp_proxy and health checkers.

import { connect as connectSocket, type NetConnectOpts, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { getSystemErrorMessage } from 'node:util';
import { errorText } from '../../common/coded-error.ts';
import type { Timer, TimerService } from '../../common/timer.ts';
import { ConnectionCloseType, type SocketAddress, type TlsInfo } from '../api/connection.ts';
import { plainIp } from './address.ts';
import { SocketConnection, type TrafficCounters } from './connection.ts';

/** The client side of TLS as the connector needs it; tls/upstream-tls provides it. */
export interface ConnectorTls {
  /** Starts the handshake over a connected socket; a throw becomes the failure reason. */
  wrap(socket: Socket): TLSSocket;
  /** After the handshake, once per socket. */
  verify(socket: TLSSocket): TlsVerdict;
}

/** What the client side thinks of a server. */
export interface TlsVerdict {
  /** '' = let bytes through, else the transport failure reason. */
  readonly reason: string;
  readonly tlsInfo: TlsInfo;
}

/** Both ends of a connected socket. */
export interface ConnectionEnds {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
}

/** What connect() needs. */
export interface ConnectOptions {
  readonly id: number;
  readonly timers: TimerService;
  /** IP literal and port, or the path of a Unix socket with port 0. Never a name: resolve first. */
  readonly address: SocketAddress;
  readonly tls: ConnectorTls | null;
  /** From SYN to the end of the TLS handshake; > 0. */
  readonly connectTimeoutMs: number;
  /** Source IP, null = any. */
  readonly localIp?: string | null;
  /** Seconds of idleness before keep-alive probes; null = no probes. */
  readonly keepaliveS?: number | null;
  /**
   * Bytes in front of everything, TLS too (a PROXY header), made once the connection's ends are known. Null
   * from it = there are none that would fit: the connection fails.
   */
  readonly preamble?: ((own: ConnectionEnds) => Buffer | null) | null;
  readonly bufferLimitBytes?: number;
  readonly traffic?: TrafficCounters | null;
}

/** A SocketConnection that remembers how its connecting ended. */
export class UpstreamConnection extends SocketConnection {
  /** The connect timeout closed it: ConnectionTimeout rather than a connection failure. */
  connectTimedOut = false;
}

/**
 * Begins to connect. Add callbacks to the result in the same turn: they get Connected, or RemoteClose
 * with transportFailureReason ('delayed connect error: Connection refused', 'TLS_error:...'; '' when
 * the peer just ended the handshake), or, when the time is over, LocalClose with connectTimedOut.
 */
export function connect(options: ConnectOptions): UpstreamConnection {
  return new Attempt(options).connection;
}

/** One attempt; lives until the connection is up or has failed. */
class Attempt {
  readonly connection: UpstreamConnection;
  readonly #options: ConnectOptions;
  readonly #socket: Socket;
  readonly #timer: Timer;

  constructor(options: ConnectOptions) {
    this.#options = options;
    this.#socket = connectSocket(socketOptions(options));
    this.connection = new UpstreamConnection(this.#socket, {
      id: options.id,
      timers: options.timers,
      connecting: true,
      remoteAddress: options.address,
      ...(options.bufferLimitBytes === undefined
        ? {}
        : { bufferLimitBytes: options.bufferLimitBytes }),
      traffic: options.traffic ?? null,
    });
    this.connection.transportErrorText = connectErrorText;
    this.#timer = options.timers.createTimer(onConnectTimeout, this.connection);
    this.#timer.start(options.connectTimeoutMs);
    this.#socket.once('connect', () => this.#onTcpConnected());
    this.#socket.once('close', () => this.#timer.stop());
  }

  #onTcpConnected(): void {
    if (!this.connection.isOpen() || !this.#writePreamble()) return;
    const { tls } = this.#options;
    if (tls === null) {
      this.#timer.stop();
      this.connection.onConnected();
      return;
    }
    let tlsSocket: TLSSocket;
    try {
      tlsSocket = tls.wrap(this.#socket);
    } catch (thrown) {
      this.#failTls(errorText(thrown));
      return;
    }
    this.connection.transportErrorText = tlsErrorText;
    this.connection.replaceSocket(tlsSocket);
    tlsSocket.once('secureConnect', () => this.#onSecure(tls, tlsSocket));
    tlsSocket.once('close', () => this.#timer.stop());
  }

  /** False = it failed. */
  #writePreamble(): boolean {
    const { preamble = null, address } = this.#options;
    if (preamble === null) return true;
    const { localAddress = '', localPort = 0 } = this.#socket;
    const own = { local: { ip: plainIp(localAddress), port: localPort }, remote: address };
    const bytes = preamble(own);
    if (bytes === null) {
      this.connection.failConnecting('PROXY protocol header too long');
      return false;
    }
    this.#socket.write(bytes);
    return true;
  }

  #onSecure(tls: ConnectorTls, socket: TLSSocket): void {
    if (!this.connection.isOpen()) return;
    this.#timer.stop();
    const { reason, tlsInfo } = tls.verify(socket);
    if (reason !== '') {
      this.#failTls(reason);
      return;
    }
    const { connection } = this;
    connection.tls = tlsInfo;
    connection.nextProtocol = typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '';
    connection.onConnected();
  }

  /** We refuse the peer, but to those who asked for a connection it is a remote failure, as in Envoy. */
  #failTls(reason: string): void {
    this.connection.failConnecting(reason);
  }
}

function onConnectTimeout(connection: UpstreamConnection): void {
  connection.connectTimedOut = true;
  connection.close(ConnectionCloseType.NoFlush);
}

function socketOptions(options: ConnectOptions): NetConnectOpts {
  const { address } = options;
  const common = { allowHalfOpen: true, noDelay: true } as const;
  if (address.port === 0 && address.ip.startsWith('/')) return { path: address.ip, ...common };
  const keepaliveS = options.keepaliveS ?? null;
  const localIp = options.localIp ?? null;
  return {
    host: address.ip,
    port: address.port,
    ...common,
    ...(localIp === null ? {} : { localAddress: localIp }),
    ...(keepaliveS === null ? {} : { keepAlive: true, keepAliveInitialDelay: keepaliveS * 1000 }),
  };
}

/** Envoy prints strerror; Node's own texts say the same in lower case. */
function connectErrorText(error: NodeJS.ErrnoException): string {
  if (typeof error.errno !== 'number') return `delayed connect error: ${error.message}`;
  const text = getSystemErrorMessage(error.errno) ?? error.code ?? 'Unknown error';
  return `delayed connect error: ${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

function tlsErrorText(error: NodeJS.ErrnoException): string {
  // A peer that hangs up in the handshake leaves no TLS error; Envoy's reason is empty then, too.
  if (error.code === 'ECONNRESET' && error.syscall === undefined) return '';
  return `TLS_error:${error.message}`;
}
