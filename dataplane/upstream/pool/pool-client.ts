// One upstream connection of a pool. HttpClient and TcpClient say what it carries; pool.ts counts it.
//
//   Connecting --Connected--> Open --RemoteClose | LocalClose--> Closed
//        '------------------- failed -------------------------------^

import {
  type ConnectionCallbacks,
  ConnectionCloseType,
  type ConnectionEvent,
} from '../../api/connection.ts';
import type { PoolConnection } from './pool-context.ts';

export abstract class PoolClient implements ConnectionCallbacks {
  readonly connection: PoolConnection;
  /** Clock.nowMs. */
  readonly createdMs: number;
  /** Requests that wait for a connection and need no other than this one once it is up; >= 1. */
  readonly connectCapacity: number;
  /** -1 = it never was. */
  connectedMs = -1;
  /** Gets nothing new, and is closed when what it carries has ended. */
  isDraining = false;

  constructor(connection: PoolConnection, createdMs: number, connectCapacity: number) {
    this.connection = connection;
    this.createdMs = createdMs;
    this.connectCapacity = connectCapacity;
  }

  abstract onEvent(event: ConnectionEvent): void;
  abstract onAboveWriteBufferHighWatermark(): void;
  abstract onBelowWriteBufferLowWatermark(): void;
  /** A stream, or the borrower of a TCP connection, is on it. */
  abstract isBusy(): boolean;

  isConnecting(): boolean {
    return this.connectedMs < 0 && this.connection.isOpen();
  }

  closeNow(): void {
    this.connection.close(ConnectionCloseType.NoFlush);
  }
}
