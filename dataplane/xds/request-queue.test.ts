import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeTimers } from '../../test/fakes/timers.ts';
import { RequestQueue } from './request-queue.ts';
import { ControlPlaneStats } from './xds-stats.ts';

function setUp(maxTokens: number, fillRate: number) {
  const timers = new FakeTimers();
  const stats = new ControlPlaneStats();
  const sent: string[] = [];
  const queue = new RequestQueue({
    limit: { maxTokens, fillRate },
    clock: timers.clock,
    timers,
    stats,
    send: (bytes) => sent.push(bytes.toString()),
  });
  return { timers, stats, sent, queue };
}

test('the bucket is full at first; what has no token waits in order, and is counted', () => {
  const { timers, stats, sent, queue } = setUp(2, 10);
  for (const name of ['a', 'b', 'c', 'd']) queue.add(Buffer.from(name));
  assert.deepEqual(sent, ['a', 'b']);
  assert.equal(stats.pendingRequests, 2);
  assert.equal(stats.rateLimitEnforced, 1);
  timers.advance(99);
  assert.equal(sent.length, 2);
  timers.advance(1);
  assert.deepEqual(sent, ['a', 'b', 'c']);
  timers.advance(100);
  assert.deepEqual(sent, ['a', 'b', 'c', 'd']);
  assert.equal(stats.pendingRequests, 0);
  assert.equal(timers.armedCount(), 0);
});

test('a stream that is gone takes what waits along', () => {
  const { timers, stats, sent, queue } = setUp(1, 1);
  queue.add(Buffer.from('a'));
  queue.add(Buffer.from('b'));
  queue.clear();
  assert.equal(stats.pendingRequests, 0);
  timers.advance(10_000);
  assert.deepEqual(sent, ['a']);
});
