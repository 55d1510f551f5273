// Short form of test/soak/control-plane-restarts.ts (reliability F-12).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { controlPlaneRestarts, restartsFailures } from '../soak/control-plane-restarts.ts';

test('F-12: restarts of the control plane cost no request; its clients come back spread out, and are sent nothing again', async () => {
  const options = { restarts: 2, fleet: 25, streamsPerSecond: 10 };
  const report = await controlPlaneRestarts(options);
  assert.deepEqual(restartsFailures(report, options), [], JSON.stringify(report));
});
