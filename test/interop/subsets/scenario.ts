// One scenario of choosing hosts: a cluster, routes to it and runs of requests. Any number of them share one bootstrap,
// which Envoy and our sidecar are started with; what comes back is which hosts answered how often, and the stats.

import http, { type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

const types = 'type.googleapis.com/envoy.extensions';

export interface Endpoint {
  /** Number of the upstream, from 0; several endpoints must not share one. */
  readonly host: number;
  /** Its `envoy.lb` metadata. */
  readonly lb?: Readonly<Record<string, unknown>>;
  readonly priority?: number;
  readonly zone?: string;
  readonly health?: 'HEALTHY' | 'UNHEALTHY' | 'DEGRADED' | 'DRAINING';
}

export interface Run {
  readonly route: string;
  readonly count: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Scenario {
  readonly name: string;
  readonly endpoints: readonly Endpoint[];
  /** Fields of the cluster besides name and endpoints. */
  readonly cluster: Readonly<Record<string, unknown>>;
  /** load_balancing_weight by zone. */
  readonly zoneWeights?: Readonly<Record<string, number>>;
  /** By name: the `envoy.lb` of its metadata_match. */
  readonly routes: Readonly<Record<string, Readonly<Record<string, unknown>> | null>>;
  /** More of a route's action, by name. */
  readonly actions?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** By route. */
  readonly typedPerFilterConfig?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly runs: readonly Run[];
  /** How far shares of hosts may lie apart, 0..1; default 0 = which hosts answered is compared, not how often. */
  readonly tolerance?: number;
  /** Routes that we answer otherwise (docs/differences.md). */
  readonly differs?: readonly string[];
  readonly statsDiffer?: readonly string[];
}

/** Status and answering hosts of one run: `200 0`, `503`; with how often. */
export type RunResult = Readonly<Record<string, number>>;

export interface Upstreams {
  readonly ports: readonly number[];
  close(): void;
}

export const UPSTREAMS = 8;

/** Each answers with its number; 503 when that is among the digits of `x-fail`. */
export async function startUpstreams(): Promise<Upstreams> {
  const servers = Array.from({ length: UPSTREAMS }, (_, i) =>
    http.createServer((request, response) => {
      request.resume();
      if (String(request.headers['x-fail'] ?? '').includes(String(i))) response.statusCode = 503;
      response.end(String(i));
    }),
  );
  await Promise.all(
    servers.map((server) => new Promise<void>((done) => server.listen(0, '127.0.0.1', done))),
  );
  return {
    ports: servers.map((server) => (server.address() as AddressInfo).port),
    close: () => {
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
    },
  };
}

function clusterOf(scenario: Scenario, ports: readonly number[]): unknown {
  const localities = new Map<string, Endpoint[]>();
  for (const endpoint of scenario.endpoints) {
    const key = `${endpoint.priority ?? 0}/${endpoint.zone ?? ''}`;
    localities.set(key, [...(localities.get(key) ?? []), endpoint]);
  }
  const endpoints = [...localities.values()].map((list) => {
    const { priority = 0, zone } = list[0]!;
    const weight = scenario.zoneWeights?.[zone ?? ''];
    return {
      priority,
      ...(zone === undefined ? {} : { locality: { zone } }),
      ...(weight === undefined ? {} : { load_balancing_weight: weight }),
      lb_endpoints: list.map(({ host, lb, health }) => ({
        endpoint: {
          address: { socket_address: { address: '127.0.0.1', port_value: ports[host] } },
        },
        ...(lb === undefined ? {} : { metadata: { filter_metadata: { 'envoy.lb': lb } } }),
        ...(health === undefined ? {} : { health_status: health }),
      })),
    };
  });
  const { name } = scenario;
  return {
    name,
    connect_timeout: '5s',
    load_assignment: { cluster_name: name, endpoints },
    ...scenario.cluster,
  };
}

function routesOf({ name, routes, actions, typedPerFilterConfig }: Scenario): unknown[] {
  return Object.entries(routes).map(([route, lb]) => ({
    match: { path: `/${name}/${route}` },
    route: {
      cluster: name,
      ...(lb === null ? {} : { metadata_match: { filter_metadata: { 'envoy.lb': lb } } }),
      ...actions?.[route],
    },
    ...(typedPerFilterConfig?.[route] === undefined
      ? {}
      : { typed_per_filter_config: typedPerFilterConfig[route] }),
  }));
}

/** JSON, which is YAML too. `filters` come before the router. */
export function bootstrap(
  scenarios: readonly Scenario[],
  ports: readonly number[],
  listen: number,
  filters: readonly unknown[] = [],
): Record<string, unknown> {
  const router = {
    name: 'envoy.filters.http.router',
    typed_config: { '@type': `${types}.filters.http.router.v3.Router` },
  };
  const manager = {
    '@type': `${types}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'ingress',
    route_config: {
      virtual_hosts: [{ name: 'all', domains: ['*'], routes: scenarios.flatMap(routesOf) }],
    },
    http_filters: [...filters, router],
  };
  return {
    static_resources: {
      listeners: [
        {
          name: 'ingress',
          address: { socket_address: { address: '127.0.0.1', port_value: listen } },
          filter_chains: [
            {
              filters: [
                { name: 'envoy.filters.network.http_connection_manager', typed_config: manager },
              ],
            },
          ],
        },
      ],
      clusters: scenarios.map((scenario) => clusterOf(scenario, ports)),
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export function get(
  port: number,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    http
      .get({ port, host: '127.0.0.1', path, headers, agent: false }, (response) => {
        let body = '';
        response.setEncoding('latin1');
        response.on('data', (chunk: string) => {
          body += chunk;
        });
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        );
      })
      .on('error', reject);
  });
}

export async function run(port: number, scenario: Scenario, part: Run): Promise<RunResult> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < part.count; i++) {
    const { status, body } = await get(port, `/${scenario.name}/${part.route}`, part.headers);
    const key = status === 200 ? `200 ${body}` : String(status);
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

/** `cluster.<name>.lb_*` of the stats page. */
export function lbStats(text: string, name: string): Record<string, number> {
  const stats: Record<string, number> = {};
  const prefix = `cluster.${name}.lb_`;
  for (const line of text.split('\n')) {
    const [stat = '', value] = line.split(': ');
    if (stat.startsWith(prefix)) stats[stat.slice(prefix.length - 3)] = Number(value);
  }
  return stats;
}

/** The sidecar's fake adds an admin section in front. */
export function yamlOf(config: Record<string, unknown>): string {
  return Object.entries(config)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
    .join('');
}
