import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anyHost, type LoadBalancerContext } from '../../api/load-balancing.ts';
import type { UpstreamHost } from '../host.ts';
import type { HostLists, PriorityHosts, PrioritySet } from '../lb/host-set.ts';
import { type AggregatedCluster, AggregateHosts } from './aggregate-hosts.ts';

/** Counts per priority: all, healthy, degraded. */
type Counts = readonly [number, number, number?];

class FakeCluster implements AggregatedCluster {
  readonly name: string;
  version = 0;
  set: PrioritySet;
  overprovisioningFactor = 140;
  /** Priority and health that picks were told to take. */
  readonly picks: string[] = [];

  constructor(name: string, ...priorities: readonly Counts[]) {
    this.name = name;
    this.set = setOf(priorities);
  }

  change(...priorities: readonly Counts[]): void {
    this.set = setOf(priorities);
    this.version++;
  }

  hostsVersion(): number {
    return this.version;
  }

  prioritySet(): PrioritySet {
    return this.set;
  }

  pick(context: LoadBalancerContext): UpstreamHost {
    const none = this.set.priorities.map(() => 0);
    const load = context.priorityLoad({
      healthy: none,
      degraded: none,
      panic: [],
      availability: { healthy: none, degraded: none },
    });
    const healthy = load.healthy.indexOf(100);
    const told = healthy === -1 ? `degraded ${load.degraded.indexOf(100)}` : `${healthy}`;
    this.picks.push(`${this.name} ${told}`);
    return { addressText: this.name } as unknown as UpstreamHost;
  }
}

function setOf(priorities: readonly Counts[]): PrioritySet {
  const hosts = (count: number): UpstreamHost[] => Array.from({ length: count }, () => host);
  return {
    overprovisioningFactor: 140,
    weightedPriorityHealth: false,
    priorities: priorities.map(([all, healthy, degraded = 0]): PriorityHosts => {
      const lists: HostLists = {
        all: hosts(all),
        healthy: hosts(healthy),
        degraded: hosts(degraded),
        excluded: [],
      };
      return { ...lists, localities: [], hasLocalLocality: false };
    }),
  };
}
const host = {} as UpstreamHost;

/** What 100 picks, one for each hundredth, come to. */
function spread(clusters: readonly FakeCluster[], names = clusters.map(({ name }) => name)) {
  let drawn = 0;
  const aggregate = new AggregateHosts(names, {
    random: () => drawn,
    panicThresholdPercent: 50,
    clusterOf: (name) => clusters.find((cluster) => cluster.name === name) ?? null,
  });
  const picks = () => {
    const counts: Record<string, number> = {};
    for (const cluster of clusters) cluster.picks.length = 0;
    for (let i = 0; i < 100; i++) {
      drawn = i / 100;
      aggregate.choose(anyHost);
    }
    for (const pick of clusters.flatMap((cluster) => cluster.picks)) {
      counts[pick] = (counts[pick] ?? 0) + 1;
    }
    return counts;
  };
  return { picks, aggregate };
}

test('all load goes to the first priority of the first cluster while it is healthy', () => {
  const { picks } = spread([new FakeCluster('a', [2, 2], [2, 2]), new FakeCluster('b', [2, 2])]);
  assert.deepEqual(picks(), { 'a 0': 100 });
});

test("priorities follow each other: the cluster's own, then those of the next cluster", () => {
  // 140 * 1/4 = 35 %, 35 %, and the rest.
  const clusters = [new FakeCluster('a', [4, 1], [4, 1]), new FakeCluster('b', [4, 4])];
  assert.deepEqual(spread(clusters).picks(), { 'a 0': 35, 'a 1': 35, 'b 0': 30 });
});

test('a changed host set, a lost and an added cluster are heeded at the next pick', () => {
  const a = new FakeCluster('a', [1, 1]);
  const b = new FakeCluster('b', [1, 1]);
  const there = [a];
  const { picks } = spread(there, ['a', 'b']);
  assert.deepEqual(picks(), { 'a 0': 100 });
  there.push(b);
  a.change([1, 0]);
  assert.deepEqual(picks(), { 'b 0': 100 });
  there.shift();
  assert.deepEqual(picks(), { 'b 0': 100 });
});

test('priorities without hosts are passed over and do not panic', () => {
  const { picks } = spread([new FakeCluster('a', [0, 0], [2, 2]), new FakeCluster('b', [0, 0])]);
  assert.deepEqual(picks(), { 'a 1': 100 });
});

test('degraded hosts of any cluster come behind the healthy ones of all', () => {
  const { picks } = spread([new FakeCluster('a', [2, 0, 2]), new FakeCluster('b', [4, 2])]);
  assert.deepEqual(picks(), { 'b 0': 70, 'a degraded 0': 30 });
});

test('no cluster, or none with hosts: no host', () => {
  assert.equal(spread([], ['gone']).aggregate.choose(anyHost), null);
  assert.equal(spread([new FakeCluster('a', [0, 0])]).aggregate.choose(anyHost), null);
});

test('a retry priority of the request is asked with the loads of all clusters', () => {
  const b = new FakeCluster('b', [1, 1], [1, 1]);
  const { aggregate } = spread([new FakeCluster('a', [1, 1]), b]);
  const hostOf = (cluster: unknown, priority: number) =>
    ({ cluster, placed: { priority } }) as unknown as UpstreamHost;
  const seen: unknown[] = [];
  const chosen = aggregate.choose({
    ...anyHost,
    priorityLoad: (original, priorityOf) => {
      seen.push(original.healthy, priorityOf!(hostOf(b, 1)), priorityOf!(hostOf('gone', 0)));
      return { ...original, healthy: [0, 100, 0] };
    },
  });
  assert.deepEqual(seen, [[100, 0, 0], 2, -1]);
  assert.equal(chosen?.addressText, 'b');
});
