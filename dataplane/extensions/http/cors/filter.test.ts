import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeFilterContext, fakeRoute, HcmScenario } from '../../../../test/fakes/hcm.ts';
import { FakeTimers } from '../../../../test/fakes/timers.ts';
import { ResponseHeaders } from '../../../api/headers.ts';
import type { Route } from '../../../api/route.ts';
import { HolderStore } from '../../../stats/store.ts';
import type { CorsPolicyData } from './data.ts';
import { cors } from './filter.ts';

const silent: CorsPolicyData = {
  allowOrigins: [],
  allowMethods: '',
  allowHeaders: '',
  exposeHeaders: '',
  maxAge: '',
  allowCredentials: null,
  allowPrivateNetworkAccess: null,
  forwardNotMatchingPreflights: null,
  filterEnabled: null,
  shadowEnabled: null,
};
const allowsA: Partial<CorsPolicyData> = {
  allowOrigins: [{ kind: 'exact', value: 'http://a', ignoreCase: false }],
};
const never = { numerator: 0, denominator: 100 };
const half = { numerator: 50, denominator: 100 };

function scenario(
  policies: readonly Partial<CorsPolicyData>[],
  { random = 0.5, route = {} }: { random?: number; route?: Partial<Route> } = {},
): HcmScenario {
  const store = new HolderStore();
  const timers = new FakeTimers();
  const config = cors.create(null, fakeFilterContext({ store, timers, random: () => random }));
  const levels = policies.map((policy) => cors.createRouteConfig!({ ...silent, ...policy }));
  return new HcmScenario({
    store,
    timers,
    realFilters: [{ name: 'cors', disabled: false, config }],
    route: fakeRoute({ allPerFilterConfigs: () => levels, ...route }),
  });
}

const PREFLIGHT = 'access-control-request-method: POST\r\n';

function preflight(subject: HcmScenario, origin = 'http://a', more = ''): string {
  subject.send(`OPTIONS / HTTP/1.1\r\nHost: h\r\norigin: ${origin}\r\n${PREFLIGHT}${more}\r\n`);
  return subject.connection.written;
}

function get(subject: HcmScenario, origin = 'http://a'): string {
  subject.get('/', `origin: ${origin}\r\n`);
  subject.router.encodeHeaders(new ResponseHeaders(200, []), true, 'via_upstream');
  return subject.connection.written;
}

const counts = (subject: HcmScenario) => [
  subject.stat('http.test.cors.origin_valid'),
  subject.stat('http.test.cors.origin_invalid'),
];

test('a preflight is answered with all that the policy allows', () => {
  const subject = scenario([
    {
      ...allowsA,
      allowMethods: 'GET',
      allowHeaders: 'x-h',
      exposeHeaders: 'x-e',
      maxAge: '60',
      allowCredentials: true,
    },
  ]);
  const written = preflight(subject);
  assert.match(written, /^HTTP\/1.1 200 OK\r\n/);
  for (const line of [
    'access-control-allow-origin: http://a',
    'access-control-allow-methods: GET',
    'access-control-allow-headers: x-h',
    'access-control-expose-headers: x-e',
    'access-control-max-age: 60',
    'access-control-allow-credentials: true',
  ]) {
    assert.ok(written.includes(`\r\n${line}\r\n`), line);
  }
  assert.equal(subject.logs[0]?.details, 'cors_response');
  assert.deepEqual(subject.journal.includes('router.decodeHeaders end'), false);
  assert.deepEqual(counts(subject), [1, 0]);
});

test('a response to an allowed origin is marked, also a local reply; one to another is not', () => {
  assert.match(get(scenario([allowsA])), /\r\naccess-control-allow-origin: http:\/\/a\r\n/);
  const local = scenario([allowsA]);
  local.get('/', 'origin: http://a\r\n');
  local.router.sendLocalReply(503, '', null, 'x');
  assert.match(local.connection.written, /\r\naccess-control-allow-origin: http:\/\/a\r\n/);
  const other = scenario([allowsA]);
  assert.doesNotMatch(get(other, 'http://b'), /access-control/);
  assert.deepEqual(counts(other), [0, 1]);
});

test('the most specific policy that says something has the word', () => {
  const subject = scenario([
    { allowMethods: 'PUT', allowCredentials: false },
    { ...allowsA, allowMethods: 'GET', maxAge: '5', allowCredentials: true },
  ]);
  const written = preflight(subject);
  assert.match(written, /\r\naccess-control-allow-methods: PUT\r\n/);
  assert.match(written, /\r\naccess-control-max-age: 5\r\n/);
  assert.doesNotMatch(written, /credentials/);
});

test('origins of the most specific policy that names some replace all others', () => {
  const subject = scenario([
    { allowOrigins: [{ kind: 'exact', value: 'http://z', ignoreCase: false }] },
    allowsA,
  ]);
  assert.doesNotMatch(get(subject), /access-control/);
});

test('a policy that is off counts only if it is shadowed, and by its share', () => {
  const off = scenario([{ ...allowsA, filterEnabled: never }]);
  assert.doesNotMatch(get(off), /access-control/);
  assert.deepEqual(counts(off), [0, 0]);
  const shadow = scenario([{ ...allowsA, filterEnabled: never, shadowEnabled: half }], {
    random: 0.49,
  });
  assert.doesNotMatch(get(shadow), /access-control/);
  assert.deepEqual(counts(shadow), [1, 0]);
  assert.match(get(scenario([{ ...allowsA, filterEnabled: half }], { random: 0.49 })), /access-/);
  assert.doesNotMatch(get(scenario([{ ...allowsA, filterEnabled: half }])), /access-/);
});

test('a preflight of another origin goes on, or is answered without that origin', () => {
  const forwarding = scenario([allowsA]);
  assert.equal(preflight(forwarding, 'http://x'), '');
  assert.equal(forwarding.upstreamRequest.method, 'OPTIONS');
  const answering = scenario([
    { ...allowsA, allowMethods: 'GET', forwardNotMatchingPreflights: false },
  ]);
  const written = preflight(answering, 'http://x');
  assert.match(written, /^HTTP\/1.1 200 OK\r\naccess-control-allow-methods: GET\r\n/);
  assert.doesNotMatch(written, /allow-origin/);
});

test('private networks are allowed where a preflight asks and the policy lets', () => {
  const asks = 'access-control-request-private-network: true\r\n';
  const answer = /access-control-allow-private-network: true/;
  const allowing = { ...allowsA, allowPrivateNetworkAccess: true };
  assert.match(preflight(scenario([allowing]), 'http://a', asks), answer);
  assert.doesNotMatch(preflight(scenario([allowing])), answer);
  assert.doesNotMatch(preflight(scenario([allowsA]), 'http://a', asks), answer);
});

test('routes without policies, and those that answer themselves, are left alone', () => {
  assert.doesNotMatch(get(scenario([])), /access-control/);
  assert.doesNotMatch(
    get(scenario([allowsA], { route: { kind: 'direct_response' } })),
    /access-control/,
  );
});
