// How names are resolved: by clusters of DNS types and by the DNS caches of dynamic forward proxies. Plain data
// that config/dns makes; only the main thread asks name servers.

export type LookupFamily = 'AUTO' | 'V4_ONLY' | 'V6_ONLY' | 'V4_PREFERRED' | 'ALL';

/** CaresDnsResolverConfig. Equal ones share a resolver. */
export interface DnsResolverConfig {
  /** `ip:port` of name servers; empty = the system's. */
  readonly servers: readonly string[];
  /** `servers` only where resolv.conf names none. */
  readonly useAsFallback: boolean;
  /** Answers of a family that no network interface but loopback has are left out. */
  readonly filterUnroutableFamilies: boolean;
  /** The search list of resolv.conf is not used. */
  readonly noDefaultSearchDomain: boolean;
  /** Of the first try at a name server, in ms. Envoy: query_timeout_seconds, default 5. */
  readonly queryTimeoutMs: number;
  /** At each name server, default 4. */
  readonly queryTries: number;
}

/** What holds where nothing is said (c-ares' own defaults in Envoy 1.40). */
export const systemDnsResolver: DnsResolverConfig = {
  servers: [],
  useAsFallback: false,
  filterUnroutableFamilies: false,
  noDefaultSearchDomain: false,
  queryTimeoutMs: 5_000,
  queryTries: 4,
};

/** When a name is asked again. */
export interface DnsRefresh {
  /** Default 5000; the interval when TTL is not respected. */
  readonly refreshRateMs: number;
  /** Again when the shortest TTL of the answer is over; one of 0 counts as none. */
  readonly respectTtl: boolean;
  /** The least that a TTL counts as; 0 = none. */
  readonly minRefreshMs: number;
  /** Up to that much later, at random. */
  readonly jitterMs: number;
  /** After a failure: drawn from 0 to base * 2^n, max at most; equal ones are a fixed delay. */
  readonly failureRefreshBaseMs: number;
  readonly failureRefreshMaxMs: number;
}

export interface DnsConfig extends DnsRefresh {
  readonly lookupFamily: LookupFamily;
  readonly resolver: DnsResolverConfig;
}

/**
 * DnsCacheConfig of dynamic forward proxies. Clusters and filters that name the same cache share it; the config
 * that names it twice with different settings is refused.
 */
export interface DnsCacheData {
  readonly name: string;
  /** minRefreshMs counts, respectTtl is true, jitter is none. */
  readonly dns: DnsConfig;
  /** A name that no request asked for so long is forgotten when it is due again; default 300 000. */
  readonly hostTtlMs: number;
  /** Default 1024. */
  readonly maxHosts: number;
  /** Requests that wait for a name, over all workers; default 1024. */
  readonly maxPendingRequests: number;
  /** A lookup that takes longer counts as failed; default 5000. */
  readonly queryTimeoutMs: number;
  /** `host:port`, resolved before any request asks. */
  readonly preresolve: readonly string[];
  /** Words of DnsCacheWord, shared over all workers and by all who name the cache. */
  readonly shared: SharedArrayBuffer;
}

/** What lies in DnsCacheData.shared. Settings: a hash by which different configs of one name are told apart. */
export const DnsCacheWord = { PendingRequests: 0, Settings: 1 } as const;
export const DNS_CACHE_SHARED_BYTES = 8;
