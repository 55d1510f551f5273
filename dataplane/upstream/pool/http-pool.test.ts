import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Caller, OK, poolScenario } from '../../../test/fakes/http-pool.ts';
import { ConnectionUse } from '../../api/cluster.ts';
import { StreamResetReason } from '../../api/codec.ts';
import type { ThresholdsConfig } from '../../api/config/cluster.ts';
import { ConnectionCloseType } from '../../api/connection.ts';
import type { HttpConnectionPool } from './http-pool.ts';

test('a request waits for its connection, is sent, answered, and the connection becomes ready', () => {
  const { connections, stats, host, request, counts } = poolScenario();
  const caller = request();
  assert.equal(connections.length, 1);
  assert.deepEqual(counts(), [1, 1, 0, 0]);
  assert.equal(stats.upstreamRqPendingActive, 1);
  assert.equal(host.stats.rqPendingActive, 1);
  connections[0]!.connect();
  assert.equal(host.stats.rqPendingActive, 0);
  assert.deepEqual(counts(), [1, 0, 1, 1]);
  assert.match(connections[0]!.written, /^GET \/ HTTP\/1\.1\r\nhost: a\r\n/);
  connections[0]!.receive(OK);
  assert.deepEqual([caller.status, caller.ended], [200, true]);
  assert.deepEqual(counts(), [1, 0, 0, 0]);
  assert.equal(stats.upstreamRqTotal, 1);
  assert.equal(stats.upstreamRqActive, 0);
});

test('the next request takes the ready connection at once, and pending is not counted for it', () => {
  const { connections, stats, pool, warm } = poolScenario();
  warm();
  const caller = new Caller();
  assert.equal(pool.newStream(caller, caller, ConnectionUse.Any), null);
  assert.notEqual(caller.encoder, null);
  assert.equal(connections.length, 1);
  assert.equal(stats.upstreamRqPendingTotal, 1, "the first one's");
  assert.equal(stats.upstreamCxTotal, 1);
});

test('the connection used last is taken first', () => {
  const { connections, request } = poolScenario();
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
  const { stats, request, counts } = poolScenario({ maxPendingRequests: 2 });
  request();
  request();
  const third = request();
  assert.equal(third.failure, StreamResetReason.Overflow);
  assert.equal(stats.upstreamRqPendingOverflow, 1);
  assert.deepEqual(counts(), [2, 2, 0, 0]);
});

test('over max_requests a request fails by overflow when it meets a connection; it does not queue', () => {
  const { connections, stats, request, counts } = poolScenario({ maxRequests: 1 });
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
  const { connections, stats, request, counts } = poolScenario({ maxConnections: 1 });
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
  const { resources, connections, stats, request } = poolScenario({ maxConnections: 1 });
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
  const { connections, stats, request, counts } = poolScenario();
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
  const { connections, stats, host, request } = poolScenario();
  const caller = request();
  connections[0]!.timeOut();
  assert.equal(caller.failure, StreamResetReason.ConnectionTimeout);
  assert.equal(stats.upstreamCxConnectTimeout, 1);
  assert.equal(stats.upstreamCxConnectFail, 1);
  assert.equal(host.stats.cxConnectFail, 1);
});

test('a cancelled request leaves the queue; its connection serves the next one', () => {
  const { connections, stats, pool, request, counts } = poolScenario();
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
  const { connections, pool, request } = poolScenario();
  const first = request();
  const second = new Caller();
  const handle = pool.newStream(second, second, ConnectionUse.Any);
  first.onFailed = () => handle?.cancel();
  connections[0]!.refuse();
  assert.equal(second.failure, null);
});

test('a connection that dies under a request resets it and is counted out before that', () => {
  const { connections, stats, warm, request, counts } = poolScenario();
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
  const { stats, warm, request } = poolScenario();
  const connection = warm();
  const caller = request();
  connection.receive('HTTP/1.1 200 OK\r\n\r\nuntil the end');
  connection.remoteClose();
  assert.equal(caller.ended, true);
  assert.equal(stats.upstreamCxDestroyRemote, 1);
  assert.equal(stats.upstreamCxDestroyWithActiveRq, 0);
});

test('an idle connection that the peer closes is forgotten', () => {
  const { connections, warm, request } = poolScenario();
  warm().remoteClose();
  request();
  assert.equal(connections.length, 2);
});

test('Connection: close ends the connection after the response and connects for who waits', () => {
  const { connections, stats, request } = poolScenario({ maxConnections: 1 });
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
  const { stats, warm, request } = poolScenario({}, { maxRequestsPerConnection: 2 });
  const connection = warm();
  assert.equal(connection.isOpen(), true);
  request();
  connection.receive(OK);
  assert.equal(connection.isOpen(), false);
  assert.equal(stats.upstreamCxMaxRequests, 1);
});

test('idle connections close after idle_timeout, each in its own time', () => {
  const { timers, stats, connections, warm, request } = poolScenario({}, { idleTimeoutMs: 60_000 });
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
  const { timers, stats, connections, warm, request } = poolScenario(
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
  const { warm, request, counts } = poolScenario();
  const connection = warm();
  request().encoder?.resetStream(StreamResetReason.LocalReset);
  assert.equal(connection.isOpen(), false);
  assert.deepEqual(counts(), [0, 0, 0, 0]);
});

test('a bad response is a protocol error and costs the connection', () => {
  const { stats, warm, request, counts } = poolScenario();
  const connection = warm();
  const caller = request();
  connection.receive('HTTP/9 what\r\n\r\n');
  assert.equal(caller.reset, StreamResetReason.ProtocolError);
  assert.equal(stats.upstreamCxProtocolError, 1);
  assert.equal(connection.isOpen(), false);
  assert.deepEqual(counts(), [0, 0, 0, 0]);
});

test('draining closes what is idle, finishes what is busy, and still serves what comes', () => {
  const { connections, pool, request, state } = poolScenario();
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
  const { connections, pool, request } = poolScenario();
  const caller = request();
  pool.drain();
  connections[0]!.connect();
  connections[0]!.receive(OK);
  assert.equal(caller.status, 200);
  assert.equal(connections[0]!.isOpen(), false);
});

test('a request that cannot be sent again takes a connection only in the first half of the idle timeout', () => {
  const { timers, connections, request, warm } = poolScenario({}, { idleTimeoutMs: 1000 });
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
  const { connections, request, warm } = poolScenario({ maxConnections: 2 });
  const kept = warm();
  kept.takeWritten();
  request(ConnectionUse.New);
  assert.equal(connections.length, 2);
  assert.equal(kept.written, '');
  request(ConnectionUse.New);
  assert.match(kept.written, /^GET/);
});

test('a stream knows whether the peer has closed a connection that was used before', () => {
  const { connections, request, warm } = poolScenario();
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
  const { connections, host, request } = poolScenario({}, {}, { perUpstreamRatio: 2 });
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
    const { connections, request } = poolScenario(thresholds, {}, { perUpstreamRatio: 3 });
    request();
    return connections.length;
  }
});

test('a pool without connections has no timer', () => {
  const { timers, warm } = poolScenario({}, { idleTimeoutMs: 1000 });
  warm().remoteClose();
  assert.equal(timers.armedCount(), 0);
});

test('a request that is sent again waits for the new connection although a used one becomes free', () => {
  const { connections, request, warm } = poolScenario();
  const kept = warm();
  request();
  const again = request(ConnectionUse.New);
  kept.receive(OK);
  assert.equal(again.encoder, null);
  connections[1]!.connect();
  assert.match(connections[1]!.written, /^GET/);
});

test('one more downstream connection than there may be PROXY pools ends the oldest pool', () => {
  const { connections, host } = poolScenario();
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
    )!;
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
