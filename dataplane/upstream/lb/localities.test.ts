import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  balancerParts,
  countPicks,
  prioritySetOf,
  type StubHost,
  stubHosts,
} from '../../../test/fakes/lb.ts';
import {
  defaultRoundRobin,
  defaultZoneAware,
  type RoundRobinData,
  type ZoneAwareData,
} from '../../api/config/load-balancing.ts';
import { anyHost } from '../../api/load-balancing.ts';
import { createListBalancer } from './list-balancer.ts';
import type { LocalCluster } from './load-balancer.ts';

const zoneOf = ({ placed }: StubHost) => placed.locality.zone;
const weighted: RoundRobinData = { ...defaultRoundRobin, locality: { kind: 'locality-weighted' } };

function near(actual: number | undefined, expected: number, tolerance: number): void {
  assert.ok(Math.abs((actual ?? 0) - expected) <= tolerance, `${actual} instead of ${expected}`);
}

test('the own locality comes first, the others by region, zone and sub zone', () => {
  const hosts = ['b', 'c', 'a'].flatMap((zone) => stubHosts(1, zone, { zone }));
  const zones = (localZone?: string) =>
    prioritySetOf(
      hosts,
      localZone === undefined ? {} : { localZone },
    ).priorities[0]!.localities.map(({ locality }) => locality.zone);
  assert.deepEqual(zones(), ['a', 'b', 'c']);
  assert.deepEqual(zones('c'), ['c', 'a', 'b']);
  assert.deepEqual(zones('elsewhere'), ['a', 'b', 'c']);
  assert.equal(prioritySetOf(hosts, { localZone: 'd' }).priorities[0]!.hasLocalLocality, false);
  assert.equal(prioritySetOf(hosts, { localZone: 'c' }).priorities[0]!.hasLocalLocality, true);
});

test('locality-weighted: by the weights, whatever the number of hosts; none without a weight', () => {
  const hosts = [
    ...stubHosts(1, 'a', { zone: 'a' }),
    ...stubHosts(9, 'b', { zone: 'b' }),
    ...stubHosts(5, 'c', { zone: 'c' }),
  ];
  const set = prioritySetOf(hosts, { localityWeights: { a: 3, b: 1 } });
  const counts = countPicks(
    createListBalancer(weighted, set, balancerParts()),
    4000,
    anyHost,
    zoneOf,
  );
  assert.deepEqual(Object.keys(counts).sort(), ['a', 'b']);
  near(counts['a'], 3000, 2);
});

test('locality-weighted: a locality with too few usable hosts loses weight in proportion', () => {
  // 1.4 * 1/2 = 0.7 of 100 against 100
  const hosts = [
    ...stubHosts(1, 'a', { zone: 'a' }),
    ...stubHosts(1, 'x', { zone: 'a', health: 'unhealthy' }),
    ...stubHosts(2, 'b', { zone: 'b' }),
  ];
  const set = prioritySetOf(hosts, { localityWeights: { a: 100, b: 100 } });
  const counts = countPicks(
    createListBalancer(weighted, set, balancerParts()),
    17_000,
    anyHost,
    zoneOf,
  );
  near(counts['a'], 7000, 2);
});

test('locality-weighted: degraded hosts have a schedule of their own; without weights all are alike', () => {
  const hosts = [
    ...stubHosts(2, 'a', { zone: 'a', health: 'degraded' }),
    ...stubHosts(2, 'b', { zone: 'b', health: 'degraded' }),
  ];
  const set = prioritySetOf(hosts, { localityWeights: { a: 1, b: 3 } });
  const counts = countPicks(
    createListBalancer(weighted, set, balancerParts()),
    4000,
    anyHost,
    zoneOf,
  );
  near(counts['b'], 3000, 2);
  const plain = createListBalancer(weighted, prioritySetOf(hosts), balancerParts());
  near(countPicks(plain, 4000, anyHost, zoneOf)['b'], 2000, 0);
});

/** Sidecars per zone, ours in zone a. */
function localCluster(zones: Readonly<Record<string, number>>, health = 'healthy'): LocalCluster {
  const hosts = Object.entries(zones).flatMap(([zone, count]) =>
    stubHosts(count, `local-${zone}`, { zone, health: health as 'healthy' }),
  );
  const set = prioritySetOf(hosts, { localZone: 'a' });
  return { version: () => 1, localHosts: () => set.priorities[0]! };
}

function zoneAware(
  upstream: readonly StubHost[],
  local: LocalCluster | null,
  given: Partial<ZoneAwareData> = {},
  times = 20_000,
) {
  const parts = balancerParts({ localCluster: local });
  const data: RoundRobinData = {
    ...defaultRoundRobin,
    locality: { ...defaultZoneAware, ...given },
  };
  const policy = createListBalancer(data, prioritySetOf(upstream, { localZone: 'a' }), parts);
  return { counts: countPicks(policy, times, anyHost, zoneOf), stats: parts.stats };
}

const zones = (a: number, b: number, c = 0) => [
  ...stubHosts(a, 'a', { zone: 'a' }),
  ...stubHosts(b, 'b', { zone: 'b' }),
  ...stubHosts(c, 'c', { zone: 'c' }),
];

test('zone-aware: all stays where the own share upstream is not less', () => {
  const { counts, stats } = zoneAware(zones(3, 3), localCluster({ a: 2, b: 2 }));
  assert.deepEqual(counts, { a: 20_000 });
  assert.equal(stats.lbZoneRoutingAllDirectly, 20_000);
  assert.equal(stats.lbRecalculateZoneStructures, 1);
});

test('zone-aware: what does not fit goes to others by their spare shares', () => {
  // Local 40 %, 40 %, 20 %; upstream 25 %, 50 %, 25 %: 62.5 % stay, the rest 2 to 1.
  const { counts, stats } = zoneAware(zones(2, 4, 2), localCluster({ a: 4, b: 4, c: 2 }));
  near(counts['a']! / 20_000, 0.625, 0.012);
  near(counts['b']! / 20_000, 0.25, 0.012);
  near(counts['c']! / 20_000, 0.125, 0.012);
  assert.equal(stats.lbZoneRoutingSampled, counts['a']);
  assert.equal(stats.lbZoneRoutingCrossZone, 20_000 - counts['a']!);
  assert.equal(stats.lbZoneNoCapacityLeft, 0);
});

test('zone-aware: shares by weight where the config says so', () => {
  const upstream = [
    ...stubHosts(2, 'a', { zone: 'a', weight: 1 }),
    ...stubHosts(2, 'b', { zone: 'b', weight: 3 }),
    ...stubHosts(2, 'c', { zone: 'b', weight: 3 }),
  ];
  // By number 33 % against 50 %; by weight 2 of 14.
  const local = localCluster({ a: 2, b: 2 });
  near(zoneAware(upstream, local).counts['a']! / 20_000, 0.6666, 0.012);
  const byWeight = zoneAware(upstream, local, { localityBasis: 'HEALTHY_HOSTS_WEIGHT' });
  near(byWeight.counts['a']! / 20_000, 0.2856, 0.012);
});

test('zone-aware: an upstream without hosts here is used by spare shares alone', () => {
  const { counts } = zoneAware(zones(0, 4, 2), localCluster({ a: 2, b: 2 }));
  // Upstream 66 % and 33 %, local 0 (in a), 50 %: 16 to 33.
  near(counts['b']! / 20_000, 0.3333, 0.012);
});

test('zone-aware: force_local_zone keeps all here while there are enough', () => {
  const local = localCluster({ a: 4, b: 1 });
  assert.equal(zoneAware(zones(2, 6), local, { forceLocalZoneMinSize: 2 }).counts['a'], 20_000);
  const { counts } = zoneAware(zones(2, 6), local, { forceLocalZoneMinSize: 3 });
  near(counts['a']! / 20_000, 0.3125, 0.012);
});

const wholes: { name: string; upstream: StubHost[]; local: LocalCluster; stat: string }[] = [
  {
    name: 'a small upstream cluster',
    upstream: zones(2, 3),
    local: localCluster({ a: 1, b: 1 }),
    stat: 'lbZoneClusterTooSmall',
  },
  {
    name: 'a local cluster without this sidecar',
    upstream: zones(3, 3),
    local: localCluster({ b: 1, c: 1 }),
    stat: 'lbLocalClusterNotOk',
  },
  {
    name: 'sidecars in one locality only',
    upstream: zones(3, 6),
    local: localCluster({ a: 2 }),
    stat: '',
  },
];

for (const { name, upstream, local, stat } of wholes) {
  test(`zone-aware: localities do not matter with ${name}`, () => {
    const { counts, stats } = zoneAware(upstream, local, {}, 6000);
    const inA = upstream.filter((host) => zoneOf(host) === 'a').length;
    near(counts['a'], (6000 * inA) / upstream.length, 1);
    for (const field of ['lbZoneClusterTooSmall', 'lbLocalClusterNotOk'] as const) {
      assert.equal(stats[field], field === stat ? 1 : 0, field);
    }
  });
}

test('zone-aware: a local cluster in panic counts per request, and may fail it', () => {
  const sick = localCluster({ a: 2, b: 2 }, 'unhealthy');
  const { counts, stats } = zoneAware(zones(3, 3), sick, {}, 600);
  assert.deepEqual(counts, { a: 300, b: 300 });
  assert.equal(stats.lbLocalClusterNotOk, 600);
  assert.deepEqual(zoneAware(zones(3, 3), sick, { failTrafficOnPanic: true }, 5).counts, { '': 5 });
});

test('zone-aware: routing_enabled says how many requests heed localities', () => {
  const local = localCluster({ a: 2, b: 2 });
  const { counts } = zoneAware(zones(3, 3), local, { routingEnabledPercent: 50 });
  near(counts['a']! / 20_000, 0.75, 0.012);
  near(zoneAware(zones(3, 3), local, { routingEnabledPercent: 0 }).counts['a'], 10_000, 1);
});

test('fail_traffic_on_panic gives no host in panic, and counts the panic', () => {
  const sick = stubHosts(4, 'a', { health: 'unhealthy' });
  const { counts, stats } = zoneAware(sick, null, { failTrafficOnPanic: true }, 3);
  assert.deepEqual(counts, { '': 3 });
  assert.equal(stats.lbHealthyPanic, 3);
  assert.deepEqual(zoneAware(sick, null, {}, 8).counts, { '': 8 });
});
