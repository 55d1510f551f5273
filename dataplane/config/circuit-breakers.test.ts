import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compiledData, resourceErrors } from '../../test/fakes/config.ts';
import type { ClusterConfig, RetryBudgetConfig } from '../api/config/cluster.ts';

const cluster = (breakers: string): string => `{name: a, circuit_breakers: ${breakers}}`;

function thresholds(breakers: string): ClusterConfig['circuitBreakers'] {
  // The kind says what the compiler makes.
  return (compiledData('cluster', cluster(breakers)) as ClusterConfig).circuitBreakers;
}

function budget(text: string): RetryBudgetConfig | null {
  return thresholds(`{thresholds: [{retry_budget: ${text}}]}`)[0].retryBudget;
}

test('the first thresholds of a priority count, per_host_thresholds alike', () => {
  const [normal, high] = thresholds(
    '{thresholds: [{max_connection_pools: 4, max_retries: 1}, {max_connection_pools: 5, max_retries: 2}], per_host_thresholds: [{priority: HIGH, max_connections: 2}, {priority: HIGH, max_connections: 3}]}',
  );
  assert.equal(normal.maxConnectionPools, 4);
  assert.equal(normal.maxRetries, 1);
  assert.equal(normal.maxConnectionsPerHost, null);
  assert.equal(high.maxConnectionPools, null);
  assert.equal(high.maxConnectionsPerHost, 2);
});

test('per_host_thresholds with anything but max_connections is refused, as by Envoy', () => {
  assert.deepEqual(
    resourceErrors('cluster', cluster('{per_host_thresholds: [{max_requests: 1}]}')),
    [
      'circuit_breakers.per_host_thresholds[0].max_requests: per_host_thresholds may only have max_connections',
    ],
  );
});

test('a retry budget says 20 % and 3 where it says nothing, and none at all where it says 0', () => {
  const defaults = {
    budgetPercent: 20,
    minRetryConcurrency: 3,
    intervalMs: 0,
    recentRequests: null,
  };
  assert.deepEqual(budget('{}'), defaults);
  assert.deepEqual(budget('{budget_percent: {value: 0}, min_retry_concurrency: 0}'), {
    ...defaults,
    budgetPercent: 0,
    minRetryConcurrency: 0,
  });
});

test('a budget_interval comes with the memory that all workers count in', () => {
  const { intervalMs, recentRequests } = budget('{budget_interval: 10s}')!;
  assert.equal(intervalMs, 10_000);
  assert.ok(recentRequests instanceof SharedArrayBuffer);
});
