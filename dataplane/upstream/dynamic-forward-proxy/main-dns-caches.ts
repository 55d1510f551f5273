// DNS caches in main: names that workers ask for, resolved again as long as somebody uses them, and told to all
// workers. A name keeps the address that it had while it cannot be resolved. Envoy: DnsCacheImpl.

import { isIP } from 'node:net';
import type { Clock, Random } from '../../../common/clock.ts';
import type { TimerService } from '../../../common/timer.ts';
import type { DnsCacheData, DnsResolverConfig, LookupFamily } from '../../api/config/dns.ts';
import type { DnsCacheEntry } from '../../api/dns-cache.ts';
import type { StatsStore } from '../../api/stats.ts';
import { parsePort } from '../../network/address.ts';
import type { NameResolver, ResolvedAddress } from '../discovery/name-resolver.ts';
import { type LookupOutcome, ResolvedName } from '../discovery/resolved-name.ts';
import {
  type DnsCacheRequest,
  type DnsCacheUpdate,
  USE_REPORTS_PER_TTL,
} from './cache-messages.ts';
import { DnsCacheStats, dnsCacheScope } from './cache-stats.ts';

export interface MainDnsCachesParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerService;
  readonly stats: StatsStore;
  resolverFor(config: DnsResolverConfig): NameResolver;
  /** To every worker. */
  publish(update: DnsCacheUpdate, cache: DnsCacheData): void;
}

/** Code of a lookup that took longer than dns_query_timeout. */
const RESOLVE_TIMEOUT = 'resolve_timeout';

/** See the file head. One per process. */
export class MainDnsCaches {
  readonly #parts: MainDnsCachesParts;
  readonly #caches = new Map<string, MainDnsCache>();

  constructor(parts: MainDnsCachesParts) {
    this.#parts = parts;
  }

  /** A cluster names it: resolves what is to be resolved before anybody asks. */
  start(data: DnsCacheData): void {
    const cache = this.#cacheOf(data);
    for (const host of data.preresolve) cache.load(host);
  }

  /** From a worker. */
  onRequest({ cache: data, host, isUse }: DnsCacheRequest): void {
    const cache = this.#cacheOf(data);
    if (isUse) cache.onUse(host);
    else cache.load(host);
  }

  close(): void {
    for (const cache of this.#caches.values()) cache.close();
    this.#caches.clear();
  }

  #cacheOf(data: DnsCacheData): MainDnsCache {
    const former = this.#caches.get(data.name);
    if (former?.hasSettings(data) === true) return former;
    // Another config of that name is accepted only once nothing of the former is left (config/dns-cache).
    former?.close();
    const cache = new MainDnsCache(data, this.#parts);
    this.#caches.set(data.name, cache);
    return cache;
  }
}

interface CachedHost {
  readonly name: ResolvedName;
  readonly port: number;
  usedMs: number;
  entry: DnsCacheEntry;
}

class MainDnsCache {
  readonly #data: DnsCacheData;
  readonly #settings: string;
  readonly #parts: MainDnsCachesParts;
  readonly #stats: DnsCacheStats;
  readonly #resolver: NameResolver;
  /** By `name:port`. */
  readonly #hosts = new Map<string, CachedHost>();

  constructor(data: DnsCacheData, parts: MainDnsCachesParts) {
    this.#data = data;
    this.#settings = settingsOf(data);
    this.#parts = parts;
    this.#stats = new DnsCacheStats(data);
    parts.stats.add(dnsCacheScope(data.name), this.#stats);
    this.#resolver = new TimedResolver(parts.resolverFor(data.dns.resolver), {
      timers: parts.timers,
      timeoutMs: data.queryTimeoutMs,
      onTimeout: () => {
        this.#stats.dnsQueryTimeout++;
      },
    });
  }

  hasSettings(data: DnsCacheData): boolean {
    return data === this.#data || settingsOf(data) === this.#settings;
  }

  load(host: string): void {
    const known = this.#hosts.get(host);
    if (known !== undefined) {
      // Two workers asked at once, or one asked before it heard of the answer.
      known.usedMs = this.#parts.clock.nowMs();
      if (known.name.wasAnswered) this.#publish(host, known.entry);
      return;
    }
    if (this.#hosts.size >= this.#data.maxHosts) {
      this.#publish(host, 'refused');
      return;
    }
    this.#add(host);
  }

  onUse(host: string): void {
    const known = this.#hosts.get(host);
    if (known !== undefined) known.usedMs = this.#parts.clock.nowMs();
  }

  close(): void {
    for (const host of [...this.#hosts.keys()]) this.#remove(host);
    this.#parts.stats.remove(this.#stats);
  }

  #add(host: string): void {
    const { timers, random, clock } = this.#parts;
    const colon = host.lastIndexOf(':');
    const hostname = host.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
    // Untrusted, as the name is: no connection may be tried to what is no port.
    const port = parsePort(host.slice(colon + 1));
    const name = new ResolvedName(hostname, this.#data.dns, {
      resolver: port === -1 ? nobody : this.#resolver,
      timers,
      random,
      onAsk: () => {
        this.#stats.dnsQueryAttempt++;
      },
      onAnswer: (outcome) => this.#onAnswer(host, outcome),
      isStillWanted: () => this.#isStillWanted(host),
    });
    const entry = { hostname, ip: '', port, failure: '' };
    this.#hosts.set(host, { name, port, usedMs: clock.nowMs(), entry });
    this.#stats.hostAdded++;
    this.#stats.numHosts = this.#hosts.size;
    name.ask();
  }

  #onAnswer(host: string, outcome: LookupOutcome): void {
    const cached = this.#hosts.get(host);
    if (cached === undefined) return;
    if (outcome.kind === 'failure') this.#stats.dnsQueryFailure++;
    else this.#stats.dnsQuerySuccess++;
    const { entry: former, name } = cached;
    const [ip = ''] = name.addresses;
    const isFirst = former.failure === '' && former.ip === '';
    cached.entry = { ...former, ip, failure: failureOf(outcome) };
    if (ip !== former.ip) this.#stats.hostAddressChanged++;
    if (isFirst || ip !== former.ip) this.#publish(host, cached.entry);
  }

  #isStillWanted(host: string): boolean {
    const cached = this.#hosts.get(host);
    if (cached === undefined) return false;
    const { hostTtlMs } = this.#data;
    const idleMs = this.#parts.clock.nowMs() - cached.usedMs;
    if (idleMs <= hostTtlMs + hostTtlMs / USE_REPORTS_PER_TTL) return true;
    this.#remove(host);
    return false;
  }

  #remove(host: string): void {
    this.#hosts.get(host)?.name.close();
    this.#hosts.delete(host);
    this.#stats.hostRemoved++;
    this.#stats.numHosts = this.#hosts.size;
    this.#publish(host, 'removed');
  }

  #publish(host: string, entry: DnsCacheUpdate['entry']): void {
    this.#parts.publish({ cache: this.#data.name, host, entry }, this.#data);
  }
}

/** Equal for configs that mean the same cache. */
function settingsOf({ shared: _, ...settings }: DnsCacheData): string {
  return JSON.stringify(settings);
}

/** Knows no address. */
const nobody: NameResolver = { resolve: () => Promise.resolve([]) };

/** c-ares' words for its errors, which node:dns gives as codes; '_' for the spaces of RESPONSE_CODE_DETAILS. */
const caresText: Readonly<Record<string, string>> = {
  ESERVFAIL: 'DNS_server_returned_general_failure',
  EFORMERR: 'DNS_server_claims_query_was_misformatted',
  ENOTIMP: 'DNS_server_does_not_implement_requested_operation',
  EREFUSED: 'DNS_server_refused_query',
  EBADRESP: 'Misformatted_DNS_reply',
  ECONNREFUSED: 'Could_not_contact_DNS_servers',
  ETIMEOUT: 'Timeout_while_contacting_DNS_servers',
};

/** As Envoy says it in `dns_resolution_failure{...}`. */
function failureOf(outcome: LookupOutcome): string {
  switch (outcome.kind) {
    case 'addresses':
      return '';
    case 'empty':
      return 'cares_norecords';
    case 'failure': {
      // node:dns rejects with an Error that has a code, TimedResolver likewise.
      const { code = '' } = outcome.error as NodeJS.ErrnoException;
      return code === RESOLVE_TIMEOUT ? code : `cares_failure:${caresText[code] ?? code}`;
    }
    default:
      return outcome satisfies never;
  }
}

interface TimedResolverParts {
  readonly timers: TimerService;
  readonly timeoutMs: number;
  onTimeout(): void;
}

/** Gives up after dns_query_timeout; an IP address is its own answer. */
class TimedResolver implements NameResolver {
  readonly #resolver: NameResolver;
  readonly #parts: TimedResolverParts;

  constructor(resolver: NameResolver, parts: TimedResolverParts) {
    this.#resolver = resolver;
    this.#parts = parts;
  }

  resolve(name: string, family: LookupFamily): Promise<readonly ResolvedAddress[]> {
    if (isIP(name) !== 0) return Promise.resolve([{ ip: name, ttlS: Number.POSITIVE_INFINITY }]);
    const { timers, timeoutMs, onTimeout } = this.#parts;
    return new Promise((resolve, reject) => {
      const timer = timers.createTimer(() => {
        onTimeout();
        reject(Object.assign(new Error('DNS query timed out'), { code: RESOLVE_TIMEOUT }));
      }, null);
      timer.start(timeoutMs);
      this.#resolver
        .resolve(name, family)
        .then(resolve, reject)
        .finally(() => timer.stop());
    });
  }
}
