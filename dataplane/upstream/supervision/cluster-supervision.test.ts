import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assignmentOf,
  clusterConfig,
  defaultOutlierDetection,
  hostConfig,
  seededRandom,
} from '../../../test/fakes/cluster-config.ts';
import { FakeTimers } from '../../../test/fakes/timers.ts';
import type { ClusterConfig, PlacedAssignment } from '../../api/config/cluster.ts';
import { takeSnapshot } from '../../stats/snapshot.ts';
import { HolderStore } from '../../stats/store.ts';
import type { ResolvedAddress } from '../discovery/name-resolver.ts';
import { ReportIndex } from '../host-report.ts';
import {
  ClusterWord,
  changeUsers,
  HostWord,
  readWord,
  SharedChunks,
  writeWord,
} from '../shared-state.ts';
import { ClusterSupervision } from './cluster-supervision.ts';
import { SlotAllocator } from './slot-allocator.ts';

function setUp() {
  const timers = new FakeTimers();
  const chunks = new SharedChunks();
  const stats = new HolderStore();
  /** In the order of the callbacks. */
  const told: string[] = [];
  const events: string[] = [];
  const placed: PlacedAssignment[] = [];
  const dns: ((ips: readonly string[]) => void)[] = [];
  const supervision = new ClusterSupervision({
    clock: timers.clock,
    random: seededRandom(1),
    timers,
    chunks,
    slots: new SlotAllocator({
      shared: chunks,
      clock: timers.clock,
      timers,
      onChunk: (index) => told.push(`chunk ${index}`),
    }),
    stats,
    resolverFor: () => ({
      resolve: () =>
        new Promise<readonly ResolvedAddress[]>((resolve) => {
          dns.push((ips) => resolve(ips.map((ip) => ({ ip, ttlS: 1 }))));
        }),
    }),
    onCluster: ({ name }) => told.push(`cluster ${name}`),
    onClusterRemoved: (name) => told.push(`removed ${name}`),
    onPlaced: (assignment, onSent) => {
      placed.push(assignment);
      told.push(`placed ${assignment.hosts.map(({ address }) => address).join(' ')}`);
      onSent();
    },
    onWarm: (name) => told.push(`warm ${name}`),
    onHostHealthFailure: (name, { slot }) => told.push(`unhealthy ${name} ${slot}`),
    onOutlierEvent: () => told.push('event'),
    createTls: () => null,
    nextConnectionId: () => 0,
    onHealthCheckEvent: (paths, line) => events.push(`${paths.join(' ')} ${line}`),
  });
  const add = (given: Partial<ClusterConfig>) =>
    supervision.addOrUpdate(clusterConfig(given), false);
  const stat = (name: string) => takeSnapshot(stats).find((entry) => entry.name === name)?.value;
  const slots = () => placed.at(-1)!.hosts.map(({ slot }) => slot);
  return { timers, chunks, supervision, told, placed, dns, add, stat, slots };
}

const eds = { type: 'EDS', edsServiceName: 'orders-eds', loadAssignment: null } as const;

function endpoints(...addresses: string[]) {
  return assignmentOf(
    addresses.map((address) => hostConfig(address)),
    'orders-eds',
  );
}

test('tells chunk, cluster, hosts and warmth in that order', () => {
  const { told, add, stat } = setUp();
  add({ loadAssignment: assignmentOf([hostConfig('10.0.0.1'), hostConfig('10.0.0.2')]) });
  assert.deepEqual(told, ['chunk 0', 'cluster orders', 'placed 10.0.0.1 10.0.0.2', 'warm orders']);
  assert.equal(stat('cluster.orders.membership_total'), 2);
  assert.equal(stat('cluster.orders.membership_change'), 1);
  assert.equal(stat('cluster_manager.active_clusters'), 1);
});

test('a host keeps its slot as long as its address stays', () => {
  const { supervision, add, slots, stat } = setUp();
  add(eds);
  supervision.applyEndpoints(endpoints('10.0.0.1', '10.0.0.2'));
  const [first, second] = slots();
  supervision.applyEndpoints(endpoints('10.0.0.2', '10.0.0.3'));
  assert.equal(slots()[0], second);
  assert.notEqual(slots()[1], first, 'not given to somebody else yet');
  supervision.applyEndpoints(endpoints('10.0.0.2', '10.0.0.3'));
  assert.equal(stat('cluster.orders.membership_change'), 2);
  assert.equal(stat('cluster.orders.update_no_rebuild'), 1);
});

test('changed weights are told at most once per merge window, a moved host at once, what is the same not at all', () => {
  const { timers, supervision, add, placed, stat } = setUp();
  add(eds);
  const weighted = (weight: number, priority = 0) => {
    const assignment = assignmentOf([hostConfig('10.0.0.1', { weight })], 'orders-eds');
    const localities = assignment.localities.map((locality) => ({ ...locality, priority }));
    supervision.applyEndpoints({ ...assignment, localities });
  };
  const weights = () => placed.map(({ hosts }) => hosts[0]!.weight);
  weighted(1);
  weighted(1);
  weighted(2);
  weighted(3);
  assert.deepEqual(weights(), [1]);
  timers.advance(1000);
  assert.deepEqual(weights(), [1, 3]);
  weighted(4, 1);
  assert.deepEqual(weights(), [1, 3, 4]);
  timers.advance(1001);
  weighted(5, 1);
  assert.deepEqual(weights(), [1, 3, 4, 5]);
  // It came, left its priority and came to the other, as Envoy counts.
  assert.equal(stat('cluster.orders.membership_change'), 3);
  assert.equal(stat('cluster.orders.update_no_rebuild'), 1);
  assert.equal(stat('cluster_manager.cluster_updated'), 3);
  assert.equal(stat('cluster_manager.cluster_updated_via_merge'), 1);
  assert.equal(stat('cluster_manager.update_out_of_merge_window'), 1);
});

test('a slot is given to another host only when no worker uses it any more', () => {
  const { timers, chunks, supervision, add, slots } = setUp();
  add(eds);
  supervision.applyEndpoints(endpoints('10.0.0.1'));
  const [slot] = slots();
  const ref = chunks.ref({ chunk: 0, slot: slot! });
  changeUsers(ref, 1);
  writeWord(ref, HostWord.RqActive, 3);
  const nextSlots = (...addresses: string[]): number[] => {
    supervision.applyEndpoints(endpoints(...addresses));
    return slots();
  };
  assert.equal(nextSlots('10.0.0.2').includes(slot!), false, 'too early');
  timers.advance(60_000);
  assert.equal(nextSlots('10.0.0.3', '10.0.0.4').includes(slot!), false, 'still in use');
  changeUsers(ref, -1);
  timers.advance(60_000);
  assert.equal(nextSlots('10.0.0.5', '10.0.0.6').includes(slot!), true);
  assert.equal(readWord(ref, HostWord.RqActive), 0, 'cleared');
});

test('of an address that is given twice the first counts', () => {
  const { supervision, add, placed } = setUp();
  add(eds);
  const twice = assignmentOf([hostConfig('10.0.0.1'), hostConfig('10.0.0.1', { weight: 9 })]);
  supervision.applyEndpoints({ ...twice, clusterName: 'orders-eds' });
  assert.deepEqual(
    placed[0]!.hosts.map(({ weight }) => weight),
    [1],
  );
});

test('EDS is warm with its first assignment, or when its fetch timed out', () => {
  const { supervision, add, told, stat } = setUp();
  let allWarm = false;
  add(eds);
  supervision.whenAllWarm(() => {
    allWarm = true;
  });
  assert.equal(stat('cluster_manager.warming_clusters'), 1);
  assert.equal(stat('cluster.orders.warming_state'), 1);
  supervision.applyEndpoints({ ...endpoints(), clusterName: 'another' });
  assert.equal(allWarm, false);
  supervision.onInitialFetchTimeout('orders-eds');
  assert.equal(allWarm, true);
  supervision.applyEndpoints(endpoints('10.0.0.1'));
  assert.deepEqual(told.slice(2), ['warm orders', 'placed 10.0.0.1']);
  assert.equal(stat('cluster_manager.warming_clusters'), 0);
});

test('STRICT_DNS is warm after the first answer; a new config keeps the hosts until its own', async () => {
  const { supervision, add, dns, told } = setUp();
  const named = (name: string) => ({
    type: 'STRICT_DNS' as const,
    loadAssignment: assignmentOf([hostConfig(name)]),
  });
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  add(named('a'));
  assert.deepEqual(told, ['chunk 0', 'cluster orders']);
  dns[0]!(['10.0.0.1']);
  await settle();
  add(named('b'));
  assert.equal(supervision.get('orders')!.hosts()[0]!.address, '10.0.0.1');
  assert.equal(supervision.get('orders')!.isWarm(), true);
  dns[1]!(['10.0.0.2']);
  await settle();
  assert.deepEqual(told.slice(2), [
    'placed 10.0.0.1',
    'warm orders',
    'cluster orders',
    'placed 10.0.0.2',
  ]);
  supervision.close();
});

test('the host of LOGICAL_DNS keeps its slot when its address changes, and the workers hear of it at once', async () => {
  const { supervision, add, dns, told, stat, slots, timers } = setUp();
  add({ type: 'LOGICAL_DNS', loadAssignment: assignmentOf([hostConfig('a')]) });
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  dns[0]!(['10.0.0.1', '10.0.0.2']);
  await settle();
  const before = slots();
  timers.advance(5_000);
  dns[1]!(['10.0.0.2', '10.0.0.1']);
  await settle();
  assert.deepEqual(told.slice(2), ['placed 10.0.0.1', 'warm orders', 'placed 10.0.0.2']);
  assert.deepEqual(slots(), before);
  assert.equal(stat('cluster.orders.membership_change'), 2);
  supervision.close();
});

test('a cluster that chooses its hosts itself is warm at once', () => {
  const { supervision, add, told } = setUp();
  add({
    type: 'AGGREGATE',
    provided: { kind: 'AGGREGATE', clusters: ['a'] },
    loadAssignment: null,
  });
  assert.deepEqual(told.slice(1), ['cluster orders', 'placed ', 'warm orders']);
  assert.equal(supervision.get('orders')!.isWarm(), true);
});

test('a changed EDS cluster gets the assignment that is known; a removed one forgets it', () => {
  const { supervision, add, told } = setUp();
  add(eds);
  supervision.applyEndpoints(endpoints('10.0.0.1'));
  add({ ...eds, connectTimeoutMs: 1 });
  assert.deepEqual(told.slice(-2), ['cluster orders', 'placed 10.0.0.1']);
  supervision.remove('orders');
  assert.equal(told.at(-1), 'removed orders');
  add(eds);
  assert.equal(told.at(-1), 'cluster orders', 'waits for EDS again');
});

test('an ejection bumps the epoch, counts membership and shows in the summary', () => {
  const { timers, chunks, supervision, add, stat, told, slots } = setUp();
  const outlierDetection = { ...defaultOutlierDetection, maxEjectionPercent: 50 };
  add({ ...eds, outlierDetection });
  supervision.applyEndpoints(endpoints('10.0.0.1', '10.0.0.2'));
  const { slot } = supervision.get('orders')!;
  const epoch = () => readWord(chunks.ref(slot), ClusterWord.HealthEpoch);
  const before = epoch();
  supervision.onOutlierReport({
    cluster: 'orders',
    address: '10.0.0.2:80',
    kind: 'consecutive_5xx',
  });
  supervision.onOutlierReport({ cluster: 'gone', address: '10.0.0.2:80', kind: 'consecutive_5xx' });
  assert.equal(epoch(), before + 1);
  assert.equal(stat('cluster.orders.membership_healthy'), 1);
  assert.equal(stat('cluster.orders.outlier_detection.ejections_active'), 1);
  assert.deepEqual(told.slice(-2), [`unhealthy orders ${slots()[1]}`, 'event']);
  const report = {
    cluster: 'orders',
    address: '10.0.0.2:80',
    own: null,
    cxTotal: 1,
    cxConnectFail: 0,
    rqPendingActive: 0,
    rqTotal: 5,
    rqSuccess: 2,
    rqError: 3,
    rqTimeout: 0,
  };
  const summaries = supervision.get('orders')!.hostSummaries(new ReportIndex([[report], [report]]));
  assert.deepEqual(
    summaries.map(({ healthFlags, rqTotal }) => [healthFlags, rqTotal]),
    [
      [[], 0],
      [['failed_outlier_check'], 10],
    ],
  );
  add({ ...eds, outlierDetection, connectTimeoutMs: 1 });
  assert.equal(stat('cluster.orders.membership_healthy'), 1, 'survives a change of the cluster');
  timers.advance(30_000);
  assert.equal(stat('cluster.orders.membership_healthy'), 2);
  add(eds);
  assert.equal(stat('cluster.orders.outlier_detection.ejections_active'), undefined);
});
