// What a caller's sidecar does with a call that fails: the timeouts and retries of a Service's policy in words. They
// follow translate/retry, which makes the xDS of the same settings.

import type { ServiceNode } from '../graph/graph.ts';
import { MIN_RETRY_CONCURRENCY } from '../translate/cluster.ts';
import { type RetryVariant, retryVariants } from '../translate/retry.ts';
import { durationText, type Section, type Sentence } from './explanation.ts';
import { explainRoute } from './routes.ts';
import { type PolicyDocuments, sourceOf } from './sources.ts';
import { furtherTriesText, reasonsOf } from './words.ts';

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
  for (const route of routes ?? []) sentences.push(...explainRoute(route, policy, documents));
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
