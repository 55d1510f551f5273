// config.cluster.v3.CircuitBreakers with Envoy's defaults filled in.

import type {
  CircuitBreakersProto,
  CircuitBreakersThresholdsProto,
} from '../../proto/gen/types.ts';
import { durationMsOr, wrapperOr } from '../../proto/well-known.ts';
import {
  type ClusterConfig,
  RECENT_REQUESTS_BYTES,
  type RetryBudgetConfig,
  type ThresholdsConfig,
} from '../api/config/cluster.ts';
import { type Compilation, mapItems } from '../compile/compilation.ts';

const DEFAULT_BUDGET_PERCENT = 20;
const DEFAULT_MIN_RETRY_CONCURRENCY = 3;

type Thresholds = readonly CircuitBreakersThresholdsProto[] | undefined;
type Priority = 'DEFAULT' | 'HIGH';

/** Index by ResourcePriority; the first entry of a priority wins, as in Envoy. */
export function compileCircuitBreakers(
  breakers: CircuitBreakersProto | undefined,
  clusterName: string,
  path: string,
  compilation: Compilation,
): ClusterConfig['circuitBreakers'] {
  mapItems(breakers?.per_host_thresholds, `${path}.per_host_thresholds`, (thresholds, at) =>
    checkPerHost(thresholds, at, compilation),
  );
  const of = (priority: Priority): ThresholdsConfig =>
    compileThresholds(
      first(breakers?.thresholds, priority),
      first(breakers?.per_host_thresholds, priority),
      (bytes) =>
        compilation.context.sharedMemory(bytes, `recent requests ${priority} ${clusterName}`),
    );
  return [of('DEFAULT'), of('HIGH')];
}

function first(
  thresholds: Thresholds,
  priority: Priority,
): CircuitBreakersThresholdsProto | undefined {
  return thresholds?.find((one) => (one.priority ?? 'DEFAULT') === priority);
}

/** Envoy: "Unsupported field in per_host_thresholds". */
function checkPerHost(
  thresholds: CircuitBreakersThresholdsProto,
  path: string,
  compilation: Compilation,
): void {
  for (const field of Object.keys(thresholds)) {
    if (field === 'priority' || field === 'max_connections') continue;
    compilation.fail(`${path}.${field}`, 'per_host_thresholds may only have max_connections');
  }
}

function compileThresholds(
  proto: CircuitBreakersThresholdsProto | undefined,
  perHost: CircuitBreakersThresholdsProto | undefined,
  allocate: (bytes: number) => SharedArrayBuffer,
): ThresholdsConfig {
  return {
    maxConnections: wrapperOr(proto?.max_connections, 1024),
    maxPendingRequests: wrapperOr(proto?.max_pending_requests, 1024),
    maxRequests: wrapperOr(proto?.max_requests, 1024),
    maxRetries: wrapperOr(proto?.max_retries, 3),
    maxConnectionPools: wrapperOr(proto?.max_connection_pools, null),
    maxConnectionsPerHost: wrapperOr(perHost?.max_connections, null),
    retryBudget: compileRetryBudget(proto?.retry_budget, allocate),
    trackRemaining: proto?.track_remaining ?? false,
  };
}

function compileRetryBudget(
  budget: CircuitBreakersThresholdsProto['retry_budget'],
  allocate: (bytes: number) => SharedArrayBuffer,
): RetryBudgetConfig | null {
  if (budget === undefined) return null;
  const { budget_percent: percent } = budget;
  const intervalMs = durationMsOr(budget.budget_interval, 0);
  return {
    budgetPercent: percent === undefined ? DEFAULT_BUDGET_PERCENT : (percent.value ?? 0),
    minRetryConcurrency: wrapperOr(budget.min_retry_concurrency, DEFAULT_MIN_RETRY_CONCURRENCY),
    intervalMs,
    recentRequests: intervalMs > 0 ? allocate(RECENT_REQUESTS_BYTES) : null,
  };
}
