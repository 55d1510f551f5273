// Short form of test/soak/config-changes.ts (reliability F-16).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configChanges, configChangesFailures } from '../soak/config-changes.ts';

test('F-16: routes, clusters and certificates that change all the time cost no request and no connection', async () => {
  const report = await configChanges({ seconds: 4, everyMs: 100, keepers: 5 });
  assert.deepEqual(configChangesFailures(report), [], JSON.stringify(report));
  assert.ok(report.changes >= 6, `${report.changes} changes: each kind twice`);
});
