// TCP checks of one host: connect, send, look for the answer. Envoy: TcpHealthCheckerImpl.

import type { TcpCheckData } from '../../api/config/health-check.ts';
import {
  type ConnectionCallbacks,
  ConnectionCloseType,
  ConnectionEvent,
} from '../../api/connection.ts';
import { encodeProxyHeader } from '../../network/proxy-header.ts';
import type { PoolConnection } from '../pool/pool-context.ts';
import { PayloadSearch } from './payload-search.ts';
import type { Probe, ProbeObserver } from './probe.ts';

export interface TcpProbeOptions {
  readonly check: TcpCheckData;
  readonly reuseConnection: boolean;
  /** Begins to connect. */
  connect(): PoolConnection;
}

/** See the file head. */
export class TcpProbe implements Probe {
  readonly #options: TcpProbeOptions;
  readonly #observer: ProbeObserver;
  readonly #search: PayloadSearch;
  readonly #send: Buffer;
  #link: Link | null = null;
  #isChecking = false;

  constructor(options: TcpProbeOptions, observer: ProbeObserver) {
    this.#options = options;
    this.#observer = observer;
    this.#search = new PayloadSearch(options.check.receive);
    this.#send = Buffer.from(options.check.send);
  }

  start(): void {
    this.#isChecking = true;
    this.#search.reset();
    if (this.#link === null) this.#link = new Link(this, this.#options.connect());
    else if (this.#send.length > 0) this.#link.connection.write(this.#send);
  }

  onTimeout(): void {
    this.close();
  }

  close(): void {
    this.#isChecking = false;
    this.#drop(ConnectionCloseType.NoFlush);
  }

  // -- of links; one that was dropped has nothing to say ----------------------------------------------

  onConnected(link: Link): void {
    if (this.#link !== link) return;
    const { connection } = link;
    const { proxyProtocol, receive } = this.#options.check;
    if (proxyProtocol !== null) {
      const { localAddress: local, remoteAddress: remote } = connection;
      // Without TLVs it always fits.
      connection.write(encodeProxyHeader(proxyProtocol, null, { local, remote })!);
    }
    if (this.#send.length > 0) connection.write(this.#send);
    if (receive.length > 0) {
      connection.setReadSink(link);
      return;
    }
    // To have connected is all that was asked.
    this.#isChecking = false;
    this.#drop(ConnectionCloseType.FlushWrite);
    this.#observer.onSuccess(false);
  }

  onData(link: Link, data: Buffer): void {
    // Nobody asked: it is dropped.
    if (this.#link !== link || !this.#isChecking) return;
    this.#search.add(data);
    if (!this.#search.isComplete()) return;
    this.#isChecking = false;
    if (!this.#options.reuseConnection) this.#drop(ConnectionCloseType.NoFlush);
    this.#observer.onSuccess(false);
  }

  /** Envoy: also between two checks this is a failure. */
  onClosed(link: Link): void {
    if (this.#link !== link) return;
    this.#link = null;
    this.#isChecking = false;
    this.#observer.onFailure('NETWORK', 0, false);
  }

  #drop(type: ConnectionCloseType): void {
    const link = this.#link;
    this.#link = null;
    link?.connection.close(type);
  }
}

/** One connection. */
class Link implements ConnectionCallbacks {
  readonly connection: PoolConnection;
  readonly #probe: TcpProbe;

  constructor(probe: TcpProbe, connection: PoolConnection) {
    this.#probe = probe;
    this.connection = connection;
    connection.addConnectionCallbacks(this);
  }

  onEvent(event: ConnectionEvent): void {
    if (event === ConnectionEvent.Connected) this.#probe.onConnected(this);
    else this.#probe.onClosed(this);
  }

  onData(data: Buffer): void {
    this.#probe.onData(this, data);
  }

  onAboveWriteBufferHighWatermark(): void {
    // A few bytes are sent, once per interval.
  }

  onBelowWriteBufferLowWatermark(): void {
    // See above.
  }
}
