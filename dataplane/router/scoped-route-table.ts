// The routes of a connection manager with scoped_routes: the table of the scope that the request's key names. One per
// connection manager and worker, and alive: a request that chooses its route anew sees what has changed, as in Envoy.

import type { ScopeKeyBuilderData } from '../api/config/scoped-routes.ts';
import type { RequestHeaders } from '../api/headers.ts';
import type { ResourceReference } from '../api/resource-compiler.ts';
import type { Route, RouteTable, Scope, Scopes } from '../api/route.ts';
import type { StreamInfo } from '../api/stream-info.ts';
import { ScopeKeyBuilder } from './scope-key.ts';

const none: readonly string[] = [];

/** See the file head. */
export class ScopedRouteTable implements RouteTable {
  readonly #builder: ScopeKeyBuilder;
  readonly #scopes: Scopes;

  constructor(builder: ScopeKeyBuilderData, scopes: Scopes) {
    this.#builder = new ScopeKeyBuilder(builder);
    this.#scopes = scopes;
  }

  internalOnlyHeadersOf(headers: RequestHeaders): readonly string[] {
    return this.#find(headers)?.table?.internalOnlyHeadersOf(headers) ?? none;
  }

  match(
    headers: RequestHeaders,
    random: number,
    streamInfo: StreamInfo | null = null,
  ): Route | null {
    return this.#find(headers)?.table?.match(headers, random, streamInfo) ?? null;
  }

  missing(headers: RequestHeaders): ResourceReference | null {
    const scope = this.#find(headers);
    if (scope === undefined) return null;
    return scope.table === null ? scope.onDemand : scope.table.missing(headers);
  }

  #find(headers: RequestHeaders): Scope | undefined {
    const key = this.#builder.keyOf(headers);
    return key === null ? undefined : this.#scopes.find(key);
  }
}
