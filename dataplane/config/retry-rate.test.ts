import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compiledData, resourceErrors } from '../../test/fakes/config.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';

const cluster = (options: string): string =>
  `{name: a, metadata: {filter_metadata: {remora.retry_budget: ${options}}}}`;
const rateOf = (text: string) => {
  // The kind says what the compiler makes.
  const { retryRate } = compiledData('cluster', text) as ClusterConfig;
  if (retryRate === null) return null;
  const { percent, intervalMs, minRetriesPerSecond } = retryRate;
  return [percent, intervalMs, minRetriesPerSecond];
};

test('a budget by rate is there where the metadata says so', () => {
  assert.equal(rateOf('{name: a}'), null);
  assert.deepEqual(rateOf(cluster('{}')), [20, 10_000, 1]);
  assert.deepEqual(
    rateOf(cluster('{percent: 5, interval_s: 2, min_retries_per_second: 0}')),
    [5, 2000, 0],
  );
});

test('slips are refused by name', () => {
  const at = 'metadata.filter_metadata["remora.retry_budget"]';
  assert.deepEqual(resourceErrors('cluster', cluster('{percentage: 20}')), [
    `${at}.percentage: not supported yet`,
  ]);
  assert.deepEqual(resourceErrors('cluster', cluster('{percent: 101}')), [
    `${at}.percent: must be a number from 0 to 100`,
  ]);
  assert.deepEqual(resourceErrors('cluster', cluster('{interval_s: "1"}')), [
    `${at}.interval_s: must be a number from 1 to 3600`,
  ]);
});
