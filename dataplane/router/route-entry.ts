// One route (or one choice of its weighted clusters), compiled: what the connection manager and filters see
// as Route, and what the router does with a request. Immutable, shared by all requests of a worker; there may
// be ten thousands of them, so what routes have in common lies in their virtual host.

import { byteString } from '../../common/byte-string.ts';
import {
  compileLevels,
  compileMutations,
  type HeaderMutations,
} from '../access-log/header-mutations.ts';
import type {
  ForwardActionData,
  RouteActionData,
  RouteData,
  WeightedClusterData,
} from '../api/config/route.ts';
import type { RequestHeaders, ResponseHeaders } from '../api/headers.ts';
import type { Breaker } from '../api/host.ts';
import type { MetadataMatch } from '../api/metadata-match.ts';
import type { RequestHasher } from '../api/request-hasher.ts';
import type { Route } from '../api/route.ts';
import type { StreamInfo } from '../api/stream-info.ts';
import { compileHashPolicy } from '../matcher/hash-policy.ts';
import { RegexRewrite } from '../matcher/regex-rewrite.ts';
import { breakerSlot, ErrorRatioBreaker } from '../upstream/error-ratio-breaker.ts';
import { compileFilterConfigs, FilterConfigLevels } from './filter-configs.ts';
import { RedirectPolicy } from './redirect-policy.ts';
import { compileRetryPolicy, type RetryPolicy } from './retry/policy.ts';
import {
  compilePathRewrite,
  type PathRewrite,
  pathEnd,
  redirectLocation,
  rewriteHost,
} from './rewrite.ts';
import { compileShadowPolicies, type ShadowPolicy } from './shadow-policy.ts';
import type { VirtualHost } from './virtual-host.ts';

/** See the file head. */
export class RouteEntry implements Route {
  readonly name: string;
  readonly kind: Route['kind'];
  readonly clusterName: string;
  readonly virtualHost: VirtualHost;
  /** Of all requests by this route; null = none. */
  readonly breaker: Breaker | null;
  /** Null unless `kind` is 'route'. */
  readonly forward: ForwardActionData | null;
  /** metadata_match, of the weighted cluster merged over the route's; null = none. */
  readonly metadataMatch: MetadataMatch | null;
  /** Its own, else the virtual host's; null = none. */
  readonly retryPolicy: RetryPolicy | null;
  /** Null = none. */
  readonly hashPolicy: RequestHasher | null;
  /** Its own, else the virtual host's; null = none. */
  readonly bufferLimitBytes: number | null;
  /** Its own, else the virtual host's. */
  readonly hedgesOnPerTryTimeout: boolean;
  /** Null = redirects go to the client. */
  readonly redirectPolicy: RedirectPolicy | null;
  /** Its own, else the virtual host's; those of the cluster go before them. */
  readonly shadowPolicies: readonly ShadowPolicy[];
  readonly #action: RouteActionData;
  readonly #requestLevels: readonly HeaderMutations[];
  readonly #responseLevels: readonly HeaderMutations[];
  readonly #filterConfigs: FilterConfigLevels;
  readonly #pathRewrite: PathRewrite | null;
  readonly #hostRegex: RegexRewrite | null;
  /** host_rewrite_literal of the weighted cluster, else null. */
  readonly #weightedHost: string | null;

  /** `weighted` = the chosen one of weighted clusters, else null. */
  constructor(data: RouteData, virtualHost: VirtualHost, weighted: WeightedClusterData | null) {
    const { action } = data;
    const forward = action.kind === 'route' ? action : null;
    this.name = data.name;
    this.kind = action.kind;
    this.virtualHost = virtualHost;
    this.breaker =
      data.breaker === null
        ? null
        : new ErrorRatioBreaker(breakerSlot(data.breaker.memory), data.breaker);
    this.forward = forward;
    this.#action = action;
    if (weighted !== null) this.clusterName = weighted.name;
    else this.clusterName = forward?.cluster.kind === 'cluster' ? forward.cluster.name : '';
    this.metadataMatch =
      weighted === null ? (forward?.metadataMatch ?? null) : weighted.metadataMatch;
    this.retryPolicy =
      forward === null || forward.retryPolicy === null
        ? virtualHost.retryPolicy
        : compileRetryPolicy(forward.retryPolicy);
    this.hashPolicy = forward === null ? null : compileHashPolicy(forward.hashPolicy);
    this.bufferLimitBytes =
      data.requestBodyBufferLimitBytes ??
      virtualHost.bodyBufferLimitBytes ??
      data.perRequestBufferLimitBytes ??
      virtualHost.bufferLimitBytes;
    this.hedgesOnPerTryTimeout = forward?.hedgeOnPerTryTimeout ?? virtualHost.hedgesOnPerTryTimeout;
    const redirect = forward === null ? null : forward.internalRedirect;
    this.redirectPolicy = redirect === null ? null : new RedirectPolicy(redirect);
    this.shadowPolicies =
      forward === null || forward.mirrors.length === 0
        ? virtualHost.shadowPolicies
        : compileShadowPolicies(forward.mirrors);
    this.#requestLevels = levelsOf(
      weighted === null ? null : compileMutations(weighted.requestHeaders),
      compileMutations(data.requestHeaders),
      virtualHost,
      'request',
    );
    this.#responseLevels = levelsOf(
      weighted === null ? null : compileMutations(weighted.responseHeaders),
      compileMutations(data.responseHeaders),
      virtualHost,
      'response',
    );
    this.#filterConfigs = filterConfigsOf(data, virtualHost, weighted);
    this.#pathRewrite = pathRewriteOf(data);
    const hostRewrite = forward?.hostRewrite;
    this.#hostRegex =
      hostRewrite?.kind === 'path_regex' ? new RegexRewrite(hostRewrite.rewrite) : null;
    this.#weightedHost = weighted?.hostRewriteLiteral ?? null;
  }

  get virtualHostName(): string {
    return this.virtualHost.name;
  }

  get idleTimeoutMs(): number | null {
    return this.forward === null ? null : this.forward.idleTimeoutMs;
  }

  get maxStreamDurationMs(): number | null {
    return this.forward === null ? null : this.forward.maxStreamDurationMs;
  }

  get grpcTimeoutHeader(): Route['grpcTimeoutHeader'] {
    return this.forward === null ? null : this.forward.grpcTimeoutHeader;
  }

  get flushTimeoutMs(): number | null {
    return this.forward === null ? null : this.forward.flushTimeoutMs;
  }

  perFilterConfig(filterName: string): unknown {
    return this.#filterConfigs.get(filterName);
  }

  allPerFilterConfigs(filterName: string): readonly unknown[] {
    return this.#filterConfigs.getAll(filterName);
  }

  upgradeEnabled(type: string): boolean | null {
    const upgrades = this.forward?.upgrades ?? [];
    return upgrades.find((upgrade) => upgrade.type === type)?.enabled ?? null;
  }

  isFilterDisabled(filterName: string): boolean {
    return this.#filterConfigs.isDisabled(filterName);
  }

  /** Status of a redirect or direct response. */
  get directStatus(): number {
    const action = this.#action;
    return action.kind === 'route' ? 0 : action.status;
  }

  /** Body of a direct response, else ''. */
  get directBody(): string {
    return this.#action.kind === 'direct_response' ? this.#action.body : '';
  }

  /** Location of a redirect or direct response; the path must have been rewritten (rewritePath). */
  location(headers: RequestHeaders): string {
    const action = this.#action;
    return redirectLocation(headers, action.kind === 'redirect' ? action : null);
  }

  /** Applies a redirect's prefix or regex rewrite to the request itself, as Envoy does. */
  rewritePath(headers: RequestHeaders, keepOriginal: boolean): void {
    if (this.#pathRewrite !== null) this.#pathRewrite.apply(headers, keepOriginal);
  }

  /** Headers to add and remove, host and path, on the way upstream. */
  finalizeRequestHeaders(
    headers: RequestHeaders,
    streamInfo: StreamInfo,
    keepOriginalPath: boolean,
  ): void {
    if (this.#requestLevels.length > 0) this.#applyRequestLevels(headers, streamInfo);
    if (this.#weightedHost !== null && this.#weightedHost !== '') {
      headers.authority = this.#weightedHost;
    }
    if (this.forward !== null && this.forward.hostRewrite.kind !== 'none') {
      this.#rewriteHost(headers, this.forward);
    }
    // A CONNECT has none.
    if (this.#pathRewrite !== null && headers.path !== '') {
      this.#pathRewrite.apply(headers, keepOriginalPath);
    }
  }

  /** auto_host_rewrite: the chosen endpoint's hostname becomes the authority. */
  rewriteHostTo(headers: RequestHeaders, hostname: string): void {
    const { forward } = this;
    if (forward === null || forward.hostRewrite.kind !== 'auto' || hostname === '') return;
    if (headers.authority === hostname) return;
    rewriteHost(headers, hostname, forward.appendXForwardedHost);
  }

  finalizeResponseHeaders(
    response: ResponseHeaders,
    request: RequestHeaders | null,
    streamInfo: StreamInfo,
  ): void {
    const levels = this.#responseLevels;
    if (levels.length === 0) return;
    const context = {
      requestHeaders: request,
      responseHeaders: response,
      responseTrailers: null,
      streamInfo,
      localReplyBody: '',
    };
    for (let i = 0; i < levels.length; i++) levels[i]!.apply(response.fields, context);
  }

  #applyRequestLevels(headers: RequestHeaders, streamInfo: StreamInfo): void {
    const context = {
      requestHeaders: headers,
      responseHeaders: null,
      responseTrailers: null,
      streamInfo,
      localReplyBody: '',
    };
    for (let i = 0; i < this.#requestLevels.length; i++) {
      this.#requestLevels[i]!.apply(headers.fields, context);
    }
  }

  #rewriteHost(headers: RequestHeaders, forward: ForwardActionData): void {
    const { hostRewrite, appendXForwardedHost } = forward;
    switch (hostRewrite.kind) {
      case 'literal':
        rewriteHost(headers, byteString(hostRewrite.value), appendXForwardedHost);
        return;
      case 'header': {
        const host = headers.get(hostRewrite.header);
        if (host !== null && host !== '') rewriteHost(headers, host, appendXForwardedHost);
        return;
      }
      case 'path_regex': {
        const path = headers.path.slice(0, pathEnd(headers.path));
        rewriteHost(headers, this.#hostRegex!.apply(path), appendXForwardedHost);
        return;
      }
      // 'auto' waits for the endpoint.
    }
  }
}

/** Most routes have no mutations of their own and share their virtual host's list. */
function levelsOf(
  weighted: HeaderMutations | null,
  route: HeaderMutations | null,
  virtualHost: VirtualHost,
  direction: 'request' | 'response',
): readonly HeaderMutations[] {
  if (weighted === null && route === null) {
    return direction === 'request' ? virtualHost.requestLevels : virtualHost.responseLevels;
  }
  const { level } = virtualHost;
  return compileLevels(
    [weighted, route, virtualHost[direction], level[direction]],
    level.mostSpecificWins,
  );
}

function filterConfigsOf(
  data: RouteData,
  virtualHost: VirtualHost,
  weighted: WeightedClusterData | null,
): FilterConfigLevels {
  const { level } = virtualHost;
  const ofWeighted =
    weighted === null
      ? null
      : compileFilterConfigs(weighted.perFilterConfig, level.createFilterConfig);
  const ofRoute = compileFilterConfigs(data.perFilterConfig, level.createFilterConfig);
  if (ofWeighted === null && ofRoute === null) return virtualHost.filterConfigLevels;
  return new FilterConfigLevels([
    ofWeighted,
    ofRoute,
    virtualHost.filterConfigs,
    level.filterConfigs,
  ]);
}

function pathRewriteOf({ match, action }: RouteData): PathRewrite | null {
  switch (action.kind) {
    case 'route':
      return compilePathRewrite(match.path, action.prefixRewrite, action.regexRewrite);
    case 'redirect':
      switch (action.path.kind) {
        case 'prefix':
          return compilePathRewrite(match.path, action.path.value, null);
        case 'regex':
          return compilePathRewrite(match.path, null, action.path.rewrite);
        default:
          return null;
      }
    case 'direct_response':
      return null;
  }
}
