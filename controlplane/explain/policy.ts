// What will happen to calls of one Service, and the xDS that makes it so. Pure: reads the graph and the documents that
// it was made of.

import type { MeshGraph, ServiceNode } from '../graph/graph.ts';
import { serviceId } from '../graph/ids.ts';
import { TrafficPolicies } from '../graph/traffic-policies.ts';
import type { TrafficPolicy } from '../model/kinds/traffic-policy.ts';
import { type MeshObject, namespaceOf, objectsOfKind } from '../model/object.ts';
import { type OutboundJson, outboundToJson } from '../translate/to-json.ts';
import { counted, type Section } from './explanation.ts';
import { explainFailingCalls } from './failing-calls.ts';
import { explainCeilings, explainChoice, explainFailingInstances } from './failing-instances.ts';
import { explainProxyless } from './proxyless.ts';
import type { PolicyDocuments } from './sources.ts';

export interface PolicyExplanation {
  /** `orders.default: HTTP, port 80, 3 instances (v1: 2, v2: 1)`. */
  readonly about: string;
  readonly sections: readonly Section[];
  /** Envoy's spelling, as callers of the Service's own namespace get it. */
  readonly xds: OutboundJson;
}

/** Null = the graph has no such Service. `documents` are those that `graph` was made of. */
export function explainPolicy(
  graph: MeshGraph,
  documents: readonly MeshObject[],
  namespace: string,
  name: string,
): PolicyExplanation | null {
  const id = serviceId(namespace, name);
  const service = graph.services.find((node) => node.id === id);
  if (service === undefined) return null;
  const sources = documentsOf(documents, namespace, name);
  const proxyless = explainProxyless(service, documents);
  return {
    about: about(service),
    sections: [
      explainChoice(service, sources),
      explainFailingCalls(service, sources),
      explainFailingInstances(service, sources),
      explainCeilings(service, sources),
      ...(proxyless === null ? [] : [proxyless]),
    ],
    xds: outboundToJson(service),
  };
}

function documentsOf(
  documents: readonly MeshObject[],
  namespace: string,
  name: string,
): PolicyDocuments {
  const mesh = objectsOfKind(documents, 'MeshConfig')[0];
  const policies = new TrafficPolicies(
    mesh?.spec.defaults,
    objectsOfKind(documents, 'TrafficPolicy'),
  );
  const policy = policies.ofService(namespace, name);
  return {
    policy: policy === null ? null : { name: nameOf(policy), spec: policy.spec },
    mesh: mesh === undefined ? null : { name: mesh.metadata.name, defaults: mesh.spec.defaults },
    ofRule: (rule) => policies.ofRule(rule).map(nameOf),
  };
}

function nameOf(object: TrafficPolicy): string {
  return `${namespaceOf(object)}/${object.metadata.name}`;
}

function about({ id, protocol, port, endpoints, versions }: ServiceNode): string {
  const perVersion = versions.map(
    (version) => `${version}: ${endpoints.filter((of) => of.version === version).length}`,
  );
  const detail = perVersion.length === 0 ? '' : ` (${perVersion.join(', ')})`;
  return `${id}: ${protocol}, port ${port}, ${counted(endpoints.length, 'instance')}${detail}`;
}
