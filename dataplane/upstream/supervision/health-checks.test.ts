// Active checks as supervision acts upon them: warming, flags that workers read, hosts that leave. Time is a test's,
// the hosts are real listening sockets (or ports where nobody listens).

import assert from 'node:assert/strict';
import net from 'node:net';
import { afterEach, test } from 'node:test';
import { listen } from '../../../test/fakes/checked-host.ts';
import {
  assignmentOf,
  clusterConfig,
  defaultOutlierDetection,
  hostConfig,
  seededRandom,
} from '../../../test/fakes/cluster-config.ts';
import { healthCheck, tcpCheck } from '../../../test/fakes/health-check.ts';
import { FakeTimers } from '../../../test/fakes/timers.ts';
import type { ClusterConfig, HostConfig, PlacedAssignment } from '../../api/config/cluster.ts';
import { takeSnapshot } from '../../stats/snapshot.ts';
import { HolderStore } from '../../stats/store.ts';
import { ReportIndex } from '../host-report.ts';
import {
  ClusterWord,
  readHealthySince,
  readWord,
  SharedChunks,
  writeWord,
} from '../shared-state.ts';
import { ClusterSupervision } from './cluster-supervision.ts';
import { SlotAllocator } from './slot-allocator.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

/** A server that accepts until it is stopped; then nobody listens on its port. */
async function host(given: Partial<HostConfig> = {}) {
  const server = net.createServer((socket) => socket.on('error', () => {}).end());
  const port = await listen(server);
  const stop = () => server.close();
  cleanups.push(stop);
  return { config: hostConfig('127.0.0.1', { port, ...given }), stop, port };
}

function setUp() {
  const timers = new FakeTimers();
  const chunks = new SharedChunks();
  const stats = new HolderStore();
  const told: string[] = [];
  const placed: PlacedAssignment[] = [];
  const parts = {
    clock: timers.clock,
    random: seededRandom(1),
    timers,
    chunks,
    slots: new SlotAllocator({ shared: chunks, clock: timers.clock, timers, onChunk: () => {} }),
    stats,
    resolverFor: () => assert.fail('no names here'),
    onCluster: ({ name }: ClusterConfig) => told.push(`cluster ${name}`),
    onClusterRemoved: (name: string) => told.push(`removed ${name}`),
    onPlaced: (assignment: PlacedAssignment, onSent: () => void) => {
      placed.push(assignment);
      // The flags that a worker finds when it hears of them.
      told.push(`placed ${flags().join(' ')}`);
      onSent();
    },
    onWarm: (name: string) => told.push(`warm ${name}`),
    onHostHealthFailure: (name: string) => told.push(`unhealthy ${name}`),
    onOutlierEvent: () => {},
    createTls: () => null,
    nextConnectionId: () => 0,
    onHealthCheckEvent: () => {},
  };
  const supervision = new ClusterSupervision(parts);
  cleanups.push(() => supervision.close());
  const cluster = () => supervision.get('orders')!;
  const flags = () =>
    cluster()
      .hostSummaries(new ReportIndex([]))
      .map(({ healthFlags }) => (healthFlags.length === 0 ? 'healthy' : healthFlags.join('+')));
  const stat = (name: string) =>
    takeSnapshot(stats).find((entry) => entry.name === `cluster.orders.${name}`)?.value;
  return {
    timers,
    chunks,
    supervision,
    flags,
    stat,
    cluster,
    told: () => told.splice(0),
    place: (...hosts: HostConfig[]) => supervision.applyEndpoints(assignmentOf(hosts, 'eds')),
    add: (given: Partial<ClusterConfig>) => supervision.addOrUpdate(clusterConfig(given), false),
    hosts: () => placed.at(-1)!.hosts,
    /** Once so many checks have a result. */
    checked: async (count: number) => {
      while (Number(stat('health_check.success')) + Number(stat('health_check.failure')) < count) {
        await new Promise<void>((resolve) => {
          setImmediate(resolve);
        });
      }
    },
  };
}

const checks = healthCheck({
  checker: tcpCheck,
  timeoutMs: 5000,
  noTrafficIntervalMs: 10_000,
  noTrafficHealthyIntervalMs: 10_000,
  unhealthyThreshold: 1,
});
const eds = { type: 'EDS', edsServiceName: 'eds', loadAssignment: null } as const;

test('a cluster is warm once each of its hosts was checked, whatever came of it', async () => {
  const { add, told, checked, flags, stat } = setUp();
  const [up, down] = [await host(), await host()];
  down.stop();
  add({ healthCheck: checks, loadAssignment: assignmentOf([up.config, down.config]) });
  assert.deepEqual(told(), ['cluster orders', 'placed failed_active_hc failed_active_hc']);
  assert.equal(stat('warming_state'), 1);
  await checked(2);
  assert.deepEqual(told(), ['warm orders']);
  assert.deepEqual(flags(), ['healthy', 'failed_active_hc']);
  assert.equal(stat('membership_total'), 2);
  assert.equal(stat('membership_healthy'), 1);
  assert.equal(stat('health_check.healthy'), 1);
});

test('a host that fails is told to workers: flag, epoch, connections', async () => {
  const { add, told, checked, cluster, chunks, timers, stat } = setUp();
  const up = await host();
  add({ healthCheck: checks, loadAssignment: assignmentOf([up.config]) });
  await checked(1);
  told();
  const epoch = () => readWord(chunks.ref(cluster().slot), ClusterWord.HealthEpoch);
  const before = epoch();
  up.stop();
  timers.advance(10_000);
  await checked(2);
  assert.deepEqual(told(), ['unhealthy orders']);
  assert.equal(epoch(), before + 1);
  assert.equal(stat('membership_healthy'), 0);
});

test('the interval is that of traffic once a worker connected for traffic', async () => {
  const { add, checked, cluster, chunks, timers, stat } = setUp();
  const up = await host();
  add({ healthCheck: { ...checks, intervalMs: 100 }, loadAssignment: assignmentOf([up.config]) });
  await checked(1);
  timers.advance(9999);
  assert.equal(stat('health_check.attempt'), 1);
  timers.advance(1);
  writeWord(chunks.ref(cluster().slot), ClusterWord.HasHadTraffic, 1);
  await checked(2);
  timers.advance(100);
  assert.equal(stat('health_check.attempt'), 3);
});

test('a host that EDS drops stays while its checks pass', async () => {
  const { add, place, told, checked, flags, timers, hosts, stat } = setUp();
  const [one, two] = [await host(), await host()];
  add({ ...eds, healthCheck: checks });
  place(one.config, two.config);
  await checked(2);
  told();
  place(two.config);
  assert.deepEqual(flags(), ['healthy', 'pending_dynamic_removal']);
  assert.deepEqual(told(), [], 'nothing that matters to workers');
  assert.equal(stat('membership_total'), 2);
  place(one.config, two.config);
  assert.deepEqual(flags(), ['healthy', 'healthy'], 'it came back');
  place(two.config);
  told();
  one.stop();
  timers.advance(10_000);
  await checked(4);
  assert.deepEqual(told(), ['placed healthy']);
  assert.deepEqual(
    hosts().map(({ port }) => port),
    [two.port],
  );
  assert.equal(stat('membership_total'), 1);
});

test('a host that fails, or that discovery calls unhealthy, leaves at once; so does any where the config says so', async () => {
  const { add, place, checked, flags, timers } = setUp();
  const [failing, bad, fine] = [await host(), await host({ health: 'unhealthy' }), await host()];
  failing.stop();
  add({ ...eds, healthCheck: checks });
  place(failing.config, bad.config, fine.config);
  await checked(3);
  place();
  assert.deepEqual(flags(), ['pending_dynamic_removal']);
  timers.advance(1);
  add({ ...eds, healthCheck: checks, ignoreHealthOnHostRemoval: true });
  assert.deepEqual(flags(), [], 'a changed cluster has the hosts that it is given');
  place(fine.config);
  await checked(4);
  place();
  assert.deepEqual(flags(), []);
});

test('slow start begins with the check that passes, without checks when a host comes', async () => {
  const { add, place, timers, chunks, hosts } = setUp();
  const since = () => hosts().map((placed) => readHealthySince(chunks.ref(placed)));
  const [one, two] = [await host(), await host()];
  add(eds);
  place(one.config);
  assert.deepEqual(since(), [1000]);
  timers.advance(2000);
  place(one.config, two.config);
  assert.deepEqual(since(), [1000, 3000]);

  const checkedToo = setUp();
  checkedToo.add({ ...eds, healthCheck: checks });
  checkedToo.place(one.config);
  const passedAt = () => readHealthySince(checkedToo.chunks.ref(checkedToo.hosts()[0]!));
  assert.equal(passedAt(), 0);
  await checkedToo.checked(1);
  assert.equal(passedAt(), 1000);
});

test('new hosts do not count until their first check where the config says so', async () => {
  const { add, place, checked, flags, stat } = setUp();
  const { commonLb } = clusterConfig();
  const [one, two] = [await host(), await host()];
  add({
    ...eds,
    healthCheck: checks,
    commonLb: { ...commonLb, ignoreNewHostsUntilFirstHc: true },
  });
  place(one.config);
  await checked(1);
  place(one.config, two.config);
  assert.deepEqual(flags(), ['healthy', 'failed_active_hc+pending_active_hc']);
  assert.equal(stat('membership_excluded'), 1);
  await checked(2);
  assert.deepEqual(flags(), ['healthy', 'healthy']);
  assert.equal(stat('membership_excluded'), 0);
});

test('hosts of a changed config are what they were until they are checked again', async () => {
  const { add, place, checked, flags, told } = setUp();
  const [up, down] = [await host(), await host()];
  add(eds);
  place(up.config, down.config);
  down.stop();
  told();
  add({ ...eds, healthCheck: checks });
  assert.deepEqual(flags(), ['healthy', 'healthy'], 'until now nobody looked');
  await checked(2);
  assert.deepEqual(flags(), ['healthy', 'failed_active_hc']);
  add({ ...eds, healthCheck: { ...checks, intervalMs: 7 } });
  assert.deepEqual(flags(), ['healthy', 'failed_active_hc']);
  add(eds);
  assert.deepEqual(flags(), ['healthy', 'healthy'], 'nobody looks any more');
});

test('a host whose checks are disabled, or go elsewhere from now on', async () => {
  const { add, place, checked, flags, stat } = setUp();
  const [one, other] = [await host(), await host()];
  one.stop();
  const own = { port: 0, address: '', hostname: '', disabled: false };
  add({ ...eds, healthCheck: checks });
  place({ ...one.config, healthCheck: { ...own, disabled: true } });
  assert.deepEqual(flags(), ['healthy']);
  assert.equal(stat('health_check.attempt'), 0);
  assert.equal(stat('warming_state'), 0);
  place({ ...one.config, healthCheck: { ...own, port: other.port } });
  await checked(1);
  assert.deepEqual(flags(), ['healthy']);
  place({ ...one.config, healthCheck: own });
  assert.deepEqual(flags(), ['failed_active_hc'], 'as if it were new');
  place();
  assert.equal(stat('health_check.healthy'), 0);
});

test('a check that passes ends an ejection, unless the config says that it does not', async () => {
  for (const ends of [true, false]) {
    const { add, supervision, checked, flags, timers } = setUp();
    const up = await host();
    const outlierDetection = {
      ...defaultOutlierDetection,
      maxEjectionPercent: 100,
      intervalMs: 600_000,
      successfulActiveHealthCheckUnejectHost: ends,
    };
    add({ healthCheck: checks, outlierDetection, loadAssignment: assignmentOf([up.config]) });
    await checked(1);
    const address = `127.0.0.1:${up.port}`;
    supervision.onOutlierReport({ cluster: 'orders', address, kind: 'consecutive_5xx' });
    assert.deepEqual(flags(), ['failed_outlier_check']);
    timers.advance(10_000);
    await checked(2);
    assert.deepEqual(flags(), [ends ? 'healthy' : 'failed_outlier_check']);
  }
});

test('a host that wants no more traffic fails until its checks say otherwise', async () => {
  const { add, supervision, checked, flags, timers, told, stat } = setUp();
  const up = await host();
  add({
    healthCheck: { ...checks, healthyThreshold: 1 },
    loadAssignment: assignmentOf([up.config]),
  });
  await checked(1);
  told();
  supervision.onImmediateHealthCheckFail('orders', `127.0.0.1:${up.port}`);
  supervision.onImmediateHealthCheckFail('orders', '127.0.0.1:1');
  supervision.onImmediateHealthCheckFail('gone', `127.0.0.1:${up.port}`);
  assert.deepEqual(told(), ['unhealthy orders']);
  assert.deepEqual(flags(), ['failed_active_hc+excluded_via_immediate_hc_fail']);
  assert.equal(stat('membership_excluded'), 1);
  assert.equal(stat('health_check.passive_failure'), 1);
  timers.advance(10_000);
  await checked(3);
  assert.deepEqual(flags(), ['healthy']);
});

test('a removed cluster checks no more', async () => {
  const { add, supervision, timers, checked, stat } = setUp();
  const up = await host();
  add({ healthCheck: checks, loadAssignment: assignmentOf([up.config]) });
  await checked(1);
  supervision.remove('orders');
  assert.equal(stat('health_check.attempt'), undefined);
  supervision.close();
  assert.equal(timers.armedCount(), 0);
});
