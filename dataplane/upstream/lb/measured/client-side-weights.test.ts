import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../../../test/fakes/cluster-config.ts';
import { FakeTimers } from '../../../../test/fakes/timers.ts';
import {
  type ClientSideWeightedRoundRobinData,
  defaultZoneAware,
} from '../../../api/config/load-balancing.ts';
import type { UpstreamHost } from '../../host.ts';
import { privateSlot } from '../../shared-state.ts';
import { ClientSideWeightsPicker, ReportedWeights, WeightMeter } from './client-side-weights.ts';
import { emptyReport } from './orca-report.ts';
import { ReportedWeight, weightOf } from './reported-weight.ts';

const data: ClientSideWeightedRoundRobinData = {
  kind: 'CLIENT_SIDE_WEIGHTED_ROUND_ROBIN',
  blackoutPeriodMs: 10_000,
  weightExpirationPeriodMs: 180_000,
  weightUpdatePeriodMs: 1000,
  errorUtilizationPenalty: 1,
  metricNames: ['named_metrics.queue', 'mem_utilization'],
  slowStart: null,
  outOfBand: null,
  locality: defaultZoneAware,
};

function setUp(count: number) {
  const timers = new FakeTimers();
  const meters = Array.from(
    { length: count },
    () => new WeightMeter(data, privateSlot(), timers.clock),
  );
  // A picker looks at the meter only.
  const hosts = meters.map((meter) => ({ meter })) as unknown as UpstreamHost[];
  const weights = new ReportedWeights([hosts], data, timers.clock);
  const picker = new ClientSideWeightsPicker(hosts, weights, seededRandom(1), null);
  const report = (index: number, rps: number, utilization: number) =>
    meters[index]!.onResponseHeaders(200, [
      'endpoint-load-metrics',
      `TEXT rps_fractional:${rps},application_utilization:${utilization}`,
    ]);
  const shares = (times: number): number[] => {
    const counts = meters.map(() => 0);
    for (let i = 0; i < times; i++) counts[hosts.indexOf(picker.pick()!)]!++;
    return counts.map((of) => of / times);
  };
  return { timers, hosts, weights, report, shares };
}

test('the weight is the rate that a host would serve at full use, less for its errors', () => {
  const report = (given: object) => weightOf({ ...emptyReport(), ...given }, data);
  assert.equal(report({ rpsFractional: 100, applicationUtilization: 0.5 }), 200);
  assert.equal(report({ rpsFractional: 100, cpuUtilization: 0.25 }), 400);
  assert.equal(
    report({ rpsFractional: 100, cpuUtilization: 0.25, memUtilization: 0.5 }),
    200,
    'a named metric goes before the processor',
  );
  const metrics = new Map([['named_metrics.queue', 0.8]]);
  assert.equal(
    report({ rpsFractional: 100, memUtilization: 0.5, metrics }),
    125,
    'the worst of them',
  );
  assert.equal(report({ rpsFractional: 100, applicationUtilization: 0.5, eps: 50 }), 100);
  assert.equal(report({ applicationUtilization: 0.5 }), 0, 'no rate');
  assert.equal(report({ rpsFractional: 100 }), 0, 'no use');
  assert.equal(report({ rpsFractional: 1e12, cpuUtilization: 1e-9 }), 4_294_967_295);
});

test('reports count after the blackout, until they are too old; who has none weighs the median', () => {
  const { timers, report, shares } = setUp(3);
  report(0, 300, 1);
  report(1, 100, 1);
  timers.advance(9000);
  assert.deepEqual(shares(300), [1 / 3, 1 / 3, 1 / 3], 'blackout');
  report(0, 300, 1);
  report(1, 100, 1);
  timers.advance(2000);
  // 300, 100, and the median of both.
  assert.deepEqual(shares(600), [3 / 6, 1 / 6, 2 / 6]);
  timers.advance(181_000);
  assert.deepEqual(shares(300), [1 / 3, 1 / 3, 1 / 3], 'expired');
  report(0, 300, 1);
  timers.advance(2000);
  assert.deepEqual(shares(300), [1 / 3, 1 / 3, 1 / 3], 'a blackout again');
});

test('weights change once per weight_update_period', () => {
  const { timers, report, shares } = setUp(2);
  report(0, 300, 1);
  report(1, 100, 1);
  timers.advance(11_000);
  assert.deepEqual(shares(400), [3 / 4, 1 / 4]);
  report(1, 300, 1);
  timers.advance(999);
  assert.deepEqual(shares(400), [3 / 4, 1 / 4]);
  timers.advance(1);
  const [first] = shares(400);
  assert.ok(Math.abs(first! - 1 / 2) < 0.01);
});

test('reports in trailers count, and nonsense does not', () => {
  const timers = new FakeTimers();
  const meter = new WeightMeter(data, privateSlot(), timers.clock);
  meter.onResponseHeaders(200, ['endpoint-load-metrics', 'nonsense']);
  meter.onResponseTrailers(['endpoint-load-metrics', 'TEXT rps_fractional:10,cpu_utilization:0.5']);
  timers.advance(20_000);
  assert.equal(meter.validWeight(), 20);
});

test('a host without reports weighs the median of its priority, whichever list it is picked from', () => {
  const { timers, hosts, weights, report } = setUp(4);
  report(0, 100, 1);
  report(1, 300, 1);
  report(2, 500, 1);
  timers.advance(11_000);
  const shareOf = (list: readonly UpstreamHost[], host: UpstreamHost): number => {
    const picker = new ClientSideWeightsPicker(list, weights, seededRandom(1), null);
    let count = 0;
    for (let i = 0; i < 800; i++) if (picker.pick() === host) count++;
    return count / 800;
  };
  // 300 of all three, not the 100 of the one that it is listed with.
  assert.equal(shareOf([hosts[0]!, hosts[3]!], hosts[3]!), 3 / 4);
  assert.equal(shareOf([hosts[2]!, hosts[3]!], hosts[3]!), 3 / 8);
});

test('what one thread hears of a host, all know', () => {
  const timers = new FakeTimers();
  const slot = privateSlot();
  const [worker, main] = [0, 1].map(() => new ReportedWeight(slot, data));
  const report = { ...emptyReport(), rpsFractional: 4_000_000_000, applicationUtilization: 1 };
  assert.equal(main!.take(report, timers.clock.machineMs()), true);
  timers.advance(10_000);
  assert.equal(worker!.valid(timers.clock.machineMs()), 4_000_000_000, 'of 32 bits');
  assert.equal(main!.take(emptyReport(), timers.clock.machineMs()), false);
  assert.equal(worker!.valid(timers.clock.machineMs()), 4_000_000_000, 'nothing was said');
});

test('a host that is new begins with less than its weight', () => {
  const { timers, hosts, weights, report } = setUp(2);
  for (const index of [0, 1]) report(index, 100, 1);
  timers.advance(11_000);
  const factor = (host: UpstreamHost) => (host === hosts[1] ? 0.1 : 1);
  // The picker asks for nothing else.
  const slowStart = { factor } as unknown as ConstructorParameters<
    typeof ClientSideWeightsPicker
  >[3];
  const picker = new ClientSideWeightsPicker(hosts, weights, seededRandom(1), slowStart);
  let count = 0;
  for (let i = 0; i < 1100; i++) if (picker.pick() === hosts[1]) count++;
  assert.equal(count, 100);
});
