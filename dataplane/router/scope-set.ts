// Scopes in one worker: the scoped routes of one source, or the inline ones of one connection manager. Alive: what
// changes in it is what the next look-up finds.

import type { RouteConfigData } from '../api/config/route.ts';
import type { ScopeData } from '../api/config/scoped-routes.ts';
import type { ResourceReference } from '../api/resource-compiler.ts';
import type { RouteTable, Scope, Scopes } from '../api/route.ts';
import { scopeKey } from './scope-key.ts';

/** What scopes need from their worker. */
export interface ScopeServices {
  build(routes: RouteConfigData): RouteTable;
  /** Of a route configuration by id, see WorkerContext. */
  subscribeRoutes(id: string, onUpdate: (table: RouteTable) => void): RouteTable | null;
  unsubscribeRoutes(id: string, onUpdate: (table: RouteTable) => void): void;
}

/** One scope. Its table may change, its key does not. */
export class RoutedScope implements Scope {
  readonly key: string;
  readonly #data: ScopeData;
  readonly #services: ScopeServices;
  /** Null = its routes have not arrived. */
  #table: RouteTable | null;
  readonly #onUpdate = (table: RouteTable): void => {
    this.#table = table;
  };

  constructor(data: ScopeData, services: ScopeServices) {
    this.key = scopeKey(data.key);
    this.#data = data;
    this.#services = services;
    const { routes } = data;
    this.#table =
      routes.kind === 'inline'
        ? services.build(routes.config)
        : services.subscribeRoutes(routes.id, this.#onUpdate);
  }

  get table(): RouteTable | null {
    return this.#table;
  }

  get onDemand(): ResourceReference | null {
    const { routes } = this.#data;
    return routes.kind === 'rds' ? routes.onDemand : null;
  }

  get isActive(): boolean {
    const { routes } = this.#data;
    return routes.kind === 'rds' && (routes.onDemand === null || this.#table !== null);
  }

  get isOnDemand(): boolean {
    return this.#data.isOnDemand;
  }

  dispose(): void {
    const { routes } = this.#data;
    if (routes.kind === 'rds') this.#services.unsubscribeRoutes(routes.id, this.#onUpdate);
  }
}

/** See the file head. */
export class ScopeSet implements Scopes {
  readonly #services: ScopeServices;
  readonly #byName = new Map<string, RoutedScope>();
  readonly #byKey = new Map<string, RoutedScope>();

  constructor(services: ScopeServices) {
    this.#services = services;
  }

  /** Puts a scope in place of the one that had its name. Of two with one key the last one counts. */
  set(data: ScopeData): void {
    const scope = new RoutedScope(data, this.#services);
    this.delete(data.name);
    this.#byName.set(data.name, scope);
    this.#byKey.set(scope.key, scope);
  }

  delete(name: string): void {
    const former = this.#byName.get(name);
    if (former === undefined) return;
    this.#byName.delete(name);
    // Another may have taken its key: two that exchange theirs come one after the other.
    if (this.#byKey.get(former.key) === former) this.#byKey.delete(former.key);
    former.dispose();
  }

  /** `key`: see ScopeKeyBuilder. */
  find(key: string): RoutedScope | undefined {
    return this.#byKey.get(key);
  }

  all(): Iterable<RoutedScope> {
    return this.#byName.values();
  }

  get size(): number {
    return this.#byName.size;
  }

  dispose(): void {
    for (const name of [...this.#byName.keys()]) this.delete(name);
  }
}
