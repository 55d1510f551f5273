// config.route.v3.RetryPolicy with Envoy's defaults filled in.

import type { RetryPolicyProto } from '../../proto/gen/types.ts';
import { durationMs, durationMsOr, wrapperOr } from '../../proto/well-known.ts';
import type { RetryPolicyData } from '../api/config/route.ts';
import { type Compilation, mapItems, namedAny } from './compilation.ts';
import { compileHeaderMatcher } from './matchers.ts';

const DEFAULT_BASE_INTERVAL_MS = 25;
const PREVIOUS_HOSTS = 'envoy.retry_host_predicates.previous_hosts';

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
    previousHosts: compilePredicates(policy, path, compilation),
    hostSelectionRetryMaxAttempts: Number(policy.host_selection_retry_max_attempts ?? 1),
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
): boolean {
  let previousHosts = false;
  mapItems(policy.retry_host_predicate, `${path}.retry_host_predicate`, (predicate, at) => {
    const compiled = compilation.extension('retry-host-predicate', namedAny(predicate), at);
    if (compiled?.extension === PREVIOUS_HOSTS) previousHosts = true;
  });
  return previousHosts;
}
