import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forwardAction, retryPolicy, routeData } from '../../test/fakes/route-data.ts';
import { RouterScenario } from '../../test/fakes/router.ts';
import { StreamResetReason } from '../api/codec.ts';
import type { RouteBreakerData } from '../api/config/error-ratio-breaker.ts';
import { BREAKER_WORDS } from '../api/config/error-ratio-breaker.ts';
import type { Trailers } from '../api/headers.ts';
import { ResponseHeaders } from '../api/headers.ts';
import type { Breaker } from '../api/host.ts';

/** Notes what it is told; refuses when the test says so. */
class FakeBreaker implements Breaker {
  isOpen = false;
  readonly ends: (boolean | 'cancelled')[] = [];

  allows(): boolean {
    return !this.isOpen;
  }

  acquire(): number {
    return this.isOpen ? -1 : 7;
  }

  end(token: number, hasFailed: boolean): boolean {
    assert.equal(token, 7);
    this.ends.push(hasFailed);
    return hasFailed;
  }

  cancel(token: number): void {
    assert.equal(token, 7);
    this.ends.push('cancelled');
  }
}

function watched(action: Parameters<typeof forwardAction>[0] = {}) {
  const scenario = new RouterScenario({ route: { action: forwardAction(action) } });
  const breaker = new FakeBreaker();
  scenario.cluster.breaker = breaker;
  return { scenario, breaker };
}

test('an open breaker answers 503 with a flag, details and a counter of its own', () => {
  const { scenario, breaker } = watched();
  breaker.isOpen = true;
  scenario.request();
  assert.equal(
    scenario.summary(),
    '503 ERB error_ratio_breaker_open{cluster}: upstream error ratio breaker is open',
  );
  assert.equal(scenario.header('x-envoy-overloaded'), 'true');
  assert.equal(scenario.cluster.tries.length, 0);
  assert.equal(scenario.cluster.stats.upstreamRqErrorRatioBreakerOpen, 1);
});

test('each way that a try ends is told once', () => {
  const table: readonly (readonly [
    string,
    (scenario: RouterScenario) => void,
    boolean | 'cancelled',
  ])[] = [
    ['200', ({ attempt }) => attempt.ready().respond(200), false],
    ['404', ({ attempt }) => attempt.ready().respond(404), false],
    ['503', ({ attempt }) => attempt.ready().respond(503, [], 'no'), true],
    ['connect', ({ attempt }) => attempt.fail(StreamResetReason.RemoteConnectionFailure), true],
    ['overflow', ({ attempt }) => attempt.fail(StreamResetReason.Overflow), 'cancelled'],
    [
      'reset',
      ({ attempt }) =>
        attempt.ready().streamCallbacks.onResetStream(StreamResetReason.RemoteReset, ''),
      true,
    ],
    [
      'timeout',
      (scenario) => {
        scenario.attempt.ready();
        scenario.timers.advance(15_000);
      },
      true,
    ],
    ['client gone', ({ filter }) => filter.onDestroy(), 'cancelled'],
  ];
  for (const [name, act, expected] of table) {
    const { scenario, breaker } = watched();
    act(scenario.request());
    scenario.filter.onDestroy();
    assert.deepEqual(breaker.ends, [expected], name);
    const { errorRatioBreakerOpened } = scenario.cluster.stats;
    assert.equal(errorRatioBreakerOpened, expected === true ? 1 : 0, name);
  }
});

test('a gRPC call is judged by its status, in the head or in the trailers', () => {
  const grpc = ['content-type', 'application/grpc'];
  const inHead = watched();
  inHead.scenario
    .request(grpc)
    .attempt.ready()
    .decoder.decodeHeaders(new ResponseHeaders(200, ['grpc-status', '14']), true);
  assert.deepEqual(inHead.breaker.ends, [true]);
  for (const [status, hasFailed] of [
    ['0', false],
    ['13', true],
  ] as const) {
    const { scenario, breaker } = watched();
    const { decoder } = scenario.request(grpc).attempt.ready();
    decoder.decodeHeaders(new ResponseHeaders(200, []), false);
    assert.deepEqual(breaker.ends, []);
    const trailers: Trailers = ['grpc-status', status];
    decoder.decodeTrailers(trailers);
    assert.deepEqual(breaker.ends, [hasFailed]);
  }
});

test('a gRPC call that a proxy answers with a 5xx and a body has failed', () => {
  const { scenario, breaker } = watched();
  scenario.request(['content-type', 'application/grpc']).attempt.ready().respond(503, [], 'no');
  assert.deepEqual(breaker.ends, [true]);
});

test('a refused try asks for no pool', () => {
  const { scenario, breaker } = watched();
  breaker.isOpen = true;
  let pools = 0;
  const httpPool = scenario.cluster.httpPool.bind(scenario.cluster);
  scenario.cluster.httpPool = (...given) => {
    pools++;
    return httpPool(...given);
  };
  scenario.request();
  assert.equal(pools, 0, 'it would count among max_connection_pools and never become empty');
});

test('each try counts, and a retry that meets an open breaker is answered', () => {
  const { scenario, breaker } = watched({ retryPolicy: retryPolicy({ numRetries: 3 }) });
  scenario.request().attempt.ready().respond(503);
  scenario.timers.advance(25);
  breaker.isOpen = true;
  scenario.attempt.ready().respond(503);
  scenario.timers.advance(100);
  assert.deepEqual(breaker.ends, [true, true]);
  assert.equal(scenario.summary().startsWith('503 ERB error_ratio_breaker_open{cluster}'), true);
});

test('a host whose breaker is open is passed over, and what another refuses is given back', () => {
  const { scenario, breaker } = watched();
  scenario.cluster.config = {
    ...scenario.cluster.config,
    hostBreaker: {
      errorPercentThreshold: 50,
      minimumRequests: 1,
      windowMs: 1,
      openTimeMs: 1,
      maxProbes: 1,
    },
  };
  const [first, second] = scenario.cluster.hosts;
  const [ofFirst, ofSecond] = [new FakeBreaker(), new FakeBreaker()];
  first!.breaker = ofFirst;
  second!.breaker = ofSecond;
  ofFirst.isOpen = true;
  scenario.request();
  assert.equal(scenario.attempt.host, second);
  ofSecond.isOpen = true;
  const other = new RouterScenario();
  other.cluster.hosts = [first!, second!];
  other.cluster.breaker = breaker;
  other.request();
  assert.equal(other.summary().startsWith('503 ERB error_ratio_breaker_open{host}'), true);
  assert.deepEqual(breaker.ends, ['cancelled']);
});

test("a route's breaker counts what goes by that route", () => {
  const breaker: RouteBreakerData = {
    errorPercentThreshold: 50,
    minimumRequests: 1,
    windowMs: 1000,
    openTimeMs: 1000,
    maxProbes: 1,
    memory: new SharedArrayBuffer(BREAKER_WORDS * 4),
  };
  const routes = [routeData({ breaker })];
  const request = () => new RouterScenario({ virtualHost: { routes } }).request();
  request().attempt.ready().respond(500);
  assert.equal(request().summary().startsWith('503 ERB error_ratio_breaker_open{route}'), true);
});
