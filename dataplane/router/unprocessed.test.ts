import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterConfig } from '../../test/fakes/cluster-config.ts';
import { RouterScenario, type RouterScenarioOptions } from '../../test/fakes/router.ts';
import { ConnectionUse } from '../api/cluster.ts';
import { StreamResetReason } from '../api/codec.ts';
import type { UpstreamProtocol } from '../api/config/cluster.ts';
import { ResponseHeaders } from '../api/headers.ts';
import { sharedReadSlab } from '../network/read-slab.ts';

const KEPT_BYTES = 64 * 1024;
const REFUSED = '503 UR upstream_reset_before_response_started{remote_refused_stream_reset}';

/** A router whose cluster speaks HTTP/2. */
function scenarioOf(
  protocol: UpstreamProtocol = 'HTTP/2',
  options: RouterScenarioOptions = {},
): RouterScenario {
  const scenario = new RouterScenario(options);
  const base = clusterConfig({ name: 'c' });
  scenario.cluster.config = { ...base, http: { ...base.http, protocol } };
  return scenario;
}

/** The peer has taken the stream and says that it did nothing of it. */
function refuse(scenario: RouterScenario, isGoingAway = false): void {
  const { attempt } = scenario;
  attempt.protocol = 'HTTP/2';
  attempt.isPeerGoingAway = isGoingAway;
  if (attempt.headers === null) attempt.ready();
  attempt.resetByPeer(StreamResetReason.RemoteRefusedStreamReset);
}

test('a request that the peer refused is sent again, whatever its method, with its body and trailers', () => {
  const scenario = scenarioOf().request([], false, 'POST');
  scenario.data('one');
  scenario.attempt.ready();
  scenario.data('two');
  scenario.filter.decodeTrailers(['t', '1']);
  refuse(scenario);
  assert.equal(scenario.cluster.tries.length, 2);
  const again = scenario.attempt.ready();
  assert.equal(again.use, ConnectionUse.Again);
  assert.deepEqual([again.body, again.trailers, again.isEnded], ['onetwo', ['t', '1'], true]);
  again.respond(200);
  assert.equal(scenario.summary(), '200 - via_upstream');
  assert.equal(scenario.cluster.stats.upstreamRqUnprocessed, 1);
  assert.deepEqual(again.host.codes, [200]);
});

test('what the client still sends goes with the second try', () => {
  const scenario = scenarioOf().request([], false, 'POST');
  scenario.data('one');
  refuse(scenario);
  const again = scenario.attempt.ready();
  scenario.data('two', true);
  assert.deepEqual([again.body, again.isEnded], ['onetwo', true]);
});

test('outlier detection and the attempt count hear nothing of it', () => {
  const scenario = scenarioOf('HTTP/2', {
    virtualHost: { includeAttemptCountInResponse: true },
  }).request();
  const [first] = scenario.cluster.tries;
  refuse(scenario);
  const again = scenario.attempt.ready();
  again.respond(200);
  assert.equal(scenario.header('x-envoy-attempt-count'), '1');
  assert.deepEqual(first?.host.results, again.host.results);
});

test('three times, then the client is told; ten times where the peer is going away', () => {
  for (const [isGoingAway, most] of [
    [false, 3],
    [true, 10],
  ] as const) {
    const scenario = scenarioOf().request();
    for (let i = 0; i < most; i++) refuse(scenario, isGoingAway);
    assert.equal(scenario.answer, null);
    assert.equal(scenario.cluster.tries.length, most + 1);
    refuse(scenario, isGoingAway);
    assert.ok(scenario.summary().startsWith(REFUSED), scenario.summary());
  }
});

test('a body of 64 KiB is kept, one byte more is not', () => {
  for (const [bytes, tries] of [
    [KEPT_BYTES, 2],
    [KEPT_BYTES + 1, 1],
  ] as const) {
    const options = { bufferLimitBytes: 1024 * 1024 };
    const scenario = scenarioOf('HTTP/2', options).request([], false, 'POST');
    scenario.attempt.ready();
    scenario.data('x'.repeat(bytes), true);
    refuse(scenario);
    assert.equal(scenario.cluster.tries.length, tries);
    if (tries === 1) assert.ok(scenario.summary().startsWith(REFUSED), scenario.summary());
  }
});

test('what is kept stays as it was, whatever is read meanwhile', () => {
  const scenario = scenarioOf('HTTP/2', { bufferLimitBytes: 1024 * 1024 });
  scenario.request([], false, 'POST');
  scenario.attempt.ready();
  const pieces = ['a'.repeat(10_000), 'b'.repeat(100), 'c'.repeat(20_000)];
  for (const piece of pieces) {
    const data = sharedReadSlab.memory.subarray(0, piece.length);
    data.write(piece);
    scenario.filter.decodeData(data, false);
    data.fill('x');
  }
  refuse(scenario);
  assert.ok(scenario.attempt.ready().body === pieces.join(''));
  scenario.data('', true);
  scenario.attempt.respond(200);
  assert.equal(scenario.summary(), '200 - via_upstream');
});

test('nothing is sent again once the answer has begun', () => {
  const scenario = scenarioOf().request();
  const { attempt } = scenario;
  attempt.ready();
  attempt.decoder.decodeHeaders(new ResponseHeaders(200, []), false);
  attempt.resetByPeer(StreamResetReason.RemoteRefusedStreamReset);
  assert.equal(scenario.cluster.tries.length, 1);
  assert.equal(scenario.isReset, true);
});

test('HTTP/1 keeps no body for it', () => {
  for (const protocol of ['HTTP/1.1', 'downstream'] as const) {
    const scenario = scenarioOf(protocol).request([], false, 'POST');
    scenario.attempt.ready();
    scenario.data('body', true);
    assert.equal(scenario.filter.body, null);
  }
});

test('behind our three the retry policy decides', () => {
  const scenario = scenarioOf().request(['x-envoy-retry-on', 'refused-stream']);
  for (let i = 0; i <= 3; i++) refuse(scenario);
  assert.equal(scenario.answer, null);
  scenario.timers.advance(1000);
  scenario.attempt.ready().respond(200);
  assert.equal(scenario.summary(), '200 - via_upstream');
  assert.equal(scenario.cluster.stats.upstreamRqRetry, 1);
});

test('resets of HTTP/2 streams count as Envoy counts them', () => {
  const reasons = [
    [StreamResetReason.RemoteReset, 'upstreamRqRxReset'],
    [StreamResetReason.ConnectionTermination, 'upstreamRqPendingFailureEject'],
  ] as const;
  for (const [reason, stat] of reasons) {
    const scenario = scenarioOf().request();
    scenario.attempt.protocol = 'HTTP/2';
    scenario.attempt.ready();
    scenario.attempt.resetByPeer(reason);
    assert.equal(scenario.cluster.stats[stat], 1);
  }
  const scenario = scenarioOf().request();
  scenario.attempt.protocol = 'HTTP/2';
  scenario.attempt.ready();
  scenario.filter.onDestroy();
  assert.equal(scenario.cluster.stats.upstreamRqTxReset, 1);
});
