// /breakers: the error-ratio breakers of clusters, hosts and routes: their states, why they opened, and when the next
// request may go through. Envoy has no such breakers.

import type { BreakerStatus, NamedBreaker } from '../../upstream/error-ratio-breaker.ts';
import { type AdminPage, json, text } from './router.ts';
import type { AdminSources } from './sources.ts';

export function breakerPage(sources: AdminSources): AdminPage {
  return {
    path: '/breakers',
    method: 'GET',
    help: 'error-ratio breakers: state, reason, and time until the next probe',
    params: [{ name: 'format', help: 'Format to use; One of (text, json)' }],
    handle: (query) => {
      const format = query.get('format') ?? 'text';
      const breakers = sources.breakers();
      switch (format) {
        case 'text':
          return text(breakers.map((breaker) => `${breakerText(breaker)}\n`).join(''));
        case 'json':
          return json({ breakers: breakers.map(breakerJson) });
        default:
          return text(`usage: /breakers?format=(text|json); '${format}' is not supported\n`, 400);
      }
    },
  };
}

const stateTexts: Readonly<Record<BreakerStatus['state'], string>> = {
  closed: 'closed',
  open: 'open',
  half_open: 'half open',
};

function breakerText({ scope, name, address, status }: NamedBreaker): string {
  const { state, forMs, nextProbeInMs, reason } = status;
  const parts = [`${scope} ${address === '' ? name : `${name} ${address}`}: ${stateTexts[state]}`];
  if (forMs !== null) parts.push(`for ${seconds(forMs)}`);
  if (nextProbeInMs !== null) parts.push(`next probe in ${seconds(nextProbeInMs)}`);
  if (reason !== null) {
    const opened = state === 'closed' ? 'last opened' : 'opened';
    parts.push(`${opened} because ${reason.failures} of ${reason.requests} requests failed`);
  }
  return parts.join(', ');
}

function breakerJson({ scope, name, address, status }: NamedBreaker): unknown {
  const { state, forMs, nextProbeInMs, reason } = status;
  return {
    scope,
    name,
    ...(address === '' ? {} : { address }),
    state,
    for_ms: forMs,
    next_probe_in_ms: nextProbeInMs,
    reason,
  };
}

function seconds(ms: number): string {
  return `${Math.ceil(ms / 100) / 10} s`;
}
