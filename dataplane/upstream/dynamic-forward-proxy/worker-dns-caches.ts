// DNS caches in one worker: what main has resolved, and the requests that wait for it. Nothing here blocks or asks a
// name server.
//
//   lookup --unknown--> load --> message to main --> entry from main --> waiters go on
//                         '--too many names, too many waiters--> refused here

import type { Clock } from '../../../common/clock.ts';
import { tryAcquireBelow } from '../../../common/shared-memory.ts';
import { type DnsCacheData, DnsCacheWord } from '../../api/config/dns.ts';
import type {
  DnsCache,
  DnsCacheEntry,
  DnsCaches,
  DnsCacheWaiter,
  DnsLoad,
} from '../../api/dns-cache.ts';
import type { StatField, StatsStore } from '../../api/stats.ts';
import {
  type DnsCacheRequest,
  type DnsCacheUpdate,
  USE_REPORTS_PER_TTL,
} from './cache-messages.ts';
import { dnsCacheScope } from './cache-stats.ts';

export interface WorkerDnsCachesParts {
  readonly clock: Clock;
  readonly stats: StatsStore;
  /** To main. */
  request(request: DnsCacheRequest): void;
}

/** See the file head. */
export class WorkerDnsCaches implements DnsCaches {
  readonly #parts: WorkerDnsCachesParts;
  readonly #caches = new Map<string, WorkerDnsCache>();

  constructor(parts: WorkerDnsCachesParts) {
    this.#parts = parts;
  }

  get(data: DnsCacheData): WorkerDnsCache {
    let cache = this.#caches.get(data.name);
    if (cache === undefined) {
      cache = new WorkerDnsCache(data, this.#parts);
      this.#caches.set(data.name, cache);
    } else cache.update(data);
    return cache;
  }

  /** From main; may be of a cache that only other workers have used so far. */
  apply({ cache: name, host, entry }: DnsCacheUpdate, data: DnsCacheData): void {
    const cache = this.#caches.get(name) ?? this.get(data);
    cache.apply(host, entry);
  }
}

/** Told when main forgets a name. */
export interface DnsCacheListener {
  onHostRemoved(host: string): void;
}

class WorkerCacheStats {
  static readonly stats: readonly StatField[] = [
    { field: 'hostOverflow', name: 'host_overflow', kind: 'counter' },
    { field: 'pendingOverflow', name: 'dns_rq_pending_overflow', kind: 'counter' },
  ];

  hostOverflow = 0;
  pendingOverflow = 0;
}

interface Known {
  entry: DnsCacheEntry;
  /** When main was told last that it is used. */
  reportedMs: number;
}

/** One cache. */
export class WorkerDnsCache implements DnsCache {
  readonly #parts: WorkerDnsCachesParts;
  readonly #stats = new WorkerCacheStats();
  readonly #known = new Map<string, Known>();
  readonly #waiting = new Map<string, Set<DnsCacheWaiter>>();
  readonly #hostOf = new Map<DnsCacheWaiter, string>();
  readonly #listeners = new Set<DnsCacheListener>();
  #data: DnsCacheData;
  #pending: Int32Array;

  constructor(data: DnsCacheData, parts: WorkerDnsCachesParts) {
    this.#parts = parts;
    this.#data = data;
    this.#pending = new Int32Array(data.shared);
    parts.stats.add(dnsCacheScope(data.name), this.#stats);
  }

  /** The same cache, named again: later requests count by it. */
  update(data: DnsCacheData): void {
    if (this.#hostOf.size > 0) return; // those that wait have counted themselves where they will end
    this.#data = data;
    this.#pending = new Int32Array(data.shared);
  }

  addListener(listener: DnsCacheListener): void {
    this.#listeners.add(listener);
  }

  removeListener(listener: DnsCacheListener): void {
    this.#listeners.delete(listener);
  }

  lookup(authority: string, defaultPort: number): DnsCacheEntry | null {
    const host = hostKey(authority, defaultPort);
    const known = this.#known.get(host);
    if (known === undefined) return null;
    const nowMs = this.#parts.clock.nowMs();
    if (nowMs - known.reportedMs >= this.#data.hostTtlMs / USE_REPORTS_PER_TTL) {
      known.reportedMs = nowMs;
      this.#parts.request({ cache: this.#data, host, isUse: true });
    }
    return known.entry;
  }

  /** Of a hostKey(); without counting as use: that a request's filter has done. */
  entryOf(host: string): DnsCacheEntry | null {
    return this.#known.get(host)?.entry ?? null;
  }

  load(authority: string, defaultPort: number, waiter: DnsCacheWaiter): DnsLoad {
    const host = hostKey(authority, defaultPort);
    if (this.#known.size >= this.#data.maxHosts) {
      this.#stats.hostOverflow++;
      return 'full';
    }
    if (
      !tryAcquireBelow(this.#pending, DnsCacheWord.PendingRequests, this.#data.maxPendingRequests)
    ) {
      this.#stats.pendingOverflow++;
      return 'too-many-pending';
    }
    let waiting = this.#waiting.get(host);
    if (waiting === undefined) {
      waiting = new Set();
      this.#waiting.set(host, waiting);
      this.#parts.request({ cache: this.#data, host, isUse: false });
    }
    waiting.add(waiter);
    this.#hostOf.set(waiter, host);
    return 'loading';
  }

  cancel(waiter: DnsCacheWaiter): void {
    const host = this.#hostOf.get(waiter);
    if (host === undefined) return;
    this.#hostOf.delete(waiter);
    this.#waiting.get(host)?.delete(waiter);
    Atomics.sub(this.#pending, DnsCacheWord.PendingRequests, 1);
  }

  /** From main. */
  apply(host: string, entry: DnsCacheUpdate['entry']): void {
    if (entry === 'removed') {
      this.#known.delete(host);
      for (const listener of this.#listeners) listener.onHostRemoved(host);
      return;
    }
    if (entry === 'refused') {
      if (this.#waiting.has(host)) this.#stats.hostOverflow++;
    } else this.#keep(host, entry);
    const waiting = this.#waiting.get(host);
    if (waiting === undefined) return;
    this.#waiting.delete(host);
    for (const waiter of waiting) {
      // Gone, because of what one before it did.
      if (!this.#hostOf.has(waiter)) continue;
      this.cancel(waiter);
      waiter.onDnsLoaded(entry === 'refused' ? null : entry);
    }
  }

  #keep(host: string, entry: DnsCacheEntry): void {
    const known = this.#known.get(host);
    if (known === undefined) {
      this.#known.set(host, { entry, reportedMs: this.#parts.clock.nowMs() });
    } else known.entry = entry;
  }
}

/** `name:port`, lower case: what clients spell differently is one name. */
export function hostKey(authority: string, defaultPort: number): string {
  const host = authority.toLowerCase();
  // The port's colon comes behind the bracket of an IPv6 address.
  const colon = host.lastIndexOf(':');
  if (colon === -1 || host.endsWith(']')) return `${host}:${defaultPort}`;
  return colon === host.length - 1 ? `${host}${defaultPort}` : host;
}
