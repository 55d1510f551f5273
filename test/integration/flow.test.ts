// What a whole sidecar holds in memory for slow peers, and what is left of connections that are gone. Short forms
// of test/soak.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodies } from '../soak/bodies.ts';
import { connections } from '../soak/connections.ts';

const MIB = 1024 * 1024;

test('a body of 256 MiB each way at slow readers takes less than 5 MB', async () => {
  const report = await bodies({
    ...{ bytes: 256 * MIB, streams: 1, bufferLimitBytes: MIB, pauseMs: 10 },
  });
  assert.ok(report.growthPerStreamMb < 5, JSON.stringify(report));
  assert.equal(report.broken, 0);
});

test('without buffer limits memory grows with the body: the measurement can see it', async () => {
  const report = await bodies({
    ...{ bytes: 128 * MIB, streams: 1, bufferLimitBytes: 0, pauseMs: 10 },
  });
  assert.ok(report.growthPerStreamMb > 20, JSON.stringify(report));
});

test('connections that came and went in every way leave no descriptor and no active stat', async () => {
  const report = await connections(2000);
  assert.ok(report.descriptorsAfter <= report.descriptorsBefore, JSON.stringify(report));
  assert.deepEqual([report.activeAfter, report.requestsActiveAfter], [0, 0]);
});
