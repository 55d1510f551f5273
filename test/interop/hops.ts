// One proxy, or two with mTLS between them, in front of a server of the interop tests over HTTP/2 and gRPC: real Envoys
// and our own compiled sidecars in any order, all from the same bootstrap.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TestCa, type TestCertificate } from '../fakes/pki.ts';
import { findPeer } from './peers.ts';
import { type RunningProxy, startProxy } from './proxies.ts';

export type Kind = 'envoy' | 'remora';

/** Ways through proxies, entrance first. Envoy alone shows that a test asks for the right thing. */
export const ways: readonly { readonly name: string; readonly kinds: readonly Kind[] }[] = [
  { name: 'Envoy', kinds: ['envoy'] },
  { name: 'Remora', kinds: ['remora'] },
  { name: 'Remora, mTLS, Remora', kinds: ['remora', 'remora'] },
  { name: 'Remora, mTLS, Envoy', kinds: ['remora', 'envoy'] },
  { name: 'Envoy, mTLS, Remora', kinds: ['envoy', 'remora'] },
];

/** The same in cleartext, and TLS on both sides where there is one proxy. */
export const forms = [
  ...ways.map((way) => ({ ...way, isTls: false })),
  ...ways
    .filter(({ kinds }) => kinds.length === 1)
    .map(({ name, kinds }) => ({ name: `${name}, TLS on both sides`, kinds, isTls: true })),
];

const IDENTITY = 'spiffe://interop.test/ns/default/sa/peer';
/** DNS name in every certificate here. */
export const SERVER_NAME = 'peer.interop.test';

/** A CA, and one certificate that every side shows. */
export interface HopPki {
  readonly caPem: string;
  readonly leaf: TestCertificate;
}

export async function makeHopPki(): Promise<HopPki> {
  const ca = await TestCa.create('interop');
  const leaf = await ca.issue({
    uri: [IDENTITY],
    dns: [SERVER_NAME, 'localhost'],
    ip: ['127.0.0.1'],
  });
  return { caPem: ca.certificatePem, leaf };
}

/** ca.pem, leaf.pem and leaf.key in `directory`, for programs that read files. */
export function writeHopPki(pki: HopPki, directory: string) {
  const file = (name: string, text: string) => {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  return {
    ca: file('ca.pem', pki.caPem),
    certificate: file('leaf.pem', pki.leaf.certificatePem),
    key: file('leaf.key', pki.leaf.privateKeyPem),
  };
}

export interface HopsOptions {
  readonly kinds: readonly Kind[];
  readonly backendPort: number;
  /** What the server speaks; default http2. */
  readonly backend?: 'http1' | 'http2';
  /** Clients speak TLS to the entrance, and the last hop speaks TLS to the server; no client certificates. */
  readonly isTls?: boolean;
  /** Where the server differs in that. */
  readonly isTlsBackend?: boolean;
  /** Of the connection managers; default AUTO. */
  readonly codecType?: 'AUTO' | 'HTTP2';
  /** More fields of the RouteAction and of Http2ProtocolOptions on both sides, of every hop. */
  readonly route?: object;
  readonly http2?: object;
}

export interface Hops {
  /** Of the entrance. */
  readonly port: number;
  /** Entrance first. */
  readonly proxies: readonly RunningProxy[];
  stop(): Promise<void>;
}

/** Starts the hops, the one next to the server first. */
export async function startHops(pki: HopPki, options: HopsOptions): Promise<Hops> {
  const proxies: RunningProxy[] = [];
  const stop = async () => {
    for (const proxy of proxies) await proxy.stop();
  };
  const { isTls = false, isTlsBackend = isTls } = options;
  let upstreamPort = options.backendPort;
  try {
    for (let i = options.kinds.length - 1; i >= 0; i--) {
      const isLast = i === options.kinds.length - 1;
      const bootstrap = ({ listen, admin }: { listen: number; admin: number }) =>
        JSON.stringify(
          hopBootstrap(pki, options, {
            listen,
            admin,
            upstreamPort,
            downstreamTls: i > 0 ? 'mutual' : isTls ? 'server' : 'none',
            upstreamTls: !isLast ? 'mutual' : isTlsBackend ? 'server' : 'none',
            upstream: isLast ? (options.backend ?? 'http2') : 'http2',
          }),
        );
      const proxy = await startProxy(options.kinds[i]!, findPeer('envoy') ?? '', bootstrap);
      proxies.unshift(proxy);
      upstreamPort = proxy.ports.listen;
    }
  } catch (thrown) {
    await stop();
    throw thrown;
  }
  return { port: upstreamPort, proxies, stop };
}

type Tls = 'none' | 'server' | 'mutual';

interface Hop {
  readonly listen: number;
  readonly admin: number;
  readonly upstreamPort: number;
  readonly downstreamTls: Tls;
  readonly upstreamTls: Tls;
  readonly upstream: 'http1' | 'http2';
}

const typed = (name: string, type: string, fields: object = {}) => ({
  name,
  typed_config: { '@type': `type.googleapis.com/${type}`, ...fields },
});
const address = (port: number) => ({
  address: { socket_address: { address: '127.0.0.1', port_value: port } },
});

function certificate({ leaf }: HopPki): object {
  const chain = { inline_string: leaf.certificatePem };
  const key = { inline_string: leaf.privateKeyPem };
  return { tls_certificates: [{ certificate_chain: chain, private_key: key }] };
}

function validation({ caPem }: HopPki): object {
  return {
    validation_context: {
      trusted_ca: { inline_string: caPem },
      match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: IDENTITY } }],
    },
  };
}

function downstreamSocket(pki: HopPki, tls: Tls): object {
  if (tls === 'none') return {};
  const isMutual = tls === 'mutual';
  const type = 'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext';
  return {
    transport_socket: typed('envoy.transport_sockets.tls', type, {
      common_tls_context: {
        ...certificate(pki),
        ...(isMutual ? validation(pki) : {}),
        alpn_protocols: ['h2', 'http/1.1'],
      },
      require_client_certificate: isMutual,
    }),
  };
}

function upstreamSocket(pki: HopPki, tls: Tls, alpn: string): object {
  if (tls === 'none') return {};
  const type = 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
  return {
    transport_socket: typed('envoy.transport_sockets.tls', type, {
      common_tls_context: {
        ...(tls === 'mutual' ? certificate(pki) : {}),
        ...validation(pki),
        alpn_protocols: [alpn],
      },
      sni: SERVER_NAME,
    }),
  };
}

function hopBootstrap(pki: HopPki, options: HopsOptions, hop: Hop): object {
  const isHttp2 = hop.upstream === 'http2';
  const http = isHttp2
    ? { http2_protocol_options: options.http2 ?? {} }
    : { http_protocol_options: {} };
  const upstreamOptions = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  const manager = typed(
    'envoy.filters.network.http_connection_manager',
    'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    {
      stat_prefix: 'ingress',
      codec_type: options.codecType ?? 'AUTO',
      http2_protocol_options: options.http2 ?? {},
      proxy_100_continue: true,
      upgrade_configs: [{ upgrade_type: 'websocket' }],
      http_filters: [
        typed('envoy.filters.http.router', 'envoy.extensions.filters.http.router.v3.Router'),
      ],
      route_config: {
        name: 'local',
        virtual_hosts: [
          {
            name: 'all',
            domains: ['*'],
            routes: [
              {
                match: { prefix: '/' },
                route: { cluster: 'backend', timeout: '0s', ...options.route },
              },
            ],
          },
        ],
      },
    },
  );
  return {
    node: { id: 'interop', cluster: 'interop' },
    admin: address(hop.admin),
    static_resources: {
      listeners: [
        {
          name: 'ingress',
          ...address(hop.listen),
          filter_chains: [{ ...downstreamSocket(pki, hop.downstreamTls), filters: [manager] }],
        },
      ],
      clusters: [
        {
          name: 'backend',
          type: 'STATIC',
          connect_timeout: '5s',
          ...upstreamSocket(pki, hop.upstreamTls, isHttp2 ? 'h2' : 'http/1.1'),
          circuit_breakers: {
            thresholds: [
              {
                max_connections: 4096,
                max_pending_requests: 4096,
                max_requests: 4096,
                max_retries: 4096,
              },
            ],
          },
          typed_extension_protocol_options: {
            [upstreamOptions]: {
              '@type': `type.googleapis.com/${upstreamOptions}`,
              explicit_http_config: http,
            },
          },
          load_assignment: {
            cluster_name: 'backend',
            endpoints: [{ lb_endpoints: [{ endpoint: address(hop.upstreamPort) }] }],
          },
        },
      ],
    },
  };
}
