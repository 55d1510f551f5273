import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultOutlierDetection } from '../../../test/fakes/cluster-config.ts';
import { FakeTimers } from '../../../test/fakes/timers.ts';
import type { OutlierDetectionConfig } from '../../api/config/outlier-detection.ts';
import { HealthFlag, HostWord, readWord, SharedChunks, writeWord } from '../shared-state.ts';
import { OutlierDetector } from './detector.ts';
import { OutlierStats } from './outlier-stats.ts';

function detection(given: Partial<OutlierDetectionConfig>, hostCount = 2, draw = 0) {
  const timers = new FakeTimers();
  const chunks = new SharedChunks();
  chunks.create();
  const stats = new OutlierStats();
  const lines: Record<string, unknown>[] = [];
  const state = { draw, changes: 0 };
  const config = { ...defaultOutlierDetection, maxEjectionPercent: 50, ...given };
  const detector = new OutlierDetector({
    clusterName: 'orders',
    config,
    stats,
    clock: timers.clock,
    random: () => state.draw,
    timers,
    onHealthChanged: () => state.changes++,
    onEventLine: (line) => lines.push(JSON.parse(line)),
  });
  const address = (i: number) => `10.0.0.${i}:80`;
  const slot = (i: number) => chunks.ref({ chunk: 0, slot: i });
  const hosts = (count: number) =>
    new Map(Array.from({ length: count }, (_, i) => [address(i + 1), slot(i + 1)]));
  detector.setHosts(hosts(hostCount));
  const flags = (i: number) => readWord(slot(i), HostWord.HealthFlags);
  return { timers, config, stats, lines, state, detector, address, slot, hosts, flags };
}

test('ejects, sets the flag, counts, logs, and brings back at the first tick after the time', () => {
  const { timers, stats, lines, state, detector, address, slot, flags } = detection({});
  writeWord(slot(1), HostWord.Consecutive5xx, 5);
  detector.onReport(address(1), 'consecutive_5xx');
  assert.equal(flags(1), HealthFlag.FailedOutlierCheck);
  assert.equal(detector.isEjected(address(1)), true);
  assert.equal(readWord(slot(1), HostWord.Consecutive5xx), 0, 'ready to see the next run');
  assert.deepEqual(
    { ...stats },
    {
      ...new OutlierStats(),
      ejectionsActive: 1,
      ejectionsTotal: 1,
      ejectionsConsecutive5xx: 1,
      ejectionsEnforcedTotal: 1,
      detected5xx: 1,
      enforced5xx: 1,
    },
  );
  // Ticks every 10 s: at 30 s the ejection is exactly over.
  timers.advance(29_999);
  assert.equal(flags(1), HealthFlag.FailedOutlierCheck);
  timers.advance(1);
  assert.equal(flags(1), 0);
  assert.equal(stats.ejectionsActive, 0);
  assert.equal(state.changes, 2);
  assert.deepEqual(lines, [
    {
      type: 'CONSECUTIVE_5XX',
      timestamp: '2026-01-02T03:04:05.678Z',
      cluster_name: 'orders',
      upstream_url: '10.0.0.1:80',
      action: 'EJECT',
      num_ejections: 1,
      enforced: true,
      eject_consecutive_event: {},
    },
    {
      type: 'CONSECUTIVE_5XX',
      timestamp: '2026-01-02T03:04:35.678Z',
      secs_since_last_action: '30',
      cluster_name: 'orders',
      upstream_url: '10.0.0.1:80',
      action: 'UNEJECT',
      num_ejections: 1,
      enforced: false,
    },
  ]);
});

test('a tick in between does not bring back: an ejection may last one interval longer', () => {
  const { timers, detector, address, flags } = detection({ baseEjectionTimeMs: 25_000 });
  timers.advance(3_000);
  detector.onReport(address(1), 'consecutive_5xx');
  timers.advance(25_000);
  assert.equal(
    flags(1),
    HealthFlag.FailedOutlierCheck,
    'over since 28 s, but the next tick is at 30 s',
  );
  timers.advance(2_000);
  assert.equal(flags(1), 0);
});

test('past max_ejection_percent it only counts', () => {
  const { stats, lines, detector, address, flags } = detection({});
  detector.onReport(address(1), 'consecutive_5xx');
  detector.onReport(address(2), 'consecutive_5xx');
  assert.deepEqual([flags(1), flags(2)], [HealthFlag.FailedOutlierCheck, 0]);
  assert.equal(stats.ejectionsOverflow, 1);
  assert.equal(stats.detected5xx, 2);
  assert.equal(lines.length, 1);
});

test('an event for an ejected or unknown host changes nothing', () => {
  const { stats, detector, address } = detection({});
  detector.onReport(address(1), 'consecutive_5xx');
  detector.onReport(address(1), 'consecutive_5xx');
  detector.onReport('10.9.9.9:80', 'consecutive_5xx');
  assert.equal(stats.detected5xx, 1);
});

test('enforcing is a roll; what is not enforced is logged and can be detected again', () => {
  const { stats, lines, state, detector, address, slot, flags } = detection({
    enforcingConsecutive5xx: 40,
  });
  state.draw = 0.4;
  writeWord(slot(1), HostWord.Consecutive5xx, 5);
  detector.onReport(address(1), 'consecutive_5xx');
  assert.equal(flags(1), 0);
  assert.equal(lines[0]?.['enforced'], false);
  assert.equal(stats.ejectionsTotal, 1, "Envoy's old name counts it");
  assert.equal(stats.ejectionsEnforcedTotal, 0);
  assert.equal(readWord(slot(1), HostWord.Consecutive5xx), 0);
  state.draw = 0.399;
  detector.onReport(address(1), 'consecutive_5xx');
  assert.equal(flags(1), HealthFlag.FailedOutlierCheck);
});

test('gateway failures are detected but not enforced by default', () => {
  const { stats, detector, address, flags } = detection({});
  detector.onReport(address(1), 'consecutive_gateway_failure');
  assert.equal(flags(1), 0);
  assert.equal(stats.detectedGatewayFailure, 1);
  assert.equal(stats.enforcedGatewayFailure, 0);
});

test('local-origin failures eject', () => {
  const { stats, detector, address, flags } = detection({});
  detector.onReport(address(2), 'consecutive_local_origin_failure');
  assert.equal(flags(2), HealthFlag.FailedOutlierCheck);
  assert.equal(stats.enforcedLocalOriginFailure, 1);
  assert.equal(stats.ejectionsTotal, 0);
});

test('a host that leaves gives its ejection back; one that stays keeps it', () => {
  const { stats, detector, address, hosts } = detection({ maxEjectionPercent: 100 }, 3);
  detector.onReport(address(1), 'consecutive_5xx');
  detector.onReport(address(3), 'consecutive_5xx');
  detector.setHosts(hosts(2));
  assert.equal(stats.ejectionsActive, 1);
  assert.equal(detector.isEjected(address(1)), true);
});

test('close ends ejections and timers', () => {
  const { timers, stats, detector, address, flags } = detection({});
  detector.onReport(address(1), 'consecutive_5xx');
  detector.close();
  assert.equal(flags(1), 0);
  assert.equal(stats.ejectionsActive, 0);
  assert.equal(timers.armedCount(), 0);
});

/** The results of one interval, then its tick. */
function interval(
  subject: ReturnType<typeof detection>,
  results: readonly (readonly [successes: number, failures: number])[],
  { isLocal = false } = {},
): void {
  results.forEach(([successes, failures], i) => {
    const slot = subject.slot(i + 1);
    writeWord(slot, isLocal ? HostWord.LocalOriginSuccesses : HostWord.Successes, successes);
    writeWord(slot, isLocal ? HostWord.LocalOriginFailures : HostWord.Failures, failures);
  });
  subject.timers.advance(subject.config.intervalMs);
}

const fine = [100, 0] as const;

test('a success rate below the threshold ejects, with the numbers in the event log', () => {
  const subject = detection({}, 6);
  interval(subject, [[0, 100], fine, fine, fine, fine, fine]);
  const { stats, lines, detector, address, flags } = subject;
  assert.equal(flags(1), HealthFlag.FailedOutlierCheck);
  assert.equal(stats.detectedSuccessRate, 1);
  assert.equal(stats.enforcedSuccessRate, 1);
  assert.equal(stats.ejectionsSuccessRate, 1);
  assert.equal(stats.ejectionsTotal, 1);
  // As Envoy 1.40 wrote it for these very results.
  assert.deepEqual(lines, [
    {
      type: 'SUCCESS_RATE',
      timestamp: '2026-01-02T03:04:15.678Z',
      cluster_name: 'orders',
      upstream_url: '10.0.0.1:80',
      action: 'EJECT',
      num_ejections: 1,
      enforced: true,
      eject_success_rate_event: {
        host_success_rate: 0,
        cluster_average_success_rate: 83,
        cluster_success_rate_ejection_threshold: 12,
      },
    },
  ]);
  assert.deepEqual(detector.ratesOf(address(1))?.successRate, 0);
  // The next interval is judged by itself, without the ejected host.
  interval(subject, [[0, 100], fine, fine, fine, fine, fine]);
  assert.deepEqual(detector.status().external, { average: 100, ejectionThreshold: 100 });
  assert.equal(detector.ratesOf(address(1))?.successRate, -1);
  interval(subject, []);
  assert.equal(detector.status().external.average, -1, 'an interval without requests');
});

test('a failure percentage is found out but not enforced by default', () => {
  const subject = detection({ successRateMinimumHosts: 100 }, 5);
  interval(subject, [[10, 90], fine, fine, fine, fine]);
  const { stats, lines, flags } = subject;
  assert.equal(flags(1), 0);
  assert.equal(stats.detectedFailurePercentage, 1);
  assert.equal(stats.enforcedFailurePercentage, 0);
  assert.equal(stats.ejectionsTotal, 0);
  assert.equal(lines[0]?.['type'], 'FAILURE_PERCENTAGE');
  assert.equal(lines[0]?.['enforced'], false);
  assert.deepEqual(lines[0]?.['eject_failure_percentage_event'], { host_success_rate: 10 });
});

test('a host that both find out is ejected once', () => {
  const subject = detection({ enforcingFailurePercentage: 100 }, 6);
  interval(subject, [[0, 100], fine, fine, fine, fine, fine]);
  const { stats, timers, lines, flags } = subject;
  assert.equal(stats.detectedFailurePercentage, 1);
  assert.equal(stats.enforcedFailurePercentage, 0);
  assert.equal(stats.ejectionsActive, 1);
  assert.equal(lines.length, 1);
  timers.advance(30_000);
  assert.equal(flags(1), 0);
  assert.equal(stats.ejectionsActive, 0);
});

test('local-origin results are judged apart', () => {
  const given = {
    splitExternalLocalOriginErrors: true,
    enforcingFailurePercentageLocalOrigin: 100,
  };
  const subject = detection(given, 6);
  interval(subject, [[0, 100], fine, fine, fine, fine, fine], { isLocal: true });
  assert.equal(subject.stats.enforcedLocalOriginSuccessRate, 1);
  assert.equal(subject.stats.detectedLocalOriginFailurePercentage, 1);
  assert.equal(subject.stats.ejectionsSuccessRate, 1, 'the old name counts both');
  assert.equal(subject.stats.ejectionsTotal, 0, 'this old name does not');
  assert.equal(subject.lines[0]?.['type'], 'SUCCESS_RATE_LOCAL_ORIGIN');
  assert.equal(subject.detector.ratesOf(subject.address(1))?.localOriginSuccessRate, 0);
  const other = detection({ ...given, successRateMinimumHosts: 100 }, 6);
  interval(other, [[0, 100], fine, fine, fine, fine, fine], { isLocal: true });
  assert.equal(other.stats.enforcedLocalOriginFailurePercentage, 1);
  assert.equal(other.lines[0]?.['type'], 'FAILURE_PERCENTAGE_LOCAL_ORIGIN');
});

test('max_ejection_percent bounds what one interval ejects', () => {
  const subject = detection({ failurePercentageThreshold: 50, enforcingFailurePercentage: 100 }, 5);
  interval(subject, [[0, 100], [0, 100], [0, 100], fine, fine]);
  assert.equal(subject.stats.ejectionsActive, 2);
  assert.equal(subject.stats.ejectionsOverflow, 1);
});

test('jitter and back-off say when a host returns', () => {
  const subject = detection({ maxEjectionTimeJitterMs: 9_999 }, 2, 0.5);
  const { timers, detector, address } = subject;
  const until = () => {
    const { sinceWallMs, untilWallMs } = detector.status().ejected[0]!;
    return (untilWallMs - sinceWallMs) / 1000;
  };
  detector.onReport(address(1), 'consecutive_5xx');
  assert.equal(until(), 40, '30 s and 5 s of jitter end with the tick at 40 s');
  timers.advance(40_000);
  assert.equal(detector.isEjected(address(1)), false);
  timers.advance(3_000);
  detector.onReport(address(1), 'consecutive_5xx');
  assert.equal(until(), 67, '60 s and 5 s, begun 3 s behind a tick');
  assert.equal(detector.status().ejected[0]?.times, 2);
});

test('a degraded host is used last until a tick behind its time, ejections or not', () => {
  const { timers, stats, lines, state, detector, address, slot, flags } = detection({
    maxEjectionPercent: 0,
  });
  writeWord(slot(1), HostWord.SaidDegraded, 1);
  detector.onReport(address(1), 'degraded');
  detector.onReport(address(1), 'degraded');
  assert.equal(flags(1), HealthFlag.DegradedOutlierDetection);
  assert.equal(stats.detectedDegradation, 1);
  assert.equal(stats.ejectionsActive, 0);
  timers.advance(29_999);
  assert.equal(readWord(slot(1), HostWord.SaidDegraded), 1);
  timers.advance(1);
  assert.equal(flags(1), 0);
  assert.equal(readWord(slot(1), HostWord.SaidDegraded), 0, 'workers may say it again');
  assert.equal(state.changes, 2);
  // As Envoy 1.40 writes them.
  const common = { cluster_name: 'orders', upstream_url: '10.0.0.1:80' };
  assert.deepEqual(lines, [
    {
      type: 'DEGRADED',
      timestamp: '2026-01-02T03:04:05.678Z',
      ...common,
      action: 'EJECT',
      num_ejections: 0,
      enforced: true,
      eject_consecutive_event: {},
    },
    {
      type: 'CONSECUTIVE_5XX',
      timestamp: '2026-01-02T03:04:35.678Z',
      ...common,
      action: 'UNEJECT',
      num_ejections: 0,
      enforced: false,
    },
  ]);
  detector.onReport(address(1), 'degraded');
  timers.advance(50_000);
  assert.equal(
    flags(1),
    HealthFlag.DegradedOutlierDetection,
    'the second time lasts twice as long',
  );
  timers.advance(10_000);
  assert.equal(flags(1), 0);
});

test('an active check that passes brings an ejected host back, unless that is switched off', () => {
  for (const [successfulActiveHealthCheckUnejectHost, ejected] of [
    [true, false],
    [false, true],
  ] as const) {
    const { detector, address } = detection({ successfulActiveHealthCheckUnejectHost });
    detector.onReport(address(1), 'consecutive_5xx');
    detector.onActiveCheckPassed(address(1));
    assert.equal(detector.isEjected(address(1)), ejected);
  }
});

test('the timeline tells what was done, what would have been, and why', () => {
  const { timers, state, detector, address } = detection({ enforcingConsecutive5xx: 50 });
  state.draw = 0.9;
  detector.onReport(address(1), 'consecutive_5xx');
  state.draw = 0;
  detector.onReport(address(1), 'consecutive_5xx');
  detector.onReport(address(2), 'consecutive_5xx');
  detector.onReport(address(2), 'degraded');
  timers.advance(10_000);
  detector.onActiveCheckPassed(address(1));
  timers.advance(20_000);
  assert.deepEqual(
    detector.status().timeline.map(({ address, action, reason }) => [address, action, reason]),
    [
      ['10.0.0.1:80', 'would_eject', 'consecutive_5xx'],
      ['10.0.0.1:80', 'eject', 'consecutive_5xx'],
      ['10.0.0.2:80', 'overflow', 'consecutive_5xx'],
      ['10.0.0.2:80', 'degrade', 'x-envoy-degraded'],
      ['10.0.0.1:80', 'uneject', 'active check passed'],
      ['10.0.0.2:80', 'undegrade', 'time is over'],
    ],
  );
});

test('what an earlier detector left in the slots does not count', () => {
  const subject = detection({ successRateMinimumHosts: 1, successRateRequestVolume: 1 }, 1);
  writeWord(subject.slot(2), HostWord.Failures, 500);
  writeWord(subject.slot(2), HostWord.SaidDegraded, 1);
  subject.detector.setHosts(subject.hosts(2));
  assert.equal(readWord(subject.slot(2), HostWord.Failures), 0);
  assert.equal(readWord(subject.slot(2), HostWord.SaidDegraded), 0);
});

test('runs of failures that a former config left are forgotten', () => {
  const { detector, config, slot, hosts } = detection({ consecutive5xx: 5 });
  writeWord(slot(1), HostWord.Consecutive5xx, 4);
  detector.updateConfig({ ...config, consecutive5xx: 3 });
  assert.equal(readWord(slot(1), HostWord.Consecutive5xx), 0, 'it would never be equal to 3');
  detector.close();
  writeWord(slot(1), HostWord.ConsecutiveGatewayFailure, 4);
  detector.setHosts(hosts(1));
  assert.equal(readWord(slot(1), HostWord.ConsecutiveGatewayFailure), 0);
});

test('updates that change nothing here do not put off the tick', () => {
  const { detector, config, timers, slot, address, flags } = detection({});
  writeWord(slot(1), HostWord.Consecutive5xx, 5);
  detector.onReport(address(1), 'consecutive_5xx');
  for (let i = 0; i < 9; i++) {
    timers.advance(5_000);
    detector.updateConfig({ ...config });
  }
  assert.equal(flags(1), 0, 'its time was over at 30 s');
});
