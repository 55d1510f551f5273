// Names to addresses with TTL: c-ares (node:dns Resolver), and what the Resolver leaves out, done by us: the
// hosts file and the search list of resolv.conf. Never blocks and never uses the thread pool's getaddrinfo.

import { Resolver } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { DnsResolverConfig, LookupFamily } from '../../api/config/dns.ts';

export interface ResolvedAddress {
  readonly ip: string;
  /** Seconds; Infinity for an entry of the hosts file. */
  readonly ttlS: number;
}

/** Looks a name up. Resolves with [] when the name has no address; rejects when it cannot be asked. */
export interface NameResolver {
  resolve(name: string, family: LookupFamily): Promise<readonly ResolvedAddress[]>;
}

/** The part of node:dns/promises' Resolver that is used. */
export interface DnsQueries {
  resolve4(name: string, options: { ttl: true }): Promise<readonly DnsRecord[]>;
  resolve6(name: string, options: { ttl: true }): Promise<readonly DnsRecord[]>;
}

interface DnsRecord {
  readonly address: string;
  readonly ttl: number;
}

const HOSTS_FILE = '/etc/hosts';
const RESOLV_CONF = '/etc/resolv.conf';
const MAX_NDOTS = 15;
/** Says that the name or the record does not exist: an answer, not a failure. */
const noSuchName = new Set(['ENOTFOUND', 'ENODATA']);

/** `search` and `options ndots` of resolv.conf. */
export interface SearchList {
  readonly domains: readonly string[];
  readonly ndots: number;
}

const noSearch: SearchList = { domains: [], ndots: 1 };

/** The resolver of the product. */
export function systemNameResolver(config: DnsResolverConfig): NameResolver {
  const { servers, useAsFallback, queryTimeoutMs: timeout, queryTries: tries } = config;
  const resolver = new Resolver({ timeout, tries });
  const isWanted = !useAsFallback || isCaresDefault(resolver.getServers());
  if (servers.length > 0 && isWanted) resolver.setServers([...servers]);
  return new FileAwareResolver(
    resolver,
    (path) => readFile(path, 'utf8'),
    !config.noDefaultSearchDomain,
    config.filterUnroutableFamilies ? hasInterface : () => true,
  );
}

/** What c-ares asks when resolv.conf names nobody. */
function isCaresDefault(servers: readonly string[]): boolean {
  return servers.length === 0 || (servers.length === 1 && servers[0] === '127.0.0.1');
}

/** Of the family of `ip`, loopback not counted. */
function hasInterface(ip: string): boolean {
  const family = isIPv6(ip) ? 'IPv6' : 'IPv4';
  return Object.values(networkInterfaces())
    .flat()
    .some((one) => one?.family === family && !one.internal);
}

/** Hosts file first, then DNS along the search list. Both files are read anew each time, as glibc notices changes. */
export class FileAwareResolver implements NameResolver {
  readonly #queries: DnsQueries;
  readonly #readFile: (path: string) => Promise<string>;

  readonly #usesSearchList: boolean;
  readonly #isRoutable: (ip: string) => boolean;

  constructor(
    queries: DnsQueries,
    readTextFile: (path: string) => Promise<string>,
    usesSearchList = true,
    isRoutable: (ip: string) => boolean = () => true,
  ) {
    this.#queries = queries;
    this.#readFile = readTextFile;
    this.#usesSearchList = usesSearchList;
    this.#isRoutable = isRoutable;
  }

  async resolve(name: string, family: LookupFamily): Promise<readonly ResolvedAddress[]> {
    const found = await this.#lookup(name, family);
    return found.filter(({ ip }) => this.#isRoutable(ip));
  }

  async #lookup(name: string, family: LookupFamily): Promise<readonly ResolvedAddress[]> {
    const fromHosts = ofFamily(family, parseHosts(await this.#text(HOSTS_FILE), name));
    if (fromHosts.length > 0) return fromHosts;
    let failure: unknown = null;
    const search = this.#usesSearchList ? parseResolvConf(await this.#text(RESOLV_CONF)) : noSearch;
    for (const candidate of candidates(name, search)) {
      try {
        const found = await this.#query(candidate, family);
        if (found.length > 0) return found;
      } catch (thrown) {
        failure = thrown;
      }
    }
    if (failure !== null) throw failure;
    return [];
  }

  async #text(path: string): Promise<string> {
    try {
      return await this.#readFile(path);
    } catch {
      return ''; // no such file: it has no entries
    }
  }

  async #query(name: string, family: LookupFamily): Promise<ResolvedAddress[]> {
    switch (family) {
      case 'V4_ONLY':
        return this.#v4(name);
      case 'V6_ONLY':
        return this.#v6(name);
      case 'ALL':
        return anyOf(await Promise.allSettled([this.#v4(name), this.#v6(name)]));
      case 'AUTO':
        // Envoy's meaning of AUTO: IPv6 first.
        return firstOf(this.#v6(name), () => this.#v4(name));
      case 'V4_PREFERRED':
        return firstOf(this.#v4(name), () => this.#v6(name));
      default:
        return family satisfies never;
    }
  }

  #v4(name: string): Promise<ResolvedAddress[]> {
    return records(this.#queries.resolve4(name, { ttl: true }));
  }

  #v6(name: string): Promise<ResolvedAddress[]> {
    return records(this.#queries.resolve6(name, { ttl: true }));
  }
}

async function firstOf(
  preferred: Promise<ResolvedAddress[]>,
  other: () => Promise<ResolvedAddress[]>,
): Promise<ResolvedAddress[]> {
  const [settled] = await Promise.allSettled([preferred]);
  if (settled.status === 'fulfilled' && settled.value.length > 0) return settled.value;
  const found = await other();
  if (found.length === 0 && settled.status === 'rejected') throw settled.reason;
  return found;
}

/** One family's answer is enough; without any address, a failure is a failure. */
function anyOf(settled: readonly PromiseSettledResult<ResolvedAddress[]>[]): ResolvedAddress[] {
  const found = settled.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  if (found.length > 0) return found;
  for (const one of settled) if (one.status === 'rejected') throw one.reason;
  return [];
}

async function records(answer: Promise<readonly DnsRecord[]>): Promise<ResolvedAddress[]> {
  try {
    return (await answer).map(({ address, ttl }) => ({ ip: address, ttlS: ttl }));
  } catch (thrown) {
    // node:dns rejects with an Error that has a code.
    if (noSuchName.has((thrown as NodeJS.ErrnoException).code ?? '')) return [];
    throw thrown;
  }
}

/** Addresses that the text of a hosts file gives to `name`, case apart, in its order. */
export function parseHosts(text: string, name: string): ResolvedAddress[] {
  const wanted = name.toLowerCase().replace(/\.$/, '');
  const found: ResolvedAddress[] = [];
  for (const line of text.split('\n')) {
    const [ip, ...names] = (line.split('#')[0] ?? '').trim().split(/\s+/);
    if (ip === undefined || ip === '') continue;
    if (names.some((entry) => entry.toLowerCase() === wanted)) {
      found.push({ ip, ttlS: Number.POSITIVE_INFINITY });
    }
  }
  return found;
}

function ofFamily(
  family: LookupFamily,
  all: readonly ResolvedAddress[],
): readonly ResolvedAddress[] {
  const v4 = all.filter(({ ip }) => !isIPv6(ip));
  const v6 = all.filter(({ ip }) => isIPv6(ip));
  switch (family) {
    case 'V4_ONLY':
      return v4;
    case 'V6_ONLY':
      return v6;
    case 'ALL':
      return all;
    case 'AUTO':
      return v6.length > 0 ? v6 : v4;
    case 'V4_PREFERRED':
      return v4.length > 0 ? v4 : v6;
    default:
      return family satisfies never;
  }
}

/** resolv.conf(5): the last `search` or `domain` line counts; ndots is 1 unless given, 15 at most. */
export function parseResolvConf(text: string): SearchList {
  let domains: string[] = [];
  let ndots = 1;
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line.trim().split(/\s+/);
    if (keyword === 'search' || keyword === 'domain') domains = values;
    if (keyword !== 'options') continue;
    for (const value of values) {
      const given = /^ndots:(\d+)$/.exec(value)?.[1];
      if (given !== undefined) ndots = Math.min(Number(given), MAX_NDOTS);
    }
  }
  return { domains, ndots };
}

/** The names to ask, in order: the name as given comes first when it has enough dots, else last. */
export function candidates(name: string, { domains, ndots }: SearchList): string[] {
  if (name.endsWith('.')) return [name];
  const searched = domains
    .map((domain) => domain.replace(/\.$/, ''))
    .filter((domain) => domain !== '')
    .map((domain) => `${name}.${domain}`);
  const dots = name.split('.').length - 1;
  return dots >= ndots ? [name, ...searched] : [...searched, name];
}
