// Outlier detection of a whole sidecar with two workers: what they count adds up, and all of them heed what comes of it.

import assert from 'node:assert/strict';
import http from 'node:http';
import { afterEach, test } from 'node:test';
import { listen } from '../fakes/checked-host.ts';
import { type Sidecar, startSidecar } from './sidecar.ts';

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Answers with the status that `state` says. */
async function backend(status: number) {
  const state = { port: 0, status, requests: 0 };
  const server = http.createServer((_request, response) => {
    state.requests++;
    response.statusCode = state.status;
    response.end();
  });
  cleanups.push(() => {
    server.close();
    server.closeAllConnections();
  });
  state.port = await listen(server);
  return state;
}

const types = 'type.googleapis.com/envoy.extensions.filters';

function bootstrap(ports: readonly number[], detection: string): string {
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
                "@type": ${types}.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: ingress
                route_config: { virtual_hosts: [{ name: all, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: backend } }] }] }
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: { "@type": ${types}.http.router.v3.Router }
  clusters:
    - name: backend
      common_lb_config: { healthy_panic_threshold: { value: 0 } }
      outlier_detection: { ${detection} }
      load_assignment: { cluster_name: backend, endpoints: [{ lb_endpoints: [${ports.map(endpoint).join(', ')}] }] }
`;
}

async function start(statuses: readonly number[], detection: string) {
  const backends = await Promise.all(statuses.map(backend));
  const yaml = bootstrap(
    backends.map(({ port }) => port),
    detection,
  );
  const sidecar = await startSidecar(yaml, { concurrency: 2 });
  cleanups.push(() => sidecar.stop());
  return { sidecar, backends };
}

/** Each over a connection of its own, so that both workers have some. */
async function send(sidecar: Sidecar, count: number): Promise<number[]> {
  const statuses: number[] = [];
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const request = http.get(
        { port: sidecar.port('ingress'), host: '127.0.0.1', agent: false },
        (response) => {
          statuses.push(response.statusCode ?? 0);
          response.resume();
          response.on('end', resolve);
        },
      );
      request.on('error', reject);
    });
  for (let i = 0; i < count; i++) await one();
  return statuses;
}

const ENFORCED = 'cluster.backend.outlier_detection.ejections_enforced_total';

test('a success rate ejects, and the ejection holds in all workers', async () => {
  const { sidecar, backends } = await start(
    [500, 200, 200, 200, 200, 200],
    'consecutive_5xx: 0, max_ejection_percent: 50, interval: 1s, base_ejection_time: 300s, success_rate_request_volume: 10',
  );
  let isSending = true;
  const sending = (async () => {
    while (isSending) await send(sidecar, 5);
  })();
  await sidecar.untilStat(ENFORCED, (value) => value === 1);
  isSending = false;
  await sending;
  const [bad] = backends;
  const before = bad?.requests;
  assert.ok((await send(sidecar, 30)).every((status) => status === 200));
  assert.equal(bad?.requests, before, 'no worker asks it any more');
  const clusters = await sidecar.admin('/clusters');
  assert.match(clusters, new RegExp(`:${bad?.port}::health_flags::/failed_outlier_check`));
  const outliers = await sidecar.admin('/outliers');
  assert.match(outliers, /^backend: 1 of 6 hosts ejected \(max_ejection_percent 50\)/);
});

test('a run of failures is a run over all workers; a dry run ejects nobody and says what it would do', async () => {
  const { sidecar } = await start(
    [503],
    'consecutive_5xx: 7, enforcing_consecutive_5xx: 0, max_ejection_percent: 100',
  );
  await send(sidecar, 7);
  await sidecar.untilStat(
    'cluster.backend.outlier_detection.ejections_detected_consecutive_5xx',
    (value) => value === 1,
  );
  const { clusters } = JSON.parse(await sidecar.admin('/outliers?format=json'));
  assert.deepEqual(clusters[0].ejected, []);
  const seen = clusters[0].timeline.map(
    ({ action, reason }: Record<string, string>) => `${action} ${reason}`,
  );
  assert.ok(seen.includes('would_eject consecutive_5xx'), seen.join());
});
