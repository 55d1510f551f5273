// The upstream pool of a whole sidecar against applications that close connections when it suits them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keepaliveRace } from '../soak/keepalive-race.ts';

const race = { requests: 1500, lanes: 100, timeoutMs: 400 };

test('F-07 an application whose idle timeout is the pool’s costs no request, and sees no POST twice', async () => {
  const report = await keepaliveRace({ ...race, poolTimeoutMs: 400, postEvery: 4 });
  const { lostGet, lostPost, duplicatedPost } = report;
  assert.deepEqual(
    { lostGet, lostPost, duplicatedPost },
    { lostGet: 0, lostPost: 0, duplicatedPost: 0 },
    JSON.stringify(report),
  );
});

test('F-07 without the protection requests are lost: the race is really met', async () => {
  // A pool that keeps connections for an hour cannot know which are about to go, and POSTs are not sent again.
  const report = await keepaliveRace({ ...race, poolTimeoutMs: 3_600_000, postEvery: 1 });
  assert.ok(report.lostPost > 0, JSON.stringify(report));
  assert.equal(report.duplicatedPost, 0);
});
