import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../../test/fakes/clock.ts';
import { leastRequestOf } from '../../../test/fakes/cluster-config.ts';
import { balancerParts, countPicks, prioritySetOf, StubHost } from '../../../test/fakes/lb.ts';
import { defaultRoundRobin, type SlowStartData } from '../../api/config/load-balancing.ts';
import { anyHost } from '../../api/load-balancing.ts';
import { createListBalancer } from './list-balancer.ts';
import { SlowStart } from './slow-start.ts';

const window: SlowStartData = { windowMs: 10_000, aggression: 1, minWeightPercent: 10 };
/** FakeClock's. */
const START_MS = 1000;
const HOUR_AGO = START_MS - 3_600_000;

/** By hand from envoy-behaviour 2.2: max((age / window) ^ (1 / aggression), min). */
const table = [
  { ageMs: 0, aggression: 1, minWeightPercent: 10, factor: 0.1 },
  { ageMs: 0, aggression: 1, minWeightPercent: 0, factor: 0.0001 },
  { ageMs: 2500, aggression: 1, minWeightPercent: 10, factor: 0.25 },
  { ageMs: 2500, aggression: 2, minWeightPercent: 10, factor: 0.5 },
  { ageMs: 2500, aggression: 0.5, minWeightPercent: 10, factor: 0.1 },
  { ageMs: 5000, aggression: 0.5, minWeightPercent: 10, factor: 0.25 },
  { ageMs: 9999, aggression: 1, minWeightPercent: 10, factor: 0.9999 },
  { ageMs: 10_000, aggression: 1, minWeightPercent: 10, factor: 1 },
  // What is not positive counts as 1.
  { ageMs: 2500, aggression: -3, minWeightPercent: 10, factor: 0.25 },
];

for (const { ageMs, factor, ...given } of table) {
  test(`after ${ageMs} of 10000 ms, ${JSON.stringify(given)}: ${factor}`, () => {
    const clock = new FakeClock();
    const slowStart = new SlowStart({ ...window, ...given }, clock);
    const host = new StubHost('a', { healthySinceMs: START_MS });
    clock.advance(ageMs);
    assert.ok(Math.abs(slowStart.factor(host.asHost()) - factor) < 1e-9);
  });
}

test('a host that is not healthy has its whole weight', () => {
  const slowStart = new SlowStart(window, new FakeClock());
  const host = new StubHost('a', { healthySinceMs: START_MS, health: 'degraded' });
  assert.equal(slowStart.factor(host.asHost()), 1);
});

for (const data of [
  { ...defaultRoundRobin, slowStart: window },
  leastRequestOf({ slowStart: window }),
]) {
  test(`${data.kind}: the new host's share grows until its window is over`, () => {
    const clock = new FakeClock();
    const hosts = [
      new StubHost('old', { healthySinceMs: HOUR_AGO }),
      new StubHost('new', { healthySinceMs: START_MS }),
    ];
    const policy = createListBalancer(data, prioritySetOf(hosts), balancerParts({ clock }));
    const share = () => countPicks(policy, 1100, anyHost)['new']! / 1100;
    assert.ok(Math.abs(share() - 0.1 / 1.1) < 0.005);
    clock.advance(5000);
    assert.ok(Math.abs(share() - 0.5 / 1.5) < 0.01);
    clock.advance(5000);
    assert.ok(Math.abs(share() - 0.5) < 0.01);
  });
}

test('without new hosts least request draws as ever; with one anywhere it goes by weights', () => {
  const busy = (healthySinceMs: number, priority: number) =>
    new StubHost(`busy ${priority}`, { active: 1, healthySinceMs, priority });
  const idle = new StubHost('idle', { healthySinceMs: HOUR_AGO });
  const data = leastRequestOf({ slowStart: window });
  const share = (hosts: readonly StubHost[]) =>
    countPicks(createListBalancer(data, prioritySetOf(hosts), balancerParts()), 9000, anyHost)[
      'idle'
    ]! / 9000;
  // Idle unless both draws are the busy one, against 1 to 1/2 by EDF.
  assert.ok(Math.abs(share([busy(HOUR_AGO, 0), idle]) - 3 / 4) < 0.02);
  assert.ok(Math.abs(share([busy(HOUR_AGO, 0), idle, busy(START_MS, 1)]) - 2 / 3) < 0.01);
});
