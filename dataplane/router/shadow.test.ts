// Mirrored requests between a fake client and fake pools. Heads and stats are those of a running Envoy 1.40.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forwardAction, matchData } from '../../test/fakes/route-data.ts';
import { RouterScenario, type RouterScenarioOptions } from '../../test/fakes/router.ts';
import { FakeCluster, type FakeTry } from '../../test/fakes/upstream.ts';
import type { MirrorPolicyData } from '../api/config/route.ts';
import { ResponseHeaders } from '../api/headers.ts';

function mirror(name: string, given: Partial<MirrorPolicyData> = {}): MirrorPolicyData {
  return {
    cluster: { kind: 'cluster', name },
    fraction: null,
    appendsShadowSuffix: true,
    mutations: [],
    hostRewriteLiteral: '',
    ...given,
  };
}

interface Mirrored {
  readonly scenario: RouterScenario;
  readonly m: FakeCluster;
  readonly n: FakeCluster;
}

/** The main cluster is c, mirrors go to m and n. */
function withMirrors(mirrors: MirrorPolicyData[], more: RouterScenarioOptions = {}): Mirrored {
  const scenario = new RouterScenario({
    route: { action: forwardAction({ mirrors }) },
    ...more,
  });
  const m = new FakeCluster('m');
  const n = new FakeCluster('n');
  scenario.clusters.clusters.set('m', m).set('n', n);
  return { scenario, m, n };
}

const only = ({ tries }: FakeCluster): FakeTry => {
  assert.equal(tries.length, 1);
  return tries[0]!.ready();
};

test('a copy goes to the other cluster, and nobody sees its answer', () => {
  const { scenario, m } = withMirrors([mirror('m')]);
  scenario.request(['x-forwarded-for', '1.2.3.4', 'a', 'b']);
  const copy = only(m);
  assert.equal(copy.headers?.authority, 'a.com-shadow');
  assert.deepEqual(copy.fields, [
    'x-forwarded-for',
    '1.2.3.4,10.9.9.9',
    'a',
    'b',
    'x-envoy-expected-rq-timeout-ms',
    '15000',
    'x-envoy-internal',
    'true',
  ]);
  assert.equal(copy.isEnded, true);
  copy.respond(503, [], 'broken');
  assert.equal(scenario.summary(), '(no answer)');
  assert.deepEqual(m.stats.charged, [{ status: 503, internal: true, canary: false }]);
  assert.equal(scenario.stats.rqTotal, 1);
  assert.equal(scenario.asyncStats.rqTotal, 1);
  const { attempt } = scenario;
  attempt.ready().respond(200);
  assert.equal(attempt.headers?.authority, 'a.com');
  assert.deepEqual(attempt.fields.slice(0, 4), ['x-forwarded-for', '1.2.3.4', 'a', 'b']);
  assert.equal(scenario.summary(), '200 - via_upstream');
  assert.equal(scenario.timers.armedCount(), 0);
});

test('the suffix comes before the port, also of an IPv6 address', () => {
  const cases = [
    ['a.com:80', 'a.com-shadow:80'],
    ['[::1]:80', '[::1]-shadow:80'],
    ['[::1]', '[::1]-shadow'],
    ['', '-shadow'],
  ];
  for (const [authority = '', expected] of cases) {
    const { scenario, m } = withMirrors([mirror('m')]);
    scenario.request([], true, 'GET', authority);
    assert.equal(only(m).headers?.authority, expected);
  }
});

test('a policy may say host and headers, and take its cluster from a header', () => {
  const { scenario, m, n } = withMirrors([
    mirror('m', {
      hostRewriteLiteral: 'h.com',
      mutations: [
        { kind: 'remove', name: 'gone' },
        {
          kind: 'append',
          header: {
            name: 'added',
            value: 'v-%REQ(a)%',
            action: 'APPEND_IF_EXISTS_OR_ADD',
            keepEmptyValue: false,
          },
        },
      ],
    }),
    mirror('', {
      cluster: { kind: 'cluster_header', header: 'x-c' },
      appendsShadowSuffix: false,
    }),
  ]);
  scenario.request(['a', '1', 'gone', 'x', 'x-c', 'n', 'x-c', 'c']);
  const first = only(m);
  assert.equal(first.headers?.authority, 'h.com');
  assert.equal(first.headers?.get('added'), 'v-1');
  assert.equal(first.headers?.get('gone'), null);
  const second = only(n);
  assert.equal(second.headers?.authority, 'a.com');
  assert.equal(second.headers?.get('gone'), 'x');
});

test('what the most specific level with mirrors says holds, the cluster’s before all', () => {
  const route = [mirror('m')];
  const other = { mirrors: [mirror('n')] };
  const sent = (mirrors: MirrorPolicyData[], more: RouterScenarioOptions, ofCluster = false) => {
    const { scenario, m, n } = withMirrors(mirrors, more);
    if (ofCluster) {
      const { config } = scenario.cluster;
      scenario.cluster.config = { ...config, http: { ...config.http, ...other } };
    }
    scenario.request();
    return [m.tries.length, n.tries.length];
  };
  assert.deepEqual(sent(route, { virtualHost: other }), [1, 0]);
  assert.deepEqual(sent(route, { routeConfig: other }), [1, 0]);
  assert.deepEqual(sent([], { virtualHost: other, routeConfig: { mirrors: route } }), [0, 1]);
  assert.deepEqual(sent([], { routeConfig: other }), [0, 1]);
  assert.deepEqual(sent(route, {}, true), [0, 1]);
});

test('fractions take the stream’s random number; unknown clusters and missing headers are no fault', () => {
  const { scenario, m } = withMirrors([
    mirror('m', { fraction: { numerator: 0, denominator: 100 } }),
    mirror('unknown'),
    mirror('', { cluster: { kind: 'cluster_header', header: 'x-c' } }),
  ]);
  scenario.request();
  assert.equal(m.tries.length, 0);
  scenario.attempt.ready().respond(200);
  assert.equal(scenario.summary(), '200 - via_upstream');
  assert.equal(scenario.asyncStats.rqTotal, 0);
});

test('body and trailers go to the copy as they come', () => {
  const { scenario, m } = withMirrors([mirror('m')]);
  scenario.request([], false, 'POST').data('one');
  const copy = only(m);
  scenario.data('two');
  assert.deepEqual([copy.body, copy.isEnded], ['onetwo', false]);
  scenario.filter.decodeTrailers(['t', '1']);
  assert.deepEqual([copy.trailers, copy.isEnded], [['t', '1'], true]);
});

test('a client that goes away takes an incomplete copy along, not a complete one', () => {
  const incomplete = withMirrors([mirror('m')]);
  incomplete.scenario.request([], false, 'POST').data('one');
  const cut = only(incomplete.m);
  incomplete.scenario.filter.onDestroy();
  assert.notEqual(cut.resetBy, null);

  const complete = withMirrors([mirror('m')]);
  complete.scenario.request();
  const kept = only(complete.m);
  complete.scenario.filter.onDestroy();
  assert.equal(kept.resetBy, null);
  kept.respond(200);
  assert.deepEqual(complete.m.stats.charged, [{ status: 200, internal: true, canary: false }]);
});

test('a copy has the request’s timeout, and its own end', () => {
  const { scenario, m } = withMirrors([mirror('m')]);
  scenario.request(['x-envoy-upstream-rq-timeout-ms', '50']);
  const copy = only(m);
  scenario.attempt.ready().respond(200);
  scenario.filter.onDestroy();
  scenario.timers.advance(50);
  assert.notEqual(copy.resetBy, null);
  assert.equal(m.stats.upstreamRqTimeout, 1);
  assert.deepEqual(m.stats.charged, [{ status: 504, internal: true, canary: false }]);
  assert.equal(scenario.timers.armedCount(), 0);
});

test('an upstream that does not read loses its copy one byte above the limit, and pauses nobody', () => {
  const { scenario, m } = withMirrors([mirror('m')], { bufferLimitBytes: 10 });
  scenario.request([], false, 'POST');
  scenario.attempt.ready();
  const copy = only(m);
  copy.streamCallbacks.onAboveWriteBufferHighWatermark();
  scenario.data('1234567890');
  assert.equal(copy.resetBy, null);
  assert.equal(copy.body, '1234567890');
  scenario.data('1', true);
  assert.notEqual(copy.resetBy, null);
  assert.equal(scenario.cluster.stats.retryOrShadowAbandoned, 1);
  assert.equal(scenario.paused, 0);
  assert.equal(scenario.attempt.body, '12345678901');

  // Once it has read, all is well again.
  const slow = withMirrors([mirror('m')], { bufferLimitBytes: 10 });
  slow.scenario.request([], false, 'POST');
  const patient = only(slow.m);
  for (let i = 0; i < 3; i++) {
    patient.streamCallbacks.onAboveWriteBufferHighWatermark();
    slow.scenario.data('1234567890');
    patient.streamCallbacks.onBelowWriteBufferLowWatermark();
  }
  assert.equal(patient.resetBy, null);
});

test('no copy of a tunnel, nor of an upgrade', () => {
  for (const [method, fields] of [
    ['CONNECT', []],
    ['GET', ['upgrade', 'websocket']],
  ] as const) {
    const mirrors = [mirror('m')];
    const path = method === 'CONNECT' ? 'connect' : 'prefix';
    const match = matchData({ path: { kind: path, value: '' } as const });
    const route = { match, action: forwardAction({ mirrors }) };
    const { scenario, m } = withMirrors(mirrors, { route });
    scenario.request([...fields], false, method);
    assert.equal(m.tries.length, 0);
    assert.equal(scenario.cluster.tries.length, 1);
  }
});

test('a copy that cannot be sent, or ends before its body does, costs the request nothing', () => {
  const { scenario, m, n } = withMirrors([mirror('m'), mirror('n')]);
  m.hosts = [];
  scenario.request([], false, 'POST');
  const early = only(n);
  early.decoder.decodeHeaders(new ResponseHeaders(200, []), true);
  scenario.data('body', true);
  assert.equal(early.body, '');
  assert.deepEqual(m.stats.charged, [{ status: 503, internal: true, canary: false }]);
  scenario.attempt.ready().respond(200);
  assert.equal(scenario.attempt.body, 'body');
  assert.equal(scenario.summary(), '200 - via_upstream');
});
