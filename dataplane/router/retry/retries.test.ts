import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forwardAction, retryPolicy, routeData } from '../../../test/fakes/route-data.ts';
import { RouterScenario } from '../../../test/fakes/router.ts';
import { FakeHost } from '../../../test/fakes/upstream.ts';
import { StreamResetReason } from '../../api/codec.ts';
import type { RateLimitedBackOffData, RetryPolicyData } from '../../api/config/route.ts';
import { ResponseHeaders } from '../../api/headers.ts';
import type { PriorityLoad } from '../../api/load-balancing.ts';
import { metadataText } from '../../api/metadata-match.ts';
import { isRejected } from './host-predicates.ts';
import { PreviousPriorities } from './previous-priorities.ts';
import { RetryRuntime } from './runtime.ts';

function retrying(policy: Partial<RetryPolicyData>): RouterScenario {
  const action = forwardAction({ retryPolicy: retryPolicy(policy) });
  return new RouterScenario({ route: { action } });
}

function hostOf(given: Partial<FakeHost>): FakeHost {
  return Object.assign(new FakeHost(1), given);
}

const secondsOf: RateLimitedBackOffData = {
  resetHeaders: [
    { name: 'x-reset', format: 'UNIX_TIMESTAMP' },
    { name: 'retry-after', format: 'SECONDS' },
  ],
  maxIntervalMs: 10_000,
};

// ---- waits ----

test('a response may say when to come back; then the wait is that long and up to half more', () => {
  const scenario = retrying({ rateLimitedBackOff: secondsOf }).request();
  scenario.attempt.ready().respond(503, ['retry-after', '2']);
  scenario.timers.advance(2499);
  assert.equal(scenario.cluster.tries.length, 1);
  const { stats } = scenario.cluster;
  assert.equal(stats.upstreamRqRetry, 0, 'a retry counts when it begins');
  scenario.timers.advance(100);
  assert.equal(scenario.cluster.tries.length, 2);
  assert.deepEqual([stats.upstreamRqRetry, stats.upstreamRqRetryBackoffRatelimited], [1, 1]);
  assert.equal(stats.upstreamRqRetryBackoffExponential, 0);
});

test('runtime says the back-off of policies without one of their own, and whether there are retries at all', () => {
  const live = new SharedArrayBuffer(16);
  const words = new Float64Array(live);
  words.set([100, 100]);
  const retryRuntime = new RetryRuntime({ baseMs: { live }, usePercent: { live, at: 1 } });
  const tried = (hasOwnBackoff: boolean, afterMs: number): number => {
    const action = forwardAction({ retryPolicy: retryPolicy({ hasOwnBackoff }) });
    const scenario = new RouterScenario({ route: { action }, router: { retryRuntime } }).request();
    scenario.attempt.ready().respond(503);
    scenario.timers.advance(afterMs);
    return scenario.cluster.tries.length;
  };
  assert.deepEqual([tried(true, 12), tried(false, 49), tried(false, 50)], [2, 1, 2]);
  words[1] = 50;
  assert.equal(tried(true, 12), 1, 'the draw is 0.5');
  words[1] = 51;
  assert.equal(tried(true, 12), 2);
});

test('the first reset header that may be used decides; what is too long, or no number, does not count', () => {
  const clockSeconds = Math.floor(new RouterScenario().timers.clock.wallMs() / 1000);
  const cases: readonly (readonly [string[], number])[] = [
    [['x-reset', String(clockSeconds + 4)], 5000],
    [['x-reset', String(clockSeconds - 1), 'retry-after', '2'], 2500],
    [['x-reset', String(clockSeconds + 11), 'retry-after', '2'], 2500],
    [['retry-after', '11'], 12],
    [['retry-after', 'soon'], 12],
    [['retry-after', '0'], 12],
    [['retry-after', '99999999999999999999'], 12],
    [[], 12],
  ];
  for (const [fields, waitMs] of cases) {
    const scenario = retrying({ rateLimitedBackOff: secondsOf }).request();
    scenario.attempt.ready().respond(503, fields);
    scenario.timers.advance(waitMs - 1);
    assert.equal(scenario.cluster.tries.length, 1, fields.join(' '));
    // Long waits are up to a tick late.
    scenario.timers.advance(waitMs < 1000 ? 1 : 101);
    assert.equal(scenario.cluster.tries.length, 2, fields.join(' '));
  }
});

test('a 425 is retried at once, but not where the client itself came early', () => {
  const policy = { retryOn: ['retriable-status-codes'], retriableStatusCodes: [425] };
  const scenario = retrying(policy).request();
  scenario.attempt.ready().respond(425);
  scenario.timers.advance(1);
  assert.equal(scenario.cluster.tries.length, 2);
  const { stats } = scenario.cluster;
  assert.deepEqual([stats.upstreamRqRetry, stats.upstreamRqRetryBackoffExponential], [1, 0]);
  const early = retrying(policy).request(['early-data', '1']);
  early.attempt.ready().respond(425);
  assert.equal(early.summary(), '425 - via_upstream');
});

test('a client that goes away during the wait was not retried', () => {
  const scenario = retrying({}).request();
  scenario.attempt.ready().respond(503);
  scenario.filter.onDestroy();
  scenario.timers.advance(100);
  assert.equal(scenario.cluster.stats.upstreamRqRetry, 0);
  assert.equal(scenario.cluster.retries.count(), 0);
});

test('a retried response without a body leaves its connection as it is', () => {
  const scenario = retrying({}).request();
  scenario.attempt.ready().decoder.decodeHeaders(new ResponseHeaders(503, []), true);
  assert.equal(scenario.attempt.resetBy, null);
  const sending = retrying({}).request([], false);
  sending.attempt.ready().decoder.decodeHeaders(new ResponseHeaders(503, []), true);
  assert.equal(
    sending.attempt.resetBy,
    StreamResetReason.LocalReset,
    'the request is not complete',
  );
});

// ---- whose policy ----

test("the cluster's retry policy takes the place of the route's", () => {
  const scenario = retrying({ retryOn: ['5xx'] });
  const { cluster } = scenario;
  const ofCluster = retryPolicy({ retryOn: ['retriable-4xx'] });
  cluster.config = {
    ...cluster.config,
    http: { ...cluster.config.http, retryPolicy: ofCluster },
  };
  scenario.request().attempt.ready().respond(503);
  assert.equal(scenario.summary(), '503 - via_upstream');
  const other = new RouterScenario();
  other.cluster.config = cluster.config;
  other.request().attempt.ready().respond(409);
  other.timers.advance(25);
  assert.equal(other.cluster.tries.length, 2);
});

test('the upstream of a retry learns whether the try before took too long', () => {
  const table = [
    { isTimeout: true, header: 'true' },
    { isTimeout: false, header: 'false' },
  ];
  for (const { isTimeout, header } of table) {
    const policy = retryPolicy({ perTryTimeoutMs: 50 });
    const scenario = new RouterScenario({
      virtualHost: { includeIsTimeoutRetryHeader: true },
      route: { action: forwardAction({ retryPolicy: policy }) },
    }).request();
    scenario.attempt.ready();
    assert.equal(scenario.attempt.fields.includes('x-envoy-is-timeout-retry'), false);
    if (isTimeout) scenario.timers.advance(50);
    else scenario.attempt.respond(503);
    scenario.timers.advance(25);
    const { fields } = scenario.attempt.ready();
    assert.equal(fields[fields.indexOf('x-envoy-is-timeout-retry') + 1], header);
  }
});

// ---- which host ----

test('each predicate refuses what it is there for', () => {
  const [tried, other] = [new FakeHost(1), new FakeHost(2)];
  assert.equal(isRejected({ kind: 'previous_hosts' }, tried, [tried]), true);
  assert.equal(isRejected({ kind: 'previous_hosts' }, other, [tried]), false);
  assert.equal(isRejected({ kind: 'omit_canary_hosts' }, hostOf({ canary: true }), []), true);
  assert.equal(isRejected({ kind: 'omit_canary_hosts' }, other, []), false);
});

test('omit_host_metadata wants all that it names, and finds a value in a list', () => {
  const metadata = [
    { key: 'stage', value: metadataText('old') },
    { key: 'v', value: metadataText(1) },
  ];
  const cases: readonly (readonly [Record<string, unknown>, boolean])[] = [
    [{ stage: 'old', v: 1, more: true }, true],
    [{ stage: ['new', 'old'], v: 1 }, true],
    [{ stage: ['new'], v: 1 }, false],
    [{ stage: 'old' }, false],
    [{ stage: 'old', v: '1' }, false],
  ];
  for (const [values, expected] of cases) {
    const host = hostOf({ metadata: { 'envoy.lb': values } });
    const predicate = { kind: 'omit_host_metadata', metadata } as const;
    assert.equal(isRejected(predicate, host, []), expected, JSON.stringify(values));
    assert.equal(isRejected({ ...predicate, metadata: [] }, host, []), false, 'empty');
  }
  assert.equal(isRejected({ kind: 'omit_host_metadata', metadata }, new FakeHost(1), []), false);
});

test('a host that could not be connected to was tried', () => {
  const scenario = retrying({
    retryOn: ['connect-failure'],
    hostPredicates: [{ kind: 'previous_hosts' }],
  });
  const [first, second] = scenario.cluster.hosts;
  scenario.cluster.hosts = [first!, first!, second!];
  scenario.request().attempt.fail(StreamResetReason.RemoteConnectionFailure);
  scenario.timers.advance(25);
  assert.equal(scenario.attempt.host, second);
});

// ---- which priority ----

/** Loads of priorities that could take so much (percent), as the balancer would make them without retries. */
function loads(healthy: readonly number[], degraded = healthy.map(() => 0)): PriorityLoad {
  return {
    healthy: healthy.map((_, i) => (i === 0 ? 100 : 0)),
    degraded: healthy.map(() => 0),
    panic: healthy.map(() => false),
    availability: { healthy, degraded },
  };
}

test('previous_priorities leaves out what was tried, and starts anew when nothing is left', () => {
  const original = loads([100, 0, 50]);
  const priorities = new PreviousPriorities(1);
  const next = (tried: number) => {
    priorities.onHostAttempted(hostOf({ priority: tried }));
    return priorities.load(original).healthy;
  };
  assert.equal(priorities.load(original), original, 'before the first try');
  // The example in PreviousPrioritiesConfig.
  assert.deepEqual(next(0), [0, 0, 100]);
  assert.deepEqual(next(2), [100, 0, 0]);
  assert.deepEqual(next(0), [0, 0, 100]);
});

test('the load of a priority that is left out goes to the others by what they can take', () => {
  const priorities = new PreviousPriorities(1);
  priorities.onHostAttempted(hostOf({ priority: 0 }));
  assert.deepEqual(priorities.load(loads([100, 50, 50])).healthy, [0, 50, 50]);
  const third = new PreviousPriorities(1);
  third.onHostAttempted(hostOf({ priority: 0 }));
  const load = third.load(loads([100, 10, 20], [0, 0, 0]));
  assert.deepEqual(load.healthy, [0, 34, 66], 'what rounding leaves goes to the first');
  const degraded = new PreviousPriorities(1);
  degraded.onHostAttempted(hostOf({ priority: 0 }));
  const mixed = degraded.load(loads([100, 0], [0, 70]));
  assert.deepEqual(
    [mixed.healthy, mixed.degraded],
    [
      [0, 0],
      [0, 100],
    ],
  );
});

test('an update that takes priorities away ends the load that went to them', () => {
  const priorities = new PreviousPriorities(2);
  for (let i = 0; i < 2; i++) priorities.onHostAttempted(hostOf({ priority: 0 }));
  assert.deepEqual(priorities.load(loads([100, 100])).healthy, [0, 100]);
  priorities.onHostAttempted(hostOf({ priority: 1 }));
  assert.deepEqual(priorities.load(loads([100])).healthy, [100]);
});

test('update_frequency: so many tries go by one load', () => {
  const original = loads([100, 100, 100]);
  const priorities = new PreviousPriorities(2);
  const seen = [0, 0, 1, 1].map((tried) => {
    priorities.onHostAttempted(hostOf({ priority: tried }));
    return priorities.load(original).healthy.indexOf(100);
  });
  assert.deepEqual(seen, [0, 1, 1, 2]);
});

test('where no priority can take anything the balancer decides', () => {
  const original = loads([0, 0]);
  const priorities = new PreviousPriorities(1);
  priorities.onHostAttempted(hostOf({ priority: 0 }));
  assert.equal(priorities.load(original), original);
});

test('only retries go by other loads', () => {
  const scenario = retrying({ retryPriority: { updateFrequency: 1 } }).request();
  const original = loads([100, 100]);
  scenario.attempt.ready();
  assert.equal(scenario.filter.priorityLoad(original), original);
  scenario.attempt.respond(503);
  scenario.timers.advance(25);
  assert.deepEqual(scenario.filter.priorityLoad(original).healthy, [0, 100]);
});

// ---- bodies ----

test("the route's limit of kept bytes goes before the listener's, request_body_buffer_limit before the others", () => {
  const isKept = (
    bytes: number,
    route: { readonly per?: number; readonly body?: number },
    virtualHost: { readonly per?: number; readonly body?: number } = {},
  ): boolean => {
    const limits = ({ per, body }: typeof route) => ({
      perRequestBufferLimitBytes: per ?? null,
      requestBodyBufferLimitBytes: body ?? null,
    });
    const scenario = new RouterScenario({
      virtualHost: {
        ...limits(virtualHost),
        routes: [
          routeData({ action: forwardAction({ retryPolicy: retryPolicy() }), ...limits(route) }),
        ],
      },
      bufferLimitBytes: 100,
    });
    scenario.request([], false).attempt.ready();
    scenario.data('x'.repeat(bytes), true);
    return scenario.cluster.stats.retryOrShadowAbandoned === 0;
  };
  assert.equal(isKept(101, {}), false);
  assert.equal(isKept(101, { per: 200 }), true);
  assert.equal(isKept(51, { per: 50 }), false);
  assert.equal(isKept(101, { per: 50, body: 200 }), true);
  assert.equal(isKept(101, { per: 50 }, { body: 200 }), true);
  assert.equal(isKept(101, { body: 50 }, { per: 200, body: 200 }), false);
});
