// Redirects followed by the router, between a fake client and fake pools. What is done to heads, and which counter
// says why not, is as a running Envoy 1.40 has it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forwardAction, matchData, retryPolicy, routeData } from '../../test/fakes/route-data.ts';
import { RouterScenario, type RouterScenarioOptions } from '../../test/fakes/router.ts';
import type { InternalRedirectPolicyData, RouteData } from '../api/config/route.ts';
import { ResponseHeaders } from '../api/headers.ts';
import { parseLocation } from './redirect-location.ts';

function policy(given: Partial<InternalRedirectPolicyData> = {}): InternalRedirectPolicyData {
  return {
    maxInternalRedirects: 1,
    redirectResponseCodes: [302],
    predicates: [],
    allowCrossSchemeRedirect: false,
    responseHeadersToCopy: [],
    ...given,
  };
}

const prefixed = (name: string, internalRedirect: InternalRedirectPolicyData | null): RouteData =>
  routeData({
    name,
    match: matchData({ path: { kind: 'prefix', value: `/${name}` } }),
    action: forwardAction({ internalRedirect }),
  });

/** Routes p (where requests go) and two. */
function redirecting(
  given: Partial<InternalRedirectPolicyData> = {},
  more: RouterScenarioOptions = {},
): RouterScenario {
  const rule = policy(given);
  const routes = [prefixed('p', rule), prefixed('two', rule)];
  return new RouterScenario({ virtualHost: { routes }, ...more });
}

function answer(scenario: RouterScenario, status: number, location: string, more: string[] = []) {
  scenario.attempt.ready().respond(status, ['location', location, ...more]);
}

test('a redirect is followed: the request begins again with the target’s host and path', () => {
  const scenario = redirecting();
  scenario.request(['a', 'b']);
  answer(scenario, 302, 'http://b.com:81/two?x=1#fragment');
  assert.deepEqual(scenario.recreated, { status: 302, body: '' });
  assert.equal(scenario.answer, null);
  const { headers } = scenario.attempt;
  assert.deepEqual(
    [headers?.method, headers?.scheme, headers?.authority, headers?.path],
    ['GET', 'http', 'b.com:81', '/two?x=1'],
  );
  assert.equal(headers?.get('x-envoy-original-url'), 'http://a.com/p');
  const { stats } = scenario.cluster;
  assert.equal(stats.upstreamInternalRedirectSucceededTotal, 1);
  assert.deepEqual(stats.charged, []);
  assert.deepEqual(scenario.attempt.host.codes, [302]);
  assert.equal(scenario.streamInfo.internalRedirects?.count, 1);
  assert.equal(scenario.timers.armedCount(), 0);
});

test('a response whose body is still to come is cut off', () => {
  const scenario = redirecting();
  scenario.request();
  const { attempt } = scenario;
  attempt.ready();
  attempt.decoder.decodeHeaders(new ResponseHeaders(302, ['location', 'http://a.com/two']), false);
  assert.notEqual(scenario.recreated, null);
  assert.notEqual(attempt.resetBy, null);
});

test('what cannot be followed goes to the client, as it is, and is counted by reason', () => {
  const cases: [string, string, Partial<InternalRedirectPolicyData>][] = [
    ['passthroughInternalRedirectBadLocation', '/two', {}],
    ['passthroughInternalRedirectUnsafeScheme', 'https://a.com/two', {}],
    ['passthroughInternalRedirectUnsafeScheme', 'ftp://a.com/two', {}],
    [
      'passthroughInternalRedirectTooManyRedirects',
      'http://a.com/two',
      { maxInternalRedirects: 0 },
    ],
    ['passthroughInternalRedirectNoRoute', 'http://a.com/none', {}],
    [
      'passthroughInternalRedirectPredicate',
      'http://a.com/two',
      { predicates: [{ kind: 'allow_listed_routes', routes: ['p'] }] },
    ],
    [
      'passthroughInternalRedirectPredicate',
      'https://a.com/two',
      { allowCrossSchemeRedirect: true, predicates: [{ kind: 'safe_cross_scheme' }] },
    ],
  ];
  for (const [counter, location, given] of cases) {
    const scenario = redirecting({ responseHeadersToCopy: ['copied'], ...given });
    scenario.request(['a', 'b', 'copied', 'mine']);
    answer(scenario, 302, location, ['copied', 'theirs']);
    assert.equal(scenario.recreated, null, counter);
    assert.equal(scenario.summary(), '302 - via_upstream', counter);
    assert.equal(scenario.header('location'), location);
    assert.equal(Reflect.get(scenario.stats, counter), 1, counter);
    const { headers } = scenario.attempt;
    assert.deepEqual(
      [headers?.authority, headers?.path, headers?.get('copied')],
      ['a.com', '/p', 'mine'],
    );
    assert.equal(headers?.get('x-envoy-original-url'), null);
    assert.equal(scenario.cluster.stats.upstreamInternalRedirectFailedTotal, 1);
    assert.deepEqual(
      scenario.cluster.stats.charged.map(({ status }) => status),
      [302],
    );
  }
});

test('other statuses are none of its business, and a redirect without Location is only a failed one', () => {
  const other = redirecting();
  other.request();
  answer(other, 301, 'http://a.com/two');
  assert.equal(other.summary(), '301 - via_upstream');
  assert.equal(other.cluster.stats.upstreamInternalRedirectFailedTotal, 0);

  const bare = redirecting();
  bare.request();
  bare.attempt.ready().respond(302);
  assert.equal(bare.summary(), '302 - via_upstream');
  assert.equal(bare.cluster.stats.upstreamInternalRedirectFailedTotal, 1);
});

test('another scheme is fine where the policy allows it', () => {
  const scenario = redirecting({ allowCrossSchemeRedirect: true });
  scenario.request();
  answer(scenario, 302, 'https://a.com/two');
  assert.equal(scenario.recreated?.status, 302);
  assert.equal(scenario.attempt.headers?.scheme, 'https');
});

test('the body goes along, and 303 makes a GET of all but HEAD', () => {
  const codes = { redirectResponseCodes: [303, 307] };
  const kept = redirecting(codes);
  kept.request(['content-length', '6'], false, 'POST').data('abc');
  kept.data('def', true);
  answer(kept, 307, 'http://a.com/two');
  assert.deepEqual(kept.recreated, { status: 307, body: 'abcdef' });
  assert.equal(kept.attempt.headers?.method, 'POST');
  assert.equal(kept.attempt.headers?.get('content-length'), '6');

  const dropped = redirecting(codes);
  dropped.request(['content-length', '3'], false, 'POST').data('abc', true);
  answer(dropped, 303, 'http://a.com/two');
  assert.deepEqual(dropped.recreated, { status: 303, body: '' });
  assert.equal(dropped.attempt.headers?.method, 'GET');
  assert.equal(dropped.attempt.headers?.get('content-length'), null);

  const head = redirecting(codes);
  head.request([], true, 'HEAD');
  answer(head, 303, 'http://a.com/two');
  assert.equal(head.attempt.headers?.method, 'HEAD');
});

test('a request that is not whole, or not kept whole, is not redirected', () => {
  const early = redirecting();
  early.request([], false, 'POST').data('abc');
  answer(early, 302, 'http://a.com/two');
  assert.equal(early.summary(), '302 - via_upstream');

  for (const [text, body] of [
    ['1234567890', '1234567890'],
    ['12345678901', null],
  ] as const) {
    const limited = redirecting({}, { bufferLimitBytes: 10 });
    limited.request([], false, 'POST').data(text, true);
    answer(limited, 302, 'http://a.com/two');
    assert.equal(limited.recreated?.body ?? null, body);
    assert.equal(limited.cluster.stats.retryOrShadowAbandoned, body === null ? 1 : 0);
  }
});

test('retries come first, and a 100 gives up retries only', () => {
  const action = forwardAction({
    internalRedirect: policy(),
    retryPolicy: retryPolicy({ retryOn: ['retriable-status-codes'], retriableStatusCodes: [302] }),
  });
  const scenario = new RouterScenario({ route: { action } });
  scenario.request([], false, 'POST').data('abc', true);
  answer(scenario, 302, 'http://a.com/two');
  assert.equal(scenario.recreated, null);
  scenario.timers.advance(25);
  scenario.attempt.ready();
  scenario.attempt.decoder.decode1xxHeaders(new ResponseHeaders(100, []));
  scenario.attempt.respond(302, ['location', 'http://a.com/two']);
  assert.deepEqual(scenario.recreated, { status: 302, body: 'abc' });
});

test('named headers of the response take the place of the request’s', () => {
  const scenario = redirecting({ responseHeadersToCopy: ['copied', 'absent'] });
  scenario.request(['copied', 'mine', 'absent', 'x', 'other', 'y']);
  answer(scenario, 302, 'http://a.com/two', ['copied', '1', 'copied', '2']);
  const { headers } = scenario.attempt;
  assert.equal(headers?.get('copied'), '1,2');
  assert.equal(headers?.get('absent'), null);
  assert.equal(headers?.get('other'), 'y');
});

test('previous_routes lets a request go from one route to another but once', () => {
  const redirects = { count: 0, targets: new Map() };
  const go = (): RouterScenario => {
    const scenario = redirecting({
      maxInternalRedirects: 9,
      predicates: [{ kind: 'previous_routes' }],
    });
    scenario.streamInfo.internalRedirects = redirects;
    scenario.request();
    answer(scenario, 302, 'http://a.com/two');
    return scenario;
  };
  assert.equal(go().recreated?.status, 302);
  const again = go();
  assert.equal(again.recreated, null);
  assert.equal(again.stats.passthroughInternalRedirectPredicate, 1);
});

test('a Location is read as Envoy reads it', () => {
  const read = (text: string): string | null => {
    const target = parseLocation(text);
    return target && `${target.scheme} ${target.authority} ${target.path}`;
  };
  const good = [
    ['http://a.com', 'http a.com /'],
    ['HTTP://A.com:80/x', 'http A.com:80 /x'],
    ['http://a.com?x=1', 'http a.com /?x=1'],
    ['http://u:p@a.com/x', 'http a.com /x'],
    ['http://[::1]:0/x', 'http [::1]:0 /x'],
    ['http://a.com/x|y#z', 'http a.com /x|y'],
  ];
  for (const [text = '', expected] of good) assert.equal(read(text), expected);
  const bad = [
    '',
    '/x',
    '//a.com/x',
    'http:/a.com',
    'http:a.com',
    'http://',
    'http://:80/',
    'mailto:x',
    'http://a.com:/x',
    'http://a.com:99999/x',
    'http://a.com:8x/',
    'http://a b.com/',
    'http://a_b.com/',
    'http://a%20b/',
    'http://*/x',
    'http://a.com#x',
    'http://a.com\\x',
    'http://[::1/x',
    'http://a.com/x y',
    'http://a.com/\xe9',
  ];
  for (const text of bad) assert.equal(read(text), null, text);
});
