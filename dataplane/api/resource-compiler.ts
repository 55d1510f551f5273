// What xds/ needs to know of resources: how to turn bytes into accepted, compiled data and what that
// refers to. config/ implements it, server/ injects it; xds/ knows names, versions and bytes only.

import type { FieldError } from '../../common/result.ts';
import type { ConfigSource } from './config/config-source.ts';

/**
 * The xDS types, in ADS order (make before break): a new stream asks in that order.
 *
 * TO ADD A KIND: 1. a line here and in `xdsTypes`; 2. its row in xds/kind-rules.ts (when it is released, how it
 * reaches the ResourceSink); 3. its case in config/resource-compiler.ts; 4. who names it calls `referTo`
 * (compile/config-source.ts). tsc finds the rest.
 */
export const adsTypeOrder = ['cluster', 'endpoint', 'secret', 'listener', 'route'] as const;
export type ResourceKind = (typeof adsTypeOrder)[number];

/** What the wire says of a type. */
export interface XdsType {
  /** Full name of the resource message. */
  readonly message: string;
  /** gRPC service of own streams, and the end of its two methods: `Stream<X>` and `Delta<X>`. */
  readonly service: string;
  readonly method: string;
  /** REST path; '' = there is none. */
  readonly restPath: string;
  /** A SotW response is all there is, so that absence means deletion (LDS, CDS). */
  readonly isFullState: boolean;
  /** Field of the message that holds its name. */
  readonly nameField: string;
}

export const xdsTypes: Readonly<Record<ResourceKind, XdsType>> = {
  cluster: {
    message: 'envoy.config.cluster.v3.Cluster',
    service: 'envoy.service.cluster.v3.ClusterDiscoveryService',
    method: 'Clusters',
    restPath: '/v3/discovery:clusters',
    isFullState: true,
    nameField: 'name',
  },
  endpoint: {
    message: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
    service: 'envoy.service.endpoint.v3.EndpointDiscoveryService',
    method: 'Endpoints',
    restPath: '/v3/discovery:endpoints',
    isFullState: false,
    nameField: 'cluster_name',
  },
  secret: {
    message: 'envoy.extensions.transport_sockets.tls.v3.Secret',
    service: 'envoy.service.secret.v3.SecretDiscoveryService',
    method: 'Secrets',
    restPath: '/v3/discovery:secrets',
    isFullState: false,
    nameField: 'name',
  },
  listener: {
    message: 'envoy.config.listener.v3.Listener',
    service: 'envoy.service.listener.v3.ListenerDiscoveryService',
    method: 'Listeners',
    restPath: '/v3/discovery:listeners',
    isFullState: true,
    nameField: 'name',
  },
  route: {
    message: 'envoy.config.route.v3.RouteConfiguration',
    service: 'envoy.service.route.v3.RouteDiscoveryService',
    method: 'Routes',
    restPath: '/v3/discovery:routes',
    isFullState: false,
    nameField: 'name',
  },
};

/** `type.googleapis.com/...` of each kind. */
export const typeUrlOf = Object.fromEntries(
  adsTypeOrder.map((kind) => [kind, `type.googleapis.com/${xdsTypes[kind].message}`]),
) as Readonly<Record<ResourceKind, string>>; // every kind is a key

export interface CompiledResource {
  readonly kind: ResourceKind;
  /** As on the wire; in `data` of what is referred to stands its id (resourceId). */
  readonly name: string;
  /** ClusterConfig | LoadAssignment | SecretData | ListenerConfig | RouteConfigData. */
  readonly data: unknown;
  /**
   * What it needs before it can serve: EDS and SDS names of a cluster, RDS and SDS names of a listener. xds/
   * subscribes to them for as long as it is held.
   */
  readonly references: readonly ResourceReference[];
  /** Clusters that a route leads to: they should be warm before it is used, and are not subscribed to. */
  readonly clusters: readonly string[];
  /** Content hash; equal hash = nothing to do. */
  readonly hash: string;
  /** Unknown fields: counted and logged, not errors, in xDS. */
  readonly warnings: readonly FieldError[];
}

/** A subscription that something needs. */
export interface ResourceReference {
  readonly kind: ResourceKind;
  /** As on the wire; '*' = all of that kind that the source has. */
  readonly name: string;
  readonly source: ConfigSource;
  /** Of the connection manager that names the routes (RDS only): their stats hang below it. */
  readonly statPrefix?: string;
}

export type CompileOutcome =
  | { readonly ok: true; readonly resource: CompiledResource }
  /** `name` is '' when the bytes could not even be decoded that far. */
  | { readonly ok: false; readonly name: string; readonly errors: readonly FieldError[] };

export interface ResourceCompiler {
  /** `bytes` is the encoded resource message (not the Any around it), `source` where it came from. Never throws. */
  compile(kind: ResourceKind, bytes: Uint8Array, source: ConfigSource): CompileOutcome;
}
