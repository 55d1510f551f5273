// F-08: a name server that says no, fails, is slow, flaps and answers with a thousand addresses. The last good
// addresses stay, and neither traffic nor the main thread waits for it.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Scene } from '../interop/cluster-types/scene.ts';
import { type Sidecar, startSidecar } from './sidecar.ts';

const HCM =
  'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';
const REFRESH_MS = 100;
/** Generous to a busy machine, and still below what a try at a name server takes. */
const STALL_LIMIT_MS = 4_000;

function bootstrap({ dns, port }: Scene): string {
  const cluster = (type: string): string =>
    `{name: ${type}, type: ${type}, dns_refresh_rate: ${REFRESH_MS / 1000}s, dns_lookup_family: V4_ONLY, typed_dns_resolver_config: ${dns.resolverConfig}, load_assignment: {cluster_name: x, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: orders.test, port_value: ${port}}}}}]}]}}`;
  const route = (type: string): string =>
    `{match: {prefix: "/${type}"}, route: {cluster: ${type}, retry_policy: {retry_on: connect-failure, num_retries: 3}}}`;
  return `
static_resources:
  clusters: [${cluster('STRICT_DNS')}, ${cluster('LOGICAL_DNS')}]
  listeners:
  - name: http
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains: [{filters: [{name: h, typed_config: {"@type": ${HCM}, stat_prefix: h, route_config: {name: r, virtual_hosts: [{name: v, domains: ["*"], routes: [${route('STRICT_DNS')}, ${route('LOGICAL_DNS')}]}]}, http_filters: [{name: r, typed_config: {"@type": ${ROUTER}}}]}}]}]
`;
}

describe('F-08: a name server at fault', () => {
  let scene: Scene;
  let sidecar: Sidecar;

  before(async () => {
    scene = await Scene.start(3);
    scene.dns.set('orders.test', ['127.0.0.2', '127.0.0.3']);
    sidecar = await startSidecar(bootstrap(scene));
  });
  after(async () => {
    await sidecar?.stop();
    await scene?.[Symbol.asyncDispose]();
  });

  const stat = async (name: string): Promise<number> => {
    const lines = (await sidecar.admin('/stats')).split('\n');
    const line = lines.find((text) => text.startsWith(`${name}: `));
    return Number(line?.split(': ')[1] ?? 0);
  };
  const total = 'cluster.STRICT_DNS.membership_total';
  const healthy = () => stat(total);
  /** Each cluster serves; the slowest answer in ms. */
  const serve = async (): Promise<number> => {
    let slowest = 0;
    for (const type of ['STRICT_DNS', 'LOGICAL_DNS']) {
      const startMs = performance.now();
      const response = await fetch(`http://127.0.0.1:${sidecar.port('http')}/${type}`);
      assert.equal(response.status, 200, await response.text());
      slowest = Math.max(slowest, performance.now() - startMs);
    }
    return slowest;
  };
  /** Until each cluster has asked so many times more. */
  const asksAgain = async (times: number): Promise<void> => {
    for (const type of ['STRICT_DNS', 'LOGICAL_DNS']) {
      const name = `cluster.${type}.update_attempt`;
      const least = (await stat(name)) + times;
      await sidecar.untilStat(name, (value) => value >= least);
    }
  };

  test('NXDOMAIN and SERVFAIL: the last good addresses serve on', async () => {
    for (const kind of ['nxdomain', 'servfail'] as const) {
      scene.dns.answers.set('orders.test', { kind });
      await asksAgain(3);
      await serve();
      assert.equal(await healthy(), 2, kind);
    }
    assert.ok((await stat('cluster.STRICT_DNS.update_failure')) > 0);
    assert.ok((await stat('cluster.STRICT_DNS.update_empty')) > 0);
  });

  test('silence: nothing waits for the name server', async () => {
    scene.dns.answers.set('orders.test', { kind: 'silence' });
    const asked = scene.dns.asked('orders.test');
    while (scene.dns.asked('orders.test') < asked + 2) {
      assert.ok((await serve()) < STALL_LIMIT_MS);
    }
    const startMs = performance.now();
    assert.equal(await healthy(), 2);
    assert.ok(performance.now() - startMs < STALL_LIMIT_MS, 'main answers meanwhile');
  });

  test('a name that flaps between answers ends with the last one', async () => {
    for (let i = 0; i < 6; i++) {
      const ips = i % 2 === 0 ? ['127.0.0.2'] : ['127.0.0.2', '127.0.0.3'];
      scene.dns.set('orders.test', ips, 0);
      await sidecar.untilStat(total, (value) => value === ips.length);
      await serve();
    }
  });

  test('from 1 address to 1000 and back: over TCP, all of them hosts, traffic unharmed', async () => {
    scene.dns.set('orders.test', ['127.0.0.2']);
    await sidecar.untilStat(total, (value) => value === 1);
    // Those where nobody listens are refused at once, and retried elsewhere.
    const many = Array.from({ length: 1000 }, (_, i) => `127.0.${2 + (i >> 8)}.${i & 255}`);
    scene.dns.set('orders.test', ['127.0.0.2', ...many.slice(1)]);
    await sidecar.untilStat(total, (value) => value === 1000);
    const startMs = performance.now();
    const response = await fetch(`http://127.0.0.1:${sidecar.port('http')}/LOGICAL_DNS`);
    assert.equal(response.status, 200);
    assert.ok(performance.now() - startMs < STALL_LIMIT_MS);
    scene.dns.set('orders.test', ['127.0.0.3']);
    await sidecar.untilStat(total, (value) => value === 1);
    await serve();
  });
});
