// Which services a service's sidecars are told of: what its Service says that it depends on, and what the routes of
// those lead on to. A sidecar of one among thousands of services then holds, and is sent, only what it uses.

import type { Service } from '../model/kinds/service.ts';
import { namespaceOf } from '../model/object.ts';
import type { RouteNode, VisibleServices } from './graph.ts';
import { serviceId } from './ids.ts';

/** Null = all: the Service does not say. `routesOf` gives the routes of a service id, null when it has none. */
export function visibleServices(
  service: Service,
  routesOf: (id: string) => readonly Pick<RouteNode, 'action'>[] | null,
): VisibleServices | null {
  const { dependsOn } = service.spec;
  if (dependsOn === undefined) return null;
  const own = namespaceOf(service);
  const callable = new Set([serviceId(own, service.metadata.name)]);
  for (const { name, namespace = own } of dependsOn) callable.add(serviceId(namespace, name));
  const reachable = new Set(callable);
  // One step: a backend's requests go to its instances, whatever routes it has itself.
  for (const id of callable) {
    for (const { action } of routesOf(id) ?? []) {
      if (action.kind !== 'forward') continue;
      for (const { serviceId: to } of [...action.backends, ...action.mirrors]) reachable.add(to);
    }
  }
  return { callable, reachable };
}
