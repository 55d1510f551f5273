// Short forms of F-24 and F-28 (test/soak/starved.ts, upstreams-gone.ts), each with its control.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { starved, starvedFailures } from '../soak/starved.ts';
import { upstreamsGone, upstreamsGoneFailures } from '../soak/upstreams-gone.ts';

/** Tests share the machine with whatever else runs: 10 ms is what the soak holds. */
const REFUSAL_LIMIT_MS = 100;

for (const mode of ['panic', 'no-panic'] as const) {
  test(`F-28, ${mode}: all upstreams gone means 503 at once, and traffic as soon as they are back`, async () => {
    const report = await upstreamsGone({ seconds: 1, rate: 40, mode });
    assert.deepEqual(
      upstreamsGoneFailures(report, mode, REFUSAL_LIMIT_MS),
      [],
      JSON.stringify(report),
    );
  });
}

test('F-24: a sidecar without CPU blames no healthy upstream for that', async () => {
  const options = { rate: 30, busy: 0, pauseEveryMs: 1000, control: false };
  const report = await starved({ ...options, seconds: 4 });
  // How fast it answers depends on who else uses the machine.
  const failures = starvedFailures({ ...report, slowestAdminMs: 0 });
  assert.deepEqual(failures, [], JSON.stringify(report));
});

test('F-24, control: an upstream that really fails is ejected even then', async () => {
  const options = { rate: 30, busy: 0, pauseEveryMs: 1000, control: true };
  const report = await starved({ ...options, seconds: 4 });
  assert.ok(report.ejections > 0, JSON.stringify(report));
});
