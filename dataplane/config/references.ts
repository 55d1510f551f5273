// What a message that is being compiled needs by discovery (told by compile/config-source.ts), and the clusters that
// routes lead to, which should be warm before.

import { resourceId } from '../api/config/config-source.ts';
import type { RouteConfigData } from '../api/config/route.ts';
import type { ResourceReference } from '../api/resource-compiler.ts';

/** Each once, in order of appearance. */
export class References {
  readonly list: ResourceReference[] = [];
  /** Requests may make us ask for more. */
  mayGrow = false;
  readonly #seen = new Set<string>();

  add(reference: ResourceReference): void {
    const key = `${reference.kind} ${resourceId(reference.name, reference.source)}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.list.push(reference);
  }
}

/** Those that it names; what a header names comes with the requests. */
export function routeClusters({ virtualHosts }: RouteConfigData): readonly string[] {
  const names = new Set<string>();
  for (const { routes } of virtualHosts) {
    for (const { action } of routes) {
      if (action.kind !== 'route') continue;
      const { cluster } = action;
      if (cluster.kind === 'cluster') names.add(cluster.name);
      else if (cluster.kind === 'weighted')
        for (const { name } of cluster.clusters) names.add(name);
    }
  }
  return [...names];
}
