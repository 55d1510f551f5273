import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../../test/fakes/cluster-config.ts';
import { FakeTimers } from '../../../../test/fakes/timers.ts';
import type { PeakEwmaData } from '../../../api/config/load-balancing.ts';
import type { UpstreamHost } from '../../host.ts';
import { LatencyMeter, PeakEwmaPicker } from './peak-ewma.ts';

const data: PeakEwmaData = {
  kind: 'PEAK_EWMA',
  decayTimeMs: 10_000,
  defaultLatencyMs: 30,
  failureLatencyMs: 1000,
  choiceCount: 2,
};

function setUp(count: number) {
  const timers = new FakeTimers();
  const hosts = Array.from({ length: count }, () => ({
    meter: new LatencyMeter(data, timers.clock),
    active: 0,
    hostWeight: 1,
    rqActive() {
      return this.active;
    },
    weight() {
      return this.hostWeight;
    },
  }));
  // A picker looks at meter, rqActive and weight only.
  const list = hosts as unknown as UpstreamHost[];
  const picker = new PeakEwmaPicker(list, data, timers.clock, seededRandom(1));
  const shares = (times: number): number[] => {
    const counts = hosts.map(() => 0);
    for (let i = 0; i < times; i++) counts[list.indexOf(picker.pick()!)]!++;
    return counts.map((of) => of / times);
  };
  return { timers, hosts, shares };
}

test('the latency rises at once, and falls by the time that has passed', () => {
  const { timers, hosts } = setUp(1);
  const { meter } = hosts[0]!;
  const now = () => timers.clock.nowMs();
  assert.equal(meter.latencyMs(now(), 0), 30);
  meter.onResponseHeaders(200, [], 100);
  assert.equal(meter.latencyMs(now(), 0), 100);
  timers.advance(10_000);
  const faded = 30 + (100 - 30) * Math.exp(-1);
  assert.ok(Math.abs(meter.latencyMs(now(), 0) - faded) < 1e-9, 'towards the default');
  meter.onResponseHeaders(200, [], 10);
  const expected = 100 * Math.exp(-1) + 10 * (1 - Math.exp(-1));
  assert.ok(Math.abs(meter.latencyMs(now(), 0) - expected) < 1e-9);
});

test('a host that fails fast looks slow', () => {
  const { timers, hosts } = setUp(3);
  hosts[0]!.meter.onResponseHeaders(503, [], 1);
  hosts[1]!.meter.onFailure(0);
  hosts[2]!.meter.onAbandoned(5000);
  const now = timers.clock.nowMs();
  assert.deepEqual(
    hosts.map(({ meter }) => meter.latencyMs(now, 0)),
    [1000, 1000, 5000],
  );
});

test('whom nobody has measured lately gets one request at a time', () => {
  const { timers, hosts } = setUp(1);
  const { meter } = hosts[0]!;
  const latency = (active: number) => meter.latencyMs(timers.clock.nowMs(), active);
  assert.deepEqual([latency(0), latency(1)], [30, 1000], 'new');
  meter.onResponseHeaders(200, [], 20);
  assert.deepEqual([latency(0), latency(1)], [20, 20]);
  timers.advance(10_001);
  assert.deepEqual([latency(0), latency(1)], [20, 1000], 'forgotten');
});

test('giving up early says nothing of a host that takes longer as a rule', () => {
  const { timers, hosts } = setUp(1);
  hosts[0]!.meter.onResponseHeaders(200, [], 200);
  hosts[0]!.meter.onAbandoned(50);
  assert.equal(hosts[0]!.meter.latencyMs(timers.clock.nowMs(), 0), 200);
});

test('the cheaper of two that differ: latency, requests under way and weight', () => {
  const two = setUp(2);
  two.hosts[0]!.meter.onResponseHeaders(200, [], 100);
  two.hosts[1]!.meter.onResponseHeaders(200, [], 30);
  assert.deepEqual(two.shares(100), [0, 1]);
  two.hosts[1]!.active = 9;
  assert.deepEqual(two.shares(100), [1, 0], '100 x 1 against 30 x 10');
  two.hosts[1]!.hostWeight = 10;
  assert.deepEqual(two.shares(100), [0, 1]);
});

test('a slow host out of ten gets nothing until its past has faded', () => {
  const { timers, hosts, shares } = setUp(10);
  for (const { meter } of hosts) meter.onResponseHeaders(200, [], 30);
  hosts[0]!.meter.onResponseHeaders(200, [], 1000);
  assert.equal(shares(1000)[0], 0);
  // The others are measured on; it is not.
  timers.advance(60_000);
  for (const host of hosts.slice(1)) {
    host.meter.onResponseHeaders(200, [], 30);
    host.active = 1;
  }
  assert.ok(shares(1000)[0]! > 0.05, 'it is tried again when the others are busy');
});
