import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NamedBreaker } from '../../upstream/error-ratio-breaker.ts';
import { breakerPage } from './breakers.ts';
import type { AdminReply } from './router.ts';
import type { AdminSources } from './sources.ts';

const reason = { requests: 20, failures: 12 };
const breakers: readonly NamedBreaker[] = [
  {
    scope: 'cluster',
    name: 'orders',
    address: '',
    status: { state: 'closed', forMs: null, nextProbeInMs: null, reason: null },
  },
  {
    scope: 'host',
    name: 'orders',
    address: '10.0.0.1:80',
    status: { state: 'open', forMs: 1500, nextProbeInMs: 3510, reason },
  },
  {
    scope: 'route',
    name: 'ingress checkout',
    address: '',
    status: { state: 'half_open', forMs: 20, nextProbeInMs: null, reason },
  },
  {
    scope: 'route',
    name: 'ingress cart',
    address: '',
    status: { state: 'closed', forMs: 60_000, nextProbeInMs: null, reason },
  },
];

function page(query: string): AdminReply {
  // The page asks for nothing else.
  const sources = { breakers: () => breakers } as unknown as AdminSources;
  return breakerPage(sources).handle(new URLSearchParams(query)) as AdminReply;
}

test('/breakers tells the state of each breaker, why it opened and when it is tried again', () => {
  assert.equal(
    page('').body,
    [
      'cluster orders: closed',
      'host orders 10.0.0.1:80: open, for 1.5 s, next probe in 3.6 s, opened because 12 of 20 requests failed',
      'route ingress checkout: half open, for 0.1 s, opened because 12 of 20 requests failed',
      'route ingress cart: closed, for 60 s, last opened because 12 of 20 requests failed',
      '',
    ].join('\n'),
  );
});

test('/breakers as JSON', () => {
  const { breakers: [, host] = [] } = JSON.parse(page('format=json').body);
  assert.deepEqual(host, {
    scope: 'host',
    name: 'orders',
    address: '10.0.0.1:80',
    state: 'open',
    for_ms: 1500,
    next_probe_in_ms: 3510,
    reason,
  });
  assert.equal(page('format=xml').status, 400);
});
