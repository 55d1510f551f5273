import assert from 'node:assert/strict';
import { test } from 'node:test';
import { prioritySetOf, StubHost } from '../../../test/fakes/lb.ts';
import type { UpstreamHost } from '../host.ts';
import { priorityLoad } from './host-set.ts';

/** Only lengths are looked at. */
function priority(all: number, healthy: number, degraded = 0, excluded = 0) {
  const hosts = (length: number) => new Array<UpstreamHost>(length);
  return {
    all: hosts(all),
    healthy: hosts(healthy),
    degraded: hosts(degraded),
    excluded: hosts(excluded),
  };
}

const policy = { overprovisioningFactor: 140, weightedPriorityHealth: false };

/** By hand from envoy-behaviour 2.1, factor 140, threshold 50 unless said otherwise. */
const table = [
  { name: 'all healthy', p: [[2, 2]], healthy: [100], degraded: [0], panic: [false] },
  {
    name: '72 % healthy is full health',
    p: [[100, 72]],
    healthy: [100],
    degraded: [0],
    panic: [false],
  },
  {
    name: 'one priority takes all whatever its health',
    p: [[4, 2]],
    healthy: [100],
    degraded: [0],
    panic: [false],
  },
  {
    name: 'below the threshold it panics',
    p: [[10, 4]],
    healthy: [100],
    degraded: [0],
    panic: [true],
  },
  {
    name: 'at the threshold it does not',
    p: [[10, 5]],
    healthy: [100],
    degraded: [0],
    panic: [false],
  },
  {
    name: 'spills over to the next priority',
    p: [
      [10, 5],
      [10, 10],
    ],
    healthy: [70, 30],
    degraded: [0, 0],
    panic: [false, false],
  },
  {
    name: 'excluded hosts do not count',
    p: [
      [4, 2, 0, 2],
      [4, 4],
    ],
    healthy: [100, 0],
    degraded: [0, 0],
    panic: [false, false],
  },
  {
    name: 'a priority of excluded hosts has no health',
    p: [
      [4, 0, 0, 4],
      [4, 4],
    ],
    healthy: [0, 100],
    degraded: [0, 0],
    panic: [false, false],
  },
  {
    name: 'where all are excluded they are used in panic',
    p: [[4, 0, 0, 4]],
    healthy: [100],
    degraded: [0],
    panic: [true],
  },
  {
    name: 'a lost priority fails over',
    p: [
      [4, 0],
      [4, 4],
    ],
    healthy: [0, 100],
    degraded: [0, 0],
    panic: [false, false],
  },
  {
    name: 'scaled up while the sum is below 100',
    p: [
      [10, 3],
      [10, 3],
    ],
    healthy: [50, 50],
    degraded: [0, 0],
    panic: [true, true],
  },
  {
    name: 'one of two panics: 56 and 42 of 98',
    p: [
      [10, 4],
      [10, 3],
    ],
    threshold: 35,
    healthy: [58, 42],
    degraded: [0, 0],
    panic: [false, true],
  },
  {
    name: 'degraded hosts come after all healthy ones',
    p: [
      [10, 5, 5],
      [10, 1],
    ],
    healthy: [70, 14],
    degraded: [16, 0],
    panic: [false, false],
  },
  { name: 'degraded only', p: [[2, 0, 2]], healthy: [0], degraded: [100], panic: [false] },
  {
    name: 'total panic goes by host counts',
    p: [
      [3, 0],
      [7, 0],
    ],
    healthy: [30, 70],
    degraded: [0, 0],
    panic: [true, true],
  },
  {
    name: 'the remainder goes to the first priority with hosts',
    p: [
      [0, 0],
      [3, 0],
      [4, 0],
    ],
    healthy: [0, 43, 57],
    degraded: [0, 0, 0],
    panic: [true, true, true],
  },
  { name: 'no hosts at all', p: [[0, 0]], healthy: [100], degraded: [0], panic: [true] },
  {
    name: 'threshold 0 never panics',
    p: [
      [4, 0],
      [4, 0],
    ],
    threshold: 0,
    healthy: [100, 0],
    degraded: [0, 0],
    panic: [false, false],
  },
] as const;

for (const { name, p, healthy, degraded, panic, ...given } of table) {
  test(`priority load: ${name}`, () => {
    const priorities = p.map(([all, healthyCount, degradedCount, excludedCount]) =>
      priority(all, healthyCount, degradedCount ?? 0, excludedCount ?? 0),
    );
    const threshold = 'threshold' in given ? given.threshold : 50;
    const { availability, ...load } = priorityLoad(priorities, policy, threshold);
    assert.equal(availability.healthy.length, priorities.length);
    assert.deepEqual(load, { healthy, degraded, panic });
  });
}

test('the loads of every small shape add up to 100', () => {
  const sizes = [0, 1, 2, 3, 5, 7, 10];
  for (const a of sizes) {
    for (const b of sizes) {
      for (const aHealthy of sizes.filter((size) => size <= a)) {
        for (const bHealthy of sizes.filter((size) => size <= b)) {
          for (const bDegraded of sizes.filter((size) => size <= b - bHealthy)) {
            const shape = [priority(a, aHealthy, a - aHealthy), priority(b, bHealthy, bDegraded)];
            const { healthy, degraded } = priorityLoad(shape, policy, 50);
            const sum = [...healthy, ...degraded].reduce((total, load) => total + load, 0);
            assert.equal(sum, 100, JSON.stringify({ a, b, aHealthy, bHealthy, bDegraded }));
          }
        }
      }
    }
  }
});

test('weighted_priority_health counts weights, but panic goes by the number of hosts', () => {
  const hosts = [
    new StubHost('a', { weight: 1 }),
    new StubHost('b', { weight: 6, health: 'unhealthy' }),
    new StubHost('c', { weight: 3, health: 'degraded' }),
    new StubHost('d', { weight: 90, health: 'unhealthy', isExcluded: true }),
    new StubHost('e', { priority: 1 }),
  ];
  const set = prioritySetOf(hosts, { weightedPriorityHealth: true });
  // 140 * 1/10 healthy, 140 * 3/10 degraded.
  const { healthy, degraded, panic } = priorityLoad(set.priorities, set, 50);
  assert.deepEqual(healthy, [14, 86]);
  assert.deepEqual(degraded, [0, 0]);
  assert.deepEqual(panic, [false, false]);
});
