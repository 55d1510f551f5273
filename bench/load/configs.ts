// The job of a proxy as a bootstrap, the same for Envoy and Remora: forward to the backend, with request ids, stats,
// breakers, outlier detection and a retry policy. peer-configs.ts says it to the others.

import { join } from 'node:path';
import type { TestCertificate } from '../../test/fakes/pki.ts';
import { type Shape, upstreamIsHttp2 } from '../rows.ts';

export interface Ports {
  readonly listen: number;
  readonly admin: number;
}

export interface Pki {
  readonly caFile: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly leaf: TestCertificate;
}

export interface BootstrapOptions {
  readonly ports: Ports;
  readonly upstreamPort: number;
  /** TLS with client certificates on that side. */
  readonly downstreamTls: Pki | null;
  readonly upstreamTls: Pki | null;
  readonly shape: Shape;
  /** Access logs go there. */
  readonly directory: string;
  /** Clusters besides the one in use (for memory per cluster). */
  readonly extraClusters: number;
}

const typed = (name: string, type: string, fields: object = {}) => ({
  name,
  typed_config: { '@type': `type.googleapis.com/${type}`, ...fields },
});

const upstreamOptions = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const http2Upstream = {
  [upstreamOptions]: {
    '@type': `type.googleapis.com/${upstreamOptions}`,
    explicit_http_config: { http2_protocol_options: {} },
  },
};

function certificate(pki: Pki): object {
  return {
    tls_certificates: [
      {
        certificate_chain: { filename: pki.certificateFile },
        private_key: { filename: pki.keyFile },
      },
    ],
  };
}

function validation(pki: Pki): object {
  return {
    validation_context: {
      trusted_ca: { filename: pki.caFile },
      match_typed_subject_alt_names: [
        { san_type: 'URI', matcher: { exact: 'spiffe://bench.test/ns/default/sa/peer' } },
      ],
    },
  };
}

function downstreamContext(pki: Pki, shape: Shape): object {
  const asksClients = shape.tls !== 'server';
  const alpn = shape.clients === 'http2' ? { alpn_protocols: ['h2'] } : {};
  return {
    common_tls_context: { ...certificate(pki), ...(asksClients ? validation(pki) : {}), ...alpn },
    require_client_certificate: asksClients,
  };
}

function upstreamContext(pki: Pki, shape: Shape): object {
  const alpn = upstreamIsHttp2(shape) ? { alpn_protocols: ['h2'] } : {};
  return {
    common_tls_context: { ...certificate(pki), ...validation(pki), ...alpn },
    sni: 'peer.bench.test',
  };
}

/** Envoy v3 bootstrap as JSON. */
export function envoyBootstrap(options: BootstrapOptions): object {
  const { ports, downstreamTls, upstreamTls, shape } = options;
  const route = (prefix: string) => ({
    match: { prefix },
    route: {
      cluster: 'backend',
      timeout: '15s',
      retry_policy: { retry_on: 'connect-failure,refused-stream,reset', num_retries: 2 },
    },
  });
  const routes = Array.from({ length: shape.routes }, (_, i) => route(`/r${i}/`));
  const filterChain = {
    ...(downstreamTls === null
      ? {}
      : {
          transport_socket: typed(
            'envoy.transport_sockets.tls',
            'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
            downstreamContext(downstreamTls, shape),
          ),
        }),
    filters: [
      shape.protocol === 'tcp'
        ? typed(
            'envoy.filters.network.tcp_proxy',
            'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
            { stat_prefix: 'ingress', cluster: 'backend' },
          )
        : typed(
            'envoy.filters.network.http_connection_manager',
            'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
            {
              stat_prefix: 'ingress',
              route_config: {
                name: 'local',
                virtual_hosts: [{ name: 'all', domains: ['*'], routes: [...routes, route('/')] }],
              },
              http_filters: [
                typed(
                  'envoy.filters.http.router',
                  'envoy.extensions.filters.http.router.v3.Router',
                ),
              ],
              ...(shape.backend === 'websocket'
                ? { upgrade_configs: [{ upgrade_type: 'websocket' }] }
                : {}),
              ...(shape.accessLog
                ? {
                    access_log: [
                      typed(
                        'envoy.access_loggers.file',
                        'envoy.extensions.access_loggers.file.v3.FileAccessLog',
                        { path: join(options.directory, `access-${ports.listen}.log`) },
                      ),
                    ],
                  }
                : {}),
            },
          ),
    ],
  };
  const cluster = (name: string, port: number) => ({
    name,
    type: 'STATIC',
    connect_timeout: '1s',
    lb_policy: 'LEAST_REQUEST',
    circuit_breakers: {
      thresholds: [{ max_connections: 4096, max_pending_requests: 4096, max_requests: 4096 }],
    },
    outlier_detection: { consecutive_5xx: 5 },
    load_assignment: {
      cluster_name: name,
      endpoints: [
        {
          lb_endpoints: [
            {
              endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } },
            },
          ],
        },
      ],
    },
  });
  return {
    node: { id: 'bench', cluster: 'bench' },
    layered_runtime: {
      layers: [
        {
          name: 'bench',
          // Ours is half of the descriptors otherwise, fewer than memory.ts opens.
          static_layer: { 'overload.global_downstream_max_connections': 15_000 },
        },
      ],
    },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: ports.admin } } },
    static_resources: {
      listeners: [
        {
          name: 'ingress',
          address: { socket_address: { address: '127.0.0.1', port_value: ports.listen } },
          filter_chains: [filterChain],
        },
      ],
      clusters: [
        {
          ...cluster('backend', options.upstreamPort),
          ...(upstreamIsHttp2(shape) ? { typed_extension_protocol_options: http2Upstream } : {}),
          ...(upstreamTls === null
            ? {}
            : {
                transport_socket: typed(
                  'envoy.transport_sockets.tls',
                  'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
                  upstreamContext(upstreamTls, shape),
                ),
              }),
        },
        ...Array.from({ length: options.extraClusters }, (_, i) =>
          cluster(`extra_${i}`, 20000 + (i % 10000)),
        ),
      ],
    },
  };
}
