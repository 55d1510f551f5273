// Short forms of test/soak/retry-storm.ts (reliability F-26).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MOST_LOAD, retryStorm } from '../soak/retry-storm.ts';

test('with a retry budget of 20 % an upstream that fails all gets at most a fifth more', async () => {
  const report = await retryStorm({ requests: 600, lanes: 20, hasBudget: true });
  assert.ok(report.load <= MOST_LOAD, JSON.stringify(report));
  assert.ok(report.retried > 0, 'and retries there are');
  assert.ok(report.overflows > 0, JSON.stringify(report));
});

test('the control: without a budget it gets all of num_retries', async () => {
  const report = await retryStorm({ requests: 100, lanes: 20, hasBudget: false });
  assert.equal(report.load, 4);
});
