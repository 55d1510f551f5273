import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JitteredBackoff } from './backoff.ts';

test('the ceiling doubles up to the maximum and starts again after a reset', () => {
  const backoff = new JitteredBackoff(500, 3000, () => 0.5);
  const waits = Array.from({ length: 5 }, () => backoff.nextMs());
  assert.deepEqual(waits, [250, 500, 1000, 1500, 1500]);
  backoff.reset();
  assert.equal(backoff.nextMs(), 250);
});

test('a ceiling that could not double twice is the maximum next (Envoy)', () => {
  const backoff = new JitteredBackoff(50, 101, () => 0.5);
  assert.deepEqual([backoff.nextMs(), backoff.nextMs()], [25, 50.5]);
});
