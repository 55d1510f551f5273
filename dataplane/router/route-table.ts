// RouteConfigData -> RouteTable. A table finds a virtual host by authority, then the first route that matches;
// see path-index for how that stays cheap with many routes. Built when a route configuration arrives, by the
// composition root; only virtual hosts of VHDS come and go afterwards.

import { byteString } from '../../common/byte-string.ts';
import type { RouteConfigData, RouteData, VhdsData, VirtualHostData } from '../api/config/route.ts';
import { getField, type RequestHeaders } from '../api/headers.ts';
import type { ResourceReference } from '../api/resource-compiler.ts';
import type { DynamicVirtualHosts, Route, RouteTable } from '../api/route.ts';
import type { StreamInfo } from '../api/stream-info.ts';
import { compileHashPolicy } from '../matcher/hash-policy.ts';
import { compileRegex } from '../matcher/regex.ts';
import { RuntimeValue } from '../matcher/runtime-value.ts';
import type { CreateRouteFilterConfig } from './filter-configs.ts';
import { literalPrefix } from './literal-prefix.ts';
import { PathIndex, type RouteConditions } from './path-index.ts';
import { pathEnd } from './rewrite.ts';
import { type Conditions, compileConditions } from './route-conditions.ts';
import { RouteEntry } from './route-entry.ts';
import { compileRouteConfigLevel, type RouteConfigLevel, VirtualHost } from './virtual-host.ts';
import { VirtualHosts } from './virtual-hosts.ts';
import { WeightedClusters } from './weighted-clusters.ts';

/** What a table needs from its worker. */
export interface RouteTableServices {
  readonly createRouteFilterConfig: CreateRouteFilterConfig;
  /** Of VhdsData.id. */
  dynamicHosts(id: string): DynamicVirtualHosts;
}

/** Builds a table. Throws only on data that compile/ would have refused. */
export function createRouteTable(data: RouteConfigData, services: RouteTableServices): RouteTable {
  return new CompiledRouteTable(data, services);
}

class CompiledRouteTable implements RouteTable {
  readonly #internalOnlyHeaders: readonly string[];
  readonly #hosts: VirtualHosts<VirtualHostRoutes>;
  readonly #level: RouteConfigLevel;
  /** Null = there are none. */
  readonly #dynamic: DynamicHostRoutes | null;

  constructor(data: RouteConfigData, services: RouteTableServices) {
    this.#internalOnlyHeaders = data.internalOnlyHeaders;
    this.#hosts = new VirtualHosts(data.ignorePortInHostMatching);
    this.#level = compileRouteConfigLevel(data, (extension, config) =>
      services.createRouteFilterConfig(extension, config),
    );
    for (const host of data.virtualHosts) {
      const routes = new VirtualHostRoutes(host, this.#level);
      for (const domain of host.domains) this.#hosts.add(domain, routes);
    }
    const { vhds } = data;
    this.#dynamic =
      vhds === null ? null : new DynamicHostRoutes(vhds, services.dynamicHosts(vhds.id));
  }

  internalOnlyHeadersOf(): readonly string[] {
    return this.#internalOnlyHeaders;
  }

  match(
    headers: RequestHeaders,
    random: number,
    streamInfo: StreamInfo | null = null,
  ): Route | null {
    if (this.#dynamic !== null) this.#dynamic.update(this.#hosts, this.#level);
    const host = this.#hosts.find(headers.authority);
    return host === null ? null : host.match(headers, random, streamInfo);
  }

  missing(headers: RequestHeaders): ResourceReference | null {
    return this.#dynamic === null ? null : this.#dynamic.missing(headers.authority);
  }
}

interface KnownHost {
  readonly host: VirtualHostData;
  readonly routes: VirtualHostRoutes;
}

/** Puts virtual hosts that came by VHDS beside a table's own. */
class DynamicHostRoutes {
  readonly #vhds: VhdsData;
  readonly #dynamic: DynamicVirtualHosts;
  /** What the table has of them. */
  readonly #known = new Map<string, KnownHost>();
  #version = 0;

  constructor(vhds: VhdsData, dynamic: DynamicVirtualHosts) {
    this.#vhds = vhds;
    this.#dynamic = dynamic;
  }

  /** Brings the table up to date; an integer is compared when nothing has changed. */
  update(table: VirtualHosts<VirtualHostRoutes>, level: RouteConfigLevel): void {
    const { version, hosts } = this.#dynamic;
    if (version === this.#version) return;
    this.#version = version;
    const known = this.#known;
    for (const [name, { host, routes }] of known) {
      if (hosts.get(name) === host) continue;
      for (const domain of host.domains) table.remove(domain, routes);
      known.delete(name);
    }
    for (const [name, host] of hosts) {
      if (known.has(name)) continue;
      const routes = new VirtualHostRoutes(host, level);
      for (const domain of host.domains) table.add(domain, routes);
      known.set(name, { host, routes });
    }
  }

  /** Envoy asks for the host as the request says it, port included, but in lower case. */
  missing(authority: string): ResourceReference | null {
    if (authority === '') return null;
    const { namespace, source } = this.#vhds;
    return { kind: 'virtual-host', name: `${namespace}/${authority.toLowerCase()}`, source };
  }
}

/** A route that every request to a TLS-only virtual host takes when it came without TLS. */
function tlsRedirect(host: VirtualHostData, level: RouteConfigLevel): RouteEntry {
  const none = { add: [], remove: [] };
  const bare = new VirtualHost(
    {
      ...host,
      requestHeaders: none,
      responseHeaders: none,
      perFilterConfig: {},
      retryPolicy: null,
    },
    { ...level, request: null, response: null, filterConfigs: null },
  );
  return new RouteEntry(
    {
      name: '',
      breaker: null,
      match: {
        path: { kind: 'prefix', value: '' },
        caseSensitive: true,
        headers: [],
        queryParameters: [],
        runtimeFraction: null,
        grpc: false,
      },
      action: {
        kind: 'redirect',
        httpsRedirect: true,
        schemeRedirect: '',
        hostRedirect: '',
        portRedirect: 0,
        path: { kind: 'none' },
        status: 301,
        stripQuery: false,
      },
      requestHeaders: none,
      responseHeaders: none,
      perRequestBufferLimitBytes: null,
      requestBodyBufferLimitBytes: null,
      statPrefix: '',
      perFilterConfig: {},
    },
    bare,
    null,
  );
}

/** The request, as route conditions see it; one object per worker, set before each look-up. */
interface Lookup {
  headers: RequestHeaders;
  random: number;
}

const lookup: Lookup = { headers: null as never, random: 0 };

/** The routes of one virtual host. */
class VirtualHostRoutes implements RouteConditions<Lookup> {
  readonly #targets: (RouteEntry | WeightedClusters)[] = [];
  readonly #conditions: (Conditions | null)[] = [];
  /** Those with connect_matcher, in their order. */
  readonly #connectRoutes: number[] = [];
  readonly #index = new PathIndex();
  /** Routes that ignore case, with lower-case paths; null = there are none. */
  #lowerIndex: PathIndex | null = null;
  readonly #requireTls: VirtualHostData['requireTls'];
  readonly #tlsRedirect: RouteEntry | null;

  constructor(data: VirtualHostData, level: RouteConfigLevel) {
    const host = new VirtualHost(data, level);
    this.#requireTls = data.requireTls;
    this.#tlsRedirect = data.requireTls === 'NONE' ? null : tlsRedirect(data, level);
    data.routes.forEach((route, number) => {
      if (route.match.path.kind === 'connect') this.#connectRoutes.push(number);
      this.#targets.push(compileTarget(route, host));
      this.#conditions.push(compileConditions(route.match));
      this.#addPath(route, number);
    });
  }

  match(headers: RequestHeaders, random: number, streamInfo: StreamInfo | null): RouteEntry | null {
    if (this.#tlsRedirect !== null && this.#needsTls(headers)) return this.#tlsRedirect;
    const { path: whole } = headers;
    const end = pathEnd(whole);
    const path = end === whole.length ? whole : whole.slice(0, end);
    lookup.headers = headers;
    lookup.random = random;
    if (headers.method === 'CONNECT') return this.#matchConnect(headers, random, streamInfo);
    const none = this.#targets.length;
    let found = this.#index.find(path, none, this, lookup);
    if (this.#lowerIndex !== null) {
      found = this.#lowerIndex.find(path.toLowerCase(), found, this, lookup);
    }
    return found === none ? null : this.#target(found, headers, random, streamInfo);
  }

  /** A CONNECT has no path, so that only connect_matcher can match it. */
  #matchConnect(
    headers: RequestHeaders,
    random: number,
    streamInfo: StreamInfo | null,
  ): RouteEntry | null {
    const found = this.#connectRoutes.find((route) => this.holds(route, lookup));
    return found === undefined ? null : this.#target(found, headers, random, streamInfo);
  }

  #target(
    number: number,
    headers: RequestHeaders,
    random: number,
    streamInfo: StreamInfo | null,
  ): RouteEntry | null {
    const target = this.#targets[number]!;
    return target instanceof RouteEntry ? target : target.choose(headers, random, streamInfo);
  }

  /** Called back by the index for routes whose path matches. */
  holds(route: number, { headers, random }: Lookup): boolean {
    const conditions = this.#conditions[route]!;
    return conditions === null || conditions.holds(headers, random);
  }

  #needsTls(headers: RequestHeaders): boolean {
    if (getField(headers.fields, 'x-forwarded-proto') === 'https') return false;
    return this.#requireTls === 'ALL' || getField(headers.fields, 'x-envoy-internal') !== 'true';
  }

  #addPath({ match }: RouteData, number: number): void {
    const { kind, value } = match.path;
    if (kind === 'connect') return;
    if (kind === 'safe_regex') {
      this.#index.add(number, kind, literalPrefix(value), compileRegex(value));
      return;
    }
    if (match.caseSensitive) {
      this.#index.add(number, kind, byteString(value), null);
      return;
    }
    this.#lowerIndex ??= new PathIndex();
    this.#lowerIndex.add(number, kind, byteString(value).toLowerCase(), null);
  }
}

function compileTarget(route: RouteData, host: VirtualHost): RouteEntry | WeightedClusters {
  const { action } = route;
  if (action.kind !== 'route' || action.cluster.kind !== 'weighted') {
    return new RouteEntry(route, host, null);
  }
  const { clusters, headerName, usesHashPolicy } = action.cluster;
  return new WeightedClusters(
    clusters.map((cluster) => new RouteEntry(route, host, cluster)),
    clusters.map(({ weight }) => weight),
    headerName,
    usesHashPolicy ? compileHashPolicy(action.hashPolicy) : null,
    clusters.some(({ liveWeight }) => liveWeight !== null)
      ? clusters.map(({ liveWeight, weight }) => new RuntimeValue(liveWeight ?? weight))
      : null,
  );
}
