// Routes as the connection manager and filters see them; router/ implements them. Immutable, shared by
// all requests of a worker.

import type { RequestHeaders } from './headers.ts';

export interface Route {
  /** '' when the user gave none. */
  readonly name: string;
  readonly virtualHostName: string;
  readonly kind: 'route' | 'redirect' | 'direct_response';
  /** Overrides HCM's stream_idle_timeout: null = not set, 0 = none. */
  readonly idleTimeoutMs: number | null;
  /**
   * The override of the HTTP filter with that configured name, as its worker half made it (most
   * specific of weighted cluster, route, virtual host, route configuration); null = none.
   */
  perFilterConfig(filterName: string): unknown;
  /** True when typed_per_filter_config disables that filter for this route. */
  isFilterDisabled(filterName: string): boolean;
}

/** A whole route configuration, compiled. Swapped by one assignment on update. */
export interface RouteTable {
  readonly name: string;
  readonly internalOnlyHeaders: readonly string[];
  /** Null = no virtual host or no route (404 NR). `random`: see StreamFilterCallbacks.streamRandom. */
  match(headers: RequestHeaders, random: number): Route | null;
}
