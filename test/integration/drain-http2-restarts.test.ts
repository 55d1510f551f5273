// A mesh hop over HTTP/2 whose sidecars and applications restart in turn: the short form of the soak.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rollingRestartHttp2 } from '../soak/rolling-restart-http2.ts';

const options = { ratePerSecond: 60, everyMs: 300, streams: 4, streamMs: 500, shutdownTimeS: 8 };

test('F-15 rolling restarts over HTTP/2 lose and double no request of node:http2 and grpc-js', async () => {
  const report = await rollingRestartHttp2({ ...options, durationMs: 4000, abrupt: false });
  const { lost, crossed, truncated, duplicated, badExits, sidecarRestarts } = report;
  assert.deepEqual(
    { lost, crossed, truncated, duplicated, badExits },
    { lost: 0, crossed: 0, truncated: 0, duplicated: 0, badExits: 0 },
    JSON.stringify(report),
  );
  assert.ok(sidecarRestarts >= 1, JSON.stringify(report));
});

test('F-15 the same without a drain loses requests: the measurement can see a loss', async () => {
  const report = await rollingRestartHttp2({ ...options, durationMs: 2000, abrupt: true });
  assert.ok(report.lost > 0, JSON.stringify(report));
});
