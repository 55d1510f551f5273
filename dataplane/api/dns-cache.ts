// The DNS cache of dynamic forward proxies as a worker's filters and clusters see it. Main asks the name servers;
// workers hold what it found. Implemented in upstream/dynamic-forward-proxy.

import type { DnsCacheData } from './config/dns.ts';

/** What is known of one `host:port`. Immutable: a new one takes its place. */
export interface DnsCacheEntry {
  /** Without port. */
  readonly hostname: string;
  /** '' = it could not be resolved, ever. */
  readonly ip: string;
  readonly port: number;
  /** Why it could not be resolved the last time, '' = it was. */
  readonly failure: string;
}

/** A request that waits for a name. */
export interface DnsCacheWaiter {
  /** Once, never from inside load(); null = the cache is full. */
  onDnsLoaded(entry: DnsCacheEntry | null): void;
}

/** 'full': max_hosts names are known; 'too-many-pending': dns_cache_circuit_breaker. Both were counted. */
export type DnsLoad = 'loading' | 'full' | 'too-many-pending';

export interface DnsCache {
  /** Null = not known yet: load() it. It counts as used now. `defaultPort`: of an authority without one. */
  lookup(authority: string, defaultPort: number): DnsCacheEntry | null;
  /** Of what lookup() does not know. */
  load(authority: string, defaultPort: number, waiter: DnsCacheWaiter): DnsLoad;
  /** The request is gone; unknown waiters are ignored. */
  cancel(waiter: DnsCacheWaiter): void;
}

/** All of one worker. */
export interface DnsCaches {
  /** Configs of one name share one cache. */
  get(data: DnsCacheData): DnsCache;
}
