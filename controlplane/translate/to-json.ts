// A node's resources as JSON in Envoy's spelling, secrets redacted: what config-dump and the golden tests show.

import { messageToJson } from '../../proto/json.ts';
import type { JsonValue } from '../../proto/plain.ts';
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
