import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RouterScenario } from '../../test/fakes/router.ts';
import { ConnectionUse } from '../api/cluster.ts';
import { StreamResetReason } from '../api/codec.ts';

/** A request on a kept connection that its peer then closes; how it went on. */
function stale(method: string, endStream = true, received = 0): RouterScenario {
  const scenario = new RouterScenario();
  scenario.request([], endStream, method);
  const { attempt } = scenario;
  attempt.ready();
  attempt.isOnReusedConnection = true;
  attempt.received = received;
  attempt.resetByPeer();
  return scenario;
}

test('an idempotent request that a kept connection lost is sent again on a new one, without a retry policy', () => {
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']) {
    const scenario = stale(method);
    const [first, second] = scenario.cluster.tries;
    assert.equal(first?.use, ConnectionUse.Any);
    assert.equal(second?.use, ConnectionUse.New);
    assert.equal(second.host, first.host);
    second.ready().respond(200);
    assert.equal(scenario.summary(), '200 - via_upstream');
    assert.equal(scenario.cluster.stats.upstreamRqStaleConnection, 1);
    assert.deepEqual(first.host.results, second.host.results);
  }
});

test('what may have done something, or has begun to be answered, is not sent twice', () => {
  const lost = '503 UC upstream_reset_before_response_started{connection_termination}';
  for (const scenario of [
    stale('POST'),
    stale('PATCH'),
    stale('CUSTOM'),
    stale('PUT', false),
    stale('GET', true, 25),
  ]) {
    assert.equal(scenario.cluster.tries.length, 1);
    assert.ok(scenario.summary().startsWith(lost), scenario.summary());
  }
});

test('such requests ask for a connection that is not about to be closed', () => {
  assert.equal(stale('POST').attempt.use, ConnectionUse.Unrepeatable);
  assert.equal(stale('PUT', false).attempt.use, ConnectionUse.Unrepeatable);
});

test('only once: the new connection may not be lost as well', () => {
  const scenario = stale('GET');
  scenario.attempt.ready();
  scenario.attempt.isOnReusedConnection = true;
  scenario.attempt.resetByPeer();
  assert.equal(scenario.cluster.tries.length, 2);
  assert.match(scenario.summary(), /^503 UC/);
});

test('a fresh connection that is lost, and any other reset, is not healed', () => {
  for (const [isReused, reason] of [
    [false, StreamResetReason.ConnectionTermination],
    [true, StreamResetReason.ProtocolError],
    [true, StreamResetReason.RemoteReset],
  ] as const) {
    const scenario = new RouterScenario().request();
    scenario.attempt.ready();
    scenario.attempt.isOnReusedConnection = isReused;
    scenario.attempt.resetByPeer(reason);
    assert.equal(scenario.cluster.tries.length, 1);
  }
});

test('a client that goes away while its request waits to be sent again cancels that', () => {
  const scenario = stale('GET');
  scenario.filter.onDestroy();
  assert.equal(scenario.attempt.isCancelled, true);
});
