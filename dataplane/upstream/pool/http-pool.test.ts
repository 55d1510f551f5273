import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  clusterConfig,
  defaultThresholds,
  FakePoolConnection,
  placedHost,
} from '../../../test/fakes/cluster-config.ts';
import { FakeTimers } from '../../../test/fakes/timers.ts';
import {
  ConnectionUse,
  type Host,
  type HttpPoolCallbacks,
  type UpstreamStreamInfo,
} from '../../api/cluster.ts';
import { type RequestEncoder, type ResponseDecoder, StreamResetReason } from '../../api/codec.ts';
import type {
  ClusterConfig,
  ThresholdsConfig,
  UpstreamHttpConfig,
} from '../../api/config/cluster.ts';
import { ConnectionCloseType } from '../../api/connection.ts';
import { RequestHeaders } from '../../api/headers.ts';
import { Http1CodecStats } from '../../http/h1/codec-stats.ts';
import { ClusterStats } from '../cluster-stats.ts';
import { UpstreamHost } from '../host.ts';
import { idleMonitor } from '../outlier/monitor.ts';
import { PriorityResources } from '../resource-manager.ts';
import { SharedChunks } from '../shared-state.ts';
import { HttpConnectionPool } from './http-pool.ts';
import type { PoolContext } from './pool-context.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi';

/** One request: what the router would see of it. */
class Caller implements HttpPoolCallbacks, ResponseDecoder {
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

function setUp(
  thresholds: Partial<ThresholdsConfig> = {},
  http: Partial<UpstreamHttpConfig> = {},
  preconnect: Partial<ClusterConfig['preconnect']> = {},
) {
  const timers = new FakeTimers();
  const chunks = new SharedChunks();
  chunks.create();
  const base = clusterConfig();
  const given = { ...defaultThresholds, ...thresholds };
  const slot = chunks.ref({ chunk: 0, slot: 0 });
  const resources = [
    new PriorityResources(slot, 0, given),
    new PriorityResources(slot, 1, given),
  ] as const;
  const stats = new ClusterStats();
  const connections: FakePoolConnection[] = [];
  const context: PoolContext = {
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
    createHttp2Codec: () => {
      throw new Error('an HTTP/1.1 pool');
    },
    connect: (_host, serverName) => {
      const connection = new FakePoolConnection();
      connection.serverName = serverName;
      connections.push(connection);
      return connection;
    },
  };
  const host = new UpstreamHost(
    placedHost('10.0.0.1', 1),
    chunks.ref({ chunk: 0, slot: 1 }),
    idleMonitor,
    context,
  );
  const state = { drained: 0 };
  const owner = { onPoolEmpty: () => state.drained++ };
  const pool = new HttpConnectionPool(context, host, 0, owner, 'HTTP/1.1');
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
  return { timers, resources, stats, connections, host, pool, request, warm, counts, state };
}

test('a request waits for its connection, is sent, answered, and the connection becomes ready', () => {
  const { connections, stats, request, counts } = setUp();
  const caller = request();
  assert.equal(connections.length, 1);
  assert.deepEqual(counts(), [1, 1, 0, 0]);
  assert.equal(stats.upstreamRqPendingActive, 1);
  connections[0]!.connect();
  assert.deepEqual(counts(), [1, 0, 1, 1]);
  assert.match(connections[0]!.written, /^GET \/ HTTP\/1\.1\r\nhost: a\r\n/);
  connections[0]!.receive(OK);
  assert.deepEqual([caller.status, caller.ended], [200, true]);
  assert.deepEqual(counts(), [1, 0, 0, 0]);
  assert.equal(stats.upstreamRqTotal, 1);
  assert.equal(stats.upstreamRqActive, 0);
});

test('the next request takes the ready connection at once, and pending is not counted for it', () => {
  const { connections, stats, pool, warm } = setUp();
  warm();
  const caller = new Caller();
  assert.equal(pool.newStream(caller, caller, ConnectionUse.Any), null);
  assert.notEqual(caller.encoder, null);
  assert.equal(connections.length, 1);
  assert.equal(stats.upstreamRqPendingTotal, 1, "the first one's");
  assert.equal(stats.upstreamCxTotal, 1);
});

test('the connection used last is taken first', () => {
  const { connections, request } = setUp();
  request();
  request();
  const [first, second] = connections;
  first!.connect();
  second!.connect();
  second!.receive(OK);
  first!.receive(OK);
  first!.takeWritten();
  second!.takeWritten();
  request();
  assert.match(first!.written, /^GET/);
  assert.equal(second!.written, '');
});

test('over max_pending_requests a request fails by overflow, at once', () => {
  const { stats, request, counts } = setUp({ maxPendingRequests: 2 });
  request();
  request();
  const third = request();
  assert.equal(third.failure, StreamResetReason.Overflow);
  assert.equal(stats.upstreamRqPendingOverflow, 1);
  assert.deepEqual(counts(), [2, 2, 0, 0]);
});

test('over max_requests a request fails by overflow when it meets a connection; it does not queue', () => {
  const { connections, stats, request, counts } = setUp({ maxRequests: 1 });
  request();
  const second = request();
  connections[0]!.connect();
  connections[1]!.connect();
  assert.equal(second.failure, StreamResetReason.Overflow);
  assert.equal(stats.upstreamRqActiveOverflow, 1);
  assert.deepEqual(counts(), [2, 0, 1, 1]);
  connections[0]!.receive(OK);
  assert.notEqual(request().encoder, null, 'both connections are fit for use');
});

test('at max_connections requests wait and share the connections that there are', () => {
  const { connections, stats, request, counts } = setUp({ maxConnections: 1 });
  request();
  const second = request();
  assert.equal(connections.length, 1);
  assert.equal(stats.upstreamCxOverflow, 1);
  connections[0]!.connect();
  connections[0]!.receive(OK);
  connections[0]!.receive(OK);
  assert.equal(second.status, 200);
  assert.deepEqual(counts(), [1, 0, 0, 0]);
});

test('a pool without a connection gets one although other pools hold the ceiling', () => {
  const { resources, connections, stats, request } = setUp({ maxConnections: 1 });
  resources[0].connections.acquire();
  const first = request();
  assert.equal(connections.length, 1);
  assert.equal(resources[0].connections.count(), 2);
  request();
  assert.equal(connections.length, 1, 'but only one');
  assert.equal(stats.upstreamCxOverflow, 2);
  connections[0]!.connect();
  connections[0]!.receive(OK);
  assert.equal(first.status, 200);
});

test('a refused connection fails everything that waits, and retries start a new queue', () => {
  const { connections, stats, request, counts } = setUp();
  const callers = [request(), request()];
  let retried: Caller | null = null;
  callers[0]!.onFailed = () => {
    retried = request();
  };
  connections[0]!.refuse();
  for (const caller of callers) {
    assert.equal(caller.failure, StreamResetReason.RemoteConnectionFailure);
    assert.equal(caller.failureReason, 'delayed connect error: Connection refused');
  }
  assert.equal(stats.upstreamRqPendingFailureEject, 2);
  assert.equal(stats.upstreamCxConnectFail, 1);
  assert.equal(stats.upstreamCxDestroyRemote, 1);
  assert.equal((retried as Caller | null)?.failure, null);
  assert.deepEqual(counts(), [1, 1, 0, 0], 'the connection under way serves the retry');
});

test('a connect timeout is told as such', () => {
  const { connections, stats, host, request } = setUp();
  const caller = request();
  connections[0]!.timeOut();
  assert.equal(caller.failure, StreamResetReason.ConnectionTimeout);
  assert.equal(stats.upstreamCxConnectTimeout, 1);
  assert.equal(stats.upstreamCxConnectFail, 1);
  assert.equal(host.stats.cxConnectFail, 1);
});

test('a cancelled request leaves the queue; its connection serves the next one', () => {
  const { connections, stats, pool, request, counts } = setUp();
  const caller = new Caller();
  const handle = pool.newStream(caller, caller, ConnectionUse.Any);
  handle?.cancel();
  handle?.cancel();
  assert.equal(stats.upstreamRqCancelled, 1);
  assert.deepEqual(counts(), [1, 0, 0, 0]);
  connections[0]!.connect();
  assert.equal(caller.encoder, null);
  assert.notEqual(request().encoder, null);
  assert.equal(connections.length, 1);
});

test('a caller that is cancelled while others fail hears nothing', () => {
  const { connections, pool, request } = setUp();
  const first = request();
  const second = new Caller();
  const handle = pool.newStream(second, second, ConnectionUse.Any);
  first.onFailed = () => handle?.cancel();
  connections[0]!.refuse();
  assert.equal(second.failure, null);
});

test('a connection that dies under a request resets it and is counted out before that', () => {
  const { connections, stats, warm, request, counts } = setUp();
  const connection = warm();
  const caller = request();
  connection.remoteClose();
  assert.equal(caller.reset, StreamResetReason.ConnectionTermination);
  assert.equal(stats.upstreamCxDestroyRemoteWithActiveRq, 1);
  assert.deepEqual(counts(), [0, 0, 0, 0]);
  request();
  assert.equal(connections.length, 2);
});

test('a response that ends with its connection is not a loss', () => {
  const { stats, warm, request } = setUp();
  const connection = warm();
  const caller = request();
  connection.receive('HTTP/1.1 200 OK\r\n\r\nuntil the end');
  connection.remoteClose();
  assert.equal(caller.ended, true);
  assert.equal(stats.upstreamCxDestroyRemote, 1);
  assert.equal(stats.upstreamCxDestroyWithActiveRq, 0);
});

test('an idle connection that the peer closes is forgotten', () => {
  const { connections, warm, request } = setUp();
  warm().remoteClose();
  request();
  assert.equal(connections.length, 2);
});

test('Connection: close ends the connection after the response and connects for who waits', () => {
  const { connections, stats, request } = setUp({ maxConnections: 1 });
  request();
  const second = request();
  connections[0]!.connect();
  connections[0]!.receive('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
  assert.equal(connections[0]!.closedBy, ConnectionCloseType.NoFlush);
  assert.equal(stats.upstreamCxCloseNotify, 1);
  connections[1]!.connect();
  connections[1]!.receive(OK);
  assert.equal(second.status, 200);
});

test('max_requests_per_connection closes the connection after its last response', () => {
  const { stats, warm, request } = setUp({}, { maxRequestsPerConnection: 2 });
  const connection = warm();
  assert.equal(connection.isOpen(), true);
  request();
  connection.receive(OK);
  assert.equal(connection.isOpen(), false);
  assert.equal(stats.upstreamCxMaxRequests, 1);
});

test('idle connections close after idle_timeout, each in its own time', () => {
  const { timers, stats, connections, warm, request } = setUp({}, { idleTimeoutMs: 60_000 });
  const first = warm();
  timers.advance(30_000);
  request();
  request();
  connections[1]!.connect();
  connections[1]!.receive(OK);
  // The first is busy now; the second is idle since 30 s.
  timers.advance(59_999);
  assert.equal(connections[1]!.isOpen(), true);
  timers.advance(1);
  assert.equal(connections[1]!.isOpen(), false);
  assert.equal(first.isOpen(), true, 'a busy connection is not idle');
  assert.equal(stats.upstreamCxIdleTimeout, 1);
  first.receive(OK);
  timers.advance(60_000);
  assert.equal(first.isOpen(), false);
  assert.equal(timers.armedCount(), 0);
});

test('max_connection_duration closes idle connections at once and busy ones after the response', () => {
  const { timers, stats, connections, warm, request } = setUp(
    {},
    { maxConnectionDurationMs: 5_000 },
  );
  const idle = warm();
  timers.advance(5_000);
  assert.equal(idle.isOpen(), false);
  const caller = request();
  connections[1]!.connect();
  timers.advance(5_000);
  assert.equal(connections[1]!.isOpen(), true);
  connections[1]!.receive(OK);
  assert.equal(caller.status, 200);
  assert.equal(connections[1]!.isOpen(), false);
  assert.equal(stats.upstreamCxMaxDurationReached, 2);
});

test('a reset by the caller closes the connection and gives everything back', () => {
  const { warm, request, counts } = setUp();
  const connection = warm();
  request().encoder?.resetStream(StreamResetReason.LocalReset);
  assert.equal(connection.isOpen(), false);
  assert.deepEqual(counts(), [0, 0, 0, 0]);
});

test('a bad response is a protocol error and costs the connection', () => {
  const { stats, warm, request, counts } = setUp();
  const connection = warm();
  const caller = request();
  connection.receive('HTTP/9 what\r\n\r\n');
  assert.equal(caller.reset, StreamResetReason.ProtocolError);
  assert.equal(stats.upstreamCxProtocolError, 1);
  assert.equal(connection.isOpen(), false);
  assert.deepEqual(counts(), [0, 0, 0, 0]);
});

test('draining closes what is idle, finishes what is busy, and still serves what comes', () => {
  const { connections, pool, request, state } = setUp();
  request();
  const busy = request();
  connections[0]!.connect();
  connections[1]!.connect();
  connections[0]!.receive(OK);
  pool.drain();
  assert.equal(connections[0]!.isOpen(), false);
  assert.equal(connections[1]!.isOpen(), true);
  const late = request();
  connections[2]!.connect();
  connections[1]!.receive(OK);
  assert.equal(busy.status, 200);
  assert.equal(state.drained, 0);
  connections[2]!.receive(OK);
  assert.equal(late.status, 200);
  assert.equal(
    connections.some((connection) => connection.isOpen()),
    false,
  );
  assert.equal(state.drained, 1);
});

test('draining keeps the connection that somebody waits for', () => {
  const { connections, pool, request } = setUp();
  const caller = request();
  pool.drain();
  connections[0]!.connect();
  connections[0]!.receive(OK);
  assert.equal(caller.status, 200);
  assert.equal(connections[0]!.isOpen(), false);
});

test('a request that cannot be sent again takes a connection only in the first half of the idle timeout', () => {
  const { timers, connections, request, warm } = setUp({}, { idleTimeoutMs: 1000 });
  const kept = warm();
  timers.advance(500);
  kept.takeWritten();
  request(ConnectionUse.Unrepeatable);
  assert.match(kept.written, /^GET/);
  kept.receive(OK);
  timers.advance(501);
  const late = request(ConnectionUse.Unrepeatable);
  assert.equal(kept.isOpen(), false, 'made room');
  assert.equal(connections.length, 2);
  connections[1]!.connect();
  assert.notEqual(late.encoder, null);
});

test('a request that is sent again gets a new connection, at the ceiling a kept one', () => {
  const { connections, request, warm } = setUp({ maxConnections: 2 });
  const kept = warm();
  kept.takeWritten();
  request(ConnectionUse.New);
  assert.equal(connections.length, 2);
  assert.equal(kept.written, '');
  request(ConnectionUse.New);
  assert.match(kept.written, /^GET/);
});

test('a stream knows whether the peer has closed a connection that was used before', () => {
  const { connections, request, warm } = setUp();
  const first = request();
  connections[0]!.connect();
  connections[0]!.remoteClose();
  assert.equal(first.info?.wasReused(), false, 'its first stream');
  const kept = warm();
  const second = request();
  assert.equal(second.info?.wasReused(), false, 'it is open');
  kept.remoteClose();
  assert.equal(second.wasReusedAtReset, true);
  const again = warm();
  const third = request();
  again.close(ConnectionCloseType.NoFlush);
  assert.equal(third.wasReusedAtReset, false, 'we closed it');
});

test('per_upstream_preconnect_ratio keeps so many connections per request that runs or waits', () => {
  const { connections, host, request } = setUp({}, {}, { perUpstreamRatio: 2 });
  request();
  assert.equal(connections.length, 2);
  connections[0]!.connect();
  connections[1]!.connect();
  request();
  assert.equal(connections.length, 4, 'two requests run');
  host.update({ ...host.placed, health: 'unhealthy' });
  request();
  connections[2]!.connect();
  assert.equal(connections.length, 4, 'nothing is done ahead for an unhealthy host');
});

test('preconnecting stops at max_connections and after three connections per event', () => {
  assert.equal(setUpBusy({ maxConnections: 2 }), 2);
  assert.equal(setUpBusy({}), 3);

  function setUpBusy(thresholds: Partial<ThresholdsConfig>): number {
    const { connections, request } = setUp(thresholds, {}, { perUpstreamRatio: 3 });
    request();
    return connections.length;
  }
});

test('a pool without connections has no timer', () => {
  const { timers, warm } = setUp({}, { idleTimeoutMs: 1000 });
  warm().remoteClose();
  assert.equal(timers.armedCount(), 0);
});

test('a request that is sent again waits for the new connection although a used one becomes free', () => {
  const { connections, request, warm } = setUp();
  const kept = warm();
  request();
  const again = request(ConnectionUse.New);
  kept.receive(OK);
  assert.equal(again.encoder, null);
  connections[1]!.connect();
  assert.match(connections[1]!.written, /^GET/);
});

test('one more downstream connection than there may be PROXY pools ends the oldest pool', () => {
  const { connections, host } = setUp();
  const most = 1024;
  const poolOf = (port: number): HttpConnectionPool => {
    const remoteAddress = { ip: '10.0.0.9', port };
    const localAddress = { ip: '10.0.0.1', port: 80 };
    return host.pools.httpProxied(
      0,
      'HTTP/1.1',
      '',
      { remoteAddress, localAddress, tlvs: [] },
      `${port}`,
    );
  };
  const oldest = poolOf(1);
  const caller = new Caller();
  oldest.newStream(caller, caller, ConnectionUse.Any);
  connections[0]!.connect();
  for (let port = 2; port <= most; port++) poolOf(port);
  assert.equal(poolOf(1), oldest);
  poolOf(most + 1);
  assert.notEqual(poolOf(1), oldest);
  connections[0]!.receive(OK);
  assert.equal(caller.status, 200, 'what was under way ends well');
  assert.equal(connections[0]!.isOpen(), false, 'and its connection is not kept');
});
