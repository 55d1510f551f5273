import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultOutlierDetection } from '../../../test/fakes/cluster-config.ts';
import { FakeTimers } from '../../../test/fakes/timers.ts';
import type { OutlierDetectionConfig } from '../../api/config/cluster.ts';
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
  detector.onThreshold(address(1), 'consecutive_5xx');
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
  detector.onThreshold(address(1), 'consecutive_5xx');
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
  detector.onThreshold(address(1), 'consecutive_5xx');
  detector.onThreshold(address(2), 'consecutive_5xx');
  assert.deepEqual([flags(1), flags(2)], [HealthFlag.FailedOutlierCheck, 0]);
  assert.equal(stats.ejectionsOverflow, 1);
  assert.equal(stats.detected5xx, 2);
  assert.equal(lines.length, 1);
});

test('an event for an ejected or unknown host changes nothing', () => {
  const { stats, detector, address } = detection({});
  detector.onThreshold(address(1), 'consecutive_5xx');
  detector.onThreshold(address(1), 'consecutive_5xx');
  detector.onThreshold('10.9.9.9:80', 'consecutive_5xx');
  assert.equal(stats.detected5xx, 1);
});

test('enforcing is a roll; what is not enforced is logged and can be detected again', () => {
  const { stats, lines, state, detector, address, slot, flags } = detection({
    enforcingConsecutive5xx: 40,
  });
  state.draw = 0.4;
  writeWord(slot(1), HostWord.Consecutive5xx, 5);
  detector.onThreshold(address(1), 'consecutive_5xx');
  assert.equal(flags(1), 0);
  assert.equal(lines[0]?.['enforced'], false);
  assert.equal(stats.ejectionsTotal, 1, "Envoy's old name counts it");
  assert.equal(stats.ejectionsEnforcedTotal, 0);
  assert.equal(readWord(slot(1), HostWord.Consecutive5xx), 0);
  state.draw = 0.399;
  detector.onThreshold(address(1), 'consecutive_5xx');
  assert.equal(flags(1), HealthFlag.FailedOutlierCheck);
});

test('gateway failures are detected but not enforced by default', () => {
  const { stats, detector, address, flags } = detection({});
  detector.onThreshold(address(1), 'consecutive_gateway_failure');
  assert.equal(flags(1), 0);
  assert.equal(stats.detectedGatewayFailure, 1);
  assert.equal(stats.enforcedGatewayFailure, 0);
});

test('local-origin failures eject', () => {
  const { stats, detector, address, flags } = detection({});
  detector.onThreshold(address(2), 'consecutive_local_origin_failure');
  assert.equal(flags(2), HealthFlag.FailedOutlierCheck);
  assert.equal(stats.enforcedLocalOriginFailure, 1);
  assert.equal(stats.ejectionsTotal, 0);
});

test('a host that leaves gives its ejection back; one that stays keeps it', () => {
  const { stats, detector, address, hosts } = detection({ maxEjectionPercent: 100 }, 3);
  detector.onThreshold(address(1), 'consecutive_5xx');
  detector.onThreshold(address(3), 'consecutive_5xx');
  detector.setHosts(hosts(2));
  assert.equal(stats.ejectionsActive, 1);
  assert.equal(detector.isEjected(address(1)), true);
});

test('close ends ejections and timers', () => {
  const { timers, stats, detector, address, flags } = detection({});
  detector.onThreshold(address(1), 'consecutive_5xx');
  detector.close();
  assert.equal(flags(1), 0);
  assert.equal(stats.ejectionsActive, 0);
  assert.equal(timers.armedCount(), 0);
});
