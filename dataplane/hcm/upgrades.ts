// Which requests to switch protocols a connection manager lets through, and by which filters (upgrade_configs of
// the connection manager and of the route). Asked by active-stream for requests with Upgrade, or CONNECT, only.

import type { HcmConfig } from '../api/config/hcm.ts';
import type { RequestHeaders } from '../api/headers.ts';
import type { Route } from '../api/route.ts';
import type { FilterEntry } from './filter-manager-host.ts';

interface Upgrade {
  readonly enabled: boolean;
  /** Null = those of every other request. */
  readonly filters: readonly FilterEntry[] | null;
}

/** One per connection manager config; immutable. */
export class Upgrades {
  readonly #defaultFilters: readonly FilterEntry[];
  /** By lower-case type. */
  readonly #byType: ReadonlyMap<string, Upgrade>;

  /** `filters[i]` = those of `data[i]`, compiled. */
  constructor(
    data: HcmConfig['upgrades'],
    filters: readonly (readonly FilterEntry[] | null)[],
    defaultFilters: readonly FilterEntry[],
  ) {
    this.#defaultFilters = defaultFilters;
    this.#byType = new Map(
      data.map(({ type, enabled }, i) => [type, { enabled, filters: filters[i] ?? null }]),
    );
  }

  /** Null = refused. What the route says goes before what the connection manager says. */
  filtersFor(type: string, route: Route | null): readonly FilterEntry[] | null {
    const lower = type.toLowerCase();
    const ofRoute = route === null ? null : route.upgradeEnabled(lower);
    if (ofRoute === false) return null;
    const upgrade = this.#byType.get(lower);
    if (ofRoute !== true && upgrade?.enabled !== true) return null;
    return upgrade?.filters ?? this.#defaultFilters;
  }

  /** Of their own; they end with the connection manager. */
  *ownFilters(): Iterable<FilterEntry> {
    for (const { filters } of this.#byType.values()) if (filters !== null) yield* filters;
  }
}

/**
 * RFC 6455 4.2.1: a WebSocket begins with a GET of version 13. Servers that take anything else make a tunnel out
 * of what other proxies read as plain requests (reliability U-22).
 */
export function isBrokenHandshake(type: string, headers: RequestHeaders): boolean {
  if (type.toLowerCase() !== 'websocket') return false;
  return headers.method !== 'GET' || headers.get('sec-websocket-version') !== '13';
}
