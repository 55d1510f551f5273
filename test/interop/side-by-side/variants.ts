// Envoy and an in-process Remora with the same listeners, one per variant of the connection manager, in front
// of one recording upstream. For rules that are options: each variant is sent the same requests.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { type Sidecar, startSidecar } from '../../integration/sidecar.ts';
import { findPeer } from '../peers.ts';
import { type RunningProxy, startProxy } from '../proxies.ts';

export interface Variant {
  readonly name: string;
  /** Fields of the HttpConnectionManager besides its routes and filters, as YAML flow; @LOG@ is a file's name. */
  readonly hcm: string;
  /** Fields of the one route action besides the cluster, as YAML flow. */
  readonly route?: string;
  /** A whole `transport_socket` of the listener, as YAML flow. */
  readonly transportSocket?: string;
  /** A whole `route_config` (YAML flow) instead of the one route. */
  readonly routeConfig?: string;
  /** HTTP filters before the router, YAML flow items. */
  readonly filters?: readonly string[];
  /** The listener's per_connection_buffer_limit_bytes. */
  readonly bufferLimitBytes?: number;
}

export type ProxyKind = 'envoy' | 'remora';

export interface VariantProxies {
  port(kind: ProxyKind, variant: string): number;
  admin(kind: ProxyKind, path: string): Promise<string>;
  /** Lines of @LOG@; flushed by stop(). */
  logLines(kind: ProxyKind): readonly string[];
  stop(): Promise<void>;
}

const ROUTER =
  '{ name: envoy.filters.http.router, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } }';

function listener(variant: Variant): string {
  const routes =
    variant.routeConfig ??
    `{ name: ${variant.name}, virtual_hosts: [{ name: all, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: backend${variant.route === undefined ? '' : `, ${variant.route}`} } }] }] }`;
  const socket =
    variant.transportSocket === undefined
      ? ''
      : `\n          transport_socket: ${variant.transportSocket}`;
  return `
    - name: ${variant.name}
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
      # With it the kernel may give two listeners of Envoy the same port.
      enable_reuse_port: false
      per_connection_buffer_limit_bytes: ${variant.bufferLimitBytes ?? 1_048_576}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: ${variant.name}
                route_config: ${routes}
                http_filters: [${[...(variant.filters ?? []), ROUTER].join(', ')}]
${variant.hcm
  .split('\n')
  .map((line) => `                ${line}`)
  .join('\n')}${socket}`;
}

/** The bootstrap without its admin section. `clusters` are further items, YAML. */
function bootstrap(variants: readonly Variant[], backendPort: number, clusters: string): string {
  return `
node: { id: variants, cluster: test }
static_resources:
  listeners:${variants.map(listener).join('')}
  clusters:
    - name: backend
      type: STATIC
      connect_timeout: 1s
      load_assignment:
        cluster_name: backend
        endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${backendPort} } } } }] }]
${clusters}`;
}

/** Starts both; `stop` ends both. */
export async function startVariants(
  variants: readonly Variant[],
  backendPort: number,
  clusters = '',
): Promise<VariantProxies> {
  const folder = mkdtempSync(join(os.tmpdir(), 'remora-variants-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const logOf = (kind: ProxyKind): string => join(folder, `${kind}.log`);
  const text = bootstrap(variants, backendPort, clusters);
  const envoy: RunningProxy = await startProxy(
    'envoy',
    findPeer('envoy') ?? 'envoy',
    (ports) =>
      `admin: { address: { socket_address: { address: 127.0.0.1, port_value: ${ports.admin} } } }\n${text.replaceAll('@LOG@', logOf('envoy'))}`,
  );
  let remora: Sidecar;
  try {
    remora = await startSidecar(text.replaceAll('@LOG@', logOf('remora')));
  } catch (thrown) {
    await envoy.stop();
    throw thrown;
  }
  const ports = new Map<string, number>();
  for (const line of (await envoy.admin('/listeners')).trim().split('\n')) {
    const [name = '', address = ''] = line.split('::');
    ports.set(name, Number(address.split(':').at(-1)));
  }
  return {
    port: (kind, variant) => (kind === 'envoy' ? (ports.get(variant) ?? 0) : remora.port(variant)),
    admin: (kind, path) => (kind === 'envoy' ? envoy.admin(path) : remora.admin(path)),
    logLines: (kind) => readFileSync(logOf(kind), 'latin1').trimEnd().split('\n'),
    stop: async () => {
      await Promise.all([envoy.stop(), remora.stop()]);
    },
  };
}
