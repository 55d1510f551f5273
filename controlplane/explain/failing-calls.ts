// What a caller's sidecar does with a call that fails: the timeouts and retries of a Service's policy in words. They
// follow translate/retry, which makes the xDS of the same settings.

import type { ForwardNode, RouteNode, ServiceNode } from '../graph/graph.ts';
import type { RetrySettings } from '../model/defaults.ts';
import { MIN_RETRY_CONCURRENCY } from '../translate/cluster.ts';
import { type RetryVariant, retryVariants } from '../translate/retry.ts';
import { counted, durationText, type Section, type Sentence } from './explanation.ts';
import { type PolicyDocuments, sourceOf } from './sources.ts';

/** retry_on tokens in words; unknown ones never pass the schema. */
const reasons: Readonly<Record<string, string>> = {
  '5xx': 'it is answered with 5xx or not at all',
  'gateway-error': 'it is answered with 502, 503 or 504, or reset',
  reset: 'the connection or stream breaks before an answer',
  'reset-before-request': 'the connection breaks before anything was sent',
  'connect-failure': 'no connection can be made',
  'refused-stream': 'the instance refuses it unprocessed',
  'retriable-4xx': 'it is answered with 409',
  cancelled: 'grpc-status is CANCELLED',
  'deadline-exceeded': 'grpc-status is DEADLINE_EXCEEDED',
  internal: 'grpc-status is INTERNAL',
  'resource-exhausted': 'grpc-status is RESOURCE_EXHAUSTED',
  unavailable: 'grpc-status is UNAVAILABLE',
};

export function explainFailingCalls(service: ServiceNode, documents: PolicyDocuments): Section {
  const { policy, routes, protocol } = service;
  const method = protocol === 'GRPC' ? 'POST' : undefined;
  const retrySource = sourceOf(documents, 'retries', 'attempts', 'retryOn', 'retriableStatusCodes');
  const variants = retryVariants(policy.retries, null, method);
  const sentences: Sentence[] = variants.map((variant) => ({
    text: variantText(variant, variants.length > 1),
    source: retrySource,
  }));
  if (policy.retries.attempts > 0) sentences.push(...furtherTries(service, documents));
  sentences.push(...ends(service, documents));
  for (const route of routes ?? []) sentences.push(...ofRoute(route, policy.retries));
  return { title: 'A call that fails', sentences };
}

function variantText({ policy, safeMethodsOnly }: RetryVariant, hasOthers: boolean): string {
  if (policy === null) return 'is not tried again: the caller gets the failure';
  const calls = safeMethodsOnly
    ? 'GET, HEAD and OPTIONS'
    : hasOthers
      ? 'every other call'
      : 'every call';
  const times = policy.num_retries?.value ?? 1;
  return `${calls}: up to ${furtherTriesText(times)} when ${reasonsOf(policy.retry_on ?? '', policy.retriable_status_codes ?? [])}`;
}

function furtherTriesText(count: number): string {
  return counted(count, 'further try', 'further tries');
}

function reasonsOf(retryOn: string, codes: readonly number[]): string {
  const texts = retryOn
    .split(',')
    .map((token) =>
      token === 'retriable-status-codes'
        ? `it is answered with ${codes.join(', ')}`
        : (reasons[token] ?? token),
    );
  const last = texts.pop();
  return texts.length === 0 ? `${last}` : `${texts.join(', ')} or ${last}`;
}

function furtherTries({ policy, protocol }: ServiceNode, documents: PolicyDocuments): Sentence[] {
  const { retries, circuitBreakers } = policy;
  const { backoffBaseMs, backoffMaxMs, perTryTimeoutMs, budgetPercent } = retries;
  const base = Math.max(1, backoffBaseMs);
  const bounds = [base, 2 * base, 4 * base].map((ms) => durationText(Math.min(ms, backoffMaxMs)));
  const waits = bounds.slice(0, Math.min(3, retries.attempts)).join(', then ');
  const sentences: Sentence[] = [
    {
      text: 'a further try goes to an instance that was not tried yet, if there is one',
      source: 'default',
    },
    {
      text: `before it: a random wait of up to ${waits}`,
      source: sourceOf(documents, 'retries', 'backoff'),
    },
  ];
  if (retries.retryAfterUpToMs !== null) {
    sentences.push({
      text: `or as long as the answer’s retry-after says, if that is no more than ${durationText(retries.retryAfterUpToMs)}`,
      source: sourceOf(documents, 'retries', 'backoff'),
    });
  }
  if (perTryTimeoutMs !== null && perTryTimeoutMs > 0) {
    const without = `a try without an answer after ${durationText(perTryTimeoutMs)}`;
    sentences.push({
      text: retries.hedge
        ? `${without} goes on while a further one begins (of calls that may be acted upon twice); the first good answer counts`
        : `${without} counts as reset`,
      source: sourceOf(documents, 'retries', 'perTryTimeout', 'hedge'),
    });
  }
  const { maxRetries } = circuitBreakers;
  sentences.push(
    maxRetries === null
      ? {
          text: `further tries are at most ${budgetPercent} % of the calls of the last 10s, and of those under way (${MIN_RETRY_CONCURRENCY[protocol]} at a time and 1 per second are always allowed); beyond that the caller gets the failure, flag UO`,
          source: sourceOf(documents, 'retries', 'budgetPercent'),
        }
      : {
          text: `at most ${furtherTriesText(maxRetries)} at once; beyond that the caller gets the failure, flag UO`,
          source: sourceOf(documents, 'circuitBreakers', 'maxRetries'),
        },
  );
  return sentences;
}

/** What ends a call for good. */
function ends({ policy, protocol }: ServiceNode, documents: PolicyDocuments): Sentence[] {
  const source = (field: 'connect' | 'request' | 'idle' | 'maxStreamDuration') =>
    sourceOf(documents, 'timeouts', field);
  const { connectTimeoutMs, requestTimeoutMs, idleTimeoutMs, maxStreamDurationMs } = policy;
  const sentences: Sentence[] = [
    {
      text: `an instance that cannot be connected to within ${durationText(connectTimeoutMs)} counts as a connection that cannot be made (503, flag UF)`,
      source: source('connect'),
    },
    requestTimeoutMs === 0
      ? { text: 'there is no limit for a call with all its tries', source: source('request') }
      : {
          text: `the whole call, with all its tries, ends after ${durationText(requestTimeoutMs)} with 504, flag UT`,
          source: source('request'),
        },
  ];
  if (idleTimeoutMs === null || idleTimeoutMs > 0) {
    sentences.push({
      text: `a call on which nothing moves for ${durationText(idleTimeoutMs ?? 300_000)} ends, flag SI`,
      source: source('idle'),
    });
  }
  if (maxStreamDurationMs > 0) {
    sentences.push({
      text: `no call lives longer than ${durationText(maxStreamDurationMs)}`,
      source: source('maxStreamDuration'),
    });
  }
  if (protocol === 'GRPC') {
    sentences.push({
      text: 'the caller’s grpc-timeout is kept by the sidecars',
      source: 'default',
    });
  }
  return sentences;
}

/** Only what a route's own rule says otherwise. */
function ofRoute({ name, action }: RouteNode, settings: RetrySettings): Sentence[] {
  if (action.kind !== 'forward') return [];
  const parts = overrides(action, settings);
  if (parts.length === 0) return [];
  const kind = `route ${name.split('/').slice(0, 2).join('/')}`;
  return [{ text: `rule ${name.split('/')[2]}: ${parts.join('; ')}`, source: kind }];
}

function overrides(action: ForwardNode, settings: RetrySettings): string[] {
  const { requestTimeoutMs, perTryTimeoutMs, retry } = action;
  const limit = (ms: number) => (ms === 0 ? 'no limit' : durationText(ms));
  const parts: string[] = [];
  if (requestTimeoutMs !== null) parts.push(`whole call ${limit(requestTimeoutMs)}`);
  if (perTryTimeoutMs !== null) parts.push(`one try ${limit(perTryTimeoutMs)}`);
  if (retry === null) return parts;
  const attempts = retry.attempts ?? settings.attempts;
  if (attempts === 0) parts.push('not tried again');
  else {
    const codes =
      retry.codes.length === 0 ? '' : `, also when answered with ${retry.codes.join(', ')}`;
    parts.push(`up to ${furtherTriesText(attempts)}${codes}`);
  }
  return parts;
}
