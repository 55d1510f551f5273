import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeFilterContext, fakeRoute, HcmScenario } from '../../../../test/fakes/hcm.ts';
import { FakeTimers } from '../../../../test/fakes/timers.ts';
import type { Route } from '../../../api/route.ts';
import { ResponseFlag } from '../../../api/stream-info.ts';
import { HolderStore } from '../../../stats/store.ts';
import type { FaultAbortData, FaultData, FaultDelayData } from './data.ts';
import { fault } from './filter.ts';

const { DelayInjected, FaultInjected } = ResponseFlag;
const always = { numerator: 100, denominator: 100 };
const abort418: FaultAbortData = { status: { kind: 'http', status: 418 }, percentage: always };
const delay100: FaultDelayData = { fixedDelayMs: 100, percentage: always };
const byHeader: Partial<FaultData> = {
  abort: { status: { kind: 'header' }, percentage: always },
  delay: { fixedDelayMs: null, percentage: always },
};

function scenario(
  settings: Partial<FaultData>,
  options: { random?: () => number; route?: Route } = {},
): HcmScenario {
  const store = new HolderStore();
  const timers = new FakeTimers();
  const random = options.random ?? (() => 0.5);
  return new HcmScenario({
    store,
    timers,
    ...(options.route === undefined ? {} : { route: options.route }),
    realFilters: [
      {
        name: 'fault',
        disabled: false,
        config: fault.create(faultData(settings), fakeFilterContext({ store, timers, random })),
      },
    ],
  });
}

function faultData(settings: Partial<FaultData>): FaultData {
  return {
    delay: null,
    abort: null,
    upstreamCluster: '',
    headers: [],
    downstreamNodes: [],
    maxActiveFaults: null,
    disableDownstreamClusterStats: false,
    ...settings,
  };
}

const reachesRouter = (subject: HcmScenario) =>
  subject.journal.includes('router.decodeHeaders end');

test('an abort answers with its status, FI and fault_filter_abort', () => {
  const subject = scenario({ abort: abort418 });
  subject.get();
  assert.match(subject.connection.written, /^HTTP\/1.1 418 .*\r\n\r\nfault filter abort$/s);
  assert.equal(subject.logs[0]?.flags, FaultInjected);
  assert.equal(subject.logs[0]?.details, 'fault_filter_abort');
  assert.equal(subject.stat('http.test.fault.aborts_injected'), 1);
  assert.equal(subject.stat('http.test.fault.active_faults'), 0);
});

test('a delay holds the request, then lets it go with its body', () => {
  const subject = scenario({ delay: delay100 });
  subject.send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab');
  subject.send('cd');
  assert.deepEqual(subject.journal, []);
  assert.equal(subject.stat('http.test.fault.active_faults'), 1);
  subject.timers.advance(100);
  assert.deepEqual(subject.journal, ['router.decodeHeaders', 'router.decodeData abcd end']);
  assert.equal(subject.router.streamInfo.responseFlags, DelayInjected);
  assert.equal(subject.stat('http.test.fault.delays_injected'), 1);
});

test('a delay may be followed by an abort', () => {
  const subject = scenario({ delay: delay100, abort: abort418 });
  subject.get();
  assert.equal(subject.connection.written, '');
  subject.timers.advance(100);
  assert.match(subject.connection.written, /^HTTP\/1.1 418 /);
  assert.equal(subject.logs[0]?.flags, DelayInjected | FaultInjected);
});

test('a client that leaves during a delay frees the timer and the active fault', () => {
  const subject = scenario({ delay: delay100, abort: abort418 });
  subject.get();
  subject.connection.remoteClose();
  subject.timers.advance(1000);
  assert.deepEqual(subject.journal, ['router.onDestroy']);
  assert.equal(subject.stat('http.test.fault.active_faults'), 0);
  assert.equal(subject.stat('http.test.fault.aborts_injected'), 0);
  assert.equal(subject.timers.armedCount(), 1, 'the next stream takes the idle timer over');
});

test('the percentage decides by a fresh draw, strictly below the numerator', () => {
  const half = { numerator: 50, denominator: 100 };
  for (const [random, aborted] of [
    [0.499, true],
    [0.5, false],
  ] as const) {
    const subject = scenario(
      { abort: { ...abort418, percentage: half } },
      { random: () => random },
    );
    subject.get();
    assert.equal(!reachesRouter(subject), aborted);
  }
});

test('headers ask for faults, within what the config allows', () => {
  const table: [string, string, number][] = [
    ['', '', 0],
    ['x-envoy-fault-abort-request: 477', '477', 477],
    ['x-envoy-fault-abort-request: 999', '', 0],
    ['x-envoy-fault-abort-request: 199', '', 0],
    ['x-envoy-fault-abort-request: x', '', 0],
    ['x-envoy-fault-abort-grpc-request: 7', '200', 200],
    ['x-envoy-fault-abort-request: 477\r\nx-envoy-fault-abort-request-percentage: 0', '', 0],
    ['x-envoy-fault-abort-request: 477\r\nx-envoy-fault-abort-request-percentage: 500', '477', 477],
  ];
  for (const [headers, status, code] of table) {
    const subject = scenario(byHeader);
    subject.get('/', headers === '' ? '' : `${headers}\r\n`);
    if (status === '') assert.ok(reachesRouter(subject), headers);
    else assert.equal(subject.logs[0]?.code, code, headers);
  }
});

test('a header asks for a delay', () => {
  const subject = scenario(byHeader);
  subject.get('/', 'x-envoy-fault-delay-request: 50\r\n');
  assert.ok(!reachesRouter(subject));
  subject.timers.advance(50);
  assert.ok(reachesRouter(subject));
});

test('a gRPC abort is a grpc-status for gRPC and a 200 with text for others', () => {
  const settings = { abort: { status: { kind: 'grpc', status: 5 }, percentage: always } } as const;
  const grpc = scenario(settings);
  grpc.send(
    'POST / HTTP/1.1\r\nHost: h\r\ncontent-type: application/grpc\r\nContent-Length: 0\r\n\r\n',
  );
  assert.match(
    grpc.connection.written,
    /\r\ngrpc-status: 5\r\ngrpc-message: fault filter abort\r\n/,
  );
  const plain = scenario(settings);
  plain.get();
  assert.match(plain.connection.written, /^HTTP\/1.1 200 OK\r\n.*\r\n\r\nfault filter abort$/s);
  assert.doesNotMatch(plain.connection.written, /grpc-status/);
});

test('only requests that match everything are touched', () => {
  const only: [Partial<FaultData>, string, boolean][] = [
    [{ upstreamCluster: 'c' }, '', true],
    [{ upstreamCluster: 'd' }, '', false],
    [{ downstreamNodes: ['n'] }, 'x-envoy-downstream-service-node: n\r\n', true],
    [{ downstreamNodes: ['n'] }, 'x-envoy-downstream-service-node: m\r\n', false],
    [{ downstreamNodes: ['n'] }, '', false],
    [
      {
        headers: [
          {
            name: 'x-chaos',
            match: { kind: 'present', present: true },
            invert: false,
            treatMissingAsEmpty: false,
          },
        ],
      },
      'x-chaos: 1\r\n',
      true,
    ],
    [
      {
        headers: [
          {
            name: 'x-chaos',
            match: { kind: 'present', present: true },
            invert: false,
            treatMissingAsEmpty: false,
          },
        ],
      },
      '',
      false,
    ],
  ];
  for (const [settings, headers, touched] of only) {
    const subject = scenario({ abort: abort418, ...settings });
    subject.get('/', headers);
    assert.equal(!reachesRouter(subject), touched, JSON.stringify(settings) + headers);
  }
});

test('max_active_faults lets further requests through and counts them', () => {
  const store = new HolderStore();
  const timers = new FakeTimers();
  const settings = faultData({ delay: delay100, maxActiveFaults: 1 });
  const realFilters = [
    {
      name: 'fault',
      disabled: false,
      config: fault.create(settings, fakeFilterContext({ store, timers })),
    },
  ];
  const first = new HcmScenario({ store, timers, realFilters });
  const second = new HcmScenario({ store, timers, realFilters });
  first.get();
  second.get();
  assert.ok(!reachesRouter(first));
  assert.ok(reachesRouter(second));
  assert.equal(second.stat('http.test.fault.faults_overflow'), 1);
  assert.equal(second.stat('http.test.fault.active_faults'), 1);
});

test("a route's faults replace the filter's", () => {
  const route = fakeRoute({
    perFilterConfig: () => fault.createRouteConfig!(faultData({ abort: abort418 })),
  });
  const subject = scenario({}, { route });
  subject.get();
  assert.equal(subject.logs[0]?.code, 418);
});

test('faults are counted per downstream service cluster unless that is switched off', () => {
  const header = 'x-envoy-downstream-service-cluster: front\r\n';
  const counted = scenario({ abort: abort418 });
  counted.get('/', header);
  assert.equal(counted.stat('http.test.fault.front.aborts_injected'), 1);
  const off = scenario({ abort: abort418, disableDownstreamClusterStats: true });
  off.get('/', header);
  assert.equal(off.stat('http.test.fault.front.aborts_injected'), 0);
});
