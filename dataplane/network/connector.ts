// Makes upstream connections: TCP or Unix socket, optional TLS, connect timeout, failure reasons in
// Envoy's words. Used by upstream pools, tcp_proxy and health checkers.

import { connect as connectSocket, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { TimerService } from '../../common/timer.ts';
import type { SocketAddress, TlsInfo } from '../api/connection.ts';
import { SocketConnection, type TrafficCounters } from './connection.ts';

/** The client side of TLS as the connector needs it; tls/upstream-tls provides it. */
export interface ConnectorTls {
  /** Starts the handshake over a connected socket; a throw becomes the failure reason. */
  wrap(socket: Socket): TLSSocket;
  /** After the handshake: reason '' = let bytes through, else the transport failure reason. */
  verify(socket: TLSSocket): { readonly reason: string };
  describe(socket: TLSSocket): TlsInfo;
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
  readonly bufferLimitBytes?: number;
  readonly traffic?: TrafficCounters | null;
}

/**
 * Begins to connect. Add callbacks to the result in the same turn: they get Connected, or RemoteClose
 * with transportFailureReason (a refusal, a TLS failure), or, when the time is over, LocalClose with
 * transportFailureReason 'connect timeout' and isConnectTimeout() true.
 */
export function connect(options: ConnectOptions): UpstreamConnection {
  throw new Error(`not written yet ${options.id} ${connectSocket.name}`);
}

/** A SocketConnection that remembers how its connecting ended. */
export class UpstreamConnection extends SocketConnection {
  /** The connect timeout closed it: ConnectionTimeout rather than a connection failure. */
  connectTimedOut = false;
}
