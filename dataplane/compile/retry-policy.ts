// config.route.v3.RetryPolicy with Envoy's defaults filled in.

import type { RetryPolicyProto } from '../../proto/gen/types.ts';
import { durationMs, durationMsOr, wrapperOr } from '../../proto/well-known.ts';
import type {
  RateLimitedBackOffData,
  RetryHostPredicateData,
  RetryPolicyData,
  RetryPriorityData,
} from '../api/config/route.ts';
import { type Compilation, mapItems, namedAny } from './compilation.ts';
import { compileHeaderMatcher, headerName } from './matchers.ts';

const DEFAULT_BASE_INTERVAL_MS = 25;
const DEFAULT_MAX_RESET_INTERVAL_MS = 300_000;

export function compileRetryPolicy(
  policy: RetryPolicyProto,
  path: string,
  compilation: Compilation,
): RetryPolicyData {
  const backOff = policy.retry_back_off;
  const baseIntervalMs = durationMsOr(backOff?.base_interval, DEFAULT_BASE_INTERVAL_MS);
  const maxIntervalMs = durationMsOr(backOff?.max_interval, baseIntervalMs * 10);
  if (backOff !== undefined && backOff.base_interval === undefined) {
    compilation.fail(`${path}.retry_back_off.base_interval`, 'is required');
  }
  if (maxIntervalMs < baseIntervalMs) {
    compilation.fail(`${path}.retry_back_off.max_interval`, 'must be >= base_interval');
  }
  const headers = (field: 'retriable_headers' | 'retriable_request_headers') =>
    mapItems(policy[field], `${path}.${field}`, (matcher, at) =>
      compileHeaderMatcher(matcher, at, compilation),
    );
  return {
    retryOn: tokens(policy.retry_on ?? ''),
    numRetries: wrapperOr(policy.num_retries, 1),
    perTryTimeoutMs: positive(policy.per_try_timeout),
    perTryIdleTimeoutMs: positive(policy.per_try_idle_timeout),
    retriableStatusCodes: policy.retriable_status_codes ?? [],
    retriableHeaders: headers('retriable_headers'),
    retriableRequestHeaders: headers('retriable_request_headers'),
    // Envoy: a base below a millisecond is one millisecond.
    baseIntervalMs: Math.max(1, baseIntervalMs),
    maxIntervalMs: Math.max(1, maxIntervalMs),
    hasOwnBackoff: backOff !== undefined,
    rateLimitedBackOff: compileRateLimited(policy, path, compilation),
    hostPredicates: compilePredicates(policy, path, compilation),
    retryPriority: compilePriority(policy, path, compilation),
    // Envoy: 0 is the default, too.
    hostSelectionRetryMaxAttempts: Number(policy.host_selection_retry_max_attempts ?? 0) || 1,
  };
}

function tokens(retryOn: string): string[] {
  return retryOn
    .split(',')
    .map((token) => token.trim())
    .filter((token) => token !== '');
}

/** 0 and absent mean "not set". */
function positive(duration: RetryPolicyProto['per_try_timeout']): number | null {
  const ms = duration === undefined ? 0 : durationMs(duration);
  return ms > 0 ? ms : null;
}

function compilePredicates(
  policy: RetryPolicyProto,
  path: string,
  compilation: Compilation,
): RetryHostPredicateData[] {
  const predicates: RetryHostPredicateData[] = [];
  mapItems(policy.retry_host_predicate, `${path}.retry_host_predicate`, (predicate, at) => {
    const compiled = compilation.extension('retry-host-predicate', namedAny(predicate), at);
    // What the halves of this category make.
    if (compiled !== null) predicates.push(compiled.data as RetryHostPredicateData);
  });
  return predicates;
}

function compilePriority(
  { retry_priority: priority }: RetryPolicyProto,
  path: string,
  compilation: Compilation,
): RetryPriorityData | null {
  if (priority === undefined) return null;
  const at = `${path}.retry_priority`;
  const compiled = compilation.extension('retry-priority', namedAny(priority), at);
  // What the halves of this category make.
  return (compiled?.data ?? null) as RetryPriorityData | null;
}

function compileRateLimited(
  { rate_limited_retry_back_off: backOff }: RetryPolicyProto,
  path: string,
  compilation: Compilation,
): RateLimitedBackOffData | null {
  if (backOff === undefined) return null;
  const at = `${path}.rate_limited_retry_back_off.reset_headers`;
  return {
    resetHeaders: mapItems(backOff.reset_headers, at, ({ name, format }, headerPath) => ({
      name: headerName(name ?? '', `${headerPath}.name`, compilation),
      format: format ?? 'SECONDS',
    })),
    maxIntervalMs: durationMsOr(backOff.max_interval, DEFAULT_MAX_RESET_INTERVAL_MS),
  };
}
