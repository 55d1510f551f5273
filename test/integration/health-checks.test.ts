// Active checks of a whole sidecar: traffic follows them in every worker, and admin and event log tell of them.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { listen } from '../fakes/checked-host.ts';
import { until } from '../fakes/until.ts';
import { assignment, httpListener, resourceOf, routes } from '../fakes/xds-resources.ts';
import { freePort } from './mesh.ts';
import { RawAds } from './raw-ads.ts';
import { type Sidecar, startSidecar } from './sidecar.ts';

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A backend that says its name, and how it is when it is asked for /health. */
async function backend(name: string) {
  const state = { port: 0, isHealthy: true, wantsNoTraffic: false, checks: 0, requests: 0 };
  const server = http.createServer((request, response) => {
    if (request.url === '/health') {
      state.checks++;
      response.statusCode = state.isHealthy ? 200 : 503;
    } else {
      state.requests++;
      if (state.wantsNoTraffic) response.setHeader('x-envoy-immediate-health-check-fail', 'true');
    }
    response.end(name);
  });
  cleanups.push(() => {
    server.close();
    server.closeAllConnections();
  });
  state.port = await listen(server);
  return state;
}

function bootstrap(ports: readonly number[], eventLog: string): string {
  const endpoint = (port: number) =>
    `{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }`;
  return `
static_resources:
  listeners:
    - name: ingress
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: ingress
                route_config:
                  virtual_hosts:
                    - { name: all, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: backend } }] }
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters:
    - name: backend
      common_lb_config: { healthy_panic_threshold: { value: 0 } }
      health_checks:
        - timeout: 5s
          interval: 0.05s
          no_traffic_interval: 0.05s
          unhealthy_threshold: 2
          healthy_threshold: 1
          http_health_check: { path: /health }
          event_logger:
            - name: file
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink
                event_log_path: ${eventLog}
      load_assignment: { cluster_name: backend, endpoints: [{ lb_endpoints: [${ports.map(endpoint).join(', ')}] }] }
`;
}

/** Who answered so many requests, each on a connection of its own so that every worker is asked. */
async function answers(sidecar: Sidecar, count: number): Promise<Set<string>> {
  const names = new Set<string>();
  for (let i = 0; i < count; i++) {
    const response = await fetch(`http://127.0.0.1:${sidecar.port('ingress')}/`, {
      headers: { connection: 'close' },
    });
    names.add(response.status === 200 ? await response.text() : String(response.status));
  }
  return names;
}

test('traffic of all workers goes to hosts that pass, and the log says when that changed', async () => {
  const [a, b] = [await backend('a'), await backend('b')];
  const directory = mkdtempSync(join(os.tmpdir(), 'remora-health-'));
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
  const log = join(directory, 'events.log');
  b.isHealthy = false;
  const sidecar = await startSidecar(bootstrap([a.port, b.port], log), { concurrency: 2 });
  cleanups.push(() => sidecar.stop());
  // It was warm, so b's first check is over.
  assert.deepEqual(await answers(sidecar, 10), new Set(['a']));
  assert.match(
    await sidecar.admin('/clusters'),
    new RegExp(`backend::127.0.0.1:${b.port}::health_flags::/failed_active_hc\n`),
  );
  const { cluster_statuses: statuses } = JSON.parse(await sidecar.admin('/clusters?format=json'));
  assert.deepEqual(statuses[0].host_statuses[1].health_status, {
    failed_active_health_check: true,
    eds_health_status: 'HEALTHY',
  });

  b.isHealthy = true;
  await sidecar.untilStat('cluster.backend.membership_healthy', (value) => value === 2);
  await until('both answer', async () => (await answers(sidecar, 10)).size === 2);

  a.isHealthy = false;
  await sidecar.untilStat('cluster.backend.membership_healthy', (value) => value === 1);
  assert.deepEqual(await answers(sidecar, 10), new Set(['b']));

  b.isHealthy = false;
  await sidecar.untilStat('cluster.backend.membership_healthy', (value) => value === 0);
  assert.deepEqual(await answers(sidecar, 4), new Set(['503']));

  const events = () =>
    readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  await until('five events are written', () => events().length === 5);
  const kinds = events().map((event) => [
    event.host.socket_address.port_value === a.port ? 'a' : 'b',
    Object.keys(event).find((key) => key.endsWith('_event')),
  ]);
  // The first two checks ran side by side.
  assert.deepEqual(kinds.slice(0, 2).sort(), [
    ['a', 'add_healthy_event'],
    ['b', 'health_check_failure_event'],
  ]);
  assert.deepEqual(kinds.slice(2), [
    ['b', 'add_healthy_event'],
    ['a', 'eject_unhealthy_event'],
    ['b', 'eject_unhealthy_event'],
  ]);

  renameSync(log, `${log}.1`);
  await sidecar.admin('/reopen_logs', 'POST');
  a.isHealthy = true;
  await until('the log is written anew', () => existsSync(log) && events().length === 1);
  assert.deepEqual(events()[0].add_healthy_event, { first_check: false });
});

test('a host is checked once for the process, not once per worker', async () => {
  const a = await backend('a');
  const sidecar = await startSidecar(bootstrap([a.port], '/dev/null'), { concurrency: 3 });
  cleanups.push(() => sidecar.stop());
  await sidecar.untilStat('cluster.backend.health_check.attempt', (value) => value >= 5);
  const text = await sidecar.admin('/stats?filter=health_check.attempt');
  const attempts = Number(text.split(': ')[1]);
  // One may be on its way.
  assert.ok(Math.abs(a.checks - attempts) <= 2, `${a.checks} checks, ${attempts} attempts`);
});

test('a response to traffic can ask for no more of it', async () => {
  const [a, b] = [await backend('a'), await backend('b')];
  a.wantsNoTraffic = true;
  const sidecar = await startSidecar(bootstrap([a.port, b.port], '/dev/null'), { concurrency: 2 });
  cleanups.push(() => sidecar.stop());
  await answers(sidecar, 4);
  await sidecar.untilStat('cluster.backend.health_check.passive_failure', (value) => value >= 1);
  a.isHealthy = false;
  await sidecar.untilStat('cluster.backend.membership_healthy', (value) => value === 1);
  assert.deepEqual(await answers(sidecar, 6), new Set(['b']));
  a.isHealthy = true;
  a.wantsNoTraffic = false;
  await sidecar.untilStat('cluster.backend.membership_healthy', (value) => value === 2);
});

test('over xDS a listener waits until the hosts behind its routes were checked once', async () => {
  let answer: () => void = () => {};
  let onAsked: () => void = () => {};
  const asked = new Promise<void>((resolve) => {
    onAsked = resolve;
  });
  const server = http.createServer((request, response) => {
    if (request.url !== '/health') response.end('traffic');
    else {
      answer = () => response.end();
      onAsked();
    }
  });
  cleanups.push(() => {
    server.close();
    server.closeAllConnections();
  });
  const port = await freePort();
  const duration = (seconds: number) => ({ seconds, nanos: 0 });
  const ads = await RawAds.start('DELTA_GRPC', [
    resourceOf('cluster', 'blue', {
      name: 'blue',
      type: 'EDS',
      eds_cluster_config: { eds_config: { ads: {}, resource_api_version: 'V3' } },
      health_checks: [
        {
          timeout: duration(10),
          interval: duration(10),
          unhealthy_threshold: { value: 1 },
          healthy_threshold: { value: 1 },
          http_health_check: { path: '/health' },
        },
      ],
    }),
    assignment('blue', await listen(server)),
    routes('main', { '/': 'blue' }),
    httpListener('web', port, 'main'),
  ]);
  cleanups.push(() => ads.close());
  const starting = startSidecar(adsBootstrap(ads.port));
  cleanups.push(async () => (await starting).stop());
  await asked;
  // Everything has been delivered and acknowledged, and nobody listens yet.
  const routeType = 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration';
  const routeRequests = () => ads.asked.filter((typeUrl) => typeUrl === routeType).length;
  await until('the routes are acknowledged', () => routeRequests() >= 2);
  await assert.rejects(fetch(`http://127.0.0.1:${port}/`));
  answer();
  const sidecar = await starting;
  await until('it listens', async () => (await sidecar.admin('/listeners')).includes('web'));
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'traffic');
});

function adsBootstrap(port: number): string {
  return `
node: { id: raw, cluster: test }
dynamic_resources:
  ads_config: { api_type: DELTA_GRPC, grpc_services: [{ envoy_grpc: { cluster_name: xds } }] }
  cds_config: { ads: {}, resource_api_version: V3 }
  lds_config: { ads: {}, resource_api_version: V3 }
static_resources:
  clusters:
    - name: xds
      type: STATIC
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: { http2_protocol_options: {} }
      load_assignment:
        cluster_name: xds
        endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }] }]
`;
}
