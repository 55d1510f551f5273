// `dns_cache.<name>.*`: main's part. Workers count what they refuse themselves (worker-dns-caches.ts).

import { type DnsCacheData, DnsCacheWord } from '../../api/config/dns.ts';
import type { CollectsMore, StatField, StatScope, StatSink } from '../../api/stats.ts';

export function dnsCacheScope(name: string): StatScope {
  return {
    prefix: `dns_cache.${name}`,
    promPrefix: `envoy_dns_cache_${name.replace(/\W/g, '_')}`,
    labels: {},
  };
}

export class DnsCacheStats implements CollectsMore {
  static readonly stats: readonly StatField[] = [
    { field: 'cacheLoad', name: 'cache_load', kind: 'counter' },
    { field: 'dnsQueryAttempt', name: 'dns_query_attempt', kind: 'counter' },
    { field: 'dnsQuerySuccess', name: 'dns_query_success', kind: 'counter' },
    { field: 'dnsQueryFailure', name: 'dns_query_failure', kind: 'counter' },
    { field: 'dnsQueryTimeout', name: 'dns_query_timeout', kind: 'counter' },
    { field: 'hostAdded', name: 'host_added', kind: 'counter' },
    { field: 'hostRemoved', name: 'host_removed', kind: 'counter' },
    { field: 'hostAddressChanged', name: 'host_address_changed', kind: 'counter' },
    { field: 'numHosts', name: 'num_hosts', kind: 'gauge' },
  ];

  /** Names restored from a key value store: there is none. */
  cacheLoad = 0;
  dnsQueryAttempt = 0;
  dnsQuerySuccess = 0;
  dnsQueryFailure = 0;
  dnsQueryTimeout = 0;
  hostAdded = 0;
  hostRemoved = 0;
  hostAddressChanged = 0;
  numHosts = 0;
  readonly #words: Int32Array;
  readonly #maxPending: number;

  constructor({ shared, maxPendingRequests }: DnsCacheData) {
    this.#words = new Int32Array(shared);
    this.#maxPending = maxPendingRequests;
  }

  collectMore(scope: StatScope, sink: StatSink): void {
    const pending = Atomics.load(this.#words, DnsCacheWord.PendingRequests);
    const remaining = Math.max(0, this.#maxPending - pending);
    const isOpen = remaining === 0 ? 1 : 0;
    sink.value(scope, 'circuit_breakers.rq_pending_open', 'gauge-max', isOpen);
    sink.value(scope, 'circuit_breakers.rq_pending_remaining', 'gauge-max', remaining);
  }
}
