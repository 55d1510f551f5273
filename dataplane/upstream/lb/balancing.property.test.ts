import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { leastRequestOf, seededRandom } from '../../../test/fakes/cluster-config.ts';
import { balancerParts, countPicks, prioritySetOf, StubHost } from '../../../test/fakes/lb.ts';
import {
  defaultRoundRobin,
  defaultZoneAware,
  type LocalityLbData,
} from '../../api/config/load-balancing.ts';
import { anyHost } from '../../api/load-balancing.ts';
import { priorityLoad } from './host-set.ts';
import { createListBalancer } from './list-balancer.ts';
import type { LocalCluster } from './load-balancer.ts';
import type { ListPolicyData } from './pickers.ts';

const RUNS = { numRuns: 300 };
const PICKS = 60;
const zones = ['a', 'b', 'c'] as const;

const seeds = fc.integer({ min: 1 });
const localityWeights = fc.record({ a: fc.nat(2), b: fc.nat(2), c: fc.nat(2) });

const hostLists = fc
  .array(
    fc.record({
      health: fc.constantFrom('healthy', 'healthy', 'degraded', 'unhealthy'),
      weight: fc.constantFrom(1, 1, 1, 2, 9),
      excluded: fc.boolean(),
      active: fc.nat(3),
      priority: fc.nat(2),
      zone: fc.constantFrom(...zones),
      healthySinceMs: fc.nat(1000),
    }),
    { maxLength: 25 },
  )
  .map((list) =>
    list.map(({ excluded, ...options }, i) => {
      const isExcluded = excluded && options.health === 'unhealthy';
      return new StubHost(`h${i}`, { ...options, isExcluded });
    }),
  );

const sets = fc
  .record({
    hosts: hostLists,
    overprovisioningFactor: fc.constantFrom(100, 140, 200),
    weightedPriorityHealth: fc.boolean(),
    localityWeights,
  })
  .map(({ hosts, ...options }) => prioritySetOf(hosts, { ...options, localZone: 'a' }));

const localities = fc.constantFrom<LocalityLbData>(
  { kind: 'locality-weighted' },
  { ...defaultZoneAware, minClusterSize: 1 },
  { ...defaultZoneAware, minClusterSize: 1, forceLocalZoneMinSize: 1, routingEnabledPercent: 50 },
);
const slowStarts = fc.constantFrom(null, { windowMs: 500, aggression: 1.5, minWeightPercent: 10 });
const policies: fc.Arbitrary<ListPolicyData> = fc.oneof(
  fc
    .record({ locality: localities, slowStart: slowStarts })
    .map((given) => ({ ...defaultRoundRobin, ...given })),
  fc
    .record({
      locality: localities,
      slowStart: slowStarts,
      activeRequestBias: fc.nat(2),
      selection: fc.constantFrom('N_CHOICES', 'FULL_SCAN'),
    })
    .map(leastRequestOf),
  localities.map((locality) => ({ kind: 'RANDOM', locality }) as const),
);

const localHosts = prioritySetOf(
  zones.map((zone) => new StubHost(`l${zone}`, { zone })),
  { localZone: 'a' },
).priorities[0]!;
const localCluster: LocalCluster = { version: () => 1, localHosts: () => localHosts };

function sum(parts: readonly number[]): number {
  return parts.reduce((total, part) => total + part, 0);
}

test('the loads of all priorities add up to 100, and nobody has load who has no such host', () => {
  fc.assert(
    fc.property(sets, fc.nat(100), (set, threshold) => {
      const load = priorityLoad(set.priorities, set, threshold);
      assert.equal(sum([...load.healthy, ...load.degraded]), 100);
      assert.ok([...load.healthy, ...load.degraded].every((part) => part >= 0));
      for (const [priority, hosts] of set.priorities.entries()) {
        if (load.panic[priority]!) continue;
        // But priority 0 when there is nobody at all.
        if (hosts.healthy.length === 0 && priority > 0) assert.equal(load.healthy[priority], 0);
        if (hosts.degraded.length === 0) assert.equal(load.degraded[priority], 0);
      }
    }),
    RUNS,
  );
});

test('no unhealthy host is picked outside panic, and no priority or kind of host without load', () => {
  fc.assert(
    fc.property(sets, policies, fc.boolean(), seeds, (set, data, hasLocal, seed) => {
      const parts = balancerParts({
        random: seededRandom(seed),
        localCluster: hasLocal ? localCluster : null,
      });
      const policy = createListBalancer(data, set, parts);
      const load = priorityLoad(set.priorities, set, parts.panicThresholdPercent);
      for (let i = 0; i < PICKS; i++) {
        const host = policy.choose(anyHost, 0) as unknown as StubHost | null;
        if (host === null || load.panic[host.placed.priority]!) continue;
        assert.notEqual(host.healthNow, 'unhealthy');
        const loads = host.healthNow === 'healthy' ? load.healthy : load.degraded;
        assert.ok(loads[host.placed.priority]! > 0);
      }
    }),
    RUNS,
  );
});

test('without a local cluster there is a host whenever some priority has a healthy one', () => {
  fc.assert(
    fc.property(sets, policies, seeds, (set, data, seed) => {
      const parts = balancerParts({ random: seededRandom(seed) });
      const counts = countPicks(createListBalancer(data, set, parts), PICKS, anyHost);
      const isHealthy = set.priorities.some(({ healthy }) => healthy.length > 0);
      if (isHealthy) assert.equal(counts[''], undefined);
    }),
    RUNS,
  );
});

test('weighted picks come as often as the weights say, to within one over whole cycles', () => {
  const weightLists = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 2, maxLength: 10 });
  const unequal = weightLists.filter((weights) => new Set(weights).size > 1);
  fc.assert(
    fc.property(unequal, seeds, (weights, seed) => {
      const hosts = weights.map((weight, i) => new StubHost(`h${i}`, { weight }));
      for (const data of [defaultRoundRobin, leastRequestOf({ activeRequestBias: 0 })]) {
        const parts = balancerParts({ random: seededRandom(seed) });
        const policy = createListBalancer(data, prioritySetOf(hosts), parts);
        const counts = countPicks(policy, 3 * sum(weights), anyHost);
        for (const host of hosts) {
          const got = counts[host.name] ?? 0;
          assert.ok(Math.abs(got - 3 * host.weight()) <= 1, `${host.name}: ${got}`);
        }
      }
    }),
    RUNS,
  );
});

test('by locality weights, exactly those with weight and a healthy host get something', () => {
  const healths = fc.array(fc.boolean(), { minLength: 6, maxLength: 6 });
  fc.assert(
    fc.property(healths, localityWeights, seeds, (healthy, weights, seed) => {
      const hosts = healthy.map((isHealthy, i) => {
        const health = isHealthy ? 'healthy' : 'unhealthy';
        return new StubHost(`h${i}`, { zone: zones[i % zones.length]!, health });
      });
      const set = prioritySetOf(hosts, { localityWeights: weights });
      const usable = set.priorities[0]!.localities.filter(
        (one) => one.weight > 0 && one.healthy.length > 0,
      );
      fc.pre(usable.length > 0);
      const locality: LocalityLbData = { kind: 'locality-weighted' };
      const parts = balancerParts({ random: seededRandom(seed), panicThresholdPercent: 0 });
      const policy = createListBalancer({ ...defaultRoundRobin, locality }, set, parts);
      const counts = countPicks(policy, PICKS, anyHost, ({ placed }) => placed.locality.zone);
      assert.deepEqual(
        Object.keys(counts).sort(),
        usable.map((one) => one.locality.zone),
      );
    }),
    RUNS,
  );
});
