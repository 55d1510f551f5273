// What xds/ needs to know of resources: how to turn bytes into accepted, compiled data and what that
// refers to. config/ implements it, server/ injects it; xds/ knows names, versions and bytes only.

import type { FieldError } from '../../common/result.ts';

/** The five types of this release, by short name, in ADS order (make before break). */
export const adsTypeOrder = ['cluster', 'endpoint', 'secret', 'listener', 'route'] as const;
export type ResourceKind = (typeof adsTypeOrder)[number];

/** `type.googleapis.com/...` of each kind. */
export const typeUrlOf: Readonly<Record<ResourceKind, string>> = {
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoint: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  secret: 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  route: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
};

export interface CompiledResource {
  readonly kind: ResourceKind;
  readonly name: string;
  /** ClusterConfig | LoadAssignment | SecretData | ListenerConfig | RouteConfigData. */
  readonly data: unknown;
  /** What it needs before it can serve: EDS and SDS names of a cluster, RDS and SDS names of a listener. */
  readonly references: readonly ResourceReference[];
  /** Content hash; equal hash = nothing to do. */
  readonly hash: string;
  /** Unknown fields: counted and logged, not errors, in xDS. */
  readonly warnings: readonly FieldError[];
}

export interface ResourceReference {
  readonly kind: ResourceKind;
  readonly name: string;
  /** Of the connection manager that names the routes (RDS only): their stats hang below it. */
  readonly statPrefix?: string;
}

export type CompileOutcome =
  | { readonly ok: true; readonly resource: CompiledResource }
  /** `name` is '' when the bytes could not even be decoded that far. */
  | { readonly ok: false; readonly name: string; readonly errors: readonly FieldError[] };

export interface ResourceCompiler {
  /** `bytes` is the encoded resource message (not the Any around it). Never throws. */
  compile(kind: ResourceKind, bytes: Uint8Array): CompileOutcome;
}
