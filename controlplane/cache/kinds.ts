// The xDS types that the control plane serves. Lowest file of cache/; knows no snapshot and no stream.

/** In ADS order: what others refer to comes first (make before break). */
export const xdsKinds = ['cluster', 'endpoint', 'secret', 'listener', 'route'] as const;
export type XdsKind = (typeof xdsKinds)[number];

/** Full message name of each kind. */
export const typeNameOfKind = {
  cluster: 'envoy.config.cluster.v3.Cluster',
  endpoint: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  secret: 'envoy.extensions.transport_sockets.tls.v3.Secret',
  listener: 'envoy.config.listener.v3.Listener',
  route: 'envoy.config.route.v3.RouteConfiguration',
} as const satisfies Readonly<Record<XdsKind, string>>;

/** `type.googleapis.com/<message name>` of each kind. */
export function typeUrlOfKind(kind: XdsKind): string {
  return `type.googleapis.com/${typeNameOfKind[kind]}`;
}

const kindByTypeUrl: ReadonlyMap<string, XdsKind> = new Map(
  xdsKinds.map((kind) => [typeUrlOfKind(kind), kind]),
);

/** Null for a type that we do not serve. */
export function kindOfTypeUrl(typeUrl: string): XdsKind | null {
  return kindByTypeUrl.get(typeUrl) ?? null;
}

/**
 * Types whose SotW responses hold everything that is subscribed, so that absence means deletion, and
 * which may be subscribed to by wildcard (xds_protocol: LDS and CDS).
 */
export function isFullStateKind(kind: XdsKind): boolean {
  return kind === 'cluster' || kind === 'listener';
}
