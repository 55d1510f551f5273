// Short forms of test/soak/upstream-faults.ts (reliability F-01, F-02), and their control.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { upstreamFaults, upstreamFaultsFailures } from '../soak/upstream-faults.ts';

// So many streams that least request has some at each upstream, whichever is killed.
const common = { rate: 60, everyMs: 800, streams: 12, control: false };
/** Tests share the machine with whatever else runs; the soak holds one second. */
const EJECTION_MS = 5000;

test('F-01: an upstream killed in the middle of its answers costs no request that may be sent again', async () => {
  const report = await upstreamFaults({ ...common, fault: 'kill', seconds: 4, lastsMs: 1000 });
  assert.deepEqual(
    upstreamFaultsFailures({ ...report, notEjected: 0 }, 'kill', EJECTION_MS),
    [],
    JSON.stringify(report),
  );
  assert.ok(report.streamsCut > 0, 'what was under way ended as an error that is seen');
});

test('F-02: behind a frozen upstream requests go on after a per-try timeout', async () => {
  const report = await upstreamFaults({ ...common, fault: 'freeze', seconds: 3, lastsMs: 2000 });
  assert.deepEqual(
    upstreamFaultsFailures({ ...report, notEjected: 0 }, 'freeze'),
    [],
    JSON.stringify(report),
  );
});

test('F-01, control: without retries requests are lost', async () => {
  const report = await upstreamFaults({
    // Few streams: those that a kill cuts would have it ejected before any request meets it.
    ...{ ...common, rate: 200, streams: 1, control: true },
    ...{ fault: 'kill', seconds: 4, lastsMs: 1000 },
  });
  assert.ok(report.failed > 0, JSON.stringify(report));
});
