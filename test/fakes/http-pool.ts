// One HTTP pool under the microscope: connections that a test connects and feeds by hand, an HTTP/2 codec whose every
// move a test makes, callers that note what they are told.

import {
  type Cluster,
  ConnectionUse,
  type HttpPoolCallbacks,
  type UpstreamStreamInfo,
} from '../../dataplane/api/cluster.ts';
import {
  type RequestEncoder,
  type ResponseDecoder,
  type StreamCallbacks,
  StreamResetReason,
} from '../../dataplane/api/codec.ts';
import type {
  ClusterConfig,
  ThresholdsConfig,
  UpstreamHttpConfig,
} from '../../dataplane/api/config/cluster.ts';
import { ConnectionCloseType, ConnectionEvent } from '../../dataplane/api/connection.ts';
import { RequestHeaders, ResponseHeaders } from '../../dataplane/api/headers.ts';
import type { Host } from '../../dataplane/api/host.ts';
import { Http1CodecStats } from '../../dataplane/http/h1/codec-stats.ts';
import type { Http2ClientCallbacks } from '../../dataplane/http/h2/options.ts';
import { ClusterStats } from '../../dataplane/upstream/cluster-stats.ts';
import { UpstreamHost } from '../../dataplane/upstream/host.ts';
import { idleMonitor } from '../../dataplane/upstream/outlier/monitor.ts';
import { HttpConnectionPool } from '../../dataplane/upstream/pool/http-pool.ts';
import type {
  Http2Codec,
  PoolConnection,
  PoolContext,
  PoolProtocol,
} from '../../dataplane/upstream/pool/pool-context.ts';
import { PriorityResources } from '../../dataplane/upstream/resource-manager.ts';
import { SharedChunks } from '../../dataplane/upstream/shared-state.ts';
import {
  clusterConfig,
  defaultThresholds,
  FakePoolConnection,
  placedHost,
} from './cluster-config.ts';
import { FakeTimers } from './timers.ts';

/** An HTTP/1.1 answer. */
export const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi';

/** One request: what the router would see of it. */
export class Caller implements HttpPoolCallbacks, ResponseDecoder {
  encoder: RequestEncoder | null = null;
  status = 0;
  ended = false;
  reset: StreamResetReason | null = null;
  info: UpstreamStreamInfo | null = null;
  wasReusedAtReset: boolean | null = null;
  failure: StreamResetReason | null = null;
  failureReason = '';
  /** Runs inside onPoolFailure, as a retry does. */
  onFailed: () => void = () => {};

  onPoolReady(encoder: RequestEncoder, _host: Host, info: UpstreamStreamInfo): void {
    this.encoder = encoder;
    this.info = info;
    encoder.setCallbacks({
      onResetStream: (reason) => {
        this.reset = reason;
        this.wasReusedAtReset = info.wasReused();
      },
      onAboveWriteBufferHighWatermark() {},
      onBelowWriteBufferLowWatermark() {},
    });
    encoder.encodeHeaders(new RequestHeaders('GET', '/', 'a', 'http', []), true);
  }

  onPoolFailure(reason: StreamResetReason, transportFailureReason: string): void {
    this.failure = reason;
    this.failureReason = transportFailureReason;
    this.onFailed();
  }

  decode1xxHeaders(): void {}

  decodeHeaders(headers: { status: number }, endStream: boolean): void {
    this.status = headers.status;
    this.ended ||= endStream;
  }

  decodeData(_data: Buffer, endStream: boolean): void {
    this.ended ||= endStream;
  }

  decodeTrailers(): void {
    this.ended = true;
  }
}

/** A stream of FakeHttp2. */
export class FakeHttp2Stream implements RequestEncoder {
  readonly decoder: ResponseDecoder;
  readonly #codec: FakeHttp2;
  callbacks: StreamCallbacks | null = null;

  constructor(codec: FakeHttp2, decoder: ResponseDecoder) {
    this.#codec = codec;
    this.decoder = decoder;
  }

  /** The whole answer. */
  respond(status = 200): void {
    this.decoder.decodeHeaders(new ResponseHeaders(status, []), true);
    this.#codec.remove(this);
  }

  /** The peer, or the codec, ends it. */
  fail(reason: StreamResetReason): void {
    this.#codec.remove(this);
    this.callbacks?.onResetStream(reason, '');
  }

  setCallbacks(callbacks: StreamCallbacks): void {
    this.callbacks = callbacks;
  }

  resetStream(): void {
    this.#codec.remove(this);
  }

  readDisable(): void {}
  encodeHeaders(): void {}
  encodeData(): void {}
  encodeTrailers(): void {}

  bytesSent(): number {
    return 0;
  }

  bytesReceived(): number {
    return 0;
  }
}

/** http/h2/client-connection.ts as its pool sees it. */
export class FakeHttp2 implements Http2Codec {
  readonly streams: FakeHttp2Stream[] = [];
  flushes = 0;
  readonly #connection: PoolConnection;
  readonly #callbacks: Http2ClientCallbacks;
  #most: number;
  #isGoingAway = false;

  constructor(connection: PoolConnection, callbacks: Http2ClientCallbacks, most: number) {
    this.#connection = connection;
    this.#callbacks = callbacks;
    this.#most = most;
  }

  // -- the peer --------------------------------------------------------------------------------------

  settings(most: number): void {
    this.#most = most;
    this.#callbacks.onSettings();
  }

  /** The first `taken` streams are served, the others refused. */
  goAway(taken = this.streams.length): void {
    this.#isGoingAway = true;
    this.#callbacks.onGoAway(false);
    for (const stream of this.streams.slice(taken)) {
      stream.fail(StreamResetReason.RemoteRefusedStreamReset);
    }
  }

  flush(): void {
    this.flushes++;
  }

  breakProtocol(): void {
    this.#isGoingAway = true;
    this.#callbacks.onProtocolError({ status: 502, details: 'http2.broken', message: '' });
    for (const stream of [...this.streams]) stream.fail(StreamResetReason.ProtocolError);
    this.#connection.close(ConnectionCloseType.NoFlush);
  }

  remove(stream: FakeHttp2Stream): void {
    const at = this.streams.indexOf(stream);
    if (at === -1) return;
    this.streams.splice(at, 1);
    this.#callbacks.onStreamClosed();
  }

  // -- Http2Codec ------------------------------------------------------------------------------------

  newStream(decoder: ResponseDecoder): RequestEncoder {
    if (!this.canOpenStream()) throw new Error('full');
    const stream = new FakeHttp2Stream(this, decoder);
    this.streams.push(stream);
    return stream;
  }

  canOpenStream(): boolean {
    return this.#connection.isOpen() && !this.#isGoingAway && this.streams.length < this.#most;
  }

  activeStreams(): number {
    return this.streams.length;
  }

  maxStreams(): number {
    return this.#most;
  }

  onConnectionEvent(event: ConnectionEvent): void {
    if (event === ConnectionEvent.Connected) return;
    for (const stream of [...this.streams]) stream.fail(StreamResetReason.ConnectionTermination);
  }

  onData(): void {}
  onAboveWriteBufferHighWatermark(): void {}
  onBelowWriteBufferLowWatermark(): void {}
}

/** A pool of one host. */
export function poolScenario(
  thresholds: Partial<ThresholdsConfig> = {},
  http: Partial<UpstreamHttpConfig> = {},
  preconnect: Partial<ClusterConfig['preconnect']> = {},
  protocol: PoolProtocol = 'HTTP/1.1',
) {
  const timers = new FakeTimers();
  const chunks = new SharedChunks();
  chunks.create();
  const base = clusterConfig();
  const given = { ...defaultThresholds, ...thresholds };
  const slot = chunks.ref({ chunk: 0, slot: 0 });
  const resources = [
    new PriorityResources(slot, 0, given, timers.clock),
    new PriorityResources(slot, 1, given, timers.clock),
  ] as const;
  const stats = new ClusterStats();
  const connections: FakePoolConnection[] = [];
  const codecs: FakeHttp2[] = [];
  const context: PoolContext = {
    cluster: null as unknown as Cluster, // no pool asks whose it is
    config: {
      ...base,
      http: { ...base.http, ...http },
      preconnect: { ...base.preconnect, ...preconnect },
    },
    stats,
    resources,
    clock: timers.clock,
    timers,
    codecOptions: {
      enableTrailers: false,
      properCaseHeaderKeys: false,
      preserveCase: null,
      allowChunkedLength: false,
      sendFullyQualifiedUrl: false,
      maxResponseHeadersKb: 60,
      maxHeadersCount: 100,
      stats: new Http1CodecStats(),
    },
    createHttp2Codec: (connection, callbacks) => {
      const { maxConcurrentStreams } = context.config.http.http2;
      const codec = new FakeHttp2(connection, callbacks, maxConcurrentStreams);
      codecs.push(codec);
      return codec;
    },
    connect: (_host, serverName, _downstream, alpnProtocols) => {
      const connection = new FakePoolConnection();
      connection.alpnProtocols = alpnProtocols;
      connection.serverName = serverName;
      connections.push(connection);
      return connection;
    },
  };
  const host = new UpstreamHost(
    placedHost('10.0.0.1', 1),
    chunks.ref({ chunk: 0, slot: 1 }),
    idleMonitor,
    null,
    context,
  );
  const state = { drained: 0 };
  const owner = { onPoolEmpty: () => state.drained++ };
  const pool = new HttpConnectionPool(context, host, 0, owner, protocol);
  const request = (use: ConnectionUse = ConnectionUse.Any): Caller => {
    const caller = new Caller();
    pool.newStream(caller, caller, use);
    return caller;
  };
  /** A pool with one idle connection. */
  const warm = (): FakePoolConnection => {
    request();
    const connection = connections[connections.length - 1]!;
    connection.connect();
    connection.receive(OK);
    return connection;
  };
  const counts = () => {
    const [{ connections: cx, pendingRequests, requests }] = resources;
    return [cx.count(), pendingRequests.count(), requests.count(), host.rqActive()];
  };
  return {
    timers,
    resources,
    stats,
    connections,
    codecs,
    host,
    pool,
    request,
    warm,
    counts,
    state,
  };
}
