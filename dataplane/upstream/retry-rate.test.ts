import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../test/fakes/clock.ts';
import { defaultThresholds } from '../../test/fakes/cluster-config.ts';
import { RECENT_REQUESTS_BYTES, type RetryRateConfig } from '../api/config/cluster.ts';
import { PriorityResources } from './resource-manager.ts';
import { RetryRate } from './retry-rate.ts';
import { SharedChunks } from './shared-state.ts';

function config(given: Partial<RetryRateConfig> = {}): RetryRateConfig {
  return {
    percent: 20,
    intervalMs: 10_000,
    minRetriesPerSecond: 0,
    requests: new SharedArrayBuffer(RECENT_REQUESTS_BYTES),
    retries: new SharedArrayBuffer(RECENT_REQUESTS_BYTES),
    ...given,
  };
}

/** How many retries it lets through now. */
function taken(rate: RetryRate): number {
  let count = 0;
  while (rate.tryTake()) {
    count++;
    // The retry is a try, too.
    rate.requests.add();
  }
  return count;
}

test('a fifth of the first tries of the last ten seconds, however fast they end', () => {
  const clock = new FakeClock();
  const rate = new RetryRate(config(), clock);
  for (let i = 0; i < 100; i++) rate.requests.add();
  assert.equal(taken(rate), 20);
  clock.advance(5000);
  for (let i = 0; i < 50; i++) rate.requests.add();
  assert.equal(taken(rate), 10, 'the former retries are no first tries');
  clock.advance(5000);
  assert.equal(taken(rate), 0, 'of the last 50, ten were taken already');
  clock.advance(10_000);
  assert.equal(taken(rate), 0);
});

test('so many per second are allowed however little goes on', () => {
  const clock = new FakeClock();
  const rate = new RetryRate(config({ minRetriesPerSecond: 0.5 }), clock);
  assert.equal(taken(rate), 5);
  clock.advance(10_000);
  assert.equal(taken(rate), 5);
});

test('workers share it', () => {
  const clock = new FakeClock();
  const shared = config();
  const [one, other] = [new RetryRate(shared, clock), new RetryRate(shared, clock)];
  for (let i = 0; i < 50; i++) one.requests.add();
  assert.equal(taken(other), 10);
  assert.equal(taken(one), 0);
});

test('requests of a cluster fill it, its retries use it, and max_retries still holds', () => {
  const chunks = new SharedChunks();
  chunks.create();
  const clock = new FakeClock();
  const rate = new RetryRate(config(), clock);
  const slot = chunks.ref({ chunk: 0, slot: 1 });
  const { requests, retries } = new PriorityResources(slot, 0, defaultThresholds, clock, rate);
  assert.equal(retries.tryAcquire(), false);
  for (let i = 0; i < 100; i++) {
    assert.equal(requests.tryAcquire(), true);
    requests.release();
  }
  for (let i = 0; i < 3; i++) assert.equal(retries.tryAcquire(), true);
  assert.equal(retries.tryAcquire(), false, 'three at a time');
  retries.release();
  assert.equal(retries.tryAcquire(), true);
});
