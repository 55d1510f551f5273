// Names to addresses with TTL: c-ares (node:dns Resolver), and what c-ares leaves out here, done by us: the
// hosts file and the search list of resolv.conf.

import { Resolver } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import type { DnsConfig } from '../../api/config/cluster.ts';

export interface ResolvedAddress {
  readonly ip: string;
  /** Seconds; Infinity for an entry of the hosts file. */
  readonly ttlS: number;
}

/** Looks a name up. Resolves with [] when the name has no address; rejects when it cannot be asked. */
export interface NameResolver {
  resolve(name: string, family: DnsConfig['lookupFamily']): Promise<readonly ResolvedAddress[]>;
}

const HOSTS_FILE = '/etc/hosts';
const RESOLV_CONF = '/etc/resolv.conf';
/** Says that the name or the record does not exist: an answer, not a failure. */
const noSuchName = new Set(['ENOTFOUND', 'ENODATA']);

interface SearchList {
  readonly domains: readonly string[];
  readonly ndots: number;
}

/** `servers`: `ip:port`; empty = the system's. */
export class SystemNameResolver implements NameResolver {
  readonly #resolver = new Resolver();
  readonly #readFile: (path: string) => string;

  constructor(servers: readonly string[], readFile = readText) {
    this.#readFile = readFile;
    if (servers.length > 0) this.#resolver.setServers(servers);
  }

  async resolve(
    name: string,
    family: DnsConfig['lookupFamily'],
  ): Promise<readonly ResolvedAddress[]> {
    const fromHosts = choose(family, parseHosts(this.#readFile(HOSTS_FILE), name.toLowerCase()));
    if (fromHosts.length > 0) return fromHosts;
    let lastError: unknown = null;
    for (const candidate of candidates(name, parseSearch(this.#readFile(RESOLV_CONF)))) {
      try {
        const found = await this.#query(candidate, family);
        if (found.length > 0) return found;
      } catch (thrown) {
        lastError = thrown;
      }
    }
    if (lastError !== null) throw lastError;
    return [];
  }

  async #query(name: string, family: DnsConfig['lookupFamily']): Promise<ResolvedAddress[]> {
    const v4 = () => records(this.#resolver.resolve4(name, { ttl: true }));
    const v6 = () => records(this.#resolver.resolve6(name, { ttl: true }));
    switch (family) {
      case 'V4_ONLY':
        return v4();
      case 'V6_ONLY':
        return v6();
      case 'ALL':
        return (await Promise.all([v4(), v6()])).flat();
      case 'AUTO': {
        const found = await v6();
        return found.length > 0 ? found : v4();
      }
      case 'V4_PREFERRED': {
        const found = await v4();
        return found.length > 0 ? found : v6();
      }
      default:
        return family satisfies never;
    }
  }
}

async function records(
  answer: Promise<readonly { readonly address: string; readonly ttl: number }[]>,
): Promise<ResolvedAddress[]> {
  try {
    return (await answer).map(({ address, ttl }) => ({ ip: address, ttlS: ttl }));
  } catch (thrown) {
    // node:dns rejects with an Error that has a code.
    if (noSuchName.has((thrown as NodeJS.ErrnoException).code ?? '')) return [];
    throw thrown;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // no such file: it has no entries
  }
}

/** Addresses that a hosts file gives `name`; the first line of each family wins there, all are used here. */
export function parseHosts(text: string, name: string): ResolvedAddress[] {
  const found: ResolvedAddress[] = [];
  for (const line of text.split('\n')) {
    const [ip, ...names] = (line.split('#')[0] ?? '').trim().split(/\s+/);
    if (ip === undefined || ip === '') continue;
    if (names.some((entry) => entry.toLowerCase() === name)) {
      found.push({ ip, ttlS: Number.POSITIVE_INFINITY });
    }
  }
  return found;
}

function choose(
  family: DnsConfig['lookupFamily'],
  all: readonly ResolvedAddress[],
): readonly ResolvedAddress[] {
  const v4 = all.filter(({ ip }) => !ip.includes(':'));
  const v6 = all.filter(({ ip }) => ip.includes(':'));
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

/** resolv.conf(5): the last `search` or `domain` line counts; ndots default 1. */
export function parseSearch(text: string): SearchList {
  let domains: string[] = [];
  let ndots = 1;
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line.trim().split(/\s+/);
    if (keyword === 'search' || keyword === 'domain') domains = values;
    if (keyword === 'options') {
      const option = values.find((value) => value.startsWith('ndots:'));
      if (option !== undefined) ndots = Number(option.slice('ndots:'.length)) || 0;
    }
  }
  return { domains, ndots };
}

/** The names to ask, in order: as given first when it has enough dots, else last. */
export function candidates(name: string, { domains, ndots }: SearchList): string[] {
  if (name.endsWith('.')) return [name];
  const searched = domains.map((domain) => `${name}.${domain.replace(/\.$/, '')}`);
  const dots = name.split('.').length - 1;
  return dots >= ndots ? [name, ...searched] : [...searched, name];
}
