// A proxy of either kind with one connection manager, whose routes (or clusters) come from the small incremental ADS server of
// the tests: for scoped routes, virtual hosts and clusters on demand.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import type { JsonValue } from '../../proto/plain.ts';
import { until } from '../fakes/until.ts';
import { findPeer } from './peers.ts';
import { type RunningProxy, startProxy } from './proxies.ts';

export type Kind = 'envoy' | 'remora';
export const kinds: readonly Kind[] = ['envoy', 'remora'];

/** Message names. */
export const types = {
  cluster: 'envoy.config.cluster.v3.Cluster',
  route: 'envoy.config.route.v3.RouteConfiguration',
  scope: 'envoy.config.route.v3.ScopedRouteConfiguration',
  virtualHost: 'envoy.config.route.v3.VirtualHost',
} as const;

export const ads = { ads: {}, resource_api_version: 'V3' };
/** A stream of its own for each type. */
export const ownStream = {
  resource_api_version: 'V3',
  api_config_source: {
    api_type: 'DELTA_GRPC',
    transport_api_version: 'V3',
    grpc_services: [{ envoy_grpc: { cluster_name: 'ads' } }],
  },
};
const type = (name: string) => ({ '@type': `type.googleapis.com/${name}` });
const http2 = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const hcm = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

/** Answers everything with its own name. */
export function virtualHost(name: string, ...domains: string[]): JsonValue {
  const answer = { status: 200, body: { inline_string: name } };
  return {
    name,
    domains,
    routes: [{ name: `route-${name}`, match: { prefix: '/' }, direct_response: answer }],
  };
}

/** On loopback. */
export function staticCluster(name: string, port: number): { readonly [key: string]: JsonValue } {
  const address = { socket_address: { address: '127.0.0.1', port_value: port } };
  const endpoints = [{ lb_endpoints: [{ endpoint: { address } }] }];
  const load_assignment = { cluster_name: name, endpoints };
  return { name, type: 'STATIC', connect_timeout: '1s', load_assignment };
}

/** A route configuration with one such host. */
export function answering(name: string): JsonValue {
  return { name, virtual_hosts: [virtualHost(name, '*')] };
}

export const onDemandFilter = (fields: object = {}) => ({
  name: 'envoy.filters.http.on_demand',
  typed_config: { ...type('envoy.extensions.filters.http.on_demand.v3.OnDemand'), ...fields },
});

export interface ScopedProxyOptions {
  readonly kind: Kind;
  readonly server: { readonly port: number };
  /** Default true. */
  readonly hasAds?: boolean;
  /** Of the aggregated stream; default DELTA_GRPC. */
  readonly protocol?: 'DELTA_GRPC' | 'GRPC';
  /** Fields of the connection manager that say where routes come from. */
  readonly routes: object;
  readonly filters?: readonly object[];
  /** Static ones besides that of the server. */
  readonly clusters?: readonly object[];
  /** Short where waits are waited for. */
  readonly idleTimeout?: string;
  readonly runtime?: object;
}

/** Status, body, and what the access log says: flags, details, route. */
export type Outcome = readonly [number, string, string, string, string];

export class ScopedProxy {
  readonly kind: Kind;
  readonly #proxy: RunningProxy;
  #logged = 0;

  constructor(kind: Kind, proxy: RunningProxy) {
    this.kind = kind;
    this.#proxy = proxy;
  }

  /** One request, and the line that it left in the log. Not beside another one. */
  async ask(host: string, path = '/', headers: object = {}, body = ''): Promise<Outcome> {
    const [status, text] = await this.send(host, path, headers, body);
    const line = (await this.#lines(this.#logged + 1))[this.#logged++] ?? '';
    const [flags = '', details = '', route = ''] = line.split(' ');
    return [status, text, flags, details, route];
  }

  /** Its line in the log is the caller's to skip. */
  send(host: string, path = '/', headers: object = {}, body = ''): Promise<[number, string]> {
    return new Promise((resolve, reject) => {
      const request = http.request(
        {
          host: '127.0.0.1',
          port: this.#proxy.ports.listen,
          path,
          method: body === '' ? 'GET' : 'POST',
          headers: { host, ...headers },
          agent: false,
        },
        (response) => {
          let text = '';
          response.on('data', (chunk: Buffer) => {
            text += chunk.toString();
          });
          response.on('end', () => resolve([response.statusCode ?? 0, text]));
        },
      );
      request.on('error', reject);
      request.end(body);
    });
  }

  skipLogged(count: number): void {
    this.#logged += count;
  }

  async stat(name: string): Promise<number | null> {
    const text = await this.#proxy.admin(`/stats?filter=^${name.replaceAll('.', '\\.')}$`);
    return text.includes(': ') ? Number(text.split(': ')[1]) : null;
  }

  async configDump(section: string): Promise<unknown> {
    const dump = JSON.parse(await this.#proxy.admin('/config_dump')) as {
      readonly configs: readonly { readonly '@type': string }[];
    };
    return dump.configs.find((config) => config['@type'].endsWith(`.${section}`));
  }

  stop(): Promise<void> {
    return this.#proxy.stop();
  }

  async #lines(count: number): Promise<string[]> {
    let lines: string[] = [];
    // Writes what it has.
    await this.#proxy.admin('/reopen_logs', 'POST');
    await until(`${count} lines are in the log`, () => {
      lines = readFileSync(`${this.#proxy.directory}/access.log`, 'utf8').split('\n').slice(0, -1);
      return lines.length >= count;
    });
    return lines;
  }
}

export async function startScopedProxy(options: ScopedProxyOptions): Promise<ScopedProxy> {
  const { kind } = options;
  const binary = findPeer('envoy') ?? assert.fail('checked by skip');
  const proxy = await startProxy(kind, binary, (ports, directory) =>
    JSON.stringify(bootstrap(options, ports, directory)),
  );
  return new ScopedProxy(kind, proxy);
}

function bootstrap(
  {
    server,
    hasAds = true,
    protocol = 'DELTA_GRPC',
    routes,
    filters = [],
    clusters = [],
    idleTimeout = '300s',
    runtime = {},
  }: ScopedProxyOptions,
  ports: { readonly listen: number; readonly admin: number },
  directory: string,
): object {
  const address = (port: number) => ({
    socket_address: { address: '127.0.0.1', port_value: port },
  });
  const aggregated = { ...ownStream.api_config_source, api_type: protocol };
  const format = '%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %ROUTE_NAME%\n';
  return {
    node: { id: 'node-1', cluster: 'test' },
    admin: { address: address(ports.admin) },
    layered_runtime: { layers: [{ name: 'static', static_layer: runtime }] },
    ...(hasAds ? { dynamic_resources: { ads_config: aggregated } } : {}),
    static_resources: {
      clusters: [
        {
          ...staticCluster('ads', server.port),
          typed_extension_protocol_options: {
            [http2]: { ...type(http2), explicit_http_config: { http2_protocol_options: {} } },
          },
        },
        ...clusters,
      ],
      listeners: [
        {
          name: 'web',
          address: address(ports.listen),
          filter_chains: [
            {
              filters: [
                {
                  name: 'hcm',
                  typed_config: {
                    ...type(hcm),
                    stat_prefix: 'web',
                    stream_idle_timeout: idleTimeout,
                    access_log: [
                      {
                        name: 'log',
                        typed_config: {
                          ...type('envoy.extensions.access_loggers.file.v3.FileAccessLog'),
                          path: `${directory}/access.log`,
                          log_format: { text_format_source: { inline_string: format } },
                        },
                      },
                    ],
                    http_filters: [
                      ...filters,
                      {
                        name: 'router',
                        typed_config: type('envoy.extensions.filters.http.router.v3.Router'),
                      },
                    ],
                    ...routes,
                  },
                },
              ],
            },
          ],
        },
      ],
    },
  };
}
