// `http.<stat_prefix>.scoped_rds.<name>.*`: what a worker knows of the scopes. Every worker has the same, so that the
// gauges show one of them. Main counts the subscription beside it (xds/xds-stats).

import type { Scopes } from '../api/route.ts';
import type { StatField } from '../api/stats.ts';

export class ScopeStats {
  static readonly stats: readonly StatField[] = [
    { field: 'allScopes', name: 'all_scopes', kind: 'gauge-max' },
    { field: 'activeScopes', name: 'active_scopes', kind: 'gauge-max' },
    { field: 'onDemandScopes', name: 'on_demand_scopes', kind: 'gauge-max' },
  ];

  readonly #scopes: Scopes;

  constructor(scopes: Scopes) {
    this.#scopes = scopes;
  }

  get allScopes(): number {
    return this.#scopes.size;
  }

  get activeScopes(): number {
    let count = 0;
    for (const scope of this.#scopes.all()) if (scope.isActive) count++;
    return count;
  }

  get onDemandScopes(): number {
    let count = 0;
    for (const scope of this.#scopes.all()) if (scope.isOnDemand) count++;
    return count;
  }
}
