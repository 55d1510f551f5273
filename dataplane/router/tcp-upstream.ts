// CONNECT that ends here (connect_config): a raw connection to the cluster's host, in the guise of a request whose
// answer is 200 and then the host's bytes. The router takes it for an HTTP pool and stream; HTTP it never speaks.
//
//   newStream --tcp pool ready--> encodeHeaders: PROXY header, 200 --> bytes both ways, FIN for FIN

import type {
  Cancellable,
  HttpPool,
  HttpPoolCallbacks,
  TcpPool,
  TcpPoolCallbacks,
  TcpPoolConnection,
  UpstreamStreamInfo,
} from '../api/cluster.ts';
import {
  type RequestEncoder,
  type ResponseDecoder,
  type StreamCallbacks,
  StreamResetReason,
} from '../api/codec.ts';
import type { UpstreamProxyProtocolConfig } from '../api/config/proxy-protocol.ts';
import {
  type Connection,
  type ConnectionCallbacks,
  ConnectionCloseType,
  ConnectionEvent,
} from '../api/connection.ts';
import { type RequestHeaders, ResponseHeaders } from '../api/headers.ts';
import type { Host } from '../api/host.ts';
import { encodeProxyHeader, proxyInfoOf } from '../network/proxy-header.ts';

/** One per request. */
export class TcpUpstreamPool implements HttpPool {
  readonly #pool: TcpPool;
  readonly #proxyProtocol: UpstreamProxyProtocolConfig | null;
  readonly #downstream: Connection;

  constructor(
    pool: TcpPool,
    proxyProtocol: UpstreamProxyProtocolConfig | null,
    downstream: Connection,
  ) {
    this.#pool = pool;
    this.#proxyProtocol = proxyProtocol;
    this.#downstream = downstream;
  }

  newStream(decoder: ResponseDecoder, callbacks: HttpPoolCallbacks): Cancellable | null {
    return this.#pool.newConnection(new Borrower(this, decoder, callbacks));
  }

  /** Names the client to the host; empty = nothing to say. Null = the TLVs are too many for a header. */
  proxyHeader(own: Connection): Buffer | null {
    if (this.#proxyProtocol === null) return EMPTY;
    return encodeProxyHeader(this.#proxyProtocol, proxyInfoOf(this.#downstream), {
      local: own.localAddress,
      remote: own.remoteAddress,
    });
  }
}

const EMPTY = Buffer.alloc(0);

class Borrower implements TcpPoolCallbacks {
  readonly #owner: TcpUpstreamPool;
  readonly #decoder: ResponseDecoder;
  readonly #callbacks: HttpPoolCallbacks;

  constructor(owner: TcpUpstreamPool, decoder: ResponseDecoder, callbacks: HttpPoolCallbacks) {
    this.#owner = owner;
    this.#decoder = decoder;
    this.#callbacks = callbacks;
  }

  onPoolReady(connection: TcpPoolConnection, host: Host): void {
    const upstream = new TcpUpstream(this.#owner, connection, this.#decoder);
    connection.enableHalfClose(true);
    connection.addConnectionCallbacks(upstream);
    this.#callbacks.onPoolReady(upstream, host, upstream);
    // The 200 is through: the host's bytes may follow.
    if (connection.isOpen()) connection.setReadSink(upstream);
  }

  onPoolFailure(
    reason: StreamResetReason,
    transportFailureReason: string,
    host: Host | null,
  ): void {
    this.#callbacks.onPoolFailure(reason, transportFailureReason, host);
  }
}

class TcpUpstream implements RequestEncoder, UpstreamStreamInfo, ConnectionCallbacks {
  readonly protocol = '';
  readonly connection: Connection;
  readonly #owner: TcpUpstreamPool;
  readonly #decoder: ResponseDecoder;
  #callbacks: StreamCallbacks | null = null;
  #sent = 0;
  #received = 0;
  #localEnded = false;
  #remoteEnded = false;
  #isOver = false;
  #readDisableCount = 0;

  constructor(owner: TcpUpstreamPool, connection: Connection, decoder: ResponseDecoder) {
    this.#owner = owner;
    this.connection = connection;
    this.#decoder = decoder;
  }

  wasReused(): boolean {
    return false;
  }

  isGoingAway(): boolean {
    return false;
  }

  setCallbacks(callbacks: StreamCallbacks): void {
    this.#callbacks = callbacks;
  }

  encodeHeaders(_headers: RequestHeaders, endStream: boolean): void {
    const header = this.#owner.proxyHeader(this.connection);
    if (header === null) {
      this.resetStream();
      this.#callbacks?.onResetStream(StreamResetReason.LocalReset, '');
      return;
    }
    if (header.length > 0) this.#write(header);
    if (endStream) this.#end();
    this.#decoder.decodeHeaders(new ResponseHeaders(200, []), false);
  }

  encodeData(data: Buffer, endStream: boolean): void {
    if (this.#isOver || this.#localEnded) return;
    if (data.length > 0) this.#write(data);
    if (endStream) this.#end();
  }

  encodeTrailers(): void {
    if (!this.#isOver) this.#end();
  }

  #write(data: Buffer): void {
    this.#sent += data.length;
    this.connection.write(data);
  }

  #end(): void {
    this.#localEnded = true;
    this.connection.endWrite();
  }

  resetStream(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.connection.close(ConnectionCloseType.NoFlush);
  }

  readDisable(disable: boolean): void {
    if (this.#isOver || (!disable && this.#readDisableCount === 0)) return;
    this.#readDisableCount += disable ? 1 : -1;
    this.connection.readDisable(disable);
  }

  bytesSent(): number {
    return this.#sent;
  }

  bytesReceived(): number {
    return this.#received;
  }

  /** The connection's read sink. */
  onData(data: Buffer, endStream: boolean): void {
    if (this.#isOver) return;
    this.#received += data.length;
    if (endStream) this.#remoteEnded = true;
    this.#decoder.decodeData(data, endStream);
  }

  onEvent(event: ConnectionEvent): void {
    if (event === ConnectionEvent.Connected || this.#isOver) return;
    this.#isOver = true;
    if (this.#localEnded && this.#remoteEnded) return;
    this.#callbacks?.onResetStream(StreamResetReason.ConnectionTermination, '');
  }

  onAboveWriteBufferHighWatermark(): void {
    if (!this.#isOver) this.#callbacks?.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    if (!this.#isOver) this.#callbacks?.onBelowWriteBufferLowWatermark();
  }
}
