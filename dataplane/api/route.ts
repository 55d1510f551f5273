// Routes as the connection manager and filters see them; router/ implements them. Immutable, shared by
// all requests of a worker.

import type { VirtualHostData } from './config/route.ts';
import type { RequestHeaders, ResponseHeaders } from './headers.ts';
import type { ResourceReference } from './resource-compiler.ts';
import type { StreamInfo } from './stream-info.ts';

export interface Route {
  /** '' when the user gave none. */
  readonly name: string;
  readonly virtualHostName: string;
  readonly kind: 'route' | 'redirect' | 'direct_response';
  /** Where it leads: of weighted clusters the chosen one; '' when it does not forward or a header decides. */
  readonly clusterName: string;
  /** Overrides HCM's stream_idle_timeout: null = not set, 0 = none. */
  readonly idleTimeoutMs: number | null;
  /** Overrides HCM's max_stream_duration: null = not set, 0 = none. */
  readonly maxStreamDurationMs: number | null;
  /** grpc-timeout of the client goes before it, within these bounds (ms, max 0 = none); null = it does not. */
  readonly grpcTimeoutHeader: { readonly maxMs: number; readonly offsetMs: number } | null;
  /** How long an HTTP/2 response waits for its client's window: null = not set, 0 = for ever. */
  readonly flushTimeoutMs: number | null;
  /**
   * The override of the HTTP filter with that configured name, as its worker half made it (most
   * specific of weighted cluster, route, virtual host, route configuration); null = none.
   */
  perFilterConfig(filterName: string): unknown;
  /** The same of every level that has one, most specific first; empty (shared) when none has. */
  allPerFilterConfigs(filterName: string): readonly unknown[];
  /**
   * Applies response_headers_to_add / _to_remove of all levels. The connection manager calls it on every
   * local reply, before the reply's own `modify`; the router on upstream's responses (only those).
   * `request` is null when the request's head was never complete.
   */
  finalizeResponseHeaders(
    response: ResponseHeaders,
    request: RequestHeaders | null,
    streamInfo: StreamInfo,
  ): void;
  /** upgrade_configs: whether the route lets a switch to `type` (lower-case) through; null = it does not say. */
  upgradeEnabled(type: string): boolean | null;
  /** True when typed_per_filter_config disables that filter for this route. */
  isFilterDisabled(filterName: string): boolean;
}

/** A whole route configuration, or scopes of several, compiled. Swapped by one assignment on update. */
export interface RouteTable {
  /** internal_only_headers of the configuration that these request headers choose. */
  internalOnlyHeadersOf(headers: RequestHeaders): readonly string[];
  /**
   * What the control plane may be asked for, since `match` found nothing: the virtual host (VHDS) or the routes of the
   * scope (on_demand). Null = what there is is all.
   */
  missing(headers: RequestHeaders): ResourceReference | null;
  /** Null = no virtual host or no route (404 NR). `random`: see StreamFilterCallbacks.streamRandom. */
  match(headers: RequestHeaders, random: number, streamInfo?: StreamInfo | null): Route | null;
}

/** Scopes of one source, alive: what changes in it is what the next look-up finds. */
export interface Scopes {
  /** `key`: see router/scope-key. */
  find(key: string): Scope | undefined;
  all(): Iterable<Scope>;
  readonly size: number;
}

/** One scope of requests, and its routes. */
export interface Scope {
  /** Null = it has not arrived. */
  readonly table: RouteTable | null;
  /** What brings the table when a request asks for it; null = it came with the scope, or comes without being asked for. */
  readonly onDemand: ResourceReference | null;
  /** The scope says on_demand. */
  readonly isOnDemand: boolean;
  /** Its routes are another resource, and fetched. */
  readonly isActive: boolean;
}

/** Virtual hosts that came by VHDS for one route configuration, alive. */
export interface DynamicVirtualHosts {
  /** Another number after each change. */
  readonly version: number;
  /** By name on the wire. */
  readonly hosts: ReadonlyMap<string, VirtualHostData>;
}
