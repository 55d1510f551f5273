import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Caller, OK, poolScenario } from '../../../test/fakes/http-pool.ts';
import { ConnectionUse } from '../../api/cluster.ts';
import { StreamResetReason } from '../../api/codec.ts';
import type {
  ClusterConfig,
  ThresholdsConfig,
  UpstreamHttpConfig,
} from '../../api/config/cluster.ts';
import { defaultHttp2 } from '../../api/config/http2.ts';
import { ConnectionCloseType } from '../../api/connection.ts';

const IDLE_MS = 60_000;

/** An HTTP/2 pool; `most` = max_concurrent_streams. */
function scenarioOf(
  most = 1024,
  http: Partial<UpstreamHttpConfig> = {},
  thresholds: Partial<ThresholdsConfig> = {},
  preconnect: Partial<ClusterConfig['preconnect']> = {},
) {
  const http2 = { ...defaultHttp2, maxConcurrentStreams: most };
  const given = { http2, idleTimeoutMs: IDLE_MS, ...http };
  const scenario = poolScenario(thresholds, given, preconnect, 'HTTP/2');
  const requests = (count: number): Caller[] =>
    Array.from({ length: count }, () => scenario.request());
  /** Connects connection `i`; its peer's SETTINGS have come. */
  const open = (i = 0, codecAt = i) => {
    scenario.connections[i]!.connect();
    const codec = scenario.codecs[codecAt]!;
    codec.settings(codec.maxStreams());
    return codec;
  };
  return { ...scenario, requests, open };
}

test('all that waits goes over the one connection, and what comes next too', () => {
  const { connections, stats, requests, open, counts } = scenarioOf();
  requests(3);
  assert.equal(connections.length, 1);
  assert.deepEqual(counts(), [1, 3, 0, 0]);
  const codec = open();
  requests(2);
  assert.equal(codec.streams.length, 5);
  assert.deepEqual(counts(), [1, 0, 5, 5]);
  assert.deepEqual([stats.upstreamCxHttp2Total, stats.upstreamCxHttp1Total], [1, 0]);
  codec.streams[1]!.respond();
  assert.deepEqual(counts(), [1, 0, 4, 4]);
  assert.equal(stats.upstreamRqTotal, 5);
});

test('the next connection is made when the first is full, and what becomes free is taken first', () => {
  const { connections, requests, open, codecs } = scenarioOf(2);
  requests(2);
  const first = open();
  requests(1);
  assert.equal(connections.length, 2);
  const second = open(1);
  assert.deepEqual([first.streams.length, second.streams.length], [2, 1]);
  first.streams[0]!.respond();
  requests(1);
  assert.deepEqual([first.streams.length, second.streams.length], [2, 1]);
  requests(1);
  assert.deepEqual([first.streams.length, second.streams.length], [2, 2]);
  assert.equal(codecs.length, 2);
});

test('more requests than fit wait for a stream to end or for the next connection', () => {
  const { connections, requests, open } = scenarioOf(2, {}, { maxConnections: 1 });
  const callers = requests(5);
  const codec = open();
  assert.equal(connections.length, 1);
  assert.equal(codec.streams.length, 2);
  codec.streams[0]!.respond();
  assert.equal(codec.streams.length, 2);
  assert.notEqual(callers[2]!.encoder, null, 'the oldest that waits');
  assert.equal(callers[3]!.encoder, null);
});

test('so many connections are made at once as what waits will fill', () => {
  const { connections, requests } = scenarioOf(2);
  requests(5);
  assert.equal(connections.length, 3);
});

test('before its SETTINGS a peer gets a hundred streams, and the next connection what the last one took', () => {
  const { connections, codecs, requests, open } = scenarioOf();
  requests(150);
  connections[0]!.connect();
  assert.equal(codecs[0]!.streams.length, 100);
  codecs[0]!.settings(10);
  assert.equal(codecs[0]!.streams.length, 100, 'the others wait');
  connections[1]!.connect();
  assert.equal(codecs[1]!.streams.length, 10);
  codecs[1]!.settings(200);
  assert.equal(codecs[1]!.streams.length, 50);
  assert.equal(connections.length >= 2, true);
  open(2);
});

test('SETTINGS that allow less take a connection out of use until it has room again', () => {
  const { connections, requests, open } = scenarioOf();
  requests(3);
  const codec = open();
  codec.settings(2);
  const [waiting] = requests(1);
  assert.equal(waiting!.encoder, null);
  assert.equal(connections.length, 2);
  codec.streams[0]!.respond();
  assert.equal(waiting!.encoder, null);
  codec.streams[0]!.respond();
  assert.notEqual(waiting!.encoder, null);
});

test('a peer that allows no stream at all gets none, and connections stay below their ceiling', () => {
  const { connections, requests, open } = scenarioOf(1024, {}, { maxConnections: 2 });
  requests(1);
  const codec = open();
  codec.streams[0]!.respond();
  codec.settings(0);
  const [waiting] = requests(1);
  open(1).settings(0);
  assert.equal(connections.length, 2);
  assert.equal(waiting!.status, 0);
});

test('GOAWAY: the connection finishes what it took, refuses the rest, and the next one is made', () => {
  const { connections, stats, requests, open } = scenarioOf();
  const callers = requests(3);
  const codec = open();
  codec.goAway(2);
  assert.equal(callers[2]!.reset, StreamResetReason.RemoteRefusedStreamReset);
  assert.equal(callers[2]!.info?.isGoingAway(), true);
  assert.equal(stats.upstreamCxCloseNotify, 1);
  assert.equal(connections[0]!.isOpen(), true);
  requests(1);
  assert.equal(connections.length, 2);
  assert.equal(open(1).streams.length, 1);
  codec.streams[0]!.respond();
  codec.streams[0]!.respond();
  assert.equal(connections[0]!.closedBy, ConnectionCloseType.NoFlush);
  assert.equal(callers[0]!.status, 200);
});

test('GOAWAY on an idle connection closes it', () => {
  const { connections, requests, open, counts } = scenarioOf();
  requests(1);
  const codec = open();
  codec.streams[0]!.respond();
  codec.goAway();
  assert.equal(connections[0]!.isOpen(), false);
  assert.deepEqual(counts(), [0, 0, 0, 0]);
});

test('a request that is sent again from within its refusal joins the next connection', () => {
  const { pool, connections, requests, request, open } = scenarioOf();
  const [caller] = requests(1);
  const codec = open();
  let again: Caller | null = null;
  codec.streams[0]!.setCallbacks({
    onResetStream: () => {
      again = request();
    },
    onAboveWriteBufferHighWatermark() {},
    onBelowWriteBufferLowWatermark() {},
  });
  codec.goAway(0);
  assert.equal(caller!.status, 0);
  assert.equal(connections.length, 2);
  open(1).streams[0]!.respond();
  assert.equal((again as Caller | null)?.status, 200);
  assert.equal(pool.isEmpty(), false);
});

test('refused requests go before those that were never sent, in their order', () => {
  const { connections, requests, request, open } = scenarioOf(1, {}, { maxConnections: 1 });
  const [held, first] = requests(2);
  open();
  const again = [request(ConnectionUse.Again), request(ConnectionUse.Again)];
  const last = request();
  const order = [...again, first!, last];
  assert.equal(connections.length, 1);
  held!.encoder!.resetStream(StreamResetReason.LocalReset);
  for (const [i, caller] of order.entries()) {
    assert.notEqual(caller.encoder, null, `${i}`);
    assert.ok(order.slice(i + 1).every(({ encoder }) => encoder === null));
    caller.encoder!.resetStream(StreamResetReason.LocalReset);
  }
});

test('a connection that is lost resets all its streams, which are counted out before', () => {
  const { connections, stats, requests, request, open, counts } = scenarioOf(
    1024,
    {},
    { maxRequests: 3 },
  );
  const callers = requests(3);
  const codec = open();
  let counted: number[] = [];
  codec.streams[0]!.setCallbacks({
    onResetStream: () => {
      counted = counts();
      request();
    },
    onAboveWriteBufferHighWatermark() {},
    onBelowWriteBufferLowWatermark() {},
  });
  connections[0]!.remoteClose();
  assert.deepEqual(counted, [1, 0, 2, 2]);
  assert.equal(callers[1]!.reset, StreamResetReason.ConnectionTermination);
  assert.equal(callers[1]!.wasReusedAtReset, false, 'nothing was ever answered on it');
  assert.equal(stats.upstreamCxDestroyRemoteWithActiveRq, 1);
  assert.equal(connections.length, 2);
});

test('a stream knows that the peer has closed a connection on which others were answered', () => {
  const { connections, requests, open } = scenarioOf();
  const callers = requests(2);
  open().streams[0]!.respond();
  connections[0]!.remoteClose();
  assert.equal(callers[1]!.wasReusedAtReset, true);
});

test('a broken protocol ends the connection and is counted', () => {
  const { connections, stats, requests, open, counts } = scenarioOf();
  const callers = requests(2);
  open().breakProtocol();
  assert.equal(callers[0]!.reset, StreamResetReason.ProtocolError);
  assert.equal(stats.upstreamCxProtocolError, 1);
  assert.equal(connections[0]!.isOpen(), false);
  assert.deepEqual(counts(), [0, 0, 0, 0]);
});

test('a connection whose protocol is broken takes nothing while it writes why', () => {
  const { connections, requests, open } = scenarioOf();
  const [first] = requests(2);
  const codec = open();
  const connection = connections[0]!;
  // What was written, GOAWAY last, waits for the peer to read.
  connection.close = () => {};
  codec.breakProtocol();
  assert.equal(first!.reset, StreamResetReason.ProtocolError);
  assert.equal(connections.length, 1);
  const [next] = requests(1);
  assert.equal(connections.length, 2);
  assert.equal(next!.encoder, null, 'it waits for the other one');
});

test('the last that is written goes out before the connection closes', () => {
  const { connections, requests, open } = scenarioOf(1024, { maxRequestsPerConnection: 1 });
  requests(1);
  const codec = open();
  connections[0]!.bufferedBytes = 100;
  codec.streams[0]!.respond();
  assert.equal(codec.flushes, 1);
  assert.equal(connections[0]!.closedBy, ConnectionCloseType.FlushWrite);
});

test('a reset of one stream leaves the connection to the others', () => {
  const { connections, requests, open, counts } = scenarioOf();
  const callers = requests(2);
  open();
  callers[0]!.encoder!.resetStream(StreamResetReason.LocalReset);
  assert.equal(connections[0]!.isOpen(), true);
  assert.deepEqual(counts(), [1, 0, 1, 1]);
});

test('max_requests is a ceiling of streams, over which requests fail at once', () => {
  const { connections, stats, requests, open } = scenarioOf(1024, {}, { maxRequests: 2 });
  requests(1);
  open();
  const [second, third] = requests(2);
  assert.notEqual(second!.encoder, null);
  assert.equal(third!.failure, StreamResetReason.Overflow);
  assert.equal(stats.upstreamRqActiveOverflow, 1);
  assert.equal(connections.length, 1);
});

test('max_pending_requests is a ceiling of what waits for the connection', () => {
  const { stats, requests } = scenarioOf(1024, {}, { maxPendingRequests: 2 });
  const [, , third] = requests(3);
  assert.equal(third!.failure, StreamResetReason.Overflow);
  assert.equal(stats.upstreamRqPendingOverflow, 1);
});

test('max_requests_per_connection: the connection takes no more and closes with its last stream', () => {
  const { connections, stats, requests, open } = scenarioOf(1024, { maxRequestsPerConnection: 2 });
  requests(3);
  assert.equal(connections.length, 2);
  const codec = open();
  assert.equal(codec.streams.length, 2);
  assert.equal(stats.upstreamCxMaxRequests, 1);
  codec.streams[0]!.respond();
  assert.equal(connections[0]!.isOpen(), true);
  codec.streams[0]!.respond();
  assert.equal(connections[0]!.isOpen(), false);
  assert.equal(open(1).streams.length, 1);
});

test('max_connection_duration lets streams finish, and closes an idle connection at once', () => {
  const { timers, connections, stats, requests, open } = scenarioOf(1024, {
    maxConnectionDurationMs: 1000,
  });
  requests(1);
  const codec = open();
  timers.advance(1000);
  assert.equal(stats.upstreamCxMaxDurationReached, 1);
  assert.equal(connections[0]!.isOpen(), true);
  requests(1);
  assert.equal(connections.length, 2);
  codec.streams[0]!.respond();
  assert.equal(connections[0]!.isOpen(), false);
  open(1).streams[0]!.respond();
  timers.advance(1000);
  assert.equal(connections[1]!.isOpen(), false);
});

test('a connection without a stream for idle_timeout closes; one with a stream does not', () => {
  const { timers, connections, stats, requests, open } = scenarioOf(1);
  requests(2);
  const first = open();
  open(1);
  timers.advance(IDLE_MS / 2);
  first.streams[0]!.respond();
  timers.advance(IDLE_MS - 1);
  assert.equal(connections[0]!.isOpen(), true);
  timers.advance(1);
  assert.deepEqual(
    connections.map((connection) => connection.isOpen()),
    [false, true],
  );
  assert.equal(stats.upstreamCxIdleTimeout, 1);
});

test('a busy connection is no idle one for a request that cannot be sent again', () => {
  const { timers, connections, requests, request, open } = scenarioOf();
  requests(1);
  const codec = open();
  timers.advance(IDLE_MS);
  request(ConnectionUse.Unrepeatable);
  assert.equal(codec.streams.length, 2);
  codec.streams[0]!.respond();
  codec.streams[0]!.respond();
  timers.advance(IDLE_MS * 0.6);
  request(ConnectionUse.Unrepeatable);
  assert.deepEqual(
    connections.map((connection) => connection.isOpen()),
    [false, true],
  );
});

test('draining finishes the streams and takes no new ones on the old connection', () => {
  const { pool, connections, requests, request, open, state } = scenarioOf();
  requests(1);
  const codec = open();
  pool.drain();
  assert.equal(connections[0]!.isOpen(), true);
  request();
  assert.equal(codec.streams.length, 1);
  open(1).streams[0]!.respond();
  assert.equal(connections[1]!.isOpen(), false);
  codec.streams[0]!.respond();
  assert.equal(connections[0]!.isOpen(), false);
  assert.equal(state.drained, 1);
});

test('a refused connection fails all that waits, however many', () => {
  const { connections, stats, requests, counts } = scenarioOf();
  const callers = requests(3);
  connections[0]!.refuse();
  for (const { failure } of callers)
    assert.equal(failure, StreamResetReason.RemoteConnectionFailure);
  assert.equal(stats.upstreamRqPendingFailureEject, 3);
  assert.deepEqual(counts(), [0, 0, 0, 0]);
});

test('a refused connection fails nobody who has room on another that is being made', () => {
  const { pool, connections, request, requests, open } = scenarioOf(2);
  const callers = requests(2);
  const third = new Caller();
  const waiting = pool.newStream(third, third, ConnectionUse.Any);
  assert.equal(connections.length, 2);
  waiting?.cancel();
  connections[0]!.refuse();
  assert.equal(callers[0]!.failure, null);
  assert.equal(open(1, 0).streams.length, 2);
  assert.equal(request().failure, null);
});

test('preconnecting counts the streams that connections have room for', () => {
  const { connections, requests, open } = scenarioOf(2, {}, {}, { perUpstreamRatio: 1.5 });
  requests(1);
  assert.equal(connections.length, 1, 'two streams for one and a half');
  open();
  requests(1);
  assert.equal(connections.length, 2, 'two streams for three');
});

test('an auto pool does on each connection what ALPN chose', () => {
  const { connections, codecs, stats, request } = poolScenario({}, {}, {}, 'auto');
  const callers = [request(), request()];
  assert.equal(connections.length, 2, 'until ALPN has spoken each is good for one request');
  connections[0]!.nextProtocol = 'http/1.1';
  connections[0]!.connect();
  connections[1]!.nextProtocol = 'h2';
  connections[1]!.connect();
  connections[0]!.receive(OK);
  codecs[0]!.streams[0]!.respond();
  assert.deepEqual(
    callers.map(({ status }) => status),
    [200, 200],
  );
  assert.deepEqual(
    callers.map(({ info }) => info?.protocol),
    ['HTTP/1.1', 'HTTP/2'],
  );
  assert.deepEqual([stats.upstreamCxHttp2Total, stats.upstreamCxHttp1Total], [1, 1]);
});

test('an auto pool that has met HTTP/2 makes one connection for many', () => {
  const { connections, codecs, request } = poolScenario({}, {}, {}, 'auto');
  request();
  connections[0]!.nextProtocol = 'h2';
  connections[0]!.connect();
  codecs[0]!.goAway();
  request();
  request();
  assert.equal(connections.length, 2);
});

test('what TLS offers follows from the protocol', () => {
  for (const [protocol, alpn] of [
    ['HTTP/1.1', 'http/1.1'],
    ['HTTP/2', 'h2'],
    ['auto', 'h2,http/1.1'],
  ] as const) {
    const { connections, request } = poolScenario({}, {}, {}, protocol);
    request();
    assert.equal(connections[0]!.alpnProtocols.join(), alpn);
  }
});
