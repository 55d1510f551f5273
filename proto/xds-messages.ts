// The message of each xDS type by its short word, for the two libraries (controlplane/xds-server.ts and
// dataplane/xds-client.ts), whose planes may not know each other.

import type {
  ClusterLoadAssignmentProto,
  ClusterProto,
  ListenerProto,
  RouteConfigurationProto,
  RuntimeProto,
  ScopedRouteConfigurationProto,
  SecretProto,
  TypedExtensionConfigProto,
  VirtualHostProto,
} from './gen/types.ts';

/** Plain form of each type: proto field names, durations as {seconds, nanos}, wrappers as {value}, Anys decoded. */
export interface XdsMessages {
  readonly cluster: ClusterProto;
  readonly endpoint: ClusterLoadAssignmentProto;
  readonly secret: SecretProto;
  readonly listener: ListenerProto;
  readonly route: RouteConfigurationProto;
  readonly 'scoped-route': ScopedRouteConfigurationProto;
  readonly 'virtual-host': VirtualHostProto;
  readonly 'extension-config': TypedExtensionConfigProto;
  readonly runtime: RuntimeProto;
}

export type XdsMessageKind = keyof XdsMessages;

/** The name that a resource has in its own message; '' = none. */
export function nameInMessage(kind: XdsMessageKind, message: object): string {
  const field = kind === 'endpoint' ? 'cluster_name' : 'name';
  const name = (message as Readonly<Record<string, unknown>>)[field]; // a plain message
  return typeof name === 'string' ? name : '';
}
