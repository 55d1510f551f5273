// The floor of the HTTP/1 data path: sockets and codecs, with the thinnest possible proxy between them.
// No filters, stats, routes or log. `node bench/micro/h1-relay.ts LISTEN_PORT UPSTREAM_PORT`, then load it.

import net from 'node:net';
import { TimerWheel } from '../../common/timer.ts';
import type {
  CodecError,
  RequestDecoder,
  RequestEncoder,
  ResponseDecoder,
  ResponseEncoder,
  StreamCallbacks,
  StreamResetReason,
} from '../../dataplane/api/codec.ts';
import { ConnectionCloseType, ConnectionEvent } from '../../dataplane/api/connection.ts';
import {
  type RequestHeaders,
  ResponseHeaders,
  removeField,
  type Trailers,
} from '../../dataplane/api/headers.ts';
import { ClientConnection } from '../../dataplane/http/h1/client-connection.ts';
import { Http1CodecStats } from '../../dataplane/http/h1/codec-stats.ts';
import { ServerConnection } from '../../dataplane/http/h1/server-connection.ts';
import { SocketConnection } from '../../dataplane/network/connection.ts';
import { connect, type UpstreamConnection } from '../../dataplane/network/connector.ts';
import { keepBytes } from '../../dataplane/network/read-slab.ts';

const [listenPort = '0', upstreamPort = '0'] = process.argv.slice(2);
const timers = new TimerWheel();
const stats = new Http1CodecStats();
const serverOptions = {
  scheme: 'http',
  allowCustomMethods: false,
  ignoredUpgrades: [],
  acceptHttp10: false,
  defaultHostForHttp10: '',
  allowAbsoluteUrl: true,
  enableTrailers: true,
  properCaseHeaderKeys: false,
  preserveCase: null,
  allowChunkedLength: false,
  headersWithUnderscoresAction: 'ALLOW',
  maxRequestHeadersKb: 60,
  maxHeadersCount: 100,
  streamErrorOnInvalidHttpMessage: false,
  stats,
} as const;
const clientOptions = {
  enableTrailers: true,
  properCaseHeaderKeys: false,
  preserveCase: null,
  allowChunkedLength: false,
  sendFullyQualifiedUrl: false,
  maxResponseHeadersKb: 60,
  maxHeadersCount: 100,
  stats,
} as const;
let nextId = 1;

class Upstream {
  readonly connection: UpstreamConnection;
  readonly codec: ClientConnection;
  waiting: Exchange | null = null;
  connected = false;
  constructor() {
    this.connection = connect({
      id: nextId++,
      timers,
      address: { ip: '127.0.0.1', port: Number(upstreamPort) },
      tls: null,
      connectTimeoutMs: 5000,
    });
    this.codec = new ClientConnection(this.connection, clientOptions, this);
    this.connection.setReadSink(this.codec);
    this.connection.addConnectionCallbacks(this);
  }
  onEvent(event: ConnectionEvent): void {
    this.codec.onConnectionEvent(event);
    if (event === ConnectionEvent.Connected) {
      this.connected = true;
      this.waiting?.start(this);
      this.waiting = null;
    } else {
      const at = idle.indexOf(this);
      if (at !== -1) idle.splice(at, 1);
    }
  }
  onAboveWriteBufferHighWatermark(): void {
    this.codec.onAboveWriteBufferHighWatermark();
  }
  onBelowWriteBufferLowWatermark(): void {
    this.codec.onBelowWriteBufferLowWatermark();
  }
  onIdle(): void {
    if (this.codec.canReuse()) idle.push(this);
    else this.connection.close(ConnectionCloseType.NoFlush);
  }
  onGoAway(): void {}
  onProtocolError(_error: CodecError): void {}
}

const idle: Upstream[] = [];

/** One request; what answers it is `response`. */
class Exchange implements RequestDecoder, StreamCallbacks {
  readonly encoder: ResponseEncoder;
  headers: RequestHeaders | null = null;
  upstream: RequestEncoder | null = null;
  endStream = false;
  readonly held: Buffer[] = [];
  constructor(encoder: ResponseEncoder) {
    this.encoder = encoder;
    encoder.setCallbacks(this);
  }
  start(upstream: Upstream): void {
    const stream = upstream.codec.newStream(new Response(this.encoder));
    this.upstream = stream;
    stream.setCallbacks(new UpstreamCallbacks(this));
    const { held } = this;
    stream.encodeHeaders(this.headers!, this.endStream && held.length === 0);
    for (let i = 0; i < held.length; i++) {
      stream.encodeData(held[i]!, this.endStream && i === held.length - 1);
    }
  }
  decodeHeaders(headers: RequestHeaders, endStream: boolean): void {
    removeField(headers.fields, 'connection');
    this.headers = headers;
    this.endStream = endStream;
    const upstream = idle.pop();
    if (upstream === undefined) new Upstream().waiting = this;
    else this.start(upstream);
  }
  decodeData(data: Buffer, endStream: boolean): void {
    if (this.upstream !== null) this.upstream.encodeData(data, endStream);
    else {
      this.held.push(keepBytes(data));
      this.endStream = endStream;
    }
  }
  decodeTrailers(trailers: Trailers): void {
    this.upstream?.encodeTrailers(trailers);
  }
  onResetStream(reason: StreamResetReason): void {
    this.upstream?.resetStream(reason);
  }
  onAboveWriteBufferHighWatermark(): void {
    this.upstream?.readDisable(true);
  }
  onBelowWriteBufferLowWatermark(): void {
    this.upstream?.readDisable(false);
  }
}

class Response implements ResponseDecoder {
  readonly encoder: ResponseEncoder;
  constructor(encoder: ResponseEncoder) {
    this.encoder = encoder;
  }
  decode1xxHeaders(headers: ResponseHeaders): void {
    this.encoder.encode1xxHeaders(headers);
  }
  decodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    removeField(headers.fields, 'connection');
    this.encoder.encodeHeaders(headers, endStream);
  }
  decodeData(data: Buffer, endStream: boolean): void {
    this.encoder.encodeData(data, endStream);
  }
  decodeTrailers(trailers: Trailers): void {
    this.encoder.encodeTrailers(trailers);
  }
}

class UpstreamCallbacks implements StreamCallbacks {
  readonly exchange: Exchange;
  constructor(exchange: Exchange) {
    this.exchange = exchange;
  }
  onResetStream(reason: StreamResetReason): void {
    this.exchange.encoder.resetStream(reason);
  }
  onAboveWriteBufferHighWatermark(): void {
    this.exchange.encoder.readDisable(true);
  }
  onBelowWriteBufferLowWatermark(): void {
    this.exchange.encoder.readDisable(false);
  }
}

class Downstream {
  readonly codec: ServerConnection;
  constructor(connection: SocketConnection) {
    this.codec = new ServerConnection(connection, this, serverOptions);
  }
  onData(data: Buffer, endStream: boolean): void {
    this.codec.dispatch(data, endStream);
  }
  newStream(encoder: ResponseEncoder): RequestDecoder {
    return new Exchange(encoder);
  }
  onCodecError(error: CodecError, encoder: ResponseEncoder): void {
    encoder.encodeHeaders(new ResponseHeaders(error.status, []), true);
  }
  onConnectionError(details: string): void {
    throw new Error(details);
  }
  onEvent(event: ConnectionEvent): void {
    this.codec.onConnectionEvent(event);
  }
  onAboveWriteBufferHighWatermark(): void {
    this.codec.onAboveWriteBufferHighWatermark();
  }
  onBelowWriteBufferLowWatermark(): void {
    this.codec.onBelowWriteBufferLowWatermark();
  }
}

const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
  const connection = new SocketConnection(socket, { id: nextId++, timers });
  const downstream = new Downstream(connection);
  connection.addConnectionCallbacks(downstream);
  connection.setReadSink(downstream);
});
server.listen(Number(listenPort), '127.0.0.1', 4096, () => {
  console.log(JSON.stringify(server.address()));
});
// An orderly exit lets --cpu-prof write its file.
process.on('SIGTERM', () => process.exit(0));
