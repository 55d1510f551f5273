// Delegated health checks (HDS): Envoy and our sidecar tell one management server the same of the same hosts.

import assert from 'node:assert/strict';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { ReportServer } from '../fakes/report-server.ts';
import { until } from '../fakes/until.ts';
import { findPeer, skipWithout } from './peers.ts';
import { freePort, type RunningProxy, startProxy } from './proxies.ts';

const kinds = ['envoy', 'remora'] as const;
const method = {
  path: '/envoy.service.health.v3.HealthDiscoveryService/StreamHealthCheck',
  request: 'envoy.service.health.v3.HealthCheckRequestOrEndpointHealthResponse',
  response: 'envoy.service.health.v3.HealthCheckSpecifier',
};

interface Report {
  readonly health_check_request?: { readonly capability?: object; readonly node?: { id?: string } };
  readonly endpoint_health_response?: {
    readonly endpoints_health?: readonly { readonly health_status?: string }[];
  };
}

const seconds = (s: number) => ({ seconds: Math.floor(s), nanos: Math.round((s % 1) * 1e9) });
const address = (port: number) => ({
  socket_address: { address: '127.0.0.1', port_value: port },
});
const common = {
  timeout: seconds(0.3),
  interval: seconds(0.1),
  no_traffic_interval: seconds(0.1),
  unhealthy_threshold: { value: 1 },
  healthy_threshold: { value: 1 },
};
const httpCheck = { ...common, http_health_check: { path: '/health' } };
const tcpCheck = { ...common, tcp_health_check: {} };

function bootstrap(admin: number, hds: number): string {
  const name = 'hds';
  const http2 = 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  return JSON.stringify({
    node: { id: 'n1', cluster: 'c1' },
    admin: { address: address(admin) },
    hds_config: {
      api_type: 'GRPC',
      transport_api_version: 'V3',
      grpc_services: [{ envoy_grpc: { cluster_name: name } }],
    },
    static_resources: {
      clusters: [
        {
          name,
          type: 'STATIC',
          connect_timeout: '2s',
          load_assignment: {
            cluster_name: name,
            endpoints: [{ lb_endpoints: [{ endpoint: { address: address(hds) } }] }],
          },
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': http2,
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
        },
      ],
    },
  });
}

describe('delegated health checks', { skip: skipWithout('envoy') }, () => {
  /** By kind: a host that changes its mind must do so for one proxy at a time. */
  let status = 200;
  const servers = new Map<string, ReportServer<Report>>();
  const proxies = new Map<string, RunningProxy>();
  const closers: (() => void)[] = [];
  let ports: readonly number[];

  const listen = async (server: net.Server): Promise<number> => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => server.close());
    return (server.address() as AddressInfo).port; // listens on TCP
  };
  const answering = (code: () => number) =>
    http.createServer((_request, response) => {
      response.writeHead(code(), { connection: 'close' });
      response.end();
    });
  const specifier = (...checks: readonly object[]) => ({
    interval: seconds(0.3),
    cluster_health_checks: [
      {
        cluster_name: 'c',
        health_checks: checks,
        locality_endpoints: [
          {
            locality: { zone: 'a' },
            endpoints: ports.slice(0, 2).map((p) => ({ address: address(p) })),
          },
          {
            locality: { zone: 'b' },
            endpoints: ports.slice(2).map((p) => ({ address: address(p) })),
          },
        ],
      },
    ],
  });

  before(async () => {
    const silent = net.createServer((socket) => socket.on('error', () => socket.destroy()));
    ports = [
      await listen(answering(() => status)),
      await listen(answering(() => 503)),
      await listen(silent),
      await freePort(),
    ];
    for (const kind of kinds) {
      const server = await ReportServer.start<Report>(method, specifier(httpCheck));
      servers.set(kind, server);
      proxies.set(
        kind,
        await startProxy(kind, findPeer('envoy') ?? '', ({ admin }) =>
          bootstrap(admin, server.port),
        ),
      );
    }
  });
  after(async () => {
    for (const proxy of proxies.values()) await proxy.stop();
    for (const server of servers.values()) server.stop();
    for (const close of closers) close();
  });

  const of = (kind: string) => {
    const [server, proxy] = [servers.get(kind), proxies.get(kind)];
    assert.ok(server !== undefined && proxy !== undefined);
    return { server, proxy };
  };
  const healthIn = (report: Report | undefined) =>
    (report?.endpoint_health_response?.endpoints_health ?? []).map((of) => of.health_status);
  const untilHealth = (kind: string, expected: readonly string[]) =>
    until(
      `${kind} reports ${expected.join()}`,
      () => healthIn(of(kind).server.reports.at(-1)).join() === expected.join(),
      10_000,
    );
  const stats = (kind: string) => of(kind).proxy.admin('/stats?filter=^hds_delegate');

  test('are announced in the same words', async () => {
    const capability = { health_check_protocols: ['HTTP', 'TCP'] };
    for (const kind of kinds) {
      const { reports } = of(kind).server;
      await until('it says something', () => reports.length > 0);
      const [first] = reports;
      assert.deepEqual(first?.health_check_request?.capability, capability, kind);
      assert.equal(first?.health_check_request?.node?.id, 'n1', kind);
    }
  });

  test('find and report the same, byte by byte', async () => {
    for (const kind of kinds) {
      await untilHealth(kind, ['HEALTHY', 'UNHEALTHY', 'TIMEOUT', 'UNHEALTHY']);
    }
    assert.deepEqual(of('remora').server.reports.at(-1), of('envoy').server.reports.at(-1));
  });

  test('follow a host that changes its mind', async () => {
    status = 500;
    for (const kind of kinds) {
      await untilHealth(kind, ['UNHEALTHY', 'UNHEALTHY', 'TIMEOUT', 'UNHEALTHY']);
    }
    status = 200;
    for (const kind of kinds) {
      await untilHealth(kind, ['HEALTHY', 'UNHEALTHY', 'TIMEOUT', 'UNHEALTHY']);
    }
  });

  test('are other ones when the server says so', async () => {
    for (const kind of kinds) {
      of(kind).server.tell({ ...specifier(tcpCheck), cluster_health_checks: [] });
      of(kind).server.tell(specifier(tcpCheck));
      await untilHealth(kind, ['HEALTHY', 'HEALTHY', 'HEALTHY', 'UNHEALTHY']);
    }
    assert.deepEqual(of('remora').server.reports.at(-1), of('envoy').server.reports.at(-1));
  });

  test('are counted alike: what came, what was new, what was refused', async () => {
    const counts = [];
    for (const kind of kinds) {
      const { server } = of(kind);
      server.tell(specifier(tcpCheck));
      server.tell(specifier({}));
      await until('it was refused', async () => /errors: 1\n/.test(await stats(kind)));
      server.end(14);
      await until('it comes back', () => server.streams === 2, 10_000);
      const text = await stats(kind);
      counts.push(text.split('\n').filter((line) => !line.includes('responses')));
    }
    assert.deepEqual(counts[1], counts[0]);
  });
});
