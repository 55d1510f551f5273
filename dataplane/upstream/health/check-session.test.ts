import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placedHost } from '../../../test/fakes/cluster-config.ts';
import { healthCheck } from '../../../test/fakes/health-check.ts';
import { FakeTimers } from '../../../test/fakes/timers.ts';
import type { HealthCheckConfig } from '../../api/config/health-check.ts';
import { HealthFlag, HostWord, readWord, SharedChunks, setHealthFlag } from '../shared-state.ts';
import { CheckSession } from './check-session.ts';
import { HealthCheckStats } from './health-check-stats.ts';
import type { ProbeObserver } from './probe.ts';

const {
  FailedActiveHc: failed,
  DegradedActiveHc: degraded,
  ActiveHcTimeout: timedOut,
} = HealthFlag;
const { ExcludedViaImmediateHcFail: excluded, PendingActiveHc: pending } = HealthFlag;

/** A host that is new: it fails until its first check. */
function setUp(given: Partial<HealthCheckConfig> = {}, flags: number = failed) {
  const timers = new FakeTimers();
  const chunks = new SharedChunks();
  chunks.create();
  const host = placedHost('10.0.0.1', 3);
  const slot = chunks.ref(host);
  for (const flag of Object.values(HealthFlag)) setHealthFlag(slot, flag, (flags & flag) !== 0);
  const stats = new HealthCheckStats();
  /** What the probe was told, and what the session told. */
  const told: string[] = [];
  const events: string[] = [];
  let observer: ProbeObserver | null = null;
  let hasTraffic = true;
  const session = new CheckSession(host, slot, {
    clusterName: 'orders',
    config: healthCheck({ eventLogPaths: ['log'], ...given }),
    stats,
    clock: timers.clock,
    random: () => 0,
    timers,
    hasTraffic: () => hasTraffic,
    createProbe: (_host, given) => {
      observer = given;
      return {
        start: () => told.push('start'),
        onTimeout: () => told.push('timeout'),
        close: () => told.push('close'),
      };
    },
    onEventLine: (paths, line) => {
      assert.deepEqual(paths, ['log']);
      // Which event, without what is the same in all of them.
      const { timestamp, host, cluster_name, locality, health_checker_type, ...event } =
        JSON.parse(line);
      events.push(JSON.stringify(event));
    },
    onResult: (_session, transition, isHealthy) =>
      told.push(`${isHealthy ? 'healthy' : 'unhealthy'} ${transition}`),
  });
  return {
    timers,
    stats,
    session,
    events,
    flags: () => readWord(slot, HostWord.HealthFlags),
    /** Since the last call. */
    told: () => told.splice(0),
    /** The next check begins and has this result. */
    result: (kind: 'ok' | 'degraded' | 'bad' | 'retriable' | 'lost' | 'slow') => {
      if (kind === 'ok' || kind === 'degraded') observer!.onSuccess(kind === 'degraded');
      else if (kind === 'lost') observer!.onFailure('NETWORK', 0, false);
      else if (kind === 'slow') timers.advance(500);
      else observer!.onFailure('ACTIVE', 503, kind === 'retriable');
      return told.splice(0);
    },
    observer: () => observer!,
    setTraffic: (is: boolean) => {
      hasTraffic = is;
    },
  };
}

test('one success is enough at first, healthy_threshold of them later', () => {
  const { session, result, flags, timers, stats, told, events } = setUp();
  session.start();
  assert.deepEqual(told(), ['start']);
  assert.deepEqual(result('ok'), ['healthy changed']);
  assert.equal(flags(), 0);
  timers.advance(999);
  assert.deepEqual(told(), []);
  timers.advance(1);
  assert.deepEqual(told(), ['start']);
  assert.deepEqual(result('bad'), ['unhealthy changed']);
  assert.equal(flags(), failed);
  timers.advance(1000);
  assert.deepEqual([...told(), ...result('ok')], ['start', 'healthy pending']);
  assert.equal(flags(), failed);
  timers.advance(1000);
  assert.deepEqual([...told(), ...result('ok')], ['start', 'healthy changed']);
  assert.equal(flags(), 0);
  assert.deepEqual(events, [
    '{"add_healthy_event":{"first_check":true}}',
    '{"eject_unhealthy_event":{"failure_type":"ACTIVE","http_status_code":503}}',
    '{"add_healthy_event":{"first_check":false}}',
  ]);
  assert.deepEqual(
    { ...stats },
    { ...new HealthCheckStats(), attempt: 4, success: 3, failure: 1, healthy: 1 },
  );
});

/** Results in turn -> flags after each, for a host that is healthy; thresholds 3 and 2. */
const sequences: readonly {
  readonly name: string;
  readonly results: readonly ('ok' | 'degraded' | 'bad' | 'retriable' | 'lost' | 'slow')[];
  readonly flags: readonly number[];
}[] = [
  { name: 'an answer that says no counts at once', results: ['bad'], flags: [failed] },
  {
    name: 'three failures of the network in a row',
    results: ['lost', 'lost', 'lost'],
    flags: [0, 0, failed],
  },
  {
    name: 'retriable answers and failures of the network count together',
    results: ['retriable', 'lost', 'retriable'],
    flags: [0, 0, failed],
  },
  {
    name: 'a success between failures begins the count anew',
    results: ['lost', 'lost', 'ok', 'lost', 'lost', 'lost'],
    flags: [0, 0, 0, 0, 0, failed],
  },
  {
    name: 'a failure between successes begins the count anew',
    results: ['bad', 'ok', 'lost', 'ok', 'ok'],
    flags: [failed, failed, failed, failed, 0],
  },
  {
    name: 'timeouts show once the host has failed, until something else happens',
    results: ['slow', 'slow', 'slow', 'slow', 'lost', 'slow', 'ok', 'ok'],
    flags: [
      0,
      0,
      failed | timedOut,
      failed | timedOut,
      failed,
      failed | timedOut,
      failed | timedOut,
      0,
    ],
  },
  {
    name: 'degraded comes and goes at once',
    results: ['degraded', 'ok', 'degraded', 'lost', 'ok'],
    flags: [degraded, 0, degraded, degraded, 0],
  },
  {
    name: 'a degraded host that fails is both',
    results: ['degraded', 'bad', 'degraded', 'degraded'],
    flags: [degraded, failed | degraded, failed | degraded, degraded],
  },
];

for (const { name, results, flags: expected } of sequences) {
  test(name, () => {
    const { session, result, flags, timers } = setUp();
    session.start();
    result('ok');
    const seen: number[] = [];
    for (const kind of results) {
      timers.advance(1000);
      result(kind);
      seen.push(flags());
    }
    assert.deepEqual(seen, expected);
  });
}

test('the gauges follow the flags', () => {
  const { session, result, timers, stats } = setUp();
  const next = (kind: Parameters<typeof result>[0]) => {
    timers.advance(1000);
    result(kind);
    return [stats.healthy, stats.degraded];
  };
  session.start();
  result('ok');
  assert.deepEqual(next('degraded'), [1, 1]);
  assert.deepEqual(next('bad'), [0, 1]);
  assert.deepEqual(next('ok'), [0, 0]);
  assert.deepEqual(next('degraded'), [1, 1]);
  session.close();
  assert.deepEqual([stats.healthy, stats.degraded], [0, 0]);
  assert.equal(timers.armedCount(), 0);
});

test('a check that takes too long is ended, and the wait begins then', () => {
  const { session, timers, told, stats, events } = setUp({ timeoutMs: 300 });
  session.start();
  told();
  timers.advance(300);
  assert.deepEqual(told(), ['timeout', 'unhealthy unchanged']);
  timers.advance(999);
  assert.deepEqual(told(), []);
  timers.advance(1);
  assert.deepEqual(told(), ['start']);
  assert.equal(stats.networkFailure, 1);
  assert.deepEqual(events, [
    '{"health_check_failure_event":{"failure_type":"NETWORK_TIMEOUT","first_check":true,"http_status_code":0}}',
  ]);
});

test('each wait is that of the state and the edge', () => {
  const { session, result, timers, told, setTraffic } = setUp({
    intervalMs: 10,
    healthyEdgeIntervalMs: 20,
    unhealthyIntervalMs: 30,
    unhealthyEdgeIntervalMs: 40,
    noTrafficIntervalMs: 50,
    noTrafficHealthyIntervalMs: 60,
    timeoutMs: 1000,
  });
  session.start();
  const waits = (kind: Parameters<typeof result>[0]): number => {
    result(kind);
    for (let ms = 1; ms <= 100; ms++) {
      timers.advance(1);
      if (told().includes('start')) return ms;
    }
    return 0;
  };
  told();
  assert.equal(waits('ok'), 10);
  assert.equal(waits('lost'), 40);
  assert.equal(waits('lost'), 40);
  assert.equal(waits('lost'), 30, 'the host has failed');
  assert.equal(waits('lost'), 30);
  assert.equal(waits('ok'), 20);
  assert.equal(waits('ok'), 10);
  setTraffic(false);
  assert.equal(waits('ok'), 60);
  assert.equal(waits('lost'), 50);
});

test('events of every check are logged where that is wanted', () => {
  const { session, result, timers, events } = setUp({
    alwaysLogFailures: true,
    alwaysLogSuccess: true,
  });
  session.start();
  for (const kind of ['ok', 'ok', 'lost', 'bad', 'ok', 'ok'] as const) {
    result(kind);
    timers.advance(1000);
  }
  const failure = (type: string, status: number) =>
    `{"health_check_failure_event":{"failure_type":"${type}","first_check":false,"http_status_code":${status}}}`;
  assert.deepEqual(events, [
    '{"add_healthy_event":{"first_check":true}}',
    '{"successful_health_check_event":{}}',
    failure('NETWORK', 0),
    '{"eject_unhealthy_event":{"failure_type":"ACTIVE","http_status_code":503}}',
    failure('ACTIVE', 503),
    '{"successful_health_check_event":{}}',
    '{"add_healthy_event":{"first_check":false}}',
  ]);
});

test('degraded hosts have events of their own', () => {
  const { session, result, timers, events } = setUp();
  session.start();
  for (const kind of ['degraded', 'ok'] as const) {
    result(kind);
    timers.advance(1000);
  }
  assert.deepEqual(events.slice(1), [
    '{"degraded_healthy_host":{}}',
    '{"no_longer_degraded_host":{}}',
  ]);
});

test('a response that asks for no more traffic fails its host until checks say otherwise', () => {
  const { session, result, timers, flags, stats, told, events } = setUp();
  session.start();
  result('ok');
  session.onPassiveFailure();
  assert.deepEqual(told(), ['unhealthy changed']);
  assert.equal(flags(), failed | excluded);
  session.onPassiveFailure();
  assert.equal(stats.passiveFailure, 2);
  timers.advance(1000);
  assert.deepEqual(
    told(),
    ['unhealthy unchanged', 'start'],
    'the next check comes when it would have',
  );
  result('ok');
  assert.equal(flags(), failed | excluded);
  timers.advance(1000);
  result('ok');
  assert.equal(flags(), 0);
  assert.equal(
    events[1],
    '{"eject_unhealthy_event":{"failure_type":"PASSIVE","http_status_code":0}}',
  );
});

test('a host that does not count yet does with its first result, whatever that is', () => {
  for (const kind of ['ok', 'bad'] as const) {
    const { session, result, flags, told } = setUp({}, failed | pending);
    session.start();
    told();
    assert.deepEqual(result(kind), [`${kind === 'ok' ? 'healthy' : 'unhealthy'} changed`]);
    assert.equal(flags(), kind === 'ok' ? 0 : failed);
  }
});

test('a host that was trusted so far loses that with its first failure', () => {
  const { session, result, flags, stats, told } = setUp({}, 0);
  assert.equal(stats.healthy, 1);
  session.start();
  told();
  assert.deepEqual(result('lost'), ['unhealthy changed']);
  assert.equal(flags(), failed);
});

test('initial_jitter is waited for', () => {
  const { session, timers, told } = setUp({ initialJitterMs: 100 });
  session.start();
  assert.deepEqual(told(), []);
  timers.advance(1);
  assert.deepEqual(told(), ['start']);
});

test('a session that is closed by whom it tells starts nothing any more', () => {
  const timers = new FakeTimers();
  const chunks = new SharedChunks();
  chunks.create();
  const host = placedHost('10.0.0.1', 1);
  let observer: ProbeObserver | null = null;
  const session = new CheckSession(host, chunks.ref(host), {
    clusterName: 'orders',
    config: healthCheck(),
    stats: new HealthCheckStats(),
    clock: timers.clock,
    random: () => 0,
    timers,
    hasTraffic: () => true,
    createProbe: (_host, given) => {
      observer = given;
      return { start: () => {}, onTimeout: () => {}, close: () => {} };
    },
    onEventLine: () => assert.fail('no log is configured'),
    onResult: (closing) => closing.close(),
  });
  session.start();
  observer!.onFailure('NETWORK', 0, false);
  assert.equal(timers.armedCount(), 0);
});
