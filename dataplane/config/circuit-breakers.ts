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
import type { CompileContext } from '../api/factory.ts';
import type { RuntimeKey } from '../api/runtime.ts';
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
  const { context } = compilation;
  const of = (priority: Priority): ThresholdsConfig =>
    withRuntime(
      compileThresholds(
        first(breakers?.thresholds, priority),
        first(breakers?.per_host_thresholds, priority),
        (bytes) => context.sharedMemory(bytes, `recent requests ${priority} ${clusterName}`),
      ),
      `circuit_breakers.${clusterName}.${priority.toLowerCase()}`,
      context.runtime,
    );
  return [of('DEFAULT'), of('HIGH')];
}

type Fixed = Omit<ThresholdsConfig, Ceiling | 'retryBudget'> &
  Readonly<Record<Ceiling, number>> & { readonly retryBudget: FixedBudget | null };
type FixedBudget = Omit<RetryBudgetConfig, 'budgetPercent' | 'minRetryConcurrency'> & {
  readonly budgetPercent: number;
  readonly minRetryConcurrency: number;
};
type Ceiling = 'maxConnections' | 'maxPendingRequests' | 'maxRequests' | 'maxRetries';

/** Envoy: ClusterInfoImpl::ResourceManagers and RetryBudgetImpl have a key for each ceiling. */
function withRuntime(
  fixed: Fixed,
  prefix: string,
  runtime: CompileContext['runtime'],
): ThresholdsConfig {
  const integer = (key: string, otherwise: number): RuntimeKey => ({
    key: `${prefix}.${key}`,
    kind: 'integer',
    otherwise,
  });
  const { retryBudget: budget } = fixed;
  const keys = [
    integer('max_connections', fixed.maxConnections),
    integer('max_pending_requests', fixed.maxPendingRequests),
    integer('max_requests', fixed.maxRequests),
    integer('max_retries', fixed.maxRetries),
  ];
  if (budget !== null) {
    const key = `${prefix}.retry_budget.budget_percent`;
    keys.push(
      { key, kind: 'double', otherwise: budget.budgetPercent },
      integer('retry_budget.min_retry_concurrency', budget.minRetryConcurrency),
    );
  }
  const numbers = runtime.numbers(keys);
  return {
    ...fixed,
    maxConnections: numbers[0]!,
    maxPendingRequests: numbers[1]!,
    maxRequests: numbers[2]!,
    maxRetries: numbers[3]!,
    retryBudget:
      budget === null
        ? null
        : { ...budget, budgetPercent: numbers[4]!, minRetryConcurrency: numbers[5]! },
  };
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
): Fixed {
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
): FixedBudget | null {
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
