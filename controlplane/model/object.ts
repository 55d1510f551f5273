// The sum of all kinds, and how an object is named.

import type { TSchema } from 'typebox';
import { AuthorizationPolicy } from './kinds/authorization-policy.ts';
import { GrpcRoute } from './kinds/grpc-route.ts';
import { HttpRoute } from './kinds/http-route.ts';
import { MeshConfig } from './kinds/mesh-config.ts';
import { Service } from './kinds/service.ts';
import { TrafficPolicy } from './kinds/traffic-policy.ts';
import { Workload } from './kinds/workload.ts';

/** Every kind, in the order in which lists show them. */
export const kinds = [
  'MeshConfig',
  'Service',
  'Workload',
  'TrafficPolicy',
  'AuthorizationPolicy',
  'HTTPRoute',
  'GRPCRoute',
] as const;
export type Kind = (typeof kinds)[number];

/** JSON Schema of each kind's whole document. */
export const schemaOf = {
  MeshConfig,
  Service,
  Workload,
  TrafficPolicy,
  AuthorizationPolicy,
  HTTPRoute: HttpRoute,
  GRPCRoute: GrpcRoute,
} as const satisfies Record<Kind, TSchema>;

export interface KindMap {
  readonly MeshConfig: MeshConfig;
  readonly Service: Service;
  readonly Workload: Workload;
  readonly TrafficPolicy: TrafficPolicy;
  readonly AuthorizationPolicy: AuthorizationPolicy;
  readonly HTTPRoute: HttpRoute;
  readonly GRPCRoute: GrpcRoute;
}
/** One valid document. `metadata.namespace` is always set once it left model/validate. */
export type MeshObject = KindMap[Kind];

export const DEFAULT_NAMESPACE = 'default';
/** The control plane's own identity lives there; no Service may (proto/join.ts CONTROL_PLANE_ID_PATH). */
export const RESERVED_NAMESPACE = 'remora-system';

/** `HTTPRoute default/orders`: the key of the store and the name in messages. */
export type ObjectKey = string;

export function objectKey(kind: Kind, namespace: string, name: string): ObjectKey {
  return `${kind} ${namespace}/${name}`;
}

export function keyOf(object: MeshObject): ObjectKey {
  return objectKey(object.kind, namespaceOf(object), object.metadata.name);
}

export function namespaceOf(object: MeshObject): string {
  return object.metadata.namespace ?? DEFAULT_NAMESPACE;
}

/** Narrows a list to one kind. */
export function objectsOfKind<K extends Kind>(
  objects: Iterable<MeshObject>,
  kind: K,
): KindMap[K][] {
  const found: KindMap[K][] = [];
  for (const object of objects) {
    // The tag decides; TypeScript does not narrow KindMap[K] by a generic key.
    if (object.kind === kind) found.push(object as KindMap[K]);
  }
  return found;
}

const kindAliases = new Map<string, Kind>(
  kinds.flatMap((kind) => {
    const lower = kind.toLowerCase();
    const plural = lower.endsWith('y') ? `${lower.slice(0, -1)}ies` : `${lower}s`;
    return [
      [lower, kind],
      [plural, kind],
    ] as [string, Kind][];
  }),
);

/** `httproute`, `HTTPRoutes`, `trafficpolicies`... -> the kind; null when there is none. */
export function parseKind(text: string): Kind | null {
  return kindAliases.get(text.toLowerCase()) ?? null;
}
