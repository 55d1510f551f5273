// What holds for the calls of one route alone: by TrafficPolicies of it, then by what its rule says itself.

import type { ForwardNode, RouteNode } from '../graph/graph.ts';
import type {
  RetrySettings,
  RoutePolicySettings,
  TrafficPolicySettings,
} from '../model/defaults.ts';
import { durationText, type Sentence } from './explanation.ts';
import type { PolicyDocuments } from './sources.ts';
import { breakerText, furtherTriesText, reasonsOf } from './words.ts';

/** Nothing where it is as for the whole Service. */
export function explainRoute(
  { name, action, rule, policy }: RouteNode,
  ofService: TrafficPolicySettings,
  documents: PolicyDocuments,
): Sentence[] {
  const [namespace, route, index, match] = name.split('/');
  // The matches of a rule have everything in common.
  if (action.kind !== 'forward' || match !== '0') return [];
  const policies = documents.ofRule(rule).map((of) => `TrafficPolicy ${of}`);
  const differences: readonly (readonly [string, string[]])[] = [
    [policies.join(', '), ofPolicies(policy, ofService)],
    [`route ${namespace}/${route}`, ofRule(action, policy.retries)],
  ];
  const called = rule.name === null ? `rule ${index}` : `rule ${index} (${rule.name})`;
  return differences
    .filter(([, parts]) => parts.length > 0)
    .map(([source, parts]) => ({ text: `${called}: ${parts.join('; ')}`, source }));
}

function ofPolicies(policy: RoutePolicySettings, ofService: TrafficPolicySettings): string[] {
  const parts: string[] = [];
  if (policy.requestTimeoutMs !== ofService.requestTimeoutMs) {
    parts.push(`whole call ${limitText(policy.requestTimeoutMs)}`);
  }
  if (policy.idleTimeoutMs !== ofService.idleTimeoutMs) {
    parts.push(`without movement ${limitText(policy.idleTimeoutMs ?? 300_000)}`);
  }
  if (policy.maxStreamDurationMs !== ofService.maxStreamDurationMs) {
    parts.push(`no longer life than ${limitText(policy.maxStreamDurationMs)}`);
  }
  const { errorRatio } = policy;
  if (errorRatio !== null) {
    const what = 'they are answered with 503 at once, flag ERB,';
    parts.push(breakerText(errorRatio, 'its calls', what));
  }
  return [...parts, ...ofRetries(policy.retries, ofService.retries)];
}

function ofRetries(retries: RetrySettings, ofService: RetrySettings): string[] {
  const parts: string[] = [];
  if (retries.attempts !== ofService.attempts) parts.push(attemptsText(retries.attempts));
  if (retries.perTryTimeoutMs !== ofService.perTryTimeoutMs) {
    parts.push(`one try ${limitText(retries.perTryTimeoutMs ?? 0)}`);
  }
  const on = [retries, ofService].map(({ retryOn, retriableStatusCodes: codes }) =>
    [...(retryOn ?? []), ...(codes.length === 0 ? [] : ['retriable-status-codes'])].join(),
  );
  const codes = retries.retriableStatusCodes;
  if (on[0] !== on[1] || codes.join() !== ofService.retriableStatusCodes.join()) {
    parts.push(`tried again when ${reasonsOf(on[0] ?? '', codes)}`);
  }
  if (retries.hedge && !ofService.hedge) parts.push('hedged when a try takes too long');
  if (retries.backoffBaseMs !== ofService.backoffBaseMs) {
    parts.push(`the first wait up to ${durationText(Math.max(1, retries.backoffBaseMs))}`);
  }
  return parts;
}

function ofRule({ requestTimeoutMs, perTryTimeoutMs, retry }: ForwardNode, of: RetrySettings) {
  const parts: string[] = [];
  if (requestTimeoutMs !== null) parts.push(`whole call ${limitText(requestTimeoutMs)}`);
  if (perTryTimeoutMs !== null) parts.push(`one try ${limitText(perTryTimeoutMs)}`);
  if (retry === null) return parts;
  const attempts = retry.attempts ?? of.attempts;
  const codes = retry.codes.join(', ');
  const also = attempts === 0 || codes === '' ? '' : `, also when answered with ${codes}`;
  return [...parts, `${attemptsText(attempts)}${also}`];
}

function attemptsText(attempts: number): string {
  return attempts === 0 ? 'not tried again' : `up to ${furtherTriesText(attempts)}`;
}

function limitText(ms: number): string {
  return ms === 0 ? 'no limit' : durationText(ms);
}
