// Which on-demand scopes name which routes, in the main thread: routes that no scope names any more need not be had on
// demand. Several scopes may name the same.

import type { ScopeResource } from '../api/config/scoped-routes.ts';
import { onDemandKey } from '../api/on-demand.ts';
import type { ResourceReference } from '../api/resource-compiler.ts';

/** One per process. */
export class LazyScopes {
  /** By scope: its routes. */
  readonly #routesOf = new Map<string, ResourceReference>();
  /** By onDemandKey of routes: how many scopes name them. */
  readonly #users = new Map<string, number>();

  /** The scope is there, new or changed. Returns routes that nobody names any more; null = there are none. */
  set(resource: ScopeResource): ResourceReference | null {
    const { routes } = resource.scope;
    const next = routes.kind === 'rds' ? routes.onDemand : null;
    // First, so that what both versions name stays in use.
    if (next !== null) this.#count(next, 1);
    const unused = this.delete(resource);
    if (next !== null) this.#routesOf.set(keyOf(resource), next);
    return unused;
  }

  /** The scope is gone. Returns as `set` does. */
  delete(resource: ScopeResource): ResourceReference | null {
    const key = keyOf(resource);
    const routes = this.#routesOf.get(key);
    if (routes === undefined) return null;
    this.#routesOf.delete(key);
    return this.#count(routes, -1) === 0 ? routes : null;
  }

  #count(routes: ResourceReference, change: 1 | -1): number {
    const key = onDemandKey(routes);
    const count = (this.#users.get(key) ?? 0) + change;
    if (count === 0) this.#users.delete(key);
    else this.#users.set(key, count);
    return count;
  }
}

function keyOf({ collection, scope }: ScopeResource): string {
  return `${collection} ${scope.name}`;
}
