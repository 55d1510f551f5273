// Resources as JSON in Envoy's spelling, secrets redacted: what config-dump, explain and the golden tests show.

import { messageToJson } from '../../proto/json.ts';
import type { JsonValue } from '../../proto/plain.ts';
import type { ServiceNode } from '../graph/graph.ts';
import { translateOutboundClusters } from './cluster.ts';
import { translateRoutes } from './route.ts';
import type { NodeResources } from './translate.ts';

const typeNames = {
  cluster: 'envoy.config.cluster.v3.Cluster',
  endpoint: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'envoy.config.listener.v3.Listener',
  route: 'envoy.config.route.v3.RouteConfiguration',
  secret: 'envoy.extensions.transport_sockets.tls.v3.Secret',
} as const satisfies Record<keyof NodeResources, string>;

export const resourceKinds = ['cluster', 'endpoint', 'listener', 'route', 'secret'] as const;

export type ResourcesJson = Record<(typeof resourceKinds)[number], JsonValue[]>;

export function resourcesToJson(resources: NodeResources): ResourcesJson {
  const json: ResourcesJson = { cluster: [], endpoint: [], listener: [], route: [], secret: [] };
  for (const kind of resourceKinds) {
    // Each map holds messages of its kind's type; indexing by a union hides that from TypeScript.
    const typeName: string = typeNames[kind];
    for (const message of resources[kind].values()) {
      json[kind].push(messageToJson(typeName, message, { redact: true }));
    }
  }
  return json;
}

/** What makes a Service reachable for others. */
export interface OutboundJson {
  /** All instances, then one per version. */
  readonly cluster: readonly JsonValue[];
  readonly virtual_host: JsonValue;
}

/** As callers of the Service's own namespace get it. */
export function outboundToJson(service: ServiceNode): OutboundJson {
  const [own = {}] = translateRoutes([service], service.namespace).virtual_hosts ?? [];
  return {
    cluster: translateOutboundClusters(service).map((cluster) =>
      messageToJson(typeNames.cluster, cluster, { redact: true }),
    ),
    virtual_host: messageToJson('envoy.config.route.v3.VirtualHost', own, { redact: true }),
  };
}
