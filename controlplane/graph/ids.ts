// How things of the mesh are named: services, proxies, SPIFFE ids. Source of the last: SPIFFE-ID 2, with
// Istio's path form ns/<namespace>/sa/<name>.

import type { Service } from '../model/kinds/service.ts';
import type { Workload } from '../model/kinds/workload.ts';
import { namespaceOf } from '../model/object.ts';

/** `orders.default`. */
export function serviceId(namespace: string, name: string): string {
  return `${name}.${namespace}`;
}

/** The node id of a workload's proxy: `<namespace>/<name>`. */
export function nodeIdOf(workload: Workload): string {
  return `${namespaceOf(workload)}/${workload.metadata.name}`;
}

export function portOf(service: Service): number {
  const port = service.spec.ports[0]?.port;
  if (port === undefined) throw new Error(`Service ${service.metadata.name} has no port`);
  return port;
}

/** `spiffe://<trust domain>/ns/<namespace>/sa/<service>`. */
export function spiffeId(trustDomain: string, namespace: string, service: string): string {
  return `spiffe://${trustDomain}/ns/${namespace}/sa/${service}`;
}

/** What every identity of the trust domain starts with; the '/' keeps `a.b` from matching `a.b.evil`. */
export function trustDomainPrefix(trustDomain: string): string {
  return `spiffe://${trustDomain}/`;
}
