// The same job as configs.ts says to Envoy, as far as NGINX and HAProxy have it; and the NGINX behind all of them.

import { type Shape, upstreamIsHttp2 } from '../rows.ts';
import type { Pki, Ports } from './configs.ts';

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
  const isGrpc = upstreamIsHttp2(shape);
  const module = isGrpc ? 'grpc' : 'proxy';
  const scheme = `${isGrpc ? 'grpc' : 'http'}${upstreamTls === null ? '' : 's'}`;
  const listen = `${downstreamTls === null ? '' : ' ssl'}${shape.clients === 'http2' ? ' http2' : ''}`;
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
  http2_max_concurrent_streams 1024;
  upstream backend { server 127.0.0.1:${upstreamPort}; keepalive 256; keepalive_requests 10000000; }
  server {
    listen 127.0.0.1:${ports.listen}${listen} backlog=4096 reuseport;
    ${
      downstreamTls === null
        ? ''
        : `ssl_certificate ${downstreamTls.certificateFile};
    ssl_certificate_key ${downstreamTls.keyFile};
    ssl_client_certificate ${downstreamTls.caFile};
    ssl_verify_client ${shape.tls === 'server' ? 'off' : 'on'};`
    }
    location / {
      ${module}_pass ${scheme}://backend;
      ${module}_set_header X-Request-Id $request_id;
      ${
        isGrpc
          ? ''
          : `proxy_http_version 1.1;
      proxy_set_header Connection "${isWebSocket ? 'upgrade' : ''}";
      ${isWebSocket ? 'proxy_set_header Upgrade $http_upgrade;' : ''}`
      }
      ${
        upstreamTls === null
          ? ''
          : `${module}_ssl_certificate ${upstreamTls.certificateFile};
      ${module}_ssl_certificate_key ${upstreamTls.keyFile};
      ${module}_ssl_trusted_certificate ${upstreamTls.caFile};
      ${module}_ssl_verify on;
      ${module}_ssl_name peer.bench.test;`
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
  bind 127.0.0.1:${options.ports.listen} backlog 4096${options.shape.clients === 'http2' ? ' proto h2' : ''}
  ${isHttp ? 'unique-id-format %{+X}o%ci:%cp_%fi:%fp_%Ts_%rt:%pid' : ''}
  ${isHttp ? 'unique-id-header X-Request-ID' : ''}
  default_backend backend
backend backend
  ${isHttp ? 'http-reuse always' : ''}
  retries 2
  server s1 127.0.0.1:${options.upstreamPort}${upstreamIsHttp2(options.shape) ? ' proto h2' : ''} observe ${isHttp ? 'layer7' : 'layer4'} error-limit 5 on-error mark-down inter 1000
`;
}

/** Where the backend listens, by what it speaks there. */
export interface FilePorts {
  readonly http1: number;
  readonly http2: number;
  readonly http2Tls: number;
}

/** The backend that all proxies forward to: nginx, bodies of exact sizes from memory-mapped files. */
export function nginxBackendConf(ports: FilePorts, pki: Pki, directory: string): string {
  const server = (listen: string) => `
  server {
    listen 127.0.0.1:${listen} backlog=4096 reuseport;
    ssl_certificate ${pki.certificateFile};
    ssl_certificate_key ${pki.keyFile};
    root ${directory}/www;
    location / { try_files /1k =404; }
    location = /upload { client_max_body_size 0; return 200; }
    location = /64k { try_files /64k =404; }
    location = /1m { try_files /1m =404; }
  }`;
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
  http2_max_concurrent_streams 1024;
  http2_chunk_size 16k;
  ${server(`${ports.http1}`)}
  ${server(`${ports.http2} http2`)}
  ${server(`${ports.http2Tls} ssl http2`)}
}
`;
}
