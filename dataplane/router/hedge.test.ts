// Hedged requests between a fake client and fake pools. Counters, flags and who wins are as a running Envoy 1.40 has
// them. Random is 0.5: the back-off of 25 ms lasts 12 ms.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forwardAction, retryPolicy } from '../../test/fakes/route-data.ts';
import { RouterScenario } from '../../test/fakes/router.ts';
import type { FakeTry } from '../../test/fakes/upstream.ts';
import { StreamResetReason } from '../api/codec.ts';
import type { ForwardActionData, RetryPolicyData } from '../api/config/route.ts';
import { ResponseHeaders } from '../api/headers.ts';
import { OutlierResult } from '../api/host.ts';

const PER_TRY_MS = 100;
const BACK_OFF_MS = 12;

function hedging(
  policy: Partial<RetryPolicyData> = {},
  action: Partial<ForwardActionData> = {},
): RouterScenario {
  return new RouterScenario({
    route: {
      action: forwardAction({
        timeoutMs: 1000,
        hedgeOnPerTryTimeout: true,
        retryPolicy: retryPolicy({ perTryTimeoutMs: PER_TRY_MS, ...policy }),
        ...action,
      }),
    },
    virtualHost: { includeRequestAttemptCount: true, includeAttemptCountInResponse: true },
  });
}

/** The latest try exceeds its time, and the next one is there. */
function exceed(scenario: RouterScenario): FakeTry {
  scenario.timers.advance(PER_TRY_MS);
  scenario.timers.advance(BACK_OFF_MS);
  return scenario.attempt.ready();
}

/** A whole response goes to the client: nothing is left of the request. */
function assertDone(scenario: RouterScenario): void {
  assert.equal(scenario.timers.armedCount(), 0);
  assert.equal(scenario.cluster.retries.used, 0);
  assert.equal(scenario.paused, 0);
}

test('a try that exceeds its time goes on beside the next one, which wins if it answers first', () => {
  const scenario = hedging();
  scenario.request();
  const first = scenario.attempt.ready();
  const second = exceed(scenario);
  assert.equal(first.resetBy, null);
  // Each try may use what is left of the whole time.
  assert.equal(first.headers?.get('x-envoy-expected-rq-timeout-ms'), '888');
  assert.equal(second.headers?.get('x-envoy-attempt-count'), '2');
  second.respond(200);
  assert.notEqual(first.resetBy, null);
  assert.equal(scenario.summary(), '200 - via_upstream');
  assert.equal(scenario.header('x-envoy-attempt-count'), '2');
  const { stats } = scenario.cluster;
  assert.equal(stats.upstreamRqPerTryTimeout, 0);
  assert.equal(stats.upstreamRqRetry, 1);
  assert.equal(stats.upstreamRqRetrySuccess, 1);
  assert.deepEqual(
    stats.charged.map(({ status }) => status),
    [200],
  );
  assert.ok(first.host.results.includes(OutlierResult.LocalOriginTimeout));
  assert.equal(first.host.stats.rqTimeout, 0);
  assertDone(scenario);
});

test('the first may still win, and the log line tells of it', () => {
  const scenario = hedging();
  scenario.request();
  const first = scenario.attempt.ready();
  const second = exceed(scenario);
  assert.notEqual(first.host, second.host);
  const sentMs = scenario.streamInfo.firstUpstreamTxByteMs;
  first.respond(200, [], 'body');
  assert.notEqual(second.resetBy, null);
  assert.equal(scenario.summary(), '200 - via_upstream: body');
  assert.equal(scenario.cluster.stats.upstreamRqRetrySuccess, 0);
  assert.equal(first.host.stats.rqSuccess, 1);
  assert.equal(scenario.streamInfo.firstUpstreamTxByteMs, sentMs - PER_TRY_MS - BACK_OFF_MS);
  assertDone(scenario);
});

test('an answer during the back-off ends it', () => {
  const scenario = hedging();
  scenario.request();
  const first = scenario.attempt.ready();
  scenario.timers.advance(PER_TRY_MS);
  first.respond(200);
  assert.equal(scenario.summary(), '200 - via_upstream');
  scenario.timers.advance(BACK_OFF_MS);
  assert.equal(scenario.cluster.tries.length, 1);
  assertDone(scenario);
});

test('a response that would be retried is dropped while another try may do better', () => {
  const scenario = hedging();
  scenario.request();
  const first = scenario.attempt.ready();
  exceed(scenario).respond(503);
  assert.equal(scenario.summary(), '(no answer)');
  assert.equal(scenario.cluster.stats.upstreamRqRetryLimitExceeded, 1);
  first.respond(200);
  assert.equal(scenario.summary(), '200 URX via_upstream');
  assert.deepEqual(
    scenario.cluster.stats.charged.map(({ status }) => status),
    [200],
  );
  assertDone(scenario);

  // The other way round: the first one fails late.
  const late = hedging();
  late.request();
  const failing = late.attempt.ready();
  const second = exceed(late);
  failing.respond(503);
  assert.equal(late.summary(), '(no answer)');
  assert.equal(failing.host.stats.rqError, 1);
  second.respond(503);
  assert.equal(late.summary(), '503 URX via_upstream');
  assertDone(late);
});

test('a response that would not be retried wins at once', () => {
  const scenario = hedging();
  scenario.request();
  const first = scenario.attempt.ready();
  const second = exceed(scenario);
  first.respond(404);
  assert.equal(scenario.summary(), '404 - via_upstream');
  assert.notEqual(second.resetBy, null);
  assertDone(scenario);
});

test('retries that are left go on after a failed hedge', () => {
  const scenario = hedging({ numRetries: 2 });
  scenario.request();
  const first = scenario.attempt.ready();
  exceed(scenario).respond(503);
  scenario.timers.advance(3 * BACK_OFF_MS);
  assert.equal(scenario.cluster.tries.length, 3);
  scenario.attempt.ready().respond(200);
  assert.notEqual(first.resetBy, null);
  assert.equal(scenario.summary(), '200 - via_upstream');
  assert.deepEqual(scenario.cluster.stats.retried, [503]);
  assertDone(scenario);
});

test('every reset but the last waits for the others', () => {
  const scenario = hedging();
  scenario.request();
  const first = scenario.attempt.ready();
  const second = exceed(scenario);
  second.resetByPeer(StreamResetReason.RemoteReset);
  assert.equal(scenario.summary(), '(no answer)');
  first.resetByPeer(StreamResetReason.RemoteReset);
  assert.match(scenario.summary(), /^503 URX,UR upstream_reset_before_response_started/);
  assert.deepEqual(
    scenario.cluster.stats.charged.map(({ status }) => status),
    [503, 503],
  );
  assertDone(scenario);

  // Also for the one that is still to come.
  const waiting = hedging();
  waiting.request();
  const lost = waiting.attempt.ready();
  waiting.timers.advance(PER_TRY_MS);
  lost.resetByPeer(StreamResetReason.RemoteReset);
  assert.equal(waiting.summary(), '(no answer)');
  waiting.timers.advance(BACK_OFF_MS);
  waiting.attempt.ready().respond(200);
  assert.equal(waiting.summary(), '200 - via_upstream');
  assertDone(waiting);
});

test('when the whole time is over all tries end, and each counts', () => {
  const scenario = hedging();
  scenario.request();
  const first = scenario.attempt.ready();
  const second = exceed(scenario);
  scenario.timers.advance(1000);
  assert.equal(scenario.summary(), '504 URX,UT response_timeout: upstream request timeout');
  assert.notEqual(first.resetBy, null);
  assert.notEqual(second.resetBy, null);
  const { stats } = scenario.cluster;
  assert.equal(stats.upstreamRqTimeout, 2);
  assert.equal(stats.upstreamRqRetryLimitExceeded, 1);
  assert.deepEqual(
    stats.charged.map(({ status }) => status),
    [504, 504],
  );
  // Both exceeded their own time before: outlier detection hears of that once.
  for (const { host } of [first, second]) {
    const timeouts = host.results.filter((result) => result === OutlierResult.LocalOriginTimeout);
    assert.equal(timeouts.length, 1);
  }
  assertDone(scenario);
});

test('without retries left, or a retry policy, the try merely goes on', () => {
  const spent = hedging({ numRetries: 0 });
  spent.request();
  spent.attempt.ready();
  spent.timers.advance(PER_TRY_MS);
  spent.attempt.respond(200);
  assert.equal(spent.summary(), '200 URX via_upstream');
  assertDone(spent);

  const none = hedging({}, { retryPolicy: null });
  none.request(['x-envoy-upstream-rq-per-try-timeout-ms', '100']);
  none.attempt.ready();
  none.timers.advance(PER_TRY_MS);
  none.attempt.respond(200);
  assert.equal(none.summary(), '200 - via_upstream');
  assertDone(none);
});

test('any try is hedged, whatever retry_on says of timeouts', () => {
  const scenario = hedging({ retryOn: ['connect-failure'] });
  scenario.request();
  scenario.attempt.ready();
  exceed(scenario).respond(503);
  assert.equal(scenario.summary(), '503 - via_upstream');
  assertDone(scenario);
});

test('the header says more than the policy, the route’s policy more than the virtual host’s', () => {
  const isHedged = (scenario: RouterScenario, fields: string[] = []): boolean => {
    scenario.request(fields);
    const { attempt } = scenario;
    attempt.ready();
    assert.equal(attempt.headers?.get('x-envoy-hedge-on-per-try-timeout'), null);
    scenario.timers.advance(PER_TRY_MS);
    return attempt.resetBy === null;
  };
  const header = (value: string) => ['x-envoy-hedge-on-per-try-timeout', value];
  const off = { hedgeOnPerTryTimeout: false };
  assert.equal(isHedged(hedging()), true);
  assert.equal(isHedged(hedging({}, off)), false);
  assert.equal(isHedged(hedging({}, off), header('true')), true);
  assert.equal(isHedged(hedging(), header('false')), false);
  assert.equal(isHedged(hedging(), header('junk')), true);

  const action = (hedgeOnPerTryTimeout: boolean | null) =>
    forwardAction({
      hedgeOnPerTryTimeout,
      retryPolicy: retryPolicy({ perTryTimeoutMs: PER_TRY_MS }),
    });
  const virtualHost = { hedgeOnPerTryTimeout: true };
  const routed = (says: boolean | null) =>
    new RouterScenario({ route: { action: action(says) }, virtualHost });
  assert.equal(isHedged(routed(null)), true);
  assert.equal(isHedged(routed(false)), false);
});

test('a client that goes away takes all tries along', () => {
  const scenario = hedging();
  scenario.request();
  const first = scenario.attempt.ready();
  const second = exceed(scenario);
  scenario.filter.onDestroy();
  assert.notEqual(first.resetBy, null);
  assert.notEqual(second.resetBy, null);
  assertDone(scenario);
});

test('the body goes with each try, and a slow client pauses the one that wins', () => {
  const scenario = hedging();
  scenario.request([], false, 'POST').data('body', true);
  const first = scenario.attempt.ready();
  const second = exceed(scenario);
  assert.deepEqual([first.body, second.body, second.isEnded], ['body', 'body', true]);
  scenario.watermarks?.onAboveWriteBufferHighWatermark();
  assert.deepEqual([first.readDisableCount, second.readDisableCount], [1, 1]);
  first.decoder.decodeHeaders(new ResponseHeaders(200, []), false);
  scenario.watermarks?.onBelowWriteBufferLowWatermark();
  assert.equal(first.readDisableCount, 0);
  first.decoder.decodeData(Buffer.from('answer'), true);
  assert.equal(scenario.summary(), '200 - via_upstream: answer');
  assertDone(scenario);
});
