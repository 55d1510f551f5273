// What main and workers tell each other about DNS caches.

import type { DnsCacheData } from '../../api/config/dns.ts';
import type { DnsCacheEntry } from '../../api/dns-cache.ts';

/** `host`: `name:port`, lower case. */
export interface DnsCacheUpdate {
  readonly cache: string;
  readonly host: string;
  /** 'removed': nobody asked for it; 'refused': the cache is full. */
  readonly entry: DnsCacheEntry | 'removed' | 'refused';
}

/** A worker wants a name, or (`isUse`) has gone on using one. */
export interface DnsCacheRequest {
  readonly cache: DnsCacheData;
  readonly host: string;
  readonly isUse: boolean;
}

/** A worker reports a name's use that often within its host_ttl; main adds as much to what it waits. */
export const USE_REPORTS_PER_TTL = 4;
