// The floor of the HTTP/2 data path: sockets and codecs, with the thinnest possible proxy between them and one
// upstream connection. No filters, stats, routes or log. `node bench/micro/h2-relay.ts LISTEN_PORT UPSTREAM_PORT`,
// then load it; UPSTREAM_PORT 0 = it answers itself.

import net from 'node:net';
import { systemClock } from '../../common/clock.ts';
import { TimerWheel } from '../../common/timer.ts';
import type {
  CodecError,
  RequestDecoder,
  RequestEncoder,
  ResponseDecoder,
  ResponseEncoder,
  StreamCallbacks,
} from '../../dataplane/api/codec.ts';
import { StreamResetReason } from '../../dataplane/api/codec.ts';
import { defaultHttp2 } from '../../dataplane/api/config/http2.ts';
import { ConnectionCloseType, ConnectionEvent } from '../../dataplane/api/connection.ts';
import {
  type RequestHeaders,
  ResponseHeaders,
  type Trailers,
} from '../../dataplane/api/headers.ts';
import { Http2ClientConnection } from '../../dataplane/http/h2/client-connection.ts';
import { Http2CodecStats } from '../../dataplane/http/h2/codec-stats.ts';
import { Http2ServerConnection } from '../../dataplane/http/h2/server-connection.ts';
import { SocketConnection } from '../../dataplane/network/connection.ts';
import { connect } from '../../dataplane/network/connector.ts';

const [listenPort = '0', upstreamPort = '0'] = process.argv.slice(2);
const timers = new TimerWheel();
const common = {
  protocol: defaultHttp2,
  maxHeadersCount: 100,
  bufferLimitBytes: 1024 * 1024,
  timers,
  clock: systemClock,
  random: Math.random,
  stats: new Http2CodecStats(),
};
const serverOptions = {
  ...common,
  scheme: 'http',
  headersWithUnderscoresAction: 'ALLOW',
  maxRequestHeadersKb: 60,
  streamFlushTimeoutMs: 300_000,
} as const;
const clientOptions = { ...common, maxResponseHeadersKb: 60 };
let nextId = 1;

class Upstream {
  readonly codec: Http2ClientConnection;
  constructor() {
    const connection = connect({
      id: nextId++,
      timers,
      address: { ip: '127.0.0.1', port: Number(upstreamPort) },
      tls: null,
      connectTimeoutMs: 5000,
    });
    this.codec = new Http2ClientConnection(connection, clientOptions, this);
    connection.setReadSink(this.codec);
    connection.addConnectionCallbacks(this);
  }
  onEvent(event: ConnectionEvent): void {
    this.codec.onConnectionEvent(event);
    if (event !== ConnectionEvent.Connected) process.exit(1);
  }
  onAboveWriteBufferHighWatermark(): void {
    this.codec.onAboveWriteBufferHighWatermark();
  }
  onBelowWriteBufferLowWatermark(): void {
    this.codec.onBelowWriteBufferLowWatermark();
  }
  onStreamClosed(): void {}
  onGoAway(): void {}
  onSettings(): void {}
  onProtocolError(error: CodecError): void {
    process.stderr.write(`upstream: ${error.details}\n`);
  }
}
const upstream = upstreamPort === '0' ? null : new Upstream();

const HELLO = Buffer.from('hello');

/** One request; what answers it is `response`. */
class Exchange implements RequestDecoder, ResponseDecoder {
  readonly encoder: ResponseEncoder;
  request: RequestEncoder | null = null;
  isOver = false;
  constructor(encoder: ResponseEncoder) {
    this.encoder = encoder;
    encoder.setCallbacks(new Side(this, true));
  }
  decodeHeaders(headers: RequestHeaders | ResponseHeaders, endStream: boolean): void {
    if (headers instanceof ResponseHeaders) {
      this.encoder.encodeHeaders(headers, endStream);
      return;
    }
    if (upstream === null) {
      if (endStream) this.#hello();
      return;
    }
    this.request = upstream.codec.newStream(new Response(this.encoder));
    this.request.setCallbacks(new Side(this, false));
    this.request.encodeHeaders(headers, endStream);
  }
  decode1xxHeaders(): void {}
  decodeData(data: Buffer, endStream: boolean): void {
    if (this.request === null) {
      if (endStream) this.#hello();
    } else this.request.encodeData(data, endStream);
  }
  decodeTrailers(trailers: Trailers): void {
    if (this.request === null) this.#hello();
    else this.request.encodeTrailers(trailers);
  }
  #hello(): void {
    this.encoder.encodeHeaders(new ResponseHeaders(200, ['content-length', '5']), false);
    this.encoder.encodeData(HELLO, true);
  }
}

class Response implements ResponseDecoder {
  readonly encoder: ResponseEncoder;
  constructor(encoder: ResponseEncoder) {
    this.encoder = encoder;
  }
  decode1xxHeaders(): void {}
  decodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    this.encoder.encodeHeaders(headers, endStream);
  }
  decodeData(data: Buffer, endStream: boolean): void {
    this.encoder.encodeData(data, endStream);
  }
  decodeTrailers(trailers: Trailers): void {
    this.encoder.encodeTrailers(trailers);
  }
}

/** What one side of an exchange does to the other. */
class Side implements StreamCallbacks {
  readonly exchange: Exchange;
  readonly isDownstream: boolean;
  constructor(exchange: Exchange, isDownstream: boolean) {
    this.exchange = exchange;
    this.isDownstream = isDownstream;
  }
  onResetStream(): void {
    const { request, encoder } = this.exchange;
    const other = this.isDownstream ? request : encoder;
    other?.resetStream(StreamResetReason.LocalReset);
  }
  onAboveWriteBufferHighWatermark(): void {
    const other = this.isDownstream ? this.exchange.request : this.exchange.encoder;
    other?.readDisable(true);
  }
  onBelowWriteBufferLowWatermark(): void {
    const other = this.isDownstream ? this.exchange.request : this.exchange.encoder;
    other?.readDisable(false);
  }
}

class Downstream {
  readonly codec: Http2ServerConnection;
  readonly connection: SocketConnection;
  constructor(socket: net.Socket) {
    this.connection = new SocketConnection(socket, { id: nextId++, timers });
    this.codec = new Http2ServerConnection(this.connection, this, serverOptions);
    this.connection.addConnectionCallbacks(this);
    this.connection.setReadSink({
      onData: (data, endStream) => this.codec.dispatch(data, endStream),
    });
  }
  newStream(encoder: ResponseEncoder): RequestDecoder {
    return new Exchange(encoder);
  }
  onCodecError(error: CodecError, encoder: ResponseEncoder): void {
    encoder.encodeHeaders(new ResponseHeaders(error.status, []), true);
  }
  onConnectionError(): void {
    this.connection.close(ConnectionCloseType.FlushWriteAndDelay);
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

net
  .createServer({ noDelay: true }, (socket) => {
    new Downstream(socket);
  })
  .listen(Number(listenPort), '127.0.0.1', function (this: net.Server) {
    const address = this.address();
    if (address !== null && typeof address === 'object') {
      process.stdout.write(`listening on ${address.port}\n`);
    }
  });
// An orderly exit lets --cpu-prof write its file.
process.on('SIGTERM', () => process.exit(0));
