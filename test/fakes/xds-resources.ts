// Small xDS resources in plain form, as tests of both ends of the wire need them.

import type { XdsKind } from '../../controlplane/cache/kinds.ts';
import { SnapshotResource } from '../../controlplane/cache/resource.ts';
import { packAny } from '../../proto/any.ts';

const ads = { ads: {}, resource_api_version: 'V3' } as const;

function duration(ms: number) {
  return { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 };
}

export function edsCluster(name: string, connectTimeoutMs = 1000): SnapshotResource {
  return SnapshotResource.ofMessage('cluster', name, {
    name,
    type: 'EDS',
    eds_cluster_config: { eds_config: ads },
    connect_timeout: duration(connectTimeoutMs),
  });
}

/** Endpoints on loopback. */
export function assignment(clusterName: string, ...ports: readonly number[]): SnapshotResource {
  return SnapshotResource.ofMessage('endpoint', clusterName, {
    cluster_name: clusterName,
    endpoints: [
      {
        locality: { region: 'r' },
        load_balancing_weight: { value: 1 },
        lb_endpoints: ports.map((port) => ({
          endpoint: {
            address: { socket_address: { address: '127.0.0.1', port_value: port } },
          },
        })),
      },
    ],
  });
}

/** One virtual host for everything, each prefix to its cluster; given order is match order. */
export function routes(name: string, byPrefix: Readonly<Record<string, string>>): SnapshotResource {
  return SnapshotResource.ofMessage('route', name, {
    name,
    virtual_hosts: [
      {
        name: 'all',
        domains: ['*'],
        routes: Object.entries(byPrefix).map(([prefix, cluster]) => ({
          match: { prefix },
          route: { cluster },
        })),
      },
    ],
  });
}

function connectionManager(routeName: string, statPrefix: string) {
  return packAny(
    'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    {
      stat_prefix: statPrefix,
      rds: { route_config_name: routeName, config_source: ads },
      http_filters: [
        {
          name: 'envoy.filters.http.router',
          typed_config: packAny('envoy.extensions.filters.http.router.v3.Router', {}),
        },
      ],
    },
  );
}

export function httpListener(
  name: string,
  port: number,
  routeName: string,
  statPrefix = name,
): SnapshotResource {
  return SnapshotResource.ofMessage('listener', name, {
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: connectionManager(routeName, statPrefix),
          },
        ],
      },
    ],
  });
}

/** A listener that only a proxyless gRPC client can use: its name is the target. */
export function apiListener(name: string, routeName: string): SnapshotResource {
  return SnapshotResource.ofMessage('listener', name, {
    name,
    api_listener: { api_listener: connectionManager(routeName, name) },
  });
}

/** Any well-formed message, for wrong content. */
export function resourceOf(kind: XdsKind, name: string, message: object): SnapshotResource {
  return SnapshotResource.ofMessage(kind, name, message);
}

/** Bytes that are no message at all. */
export function brokenResource(kind: XdsKind): SnapshotResource {
  return SnapshotResource.ofBytes(kind, '', Buffer.from([0xff]));
}
