// The same job said to each proxy: forward to the backend, with request ids, stats, breakers, outlier
// detection and a retry policy on where the proxy has them. Envoy and Remora get the same bootstrap.

import { join } from 'node:path';
import type { TestCertificate } from '../../test/fakes/pki.ts';
import type { Shape } from '../rows.ts';

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

function commonTls(pki: Pki): object {
  return {
    tls_certificates: [
      {
        certificate_chain: { filename: pki.certificateFile },
        private_key: { filename: pki.keyFile },
      },
    ],
    validation_context: {
      trusted_ca: { filename: pki.caFile },
      match_typed_subject_alt_names: [
        { san_type: 'URI', matcher: { exact: 'spiffe://bench.test/ns/default/sa/peer' } },
      ],
    },
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
            { common_tls_context: commonTls(downstreamTls), require_client_certificate: true },
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
          ...(upstreamTls === null
            ? {}
            : {
                transport_socket: typed(
                  'envoy.transport_sockets.tls',
                  'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
                  { common_tls_context: commonTls(upstreamTls), sni: 'peer.bench.test' },
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

export interface PlainOptions {
  readonly ports: Ports;
  readonly upstreamPort: number;
  readonly downstreamTls: Pki | null;
  readonly upstreamTls: Pki | null;
  readonly shape: Shape;
  readonly directory: string;
}

/** nginx.conf of one worker with keep-alive both ways. */
export function nginxProxyConf(options: PlainOptions): string {
  const { ports, upstreamPort, downstreamTls, upstreamTls, shape, directory } = options;
  const isWebSocket = shape.backend === 'websocket';
  const scheme = upstreamTls === null ? 'http' : 'https';
  return `user root;
worker_processes 1;
daemon off;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log;
events { worker_connections 4096; }
http {
  access_log ${shape.accessLog ? `${directory}/access.log combined buffer=64k flush=1s` : 'off'};
  client_max_body_size 0;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  keepalive_requests 10000000;
  upstream backend { server 127.0.0.1:${upstreamPort}; keepalive 256; keepalive_requests 10000000; }
  server {
    listen 127.0.0.1:${ports.listen}${downstreamTls === null ? '' : ' ssl'} backlog=4096 reuseport;
    ${
      downstreamTls === null
        ? ''
        : `ssl_certificate ${downstreamTls.certificateFile};
    ssl_certificate_key ${downstreamTls.keyFile};
    ssl_client_certificate ${downstreamTls.caFile};
    ssl_verify_client on;`
    }
    location / {
      proxy_pass ${scheme}://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "${isWebSocket ? 'upgrade' : ''}";
      ${isWebSocket ? 'proxy_set_header Upgrade $http_upgrade;' : ''}
      proxy_set_header X-Request-Id $request_id;
      ${
        upstreamTls === null
          ? ''
          : `proxy_ssl_certificate ${upstreamTls.certificateFile};
      proxy_ssl_certificate_key ${upstreamTls.keyFile};
      proxy_ssl_trusted_certificate ${upstreamTls.caFile};
      proxy_ssl_verify on;
      proxy_ssl_name peer.bench.test;`
      }
    }
  }
}
`;
}

/** haproxy.cfg of one thread; plaintext only. */
export function haproxyConf(options: PlainOptions): string {
  const isHttp = options.shape.protocol === 'http';
  return `global
  nbthread 1
  maxconn 8192
defaults
  mode ${options.shape.protocol}
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
frontend ingress
  bind 127.0.0.1:${options.ports.listen} backlog 4096
  ${isHttp ? 'unique-id-format %{+X}o%ci:%cp_%fi:%fp_%Ts_%rt:%pid' : ''}
  ${isHttp ? 'unique-id-header X-Request-ID' : ''}
  default_backend backend
backend backend
  ${isHttp ? 'http-reuse always' : ''}
  retries 2
  server s1 127.0.0.1:${options.upstreamPort} observe ${isHttp ? 'layer7' : 'layer4'} error-limit 5 on-error mark-down inter 1000
`;
}

/** The backend that all proxies forward to: nginx, bodies of exact sizes from memory-mapped files. */
export function nginxBackendConf(port: number, directory: string): string {
  return `user root;
worker_processes 1;
daemon off;
pid ${directory}/backend.pid;
error_log ${directory}/backend-error.log;
events { worker_connections 4096; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  open_file_cache max=100;
  client_body_temp_path ${directory}/b-body;
  proxy_temp_path ${directory}/b-proxy;
  fastcgi_temp_path ${directory}/b-fastcgi;
  uwsgi_temp_path ${directory}/b-uwsgi;
  scgi_temp_path ${directory}/b-scgi;
  keepalive_requests 100000000;
  keepalive_timeout 3600s;
  server {
    listen 127.0.0.1:${port} backlog=4096 reuseport;
    root ${directory}/www;
    location / { try_files /1k =404; }
    location = /upload { client_max_body_size 0; return 200; }
    location = /64k { try_files /64k =404; }
    location = /1m { try_files /1m =404; }
  }
}
`;
}
