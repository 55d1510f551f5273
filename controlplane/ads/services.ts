// The discovery services: which type each is for, its gRPC methods and its REST path. Called by server.ts and
// rest.ts. Envoy: envoy/service/*/v3/*.proto.

import type { NamedKind } from '../cache/kinds.ts';

export interface XdsService {
  /** Null = the aggregated service: every type on one stream. */
  readonly kind: NamedKind | null;
  /** Full name of the gRPC service. */
  readonly name: string;
  /** Null where only delta is defined. */
  readonly sotwMethod: string | null;
  readonly deltaMethod: string;
  /** POST path; null = not over REST. */
  readonly restPath: string | null;
}

export const xdsServices: readonly XdsService[] = [
  {
    kind: null,
    name: 'envoy.service.discovery.v3.AggregatedDiscoveryService',
    sotwMethod: 'StreamAggregatedResources',
    deltaMethod: 'DeltaAggregatedResources',
    restPath: null,
  },
  service('cluster', 'cluster.v3.Cluster', 'Clusters', 'clusters'),
  service('endpoint', 'endpoint.v3.Endpoint', 'Endpoints', 'endpoints'),
  service('listener', 'listener.v3.Listener', 'Listeners', 'listeners'),
  service('route', 'route.v3.Route', 'Routes', 'routes'),
  service('secret', 'secret.v3.Secret', 'Secrets', 'secrets'),
  service('scoped-route', 'route.v3.ScopedRoutes', 'ScopedRoutes', 'scoped-routes'),
  service('runtime', 'runtime.v3.Runtime', 'Runtime', 'runtime'),
  service(
    'extension-config',
    'extension.v3.ExtensionConfig',
    'ExtensionConfigs',
    'extension_configs',
  ),
  deltaOnly('virtual-host', 'route.v3.VirtualHost', 'DeltaVirtualHosts'),
  deltaOnly('locality-endpoint', 'endpoint.v3.LocalityEndpoint', 'DeltaLocalityEndpoints'),
];

function service(kind: NamedKind, name: string, resources: string, path: string): XdsService {
  return {
    kind,
    name: `envoy.service.${name}DiscoveryService`,
    sotwMethod: `Stream${resources}`,
    deltaMethod: `Delta${resources}`,
    restPath: `/v3/discovery:${path}`,
  };
}

function deltaOnly(kind: NamedKind, name: string, deltaMethod: string): XdsService {
  const fullName = `envoy.service.${name}DiscoveryService`;
  return { kind, name: fullName, sotwMethod: null, deltaMethod, restPath: null };
}
