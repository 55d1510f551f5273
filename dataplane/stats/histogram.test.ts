import assert from 'node:assert/strict';
import { test } from 'node:test';
import { histogramBounds } from '../api/stats.ts';
import { BucketHistogram } from './histogram.ts';

test('a value lies in the first bucket whose bound is not below it', () => {
  for (const value of [0, 0.5, 0.51, 1, 1.2, 24.9, 25, 25.1, 2047.9, 2048, 9e9]) {
    const histogram = new BucketHistogram();
    histogram.record(value);
    const expected = [...histogramBounds.map((bound) => (value <= bound ? 1 : 0)), 1];
    assert.deepEqual(histogram.data(), { count: 1, sum: value, buckets: expected });
  }
});

test('a histogram that recorded nothing has no data', () => {
  assert.equal(new BucketHistogram().data(), null);
});
