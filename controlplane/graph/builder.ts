// Documents to graph. Expects a set that model/semantics found no problem in; a dangling reference
// here is a bug and throws. Pure.

import { DEFAULT_OUTBOUND_PORT, healthCheckSettings, meshSettings } from '../model/defaults.ts';
import type { AuthorizationPolicy } from '../model/kinds/authorization-policy.ts';
import { protocolOf } from '../model/kinds/service.ts';
import type { Workload } from '../model/kinds/workload.ts';
import { type MeshObject, namespaceOf, objectsOfKind } from '../model/object.ts';
import { ServiceIndex } from '../model/references.ts';
import type { AllowRule, EndpointNode, MeshGraph, ProxyNode, ServiceNode } from './graph.ts';
import { grpcRoutesByService } from './grpc-routes.ts';
import { httpRoutesByService } from './http-routes.ts';
import { nodeIdOf, portOf, serviceId, spiffeId } from './ids.ts';
import { localityOf } from './locality.ts';
import { TrafficPolicies } from './traffic-policies.ts';
import { visibleServices } from './visibility.ts';

/** `documents` without workloads that joined; those come in `joined` (same shape, already checked). */
export function buildGraph(
  documents: readonly MeshObject[],
  joined: readonly Workload[],
): MeshGraph {
  const config = objectsOfKind(documents, 'MeshConfig')[0];
  const settings = meshSettings(config);
  const services = objectsOfKind(documents, 'Service');
  const index = new ServiceIndex(services);
  const written = objectsOfKind(documents, 'Workload');
  const isWritten = new Set(written.map(nodeIdOf));
  // What is written goes before what joined under that name, as at the gate (join/admission.ts): one node, one identity.
  const others = joined.filter((workload) => !isWritten.has(nodeIdOf(workload)));
  const workloads = groupBy([...written, ...others], (workload) =>
    serviceId(namespaceOf(workload), workload.spec.service),
  );
  const trafficPolicies = new TrafficPolicies(
    config?.spec.defaults,
    objectsOfKind(documents, 'TrafficPolicy'),
  );
  const authorization = groupBy(objectsOfKind(documents, 'AuthorizationPolicy'), (policy) =>
    serviceId(namespaceOf(policy), policy.spec.targetRef.name),
  );
  const httpRoutes = httpRoutesByService(objectsOfKind(documents, 'HTTPRoute'), index);
  const grpcRoutes = grpcRoutesByService(objectsOfKind(documents, 'GRPCRoute'), index);

  const routesOf = (id: string) =>
    // One kind alone counts: see conflictedParents.
    grpcRoutes.get(id) ?? httpRoutes.get(id) ?? null;

  const nodes = services
    .map((service): ServiceNode => {
      const namespace = namespaceOf(service);
      const name = service.metadata.name;
      const id = serviceId(namespace, name);
      const policies = authorization.get(id);
      return {
        id,
        namespace,
        name,
        spiffeId: spiffeId(settings.trustDomain, namespace, name),
        port: portOf(service),
        protocol: protocolOf(service),
        versions: (service.spec.versions ?? []).map((version) => version.name),
        policy: trafficPolicies.serviceSettings(service),
        healthCheck: healthCheckSettings(
          trafficPolicies.ofService(namespace, name)?.spec.healthCheck,
        ),
        visible: visibleServices(service, routesOf),
        routes:
          routesOf(id)?.map((route) => ({
            ...route,
            policy: trafficPolicies.routeSettings(service, route.rule),
          })) ?? null,
        allow: policies === undefined ? null : allowRules(policies, settings.trustDomain),
        endpoints: endpointsOf(workloads.get(id) ?? []),
      };
    })
    .sort((left, right) => compare(left.id, right.id));
  return { settings, services: nodes, proxies: proxiesOf(nodes, workloads) };
}

function endpointsOf(workloads: readonly Workload[]): EndpointNode[] {
  return workloads
    .map((workload) => ({
      nodeId: nodeIdOf(workload),
      address: workload.spec.address,
      port: workload.spec.inboundPort,
      version: workload.spec.version ?? null,
      weight: workload.spec.weight ?? 1,
      locality: localityOf(workload),
    }))
    .sort((left, right) => compare(left.nodeId, right.nodeId));
}

function proxiesOf(
  services: readonly ServiceNode[],
  workloads: ReadonlyMap<string, readonly Workload[]>,
): Map<string, ProxyNode> {
  const proxies = new Map<string, ProxyNode>();
  for (const service of services) {
    for (const workload of workloads.get(service.id) ?? []) {
      const nodeId = nodeIdOf(workload);
      const { inboundPort, outboundPort = DEFAULT_OUTBOUND_PORT, appPort } = workload.spec;
      const locality = localityOf(workload);
      proxies.set(nodeId, { nodeId, service, inboundPort, outboundPort, appPort, locality });
    }
  }
  return proxies;
}

function allowRules(policies: readonly AuthorizationPolicy[], trustDomain: string): AllowRule[] {
  return policies.flatMap((policy) =>
    policy.spec.rules.map((rule, i) => ({
      name: `${policy.metadata.name}-${i}`,
      principals:
        rule.from?.map((from) =>
          from.principal !== undefined
            ? from.principal
            : spiffeId(trustDomain, from.namespace ?? namespaceOf(policy), from.service ?? ''),
        ) ?? null,
      requests:
        rule.to?.map((to) => ({ methods: to.methods ?? null, paths: to.paths ?? null })) ?? null,
    })),
  );
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const of = key(item);
    const group = groups.get(of);
    if (group === undefined) groups.set(of, [item]);
    else group.push(item);
  }
  return groups;
}

/** By code units: the same order on every machine, whatever its locale. */
function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
