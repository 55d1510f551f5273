import assert from 'node:assert/strict';
import http from 'node:http';
import type net from 'node:net';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../../common/clock.ts';
import { silentLogger } from '../../common/logger.ts';
import { err, ok } from '../../common/result.ts';
import { TimerWheel } from '../../common/timer.ts';
import { decodeMessage, encodeMessage } from '../../proto/any.ts';
import { FakeControlPlane } from '../../test/fakes/ads-channel.ts';
import { configInputs, loadYaml } from '../../test/fakes/config.ts';
import { FakeTimers } from '../../test/fakes/timers.ts';
import { until } from '../../test/fakes/until.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';
import { adsSource } from '../api/config/config-source.ts';
import { createResourceCompiler } from '../config/resource-compiler.ts';
import { takeSnapshot } from '../stats/snapshot.ts';
import { HolderStore } from '../stats/store.ts';
import { HDS_PATH, HealthDelegate } from './health-delegate.ts';
import { MAX_HOSTS } from './specifier.ts';

const bootstrap = loadYaml('{}');
assert.ok(bootstrap.ok);
const compiler = createResourceCompiler(bootstrap.value, configInputs());

const duration = (ms: number) => ({ seconds: 0, nanos: ms * 1e6 });
const httpCheck = {
  timeout: { seconds: 5, nanos: 0 },
  interval: duration(10),
  no_traffic_interval: duration(10),
  unhealthy_threshold: { value: 1 },
  healthy_threshold: { value: 1 },
  http_health_check: { path: '/' },
};
const { http_health_check: _, ...common } = httpCheck;
const tcpCheck = { ...common, tcp_health_check: {} };
const endpoint = (port: number) => ({
  address: { socket_address: { address: '127.0.0.1', port_value: port } },
});
const cluster = (name: string, checks: readonly object[], ...ports: readonly number[]) => ({
  cluster_name: name,
  health_checks: checks,
  locality_endpoints: [{ locality: { zone: 'z' }, endpoints: ports.map(endpoint) }],
});
const specifier = (...clusters: readonly object[]) => ({
  interval: duration(500),
  cluster_health_checks: clusters,
});

const open = new Set<HealthDelegate>();

/** The stream is fake and so are its timers; the checks are real. */
function setUp() {
  const server = new FakeControlPlane();
  const timers = new FakeTimers();
  const stats = new HolderStore();
  let id = 0;
  const delegate = new HealthDelegate({
    channelFactory: server.factory,
    node: { id: 'n' },
    compileCluster: (bytes) => {
      const outcome = compiler.compile('cluster', bytes, adsSource);
      return outcome.ok ? ok(outcome.resource.data as ClusterConfig) : err(outcome.errors);
    },
    checks: {
      clock: systemClock,
      random: () => 0,
      timers: new TimerWheel(),
      stats,
      createTls: () => null,
      nextConnectionId: () => ++id,
      onHealthCheckEvent: () => {},
    },
    clock: timers.clock,
    random: () => 0.5,
    timers,
    logger: silentLogger(),
    connectTimeoutMs: 1000,
  });
  open.add(delegate);
  delegate.start();
  server.call.connect();
  const sent = () =>
    server.call.sent.splice(0).map((bytes) => {
      const decoded = decodeMessage(
        'envoy.service.health.v3.HealthCheckRequestOrEndpointHealthResponse',
        bytes,
      );
      assert.ok(decoded.ok);
      return decoded.value.message;
    });
  const stat = (name: string) => takeSnapshot(stats).find((entry) => entry.name === name)?.value;
  return {
    server,
    timers,
    delegate,
    sent,
    stat,
    tell: (message: object) =>
      server.call.message(
        encodeMessage<string>('envoy.service.health.v3.HealthCheckSpecifier', { ...message }),
      ),
    /** What is reported now, host by host. */
    reported: () => {
      sent();
      timers.advance(500);
      return (sent()[0]?.endpoint_health_response?.cluster_endpoints_health ?? []).flatMap(
        ({ cluster_name, locality_endpoints_health: localities }) =>
          (localities ?? []).flatMap(({ endpoints_health: endpoints }) =>
            (endpoints ?? []).map(({ health_status }) => `${cluster_name} ${health_status}`),
          ),
      );
    },
    checked: (name: string, count: number) =>
      until('the checks ran', () => Number(stat(`cluster.${name}.health_check.attempt`)) >= count),
  };
}

describe('a health delegate', () => {
  let good: http.Server;
  let bad: http.Server;
  let deadPort: number;
  const portOf = (server: net.Server) => (server.address() as AddressInfo).port; // listens on TCP
  const listen = (status: number) =>
    new Promise<http.Server>((resolve) => {
      const server = http.createServer((_request, response) => {
        response.writeHead(status);
        response.end();
      });
      server.listen(0, '127.0.0.1', () => resolve(server));
    });

  before(async () => {
    good = await listen(200);
    bad = await listen(503);
    const dead = await listen(200);
    deadPort = portOf(dead);
    await new Promise((resolve) => dead.close(resolve));
  });
  after(() => {
    for (const delegate of open) delegate.stop();
    for (const server of [good, bad]) {
      server.close();
      server.closeAllConnections();
    }
  });

  it('says who it is and what it can check', () => {
    const { server, sent } = setUp();
    assert.equal(server.call.path, HDS_PATH);
    const [first] = sent();
    assert.equal(first?.health_check_request?.node?.id, 'n');
    assert.deepEqual(first?.health_check_request?.capability, {
      health_check_protocols: ['HTTP', 'TCP'],
    });
  });

  it('reports in the interval what its checks found', async () => {
    const { tell, reported, checked, stat, sent, timers } = setUp();
    tell(specifier(cluster('c', [httpCheck], portOf(good), portOf(bad), deadPort)));
    assert.deepEqual(reported(), ['c UNHEALTHY', 'c UNHEALTHY', 'c UNHEALTHY'], 'not checked yet');
    await checked('c', 9);
    timers.advance(500);
    const [response] = sent();
    const health = response?.endpoint_health_response;
    const [of] = health?.cluster_endpoints_health ?? [];
    assert.equal(of?.locality_endpoints_health?.[0]?.locality?.zone, 'z');
    const flat = (health?.endpoints_health ?? []).map(({ health_status }) => health_status);
    assert.deepEqual(flat, ['HEALTHY', 'UNHEALTHY', 'UNHEALTHY']);
    assert.deepEqual(
      of?.locality_endpoints_health?.[0]?.endpoints_health,
      health?.endpoints_health,
    );
    assert.equal(stat('hds_delegate.requests'), 1);
    assert.equal(stat('hds_delegate.updates'), 1);
    assert.equal(stat('hds_delegate.responses'), 3);
  });

  it('calls a host well only when all of its checks do', async () => {
    const { tell, reported, checked } = setUp();
    tell(specifier(cluster('c', [httpCheck, tcpCheck], portOf(good), portOf(bad))));
    await checked('c', 12);
    assert.deepEqual(reported(), ['c HEALTHY', 'c UNHEALTHY']);
  });

  it('goes on with what is checked as before, and ends what nobody wants', async () => {
    const { tell, reported, checked, stat } = setUp();
    const first = [cluster('a', [httpCheck], portOf(good)), cluster('b', [httpCheck], portOf(bad))];
    tell(specifier(...first));
    await checked('a', 3);
    tell(specifier(cluster('a', [httpCheck], portOf(good), deadPort)));
    assert.deepEqual(reported(), ['a HEALTHY', 'a UNHEALTHY'], 'without another check');
    assert.equal(stat('cluster.b.health_check.attempt'), undefined);
    assert.equal(stat('hds_delegate.updates'), 2);
  });

  it('checks anew when the check is another', async () => {
    const { tell, reported, checked } = setUp();
    tell(specifier(cluster('c', [tcpCheck], portOf(bad))));
    await checked('c', 3);
    assert.deepEqual(reported(), ['c HEALTHY']);
    tell(specifier(cluster('c', [httpCheck], portOf(bad))));
    assert.deepEqual(reported(), ['c UNHEALTHY']);
  });

  it('takes the same specifier once', () => {
    const { tell, stat } = setUp();
    tell(specifier(cluster('c', [tcpCheck], deadPort)));
    tell(specifier(cluster('c', [tcpCheck], deadPort)));
    assert.equal(stat('hds_delegate.requests'), 2);
    assert.equal(stat('hds_delegate.updates'), 1);
  });

  it('refuses a specifier as a whole, and goes on with the one before', async () => {
    const { tell, reported, checked, stat } = setUp();
    tell(specifier(cluster('c', [httpCheck], portOf(good))));
    await checked('c', 3);
    tell(specifier(cluster('d', [tcpCheck], deadPort), cluster('e', [{}], deadPort)));
    assert.equal(stat('hds_delegate.errors'), 1);
    assert.equal(stat('hds_delegate.updates'), 1);
    assert.deepEqual(reported(), ['c HEALTHY']);
    const redis = { ...common, custom_health_check: { name: 'envoy.health_checkers.redis' } };
    tell(specifier(cluster('c', [redis], deadPort)));
    assert.equal(stat('hds_delegate.errors'), 2);
    // Nothing else would look at endpoints that are not checked.
    tell(specifier(cluster('d', [], 70_000)));
    assert.equal(stat('hds_delegate.errors'), 3);
    assert.deepEqual(reported(), ['c HEALTHY']);
  });

  it('checks as many hosts as it can bear and not one more', () => {
    const { tell, stat } = setUp();
    const many = (count: number) =>
      specifier(cluster('c', [], ...Array.from({ length: count }, (_, i) => i + 1)));
    tell(many(MAX_HOSTS + 1));
    assert.equal(stat('hds_delegate.errors'), 1);
    tell(many(MAX_HOSTS));
    assert.equal(stat('hds_delegate.errors'), 1);
    assert.equal(stat('hds_delegate.updates'), 1);
  });

  it('reports every second, and at most ten times a second', () => {
    const { tell, sent, timers } = setUp();
    tell({ cluster_health_checks: [] });
    sent();
    timers.advance(999);
    assert.deepEqual(sent(), []);
    timers.advance(1);
    assert.equal(sent().length, 1);
    tell({ cluster_health_checks: [], interval: duration(1) });
    timers.advance(99);
    assert.deepEqual(sent(), []);
    timers.advance(1);
    assert.equal(sent().length, 1);
  });

  it('goes on checking while its server is away, and begins again when it comes back', async () => {
    const { server, tell, sent, timers, stat, checked } = setUp();
    tell(specifier(cluster('c', [tcpCheck], portOf(good))));
    server.call.close();
    assert.equal(stat('hds_delegate.errors'), 1);
    await checked('c', 3);
    timers.advance(500);
    server.call.connect();
    assert.equal(server.calls.length, 2);
    assert.equal(sent()[0]?.health_check_request?.node?.id, 'n');
    timers.advance(400);
    assert.deepEqual(sent(), [], 'until it is asked again');
    tell(specifier(cluster('c', [tcpCheck], portOf(good))));
    assert.equal(stat('hds_delegate.updates'), 2);
  });

  it('closes a stream that says nonsense', () => {
    const { server } = setUp();
    server.call.message(Buffer.of(0xff));
    assert.equal(server.call.isCancelled, true);
  });

  it('leaves no timer and no stat of its clusters behind', () => {
    const { tell, delegate, timers, stat } = setUp();
    tell(specifier(cluster('c', [tcpCheck], deadPort)));
    delegate.stop();
    assert.equal(timers.armedCount(), 0);
    assert.equal(stat('cluster.c.health_check.attempt'), undefined);
  });
});
