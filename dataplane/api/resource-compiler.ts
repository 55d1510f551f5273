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
export const adsTypeOrder = [
  'runtime',
  'cluster',
  'endpoint',
  'secret',
  'extension-config',
  'listener',
  'scoped-route',
  'route',
  'virtual-host',
] as const;
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
  /** Field of the message that holds its name; '' = only what is around it says the name. */
  readonly nameField: string;
  /** Without names the first request is empty, and means no more than that (VHDS); beside names nothing is said. */
  readonly isSparse?: boolean;
}

export const xdsTypes: Readonly<Record<ResourceKind, XdsType>> = {
  runtime: {
    message: 'envoy.service.runtime.v3.Runtime',
    service: 'envoy.service.runtime.v3.RuntimeDiscoveryService',
    method: 'Runtime',
    restPath: '/v3/discovery:runtime',
    isFullState: false,
    nameField: 'name',
  },
  'extension-config': {
    message: 'envoy.config.core.v3.TypedExtensionConfig',
    service: 'envoy.service.extension.v3.ExtensionConfigDiscoveryService',
    method: 'ExtensionConfigs',
    restPath: '/v3/discovery:extension_configs',
    isFullState: false,
    nameField: 'name',
  },
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
  'scoped-route': {
    message: 'envoy.config.route.v3.ScopedRouteConfiguration',
    service: 'envoy.service.route.v3.ScopedRoutesDiscoveryService',
    method: 'ScopedRoutes',
    restPath: '/v3/discovery:scoped-routes',
    isFullState: true,
    nameField: 'name',
  },
  'virtual-host': {
    message: 'envoy.config.route.v3.VirtualHost',
    service: 'envoy.service.route.v3.VirtualHostDiscoveryService',
    method: 'VirtualHosts',
    restPath: '',
    isFullState: false,
    nameField: '',
    isSparse: true,
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
  /**
   * ClusterConfig | LoadAssignment | SecretData | ListenerConfig | RouteConfigData | ScopeResource |
   * VirtualHostResource.
   */
  readonly data: unknown;
  /**
   * What it needs before it can serve: EDS and SDS names of a cluster, RDS and SDS names of a listener. xds/
   * subscribes to them for as long as it is held.
   */
  readonly references: readonly ResourceReference[];
  /** Clusters that a route leads to: they should be warm before it is used, and are not subscribed to. */
  readonly clusters: readonly string[];
  /** What no two resources of a source may have both; absent = nothing. */
  readonly claims?: readonly Claim[];
  /** Content hash; equal hash = nothing to do. */
  readonly hash: string;
  /** Unknown fields: counted and logged, not errors, in xDS. */
  readonly warnings: readonly FieldError[];
}

/** Something that only one resource may have, like a scope's key. */
export interface Claim {
  readonly key: string;
  /** What is wrong when another one has it; that one's name follows. */
  readonly problem: string;
}

/** A subscription that something needs. */
export interface ResourceReference {
  readonly kind: ResourceKind;
  /** As on the wire; '*' = all of that kind that the source has. */
  readonly name: string;
  readonly source: ConfigSource;
  /** Of the connection manager that names the routes or scopes: their stats hang below it. */
  readonly statPrefix?: string;
  /** ScopedRoutes.name (SRDS), name of the route configuration (VHDS): stats of the subscription hang below it. */
  readonly statName?: string;
  /** Types that the config may have (ECDS only). */
  readonly typeNames?: readonly string[];
  /** False = who refers to it can serve without (ECDS only). */
  readonly isAwaited?: boolean;
}

export type CompileOutcome =
  | { readonly ok: true; readonly resource: CompiledResource }
  /** `name` is '' when the bytes could not even be decoded that far. */
  | { readonly ok: false; readonly name: string; readonly errors: readonly FieldError[] };

export interface ResourceCompiler {
  /**
   * `bytes` is the encoded resource message (not the Any around it), `source` where it came from, `wrapperName` what the
   * server called it, absent or '' when it did not wrap it. Never throws.
   */
  compile(
    kind: ResourceKind,
    bytes: Uint8Array,
    source: ConfigSource,
    wrapperName?: string,
  ): CompileOutcome;
}
