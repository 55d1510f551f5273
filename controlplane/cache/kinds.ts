// The xDS types that the control plane serves, and what is special about each. Lowest file of cache/; knows
// no snapshot and no stream. A type that is not listed here is served under its type URL (a library user's own).

/** Those with a name of ours, in ADS order: what others refer to comes first (make before break). */
export const xdsKinds = [
  'cluster',
  'endpoint',
  'secret',
  'listener',
  'route',
  'locality-endpoint',
  'extension-config',
  'scoped-route',
  'virtual-host',
  'runtime',
] as const;
export type NamedKind = (typeof xdsKinds)[number];

/** Any other type: its whole type URL. */
export type OtherKind = `type.googleapis.com/${string}`;

export type XdsKind = NamedKind | OtherKind;

const typeNames = {
  cluster: 'envoy.config.cluster.v3.Cluster',
  endpoint: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  secret: 'envoy.extensions.transport_sockets.tls.v3.Secret',
  listener: 'envoy.config.listener.v3.Listener',
  route: 'envoy.config.route.v3.RouteConfiguration',
  'locality-endpoint': 'envoy.config.endpoint.v3.LbEndpoint',
  'extension-config': 'envoy.config.core.v3.TypedExtensionConfig',
  'scoped-route': 'envoy.config.route.v3.ScopedRouteConfiguration',
  'virtual-host': 'envoy.config.route.v3.VirtualHost',
  runtime: 'envoy.service.runtime.v3.Runtime',
} as const satisfies Readonly<Record<NamedKind, string>>;

const TYPE_URL_PREFIX = 'type.googleapis.com/';

const typeUrlByKind: ReadonlyMap<XdsKind, string> = new Map(
  xdsKinds.map((kind) => [kind, `${TYPE_URL_PREFIX}${typeNames[kind]}`]),
);

const kindByTypeUrl: ReadonlyMap<string, NamedKind> = new Map(
  xdsKinds.map((kind) => [`${TYPE_URL_PREFIX}${typeNames[kind]}`, kind]),
);

/** `type.googleapis.com/<message name>` of each kind. */
export function typeUrlOfKind(kind: XdsKind): string {
  return typeUrlByKind.get(kind) ?? kind;
}

/** Full message name of each kind. */
export function typeNameOfKind(kind: XdsKind): string {
  return isNamedKind(kind) ? typeNames[kind] : kind.slice(TYPE_URL_PREFIX.length);
}

/** Null for what is no type URL at all. */
export function kindOfTypeUrl(typeUrl: string): XdsKind | null {
  const named = kindByTypeUrl.get(typeUrl);
  if (named !== undefined) return named;
  const isUrl = typeUrl.startsWith(TYPE_URL_PREFIX) && typeUrl.length > TYPE_URL_PREFIX.length;
  return isUrl ? (typeUrl as OtherKind) : null; // it begins with the prefix
}

export function isNamedKind(kind: XdsKind): kind is NamedKind {
  return !kind.startsWith(TYPE_URL_PREFIX);
}

/**
 * Types whose SotW responses hold everything that is subscribed, so that absence means deletion
 * (xds_protocol: LDS and CDS; Envoy reads scoped routes in the same way).
 */
export function isFullStateKind(kind: XdsKind): boolean {
  return kind === 'cluster' || kind === 'listener' || kind === 'scoped-route';
}

/**
 * Types that may be subscribed to as a whole. Never secrets: who asks for all of them wants somebody
 * else's. Of endpoints, routes and what else belongs to a parent, clients ask by name.
 */
export function allowsWildcard(kind: XdsKind): boolean {
  return isFullStateKind(kind) || !isNamedKind(kind);
}
