// Load reports (LRS): Envoy and our sidecar tell one load reporting server the same of the same requests.

import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { ReportServer } from '../fakes/report-server.ts';
import { until } from '../fakes/until.ts';
import { findPeer, skipWithout } from './peers.ts';
import { type RunningProxy, startProxy } from './proxies.ts';

const kinds = ['envoy', 'remora'] as const;
const method = {
  path: '/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats',
  request: 'envoy.service.load_stats.v3.LoadStatsRequest',
  response: 'envoy.service.load_stats.v3.LoadStatsResponse',
};

interface LoadStatsReport {
  readonly cluster_stats?: readonly ClusterLoad[];
}

interface ClusterLoad {
  readonly cluster_name?: string;
  readonly upstream_locality_stats?: readonly Readonly<Record<string, unknown>>[];
  readonly load_report_interval?: unknown;
}

const type = (name: string) => `type.googleapis.com/envoy.${name}`;
const CLUSTERS = ['good', 'silent', 'full', 'shed'];

const oneSecond = { seconds: 1, nanos: 0 };

const order = (report_endpoint_granularity: boolean) => ({
  send_all_clusters: true,
  load_reporting_interval: oneSecond,
  report_endpoint_granularity,
});

const address = (port: number) => ({
  socket_address: { address: '127.0.0.1', port_value: port },
});

/** Answers with the status that the path says, and with a load report. */
function startUpstream(): Promise<http.Server> {
  const server = http.createServer((request, response) => {
    request.resume();
    const status = Number(/\/status\/(\d+)/.exec(request.url ?? '')?.[1] ?? 200);
    response.writeHead(status, {
      'endpoint-load-metrics':
        'TEXT named_metrics.work=2.5,named_metrics.other=1,cpu_utilization=0.5',
    });
    if (!(request.url ?? '').includes('/hold')) response.end('ok');
    else response.write('h');
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

const portOf = (server: http.Server) => (server.address() as AddressInfo).port; // listens on TCP

function bootstrap(
  ports: { readonly listen: number; readonly admin: number },
  lrsPort: number,
  upstreams: readonly number[],
): string {
  const [first = 0, second = 0] = upstreams;
  const cluster = (name: string, endpoints: readonly object[], more: object = {}) => ({
    name,
    type: 'STATIC',
    connect_timeout: '2s',
    load_assignment: { cluster_name: name, endpoints, ...more },
  });
  const host = (port: number) => ({ endpoint: { address: address(port) } });
  const locality = (zone: string) => ({ region: 'r', zone, sub_zone: 's' });
  const one = [{ lb_endpoints: [host(first)] }];
  return JSON.stringify({
    node: { id: 'n1', cluster: 'c1', locality: locality('home') },
    admin: { address: address(ports.admin) },
    cluster_manager: {
      load_stats_config: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'lrs' } }],
      },
    },
    static_resources: {
      listeners: [
        {
          name: 'l',
          address: address(ports.listen),
          enable_reuse_port: false,
          filter_chains: [{ filters: [{ name: 'hcm', typed_config: manager }] }],
        },
      ],
      clusters: [
        {
          ...cluster('good', [
            { locality: locality('a'), lb_endpoints: [host(first)] },
            { locality: locality('c'), priority: 1, lb_endpoints: [host(second)] },
          ]),
          lrs_report_endpoint_metrics: ['named_metrics.work', 'cpu_utilization'],
        },
        cluster('silent', one),
        {
          ...cluster('full', one),
          circuit_breakers: { thresholds: [{ max_requests: 0, max_connections: 0 }] },
        },
        cluster('shed', one, {
          policy: {
            drop_overloads: [
              { category: 'too_much', drop_percentage: { numerator: 100, denominator: 'HUNDRED' } },
            ],
          },
        }),
        {
          ...cluster('lrs', [{ lb_endpoints: [host(lrsPort)] }]),
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': type('extensions.upstreams.http.v3.HttpProtocolOptions'),
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
        },
      ],
    },
  });
}

const manager = {
  '@type': type('extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
  stat_prefix: 'in',
  http_filters: [
    {
      name: 'envoy.filters.http.router',
      typed_config: { '@type': type('extensions.filters.http.router.v3.Router') },
    },
  ],
  route_config: {
    virtual_hosts: [
      {
        name: 'v',
        domains: ['*'],
        routes: CLUSTERS.map((name) => ({
          match: { prefix: `/${name}/` },
          route: { cluster: name, timeout: '20s' },
        })),
      },
    ],
  },
};

/** What was said of a cluster since `from`, report by report. */
function reportsOf(server: ReportServer<LoadStatsReport>, name: string, from: number) {
  return server.reports
    .slice(from)
    .flatMap(({ cluster_stats }) => cluster_stats ?? [])
    .filter(({ cluster_name }) => cluster_name === name);
}

/** Everything but times and the order of things. Envoy reports the cluster of its own stream, too: ours is a channel. */
function normal({
  load_report_interval: _,
  upstream_locality_stats,
  ...rest
}: ClusterLoad): object {
  const byName = (a: Metric, b: Metric) => (a.metric_name < b.metric_name ? -1 : 1);
  const sorted = (stats: Stats): Stats => ({
    ...stats,
    ...(stats.load_metric_stats === undefined
      ? {}
      : { load_metric_stats: [...stats.load_metric_stats].sort(byName) }),
  });
  return {
    ...rest,
    localities: (upstream_locality_stats as readonly Stats[] | undefined)?.map((stats) => {
      const { upstream_endpoint_stats: endpoints, ...locality } = stats;
      return { ...sorted(locality), endpoints: (endpoints ?? []).map(sorted) };
    }),
  };
}

interface Metric {
  readonly metric_name: string;
}

interface Stats extends Readonly<Record<string, unknown>> {
  readonly load_metric_stats?: readonly Metric[];
  readonly upstream_endpoint_stats?: readonly Stats[];
}

describe('load reports', { skip: skipWithout('envoy') }, () => {
  const upstreams: http.Server[] = [];
  const servers = new Map<string, ReportServer<LoadStatsReport>>();
  const proxies = new Map<string, RunningProxy>();

  before(async () => {
    // One host of each priority: which of two a request meets is chance.
    for (let i = 0; i < 2; i++) upstreams.push(await startUpstream());
    for (const kind of kinds) {
      const server = await ReportServer.start<LoadStatsReport>(method, order(false));
      servers.set(kind, server);
      const proxy = await startProxy(kind, findPeer('envoy') ?? '', (ports) =>
        bootstrap(ports, server.port, upstreams.map(portOf)),
      );
      proxies.set(kind, proxy);
      await until('it reports', () => server.reports.length >= 2);
    }
  });
  after(async () => {
    for (const proxy of proxies.values()) await proxy.stop();
    for (const server of servers.values()) server.stop();
    for (const upstream of upstreams) {
      upstream.close();
      upstream.closeAllConnections();
    }
  });

  const of = (kind: string) => {
    const [server, proxy] = [servers.get(kind), proxies.get(kind)];
    assert.ok(server !== undefined && proxy !== undefined);
    return { server, proxy };
  };
  const get = async (kind: string, path: string) => {
    const response = await fetch(`http://127.0.0.1:${of(kind).proxy.ports.listen}${path}`);
    await response.text();
    return response.status;
  };
  /** Asks, and gives what is reported then, cluster by cluster. */
  const reported = async (kind: string, requests: () => Promise<void>) => {
    const { server } = of(kind);
    // Right behind a report: all of it falls into the next.
    const before = server.reports.length;
    await until('there is a report', () => server.reports.length > before);
    const from = server.reports.length;
    await requests();
    await until('there is another', () => server.reports.length > from);
    assert.equal(server.reports.length, from + 1, 'one window holds all');
    return Object.fromEntries(
      CLUSTERS.map((name) => [name, reportsOf(server, name, from).map(normal)]),
    );
  };

  test('are the same for the same requests: successes, failures, metrics, drops', async () => {
    const both = [];
    for (const kind of kinds) {
      const statuses: number[] = [];
      both.push(
        await reported(kind, async () => {
          for (let i = 0; i < 5; i++) await get(kind, '/good/');
          for (let i = 0; i < 3; i++) await get(kind, '/good/status/500');
          for (let i = 0; i < 2; i++) await get(kind, '/good/status/404');
          for (const name of ['full', 'full', 'shed']) statuses.push(await get(kind, `/${name}/`));
        }),
      );
      assert.deepEqual(statuses, [503, 503, 503]);
    }
    assert.deepEqual(both[1], both[0]);
    assert.match(JSON.stringify(both[0]), /"total_issued_requests":10/);
  });

  test('name hosts where the server wants to know them, and what is under way', async () => {
    const both = [];
    for (const kind of kinds) {
      of(kind).server.tell(order(true));
      const held = new AbortController();
      both.push(
        await reported(kind, async () => {
          await get(kind, '/good/');
          const url = `http://127.0.0.1:${of(kind).proxy.ports.listen}/good/hold`;
          await fetch(url, { signal: held.signal });
        }),
      );
      held.abort();
    }
    assert.deepEqual(both[1], both[0]);
    assert.match(JSON.stringify(both[0]), /"endpoints":\[\{.*"total_requests_in_progress":1/);
  });

  test('name the clusters that the server asks for, which may not exist', async () => {
    for (const kind of kinds) {
      const { server } = of(kind);
      server.tell({ clusters: ['silent', 'nobody'], load_reporting_interval: oneSecond });
      const from = server.reports.length;
      await until('two reports', () => server.reports.length >= from + 3);
      const last = server.reports.at(-1);
      assert.deepEqual(
        last?.cluster_stats?.map(({ cluster_name }) => cluster_name),
        ['silent'],
        kind,
      );
      server.tell(order(false));
    }
  });

  test('begin again when the stream was lost, and both count that', async () => {
    const stats = async (kind: string) => of(kind).proxy.admin('/stats?filter=^load_reporter');
    for (const kind of kinds) {
      const { server } = of(kind);
      const streams = server.streams;
      server.end(14);
      await until('it comes back', () => server.streams > streams, 15_000);
      await until('it counts', async () => /retries: 1/.test(await stats(kind)));
      assert.match(await stats(kind), /errors: 1\n/);
      const from = server.reports.length;
      await until('it reports', () => server.reports.slice(from).some(hasClusters), 15_000);
    }
  });
});

const hasClusters = ({ cluster_stats = [] }: LoadStatsReport) => cluster_stats.length > 0;
