import assert from 'node:assert/strict';
import { test } from 'node:test';
import { healthCheck } from '../../../test/fakes/health-check.ts';
import { firstIntervalMs, nextIntervalMs } from './interval.ts';

const config = healthCheck({
  intervalMs: 1,
  unhealthyIntervalMs: 2,
  unhealthyEdgeIntervalMs: 3,
  healthyEdgeIntervalMs: 4,
  noTrafficIntervalMs: 5,
  noTrafficHealthyIntervalMs: 6,
});
const never = () => 0;
const almostOne = () => 0.999_999;

/** Traffic, result, transition, and what was seen of a running Envoy 1.40. */
const table = [
  [true, true, 'unchanged', 1],
  [true, true, 'changed', 1],
  [true, true, 'pending', 4],
  [true, false, 'unchanged', 2],
  [true, false, 'changed', 2],
  [true, false, 'pending', 3],
  [false, true, 'unchanged', 6],
  [false, true, 'changed', 6],
  [false, true, 'pending', 5],
  [false, false, 'unchanged', 5],
  [false, false, 'changed', 5],
  [false, false, 'pending', 5],
] as const;

for (const [hasTraffic, isHealthy, transition, expected] of table) {
  const traffic = hasTraffic ? 'with traffic' : 'without traffic';
  const result = isHealthy ? 'success' : 'failure';
  test(`${traffic}, after a ${result} that leaves the host ${transition}: ${expected}`, () => {
    assert.equal(nextIntervalMs(config, isHealthy, transition, hasTraffic, never), expected);
  });
}

test('both jitters are added, each below its limit', () => {
  const jittered = healthCheck({
    intervalMs: 1000,
    intervalJitterMs: 300,
    intervalJitterPercent: 20,
  });
  assert.equal(nextIntervalMs(jittered, true, 'unchanged', true, never), 1000);
  assert.equal(nextIntervalMs(jittered, true, 'unchanged', true, almostOne), 1000 + 199 + 299);
});

test('the first check comes at once, or within initial_jitter, and never waits 0 ms in between', () => {
  assert.equal(firstIntervalMs(healthCheck(), almostOne), 0);
  const jittered = healthCheck({ initialJitterMs: 400, intervalJitterPercent: 50 });
  assert.equal(firstIntervalMs(jittered, almostOne), 399);
  assert.equal(firstIntervalMs(jittered, never), 1);
  assert.equal(
    nextIntervalMs(healthCheck({ intervalMs: 0.25 }), true, 'unchanged', true, never),
    1,
  );
});

test('runtime bounds every interval', () => {
  const bounds = { minMs: 10, maxMs: 20 };
  const ms = (intervalMs: number): number => {
    const bounded = { ...config, intervalMs, bounds };
    return nextIntervalMs(bounded, true, 'unchanged', true, never);
  };
  assert.deepEqual([ms(5), ms(15), ms(50)], [10, 15, 20]);
});
