import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../test/fakes/clock.ts';
import { defaultThresholds } from '../../test/fakes/cluster-config.ts';
import { RECENT_REQUESTS_BYTES } from '../api/config/cluster.ts';
import { RecentRequests } from './recent-requests.ts';
import { PriorityResources } from './resource-manager.ts';
import { SharedChunks } from './shared-state.ts';

const SECOND = 1000;

function recent(clock: FakeClock, memory = new SharedArrayBuffer(RECENT_REQUESTS_BYTES)) {
  return new RecentRequests(memory, SECOND, clock);
}

test('requests count for an interval, and leave it tenth by tenth', () => {
  const clock = new FakeClock();
  const requests = recent(clock);
  for (let i = 0; i < 3; i++) requests.add();
  clock.advance(100);
  requests.add();
  assert.equal(requests.count(), 4);
  clock.advance(800);
  assert.equal(requests.count(), 4);
  clock.advance(100);
  assert.equal(requests.count(), 1, 'the first tenth has left');
  clock.advance(100);
  assert.equal(requests.count(), 0);
});

test('a word of long ago is taken over by the requests of now', () => {
  const clock = new FakeClock();
  const requests = recent(clock);
  for (let i = 0; i < 5; i++) requests.add();
  clock.advance(10 * SECOND);
  requests.add();
  assert.equal(requests.count(), 1);
});

test('workers count in the same memory', () => {
  const clock = new FakeClock();
  const memory = new SharedArrayBuffer(RECENT_REQUESTS_BYTES);
  const [one, other] = [recent(clock, memory), recent(clock, memory)];
  one.add();
  other.add();
  assert.equal(one.count(), 2);
});

test('a budget with an interval is a share of the requests in it, whether they still run or not', () => {
  const clock = new FakeClock();
  const chunks = new SharedChunks();
  chunks.create();
  const resources = new PriorityResources(
    chunks.ref({ chunk: 0, slot: 0 }),
    0,
    {
      ...defaultThresholds,
      retryBudget: {
        budgetPercent: 20,
        minRetryConcurrency: 0,
        intervalMs: SECOND,
        recentRequests: new SharedArrayBuffer(RECENT_REQUESTS_BYTES),
      },
    },
    clock,
  );
  for (let i = 0; i < 14; i++) assert.ok(resources.requests.tryAcquire());
  assert.equal(resources.retries.max(), 2);
  for (let i = 0; i < 14; i++) resources.requests.release();
  assert.equal(resources.retries.max(), 2, 'they are over, and count');
  resources.requests.acquire();
  assert.equal(resources.retries.max(), 3);
  clock.advance(2 * SECOND);
  assert.equal(resources.retries.max(), 0, 'one still runs, and began too long ago (as in Envoy)');
});
