import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../../../test/fakes/clock.ts';
import type { TokenBucketData } from './data.ts';
import { TokenBucket } from './token-bucket.ts';

function bucketData(given: Partial<TokenBucketData>): TokenBucketData {
  return {
    maxTokens: 3,
    tokensPerFill: 1,
    fillIntervalMs: 1000,
    shareKey: null,
    state: new SharedArrayBuffer(8),
    ...given,
  };
}

function take(bucket: TokenBucket, times: number): number {
  let taken = 0;
  for (let i = 0; i < times; i++) if (bucket.tryTake()) taken++;
  return taken;
}

test('is full at first, also when the machine has just started', () => {
  const bucket = new TokenBucket(bucketData({ fillIntervalMs: 3_600_000 }), new FakeClock());
  assert.equal(take(bucket, 10), 3);
});

test('fills steadily and not above max_tokens', () => {
  const clock = new FakeClock();
  const bucket = new TokenBucket(bucketData({ tokensPerFill: 2 }), clock);
  take(bucket, 3);
  clock.advance(499);
  assert.equal(take(bucket, 2), 0);
  clock.advance(1);
  assert.equal(take(bucket, 2), 1, 'half of the interval, half of its tokens');
  clock.advance(60_000);
  assert.equal(take(bucket, 10), 3);
});

test('gives every token of a fill that is no whole number of nanoseconds', () => {
  const clock = new FakeClock();
  const data = bucketData({ maxTokens: 7, tokensPerFill: 7, fillIntervalMs: 1000 });
  const bucket = new TokenBucket(data, clock);
  let taken = take(bucket, 7);
  for (let second = 0; second < 100; second++) {
    clock.advance(1000);
    taken += take(bucket, 20);
  }
  assert.equal(taken, 707);
});

test('two that have the same state draw from one bucket', () => {
  const clock = new FakeClock();
  const data = bucketData({});
  const one = new TokenBucket(data, clock);
  const other = new TokenBucket(structuredClone(data), clock);
  assert.equal(take(one, 2) + take(other, 5), 3);
});
