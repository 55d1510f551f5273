// The error-ratio breakers of a whole sidecar with two workers: a cluster, a host, a route.

import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { type Sidecar, startSidecar } from './sidecar.ts';

const BREAKER = 'type.googleapis.com/remora.extensions.error_ratio_breaker.v1.ErrorRatioBreaker';

const breaker = (key: string, fields: string): string =>
  `metadata: { typed_filter_metadata: { ${key}: { "@type": ${BREAKER}, ${fields} } } }`;

const clusterOf = (name: string, ports: readonly number[], metadata = ''): string => {
  const endpoints = ports.map(
    (port) =>
      `{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }`,
  );
  return `{ name: ${name}, connect_timeout: 1s, load_assignment: { cluster_name: ${name}, endpoints: [{ lb_endpoints: [${endpoints.join(', ')}] }] }, ${metadata} }`;
};

const bootstrap = (good: number, bad: number): string => `
static_resources:
  listeners:
    - name: ingress
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
      filter_chains:
        - filters:
            - name: hcm
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: ingress
                route_config:
                  name: local
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - { match: { prefix: /cluster }, route: { cluster: watched } }
                        - { match: { prefix: /hosts }, route: { cluster: hosts } }
                        - name: checkout
                          match: { prefix: /route }
                          route: { cluster: plain }
                          ${breaker('remora.error_ratio_breaker', 'minimum_requests: 5, open_time: 60s')}
                        - { match: { prefix: / }, route: { cluster: plain } }
                http_filters:
                  - name: router
                    typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters:
    - ${clusterOf('plain', [bad])}
    - ${clusterOf('watched', [bad], breaker('remora.error_ratio_breaker', 'minimum_requests: 10, error_percent_threshold: { value: 60 }, open_time: 0.2s, max_probes: 2'))}
    - ${clusterOf('hosts', [good, bad], breaker('remora.host_error_ratio_breaker', 'minimum_requests: 4, open_time: 60s'))}
`;

async function listen(server: http.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

test('breakers open over all workers, let probes through, and show what they do', async () => {
  let status = 503;
  let tries = 0;
  const good = http.createServer((_request, response) => response.end('ok'));
  const bad = http.createServer((_request, response) => {
    tries++;
    response.writeHead(status).end('no');
  });
  const ports = [await listen(good), await listen(bad)] as const;
  let sidecar: Sidecar | null = null;
  try {
    const running = await startSidecar(bootstrap(...ports), { concurrency: 2 });
    sidecar = running;
    const port = running.port('ingress');
    // Each on a connection of its own: the kernel spreads them over the workers.
    const get = async (path: string): Promise<string> =>
      new Promise((resolve, reject) => {
        http
          .get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
            let body = '';
            response.setEncoding('utf8');
            response.on('data', (text: string) => {
              body += text;
            });
            response.on('end', () => resolve(`${response.statusCode} ${body}`));
          })
          .on('error', reject);
      });
    const state = async (scope: string) => {
      const { breakers } = JSON.parse(await running.admin('/breakers?format=json')) as {
        breakers: { scope: string; state: string; reason: unknown; next_probe_in_ms: number }[];
      };
      return breakers.filter((one) => one.scope === scope);
    };

    for (let i = 0; i < 10; i++) assert.equal(await get('/cluster'), '503 no');
    assert.equal(tries, 10);
    for (let i = 0; i < 5; i++) {
      assert.equal(await get('/cluster'), '503 upstream error ratio breaker is open');
    }
    assert.equal(tries, 10, 'neither worker lets anything through');
    assert.deepEqual((await state('cluster'))[0]?.reason, { requests: 10, failures: 10 });

    status = 200;
    const deadline = performance.now() + 10_000;
    while ((await state('cluster'))[0]?.state !== 'closed') {
      assert.ok(performance.now() < deadline, await running.admin('/breakers'));
      await get('/cluster');
    }
    assert.equal(tries, 12, 'two probes closed it');

    status = 500;
    for (let i = 0; i < 5; i++) await get('/route');
    assert.equal(await get('/route'), '503 upstream error ratio breaker is open');
    assert.equal(await get('/other'), '500 no', 'the other routes to that cluster go on');
    assert.match(
      await running.admin('/breakers'),
      /^route local checkout: open, for .* s, next probe in .* s, opened because 5 of 5 requests failed$/m,
    );

    const answers = [];
    for (let i = 0; i < 60; i++) answers.push(await get('/hosts'));
    assert.deepEqual(
      new Set(answers.slice(-20)),
      new Set(['200 ok']),
      'only the good host is left',
    );
    assert.deepEqual((await state('host')).map((one) => one.state).sort(), ['closed', 'open']);
    await running.untilStat('cluster.watched.upstream_rq_error_ratio_breaker_open', (n) => n >= 5);
    await running.untilStat('cluster.watched.error_ratio_breaker_opened', (n) => n === 1);
  } finally {
    await sidecar?.stop();
    good.close();
    bad.close();
    bad.closeAllConnections();
    good.closeAllConnections();
  }
});
