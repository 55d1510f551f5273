// What of a Service's documents proxyless gRPC clients do not do. Fields come from translate/grpc/limits; here stands
// which documents speak to the callers of which Service. Pure.

import type { ServiceNode } from '../graph/graph.ts';
import { serviceId } from '../graph/ids.ts';
import { parentIds } from '../graph/route-nodes.ts';
import { protocolOf } from '../model/kinds/service.ts';
import type { TrafficPolicy } from '../model/kinds/traffic-policy.ts';
import { type MeshObject, namespaceOf, objectsOfKind } from '../model/object.ts';
import { targetKey } from '../model/references.ts';
import { isGrpcCallable } from '../translate/grpc/callable.ts';
import { type GrpcLimit, grpcLimits } from '../translate/grpc/limits.ts';
import type { Section, Sentence } from './explanation.ts';

/** The documents behind each Service that gRPC clients can call. Of one state of the mesh. */
export class ProxylessDocuments {
  readonly #byService = new Map<string, MeshObject[]>();
  readonly #heeded = new Set<MeshObject>();

  constructor(documents: readonly MeshObject[]) {
    const meshConfigs = objectsOfKind(documents, 'MeshConfig');
    const policies = Map.groupBy(objectsOfKind(documents, 'TrafficPolicy'), (policy) => {
      const { kind, name } = policy.spec.targetRef;
      // Of a whole route or of one of its rules: both are heard.
      return targetKey(namespaceOf(policy), { kind, name });
    });
    for (const service of objectsOfKind(documents, 'Service')) {
      if (!isGrpcCallable({ protocol: protocolOf(service) })) continue;
      const [namespace, { name }] = [namespaceOf(service), service.metadata];
      const own = policies.get(targetKey(namespace, { kind: 'Service', name })) ?? [];
      this.#byService.set(serviceId(namespace, name), [...meshConfigs, ...own]);
    }
    // A GRPCRoute takes the place of HTTPRoutes of the same Service.
    const grpcRoutes = objectsOfKind(documents, 'GRPCRoute');
    const taken = new Set(grpcRoutes.flatMap((route) => [...parentIds(route)]));
    for (const route of [...grpcRoutes, ...objectsOfKind(documents, 'HTTPRoute')]) {
      for (const id of parentIds(route)) {
        if (route.kind === 'HTTPRoute' && taken.has(id)) continue;
        this.#byService.get(id)?.push(route, ...policiesOf(route, policies));
      }
    }
    for (const objects of this.#byService.values()) {
      for (const object of objects) this.#heeded.add(object);
    }
  }

  /** null = gRPC clients do not get the Service. */
  of(id: string): readonly MeshObject[] | null {
    return this.#byService.get(id) ?? null;
  }

  /** Nothing for an object that no Service of gRPC clients has to do with. */
  limitsOf(object: MeshObject): GrpcLimit[] {
    return this.#heeded.has(object) ? grpcLimits(object) : [];
  }
}

function policiesOf(
  route: MeshObject,
  policies: ReadonlyMap<string, readonly TrafficPolicy[]>,
): readonly TrafficPolicy[] {
  const { kind, metadata } = route;
  if (kind !== 'HTTPRoute' && kind !== 'GRPCRoute') return [];
  return policies.get(targetKey(namespaceOf(route), { kind, name: metadata.name })) ?? [];
}

/** null where there is nothing to say: the Service is not for gRPC. */
export function explainProxyless(
  service: ServiceNode,
  documents: readonly MeshObject[],
): Section | null {
  const objects = new ProxylessDocuments(documents).of(service.id);
  if (objects === null) return null;
  const { outlierDetection } = service.policy;
  const sentences: Sentence[] = [
    {
      text: `call xds:///${service.name}:${service.port} (or ${service.id}:${service.port}) without a sidecar, as this policy says but for what follows`,
      source: 'default',
    },
  ];
  const isStatistical =
    outlierDetection?.failurePercentage != null || outlierDetection?.successRate != null;
  if (outlierDetection !== null && !isStatistical) {
    sentences.push({
      text: 'an instance that fails stays: without failurePercentage or successRate they eject none',
      source: 'default',
    });
  }
  for (const object of objects) {
    for (const { field, message } of grpcLimits(object)) {
      const source = `${object.kind} ${namespaceOf(object)}/${object.metadata.name}`;
      sentences.push({ text: `${field}: ${message}`, source });
    }
  }
  return { title: 'Proxyless gRPC clients', sentences };
}
