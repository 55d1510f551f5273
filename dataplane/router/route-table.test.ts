// The table against a scan from the top that shares nothing with it but the matchers of headers and strings.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addHeader,
  forwardAction,
  matchData,
  routeConfigData,
  routeData,
  virtualHostData,
  weightedCluster,
} from '../../test/fakes/route-data.ts';
import { FakeStreamInfo } from '../../test/fakes/stream-info.ts';
import type { RouteConfigData, RouteData, RouteMatchData } from '../api/config/route.ts';
import { RequestHeaders, ResponseHeaders } from '../api/headers.ts';
import type { Route, RouteTable } from '../api/route.ts';
import { HeaderMatcher } from '../matcher/header-matcher.ts';
import { compileStringMatcher } from '../matcher/string-matcher.ts';
import { DynamicHosts } from './dynamic-hosts.ts';
import { RouteEntry } from './route-entry.ts';
import { createRouteTable } from './route-table.ts';

function table(data: Partial<RouteConfigData>): RouteTable {
  return createRouteTable(routeConfigData(data), {
    createRouteFilterConfig: (extension, config) => ({ extension, config }),
    dynamicHosts: () => new DynamicHosts(),
  });
}

function tableOf(routes: readonly RouteData[]): RouteTable {
  return table({ virtualHosts: [virtualHostData({ routes })] });
}

function request(path: string, fields: string[] = [], authority = 'a.com'): RequestHeaders {
  return new RequestHeaders('GET', path, authority, 'http', fields);
}

function nameOf(route: Route | null): string | null {
  return route === null ? null : route.name;
}

/** What the spec says of one route, without any index. */
function naiveMatches(match: RouteMatchData, headers: RequestHeaders, random: number): boolean {
  const bare = headers.path.replace(/[?#].*$/s, '');
  const fold = (text: string): string => (match.caseSensitive ? text : text.toLowerCase());
  const path = fold(bare);
  const value = fold(match.path.value);
  const pathMatches = {
    prefix: () => path.startsWith(value),
    path: () => path === value,
    path_separated_prefix: () => path === value || path.startsWith(`${value}/`),
    connect: () => false,
    safe_regex: () => new RegExp(`^(?:${match.path.value})$`, 's').test(bare),
  }[match.path.kind]();
  if (!pathMatches) return false;
  const fraction = match.runtimeFraction;
  if (fraction !== null && random % fraction.denominator >= fraction.numerator) return false;
  if (match.grpc && headers.get('content-type') !== 'application/grpc') return false;
  if (!match.headers.every((header) => new HeaderMatcher(header).matches(headers))) return false;
  const query = new Map<string, string>();
  for (const pair of (headers.path.split('?')[1] ?? '').split('&')) {
    const [name = '', parameter = ''] = pair.split(/=(.*)/s);
    if (!query.has(name)) query.set(name, parameter);
  }
  return match.queryParameters.every(({ name, matcher, present }) => {
    const parameter = query.get(name);
    if (parameter === undefined) return !present;
    if (!present) return false;
    return matcher === null || compileStringMatcher(matcher).match(parameter);
  });
}

const segment = fc.constantFrom('a', 'A', 'ab', 'abc', 'b', 'B', 'api', 'v1');
const path = fc.array(segment, { maxLength: 4 }).map((segments) => `/${segments.join('/')}`);
const regex = fc.oneof(
  fc.constantFrom('/a.*', '/(a|b)/.*', '/ab?c?', '/a/[a-z]+', '/api\\.v1', '.*', '/[ab]', '/a+/b'),
  path,
);
const pathMatch: fc.Arbitrary<RouteMatchData['path']> = fc.oneof(
  path.map((value) => ({ kind: 'path', value }) as const),
  fc.tuple(path, fc.nat(12)).map(([value, length]) => {
    return { kind: 'prefix', value: value.slice(0, length) } as const;
  }),
  path
    .filter((value) => value.length > 1 && !value.endsWith('/'))
    .map((value) => {
      return { kind: 'path_separated_prefix', value } as const;
    }),
  regex.map((value) => ({ kind: 'safe_regex', value }) as const),
);
const exact = (value: string) => ({ kind: 'exact', value, ignoreCase: false }) as const;
const headerMatch = fc.constantFrom('1', '2').map((value) => ({
  name: 'x-h',
  match: { kind: 'string', matcher: exact(value) } as const,
  invert: false,
  treatMissingAsEmpty: false,
}));
const match: fc.Arbitrary<RouteMatchData> = fc
  .tuple(
    pathMatch,
    fc.boolean(),
    fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, headerMatch),
    fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, fc.constantFrom('q', 'r', 'no q')),
    fc.option(fc.nat(100), { freq: 3 }),
    fc.nat(9),
  )
  .map(([route, caseSensitive, header, query, numerator, grpc]) =>
    matchData({
      path: route,
      caseSensitive: caseSensitive || route.kind === 'safe_regex',
      headers: header === null ? [] : [header],
      queryParameters:
        query === null
          ? []
          : [
              {
                name: query === 'no q' ? 'q' : query,
                matcher: query === 'r' ? exact('1') : null,
                present: query !== 'no q',
              },
            ],
      runtimeFraction: numerator === null ? null : { numerator, denominator: 100 },
      grpc: grpc === 0,
    }),
  );
const asked = fc.tuple(
  fc.oneof(
    path,
    path.map((value) => `${value}/`),
  ),
  fc.constantFrom('', '?', '?q', '?q=1', '?r=1', '?r=2&r=1', '?x&r=1&q='),
  fc.constantFrom<string[]>([], ['x-h', '1'], ['x-h', '2', 'content-type', 'application/grpc']),
  fc.nat(1_000_000),
);

test('answers as a scan from the top does, whatever the routes', () => {
  fc.assert(
    fc.property(
      fc.array(match, { minLength: 1, maxLength: 25 }),
      fc.array(asked, { minLength: 1, maxLength: 20 }),
      (matches, requests) => {
        const compiled = tableOf(
          matches.map((one, i) => routeData({ name: String(i), match: one })),
        );
        for (const [requestPath, query, fields, random] of requests) {
          const headers = request(requestPath + query, fields);
          const first = matches.findIndex((one) => naiveMatches(one, headers, random));
          assert.equal(
            nameOf(compiled.match(headers, random)),
            first === -1 ? null : String(first),
            `${requestPath}${query}`,
          );
        }
      },
    ),
    { numRuns: 400 },
  );
});

test('ten thousand prefixes are all found, and nothing else is', () => {
  const routes = Array.from({ length: 10_000 }, (_, i) =>
    routeData({
      name: String(i),
      match: matchData({ path: { kind: 'prefix', value: `/svc-${i}/` } }),
    }),
  );
  const compiled = tableOf(routes);
  for (const i of [0, 1, 9, 10, 99, 4321, 9_999]) {
    assert.equal(nameOf(compiled.match(request(`/svc-${i}/x`), 0)), String(i));
  }
  assert.equal(compiled.match(request('/svc-10000/x'), 0), null);
});

test('prefixes are compared without the query, as Envoy does', () => {
  const compiled = tableOf([
    routeData({ name: 'never', match: matchData({ path: { kind: 'prefix', value: '/q?a' } }) }),
    routeData({ name: 'q', match: matchData({ path: { kind: 'prefix', value: '/q' } }) }),
  ]);
  assert.equal(nameOf(compiled.match(request('/q?a=b'), 0)), 'q');
});

test('virtual hosts: exact, then longest suffix, then longest prefix, then the rest', () => {
  const domains = ['a.com', '*.a.com', '*.b.a.com', 'www.*', 'www.x.*', '*', 'a.com:81'];
  const compiled = table({
    virtualHosts: domains.map((domain) => virtualHostData({ name: domain, domains: [domain] })),
  });
  const cases: readonly (readonly [string, string])[] = [
    ['a.com', 'a.com'],
    ['A.COM', 'a.com'],
    ['a.com:81', 'a.com:81'],
    ['a.com:80', '*'],
    ['x.a.com', '*.a.com'],
    ['x.b.a.com', '*.b.a.com'],
    ['b.a.com', '*.a.com'],
    ['.a.com', '*'],
    ['www.a.com', '*.a.com'],
    ['www.x.y', 'www.x.*'],
    ['www.z', 'www.*'],
    ['www.', '*'],
    ['other', '*'],
  ];
  for (const [authority, name] of cases) {
    assert.equal(compiled.match(request('/', [], authority), 0)?.virtualHostName, name, authority);
  }
  assert.equal(compiled.match(request('/', [], ''), 0), null);
});

test('ports can be ignored in host matching', () => {
  const compiled = table({
    ignorePortInHostMatching: true,
    virtualHosts: [virtualHostData({ domains: ['a.com', '[::1]'] })],
  });
  assert.equal(compiled.match(request('/', [], 'a.com:81'), 0)?.virtualHostName, 'v');
  assert.equal(compiled.match(request('/', [], '[::1]:81'), 0)?.virtualHostName, 'v');
  assert.equal(compiled.match(request('/', [], 'b.com'), 0), null);
});

test('weighted clusters take their shares of the random numbers, or what a header says', () => {
  const clusters = [weightedCluster('x', 90), weightedCluster('y', 0), weightedCluster('z', 10)];
  const by = (headerName: string): RouteTable =>
    tableOf([
      routeData({
        action: forwardAction({
          cluster: { kind: 'weighted', headerName, usesHashPolicy: false, clusters },
        }),
      }),
    ]);
  const chosen = (random: number): string | undefined =>
    by('').match(request('/'), random)?.clusterName;
  assert.deepEqual([0, 89, 90, 99, 100, 190].map(chosen), ['x', 'x', 'z', 'z', 'x', 'z']);
  const said = (value: string): string | undefined =>
    by('x-pick').match(request('/', ['x-pick', value]), 0)?.clusterName;
  assert.deepEqual(['95', '18446744073709551615', '-1', 'no'].map(said), ['z', 'x', 'x', 'x']);
});

test('a TLS-only virtual host redirects what came without TLS', () => {
  const requiring = (requireTls: 'ALL' | 'EXTERNAL_ONLY'): RouteTable =>
    table({
      responseHeaders: addHeader('x-rc', '1'),
      virtualHosts: [virtualHostData({ requireTls })],
    });
  const kind = (of: RouteTable, fields: string[]): string | undefined =>
    of.match(request('/p?q', fields), 0)?.kind;
  assert.equal(kind(requiring('ALL'), ['x-forwarded-proto', 'http']), 'redirect');
  assert.equal(kind(requiring('ALL'), ['x-forwarded-proto', 'https']), 'route');
  const internal = ['x-forwarded-proto', 'http', 'x-envoy-internal', 'true'];
  assert.equal(kind(requiring('EXTERNAL_ONLY'), internal), 'route');
  const route = requiring('ALL').match(request('/p?q', ['x-forwarded-proto', 'http']), 0);
  assert.ok(route instanceof RouteEntry);
  assert.equal(route.location(request('/p?q')), 'https://a.com/p?q');
  const response = new ResponseHeaders(301, []);
  route.finalizeResponseHeaders(response, null, new FakeStreamInfo());
  assert.deepEqual(response.fields, []);
});

function entry(data: Partial<RouteConfigData>): RouteEntry {
  const route = table(data).match(request('/p'), 0);
  assert.ok(route instanceof RouteEntry);
  return route;
}

const everyLevel = (most: boolean): Partial<RouteConfigData> => {
  const set = (value: string) => addHeader('x-lv', value, 'OVERWRITE_IF_EXISTS_OR_ADD');
  const clusters = [weightedCluster('c', 1, { requestHeaders: set('weighted') })];
  return {
    mostSpecificHeaderMutationsWins: most,
    requestHeaders: set('config'),
    virtualHosts: [
      virtualHostData({
        requestHeaders: set('host'),
        routes: [
          routeData({
            requestHeaders: { ...set('route'), remove: ['x-rm'] },
            action: forwardAction({
              cluster: { kind: 'weighted', headerName: '', usesHashPolicy: false, clusters },
            }),
          }),
        ],
      }),
    ],
  };
};

test('the least specific header mutation has the last word, unless the config says otherwise', () => {
  for (const [most, last] of [
    [false, 'config'],
    [true, 'weighted'],
  ] as const) {
    const headers = request('/p', ['x-rm', '1', 'x-lv', 'client']);
    entry(everyLevel(most)).finalizeRequestHeaders(headers, new FakeStreamInfo(), true);
    assert.deepEqual(headers.fields, ['x-lv', last]);
  }
});

test('a level works out all its values before it changes anything', () => {
  const data = routeConfigData({
    requestHeaders: {
      remove: ['x-gone'],
      add: [
        { ...addHeader('x-a', '%REQ(x-b)%').add[0]! },
        { ...addHeader('x-b', '%REQ(x-a)%', 'OVERWRITE_IF_EXISTS_OR_ADD').add[0]! },
        { ...addHeader('x-empty', '%REQ(x-gone)%').add[0]! },
        { ...addHeader('x-kept', '%REQ(x-gone)%').add[0]!, keepEmptyValue: true },
      ],
    },
  });
  const headers = request('/p', ['x-a', '1', 'x-b', '2', 'x-gone', '3']);
  entry(data).finalizeRequestHeaders(headers, new FakeStreamInfo(), true);
  assert.deepEqual(headers.fields, ['x-a', '1', 'x-b', '1', 'x-a', '2', 'x-kept', '']);
});

function finalized(
  match: Partial<RouteMatchData>,
  action: Parameters<typeof forwardAction>[0],
  headers: RequestHeaders,
): RequestHeaders {
  const compiled = tableOf([routeData({ match: matchData(match), action: forwardAction(action) })]);
  const route = compiled.match(headers, 0);
  assert.ok(route instanceof RouteEntry);
  route.finalizeRequestHeaders(headers, new FakeStreamInfo(), true);
  route.rewriteHostTo(headers, 'ep.host');
  return headers;
}

test('paths are rewritten as Envoy rewrites them, the original kept in a header', () => {
  const regex = { regex: '^/re/(.*)$', substitution: '/\\1/x' };
  const cases: readonly (readonly [RouteMatchData['path'], object, string, string])[] = [
    [{ kind: 'prefix', value: '/pr' }, { prefixRewrite: '/zz' }, '/prfoo?x=1', '/zzfoo?x=1'],
    [{ kind: 'path', value: '/pr' }, { prefixRewrite: '/zz' }, '/pr?x=1', '/zz?x=1'],
    [{ kind: 'safe_regex', value: '/rp/.*' }, { prefixRewrite: '/w' }, '/rp/a?q', '/w?q'],
    [{ kind: 'safe_regex', value: '/re/.*' }, { regexRewrite: regex }, '/re/a/b?q', '/a/b/x?q'],
  ];
  for (const [path, action, from, to] of cases) {
    const headers = finalized({ path }, action, request(from));
    assert.equal(headers.path, to);
    assert.deepEqual(headers.fields, ['x-envoy-original-path', from]);
  }
});

test('hosts are rewritten as Envoy rewrites them', () => {
  const host = (action: object, path = '/', fields: string[] = []): [string, string[]] => {
    const headers = finalized({}, action, request(path, fields));
    return [headers.authority, headers.fields];
  };
  const original = ['x-envoy-original-host', 'a.com'];
  assert.deepEqual(host({ hostRewrite: { kind: 'literal', value: 'l' } }), ['l', original]);
  assert.deepEqual(host({ hostRewrite: { kind: 'auto' } }), ['ep.host', original]);
  assert.deepEqual(host({ hostRewrite: { kind: 'header', header: 'x-h' } }), ['a.com', []]);
  assert.deepEqual(host({ hostRewrite: { kind: 'header', header: 'x-h' } }, '/', ['x-h', 'h']), [
    'h',
    ['x-h', 'h', ...original],
  ]);
  const rewrite = { regex: '^/(.+)$', substitution: '\\1' };
  assert.deepEqual(host({ hostRewrite: { kind: 'path_regex', rewrite } }, '/my?x'), [
    'my',
    original,
  ]);
  const forwarded = { hostRewrite: { kind: 'literal', value: 'l' }, appendXForwardedHost: true };
  assert.deepEqual(host(forwarded, '/', ['x-forwarded-host', 'z'])[1], [
    'x-forwarded-host',
    'z,a.com',
    ...original,
  ]);
  assert.deepEqual(host(forwarded, '/', ['x-forwarded-host', 'z, a.com'])[1], [
    'x-forwarded-host',
    'z, a.com',
    ...original,
  ]);
});

test('redirects name what Envoy names', () => {
  const location = (action: object, headers: RequestHeaders, value = '/r'): string => {
    const compiled = tableOf([
      routeData({
        match: matchData({ path: { kind: 'prefix', value } }),
        action: {
          kind: 'redirect',
          httpsRedirect: false,
          schemeRedirect: '',
          hostRedirect: '',
          portRedirect: 0,
          path: { kind: 'none' },
          status: 301,
          stripQuery: false,
          ...action,
        },
      }),
    ]);
    const route = compiled.match(headers, 0);
    assert.ok(route instanceof RouteEntry);
    route.rewritePath(headers, true);
    return route.location(headers);
  };
  const http = ['x-forwarded-proto', 'http'];
  const to = (path: string, authority = 'h.com:81'): RequestHeaders =>
    request(path, [...http], authority);
  assert.equal(
    location(
      { path: { kind: 'prefix', value: '/n' }, hostRedirect: 'x', httpsRedirect: true },
      to('/r/a?b'),
    ),
    'https://x/n/a?b',
  );
  assert.equal(
    location({ path: { kind: 'path', value: '/x' } }, to('/r?b')),
    'http://h.com:81/x?b',
  );
  assert.equal(
    location({ path: { kind: 'path', value: '/x?y' }, stripQuery: true }, to('/r?b')),
    'http://h.com:81/x?y',
  );
  assert.equal(location({ stripQuery: true, portRedirect: 99 }, to('/r?b')), 'http://h.com:99/r');
  assert.equal(location({ schemeRedirect: 'https' }, to('/r', 'h.com:80')), 'https://h.com/r');
  assert.equal(location({}, to('/r', 'h.com:80')), 'http://h.com:80/r');
  assert.equal(location({ portRedirect: 99 }, to('/r', '[::1]:80')), 'http://[::1]:99/r');
});

test('filter configs: the most specific level wins, and all can be asked for', () => {
  const at = (level: string) => ({ f: { extension: 'e', data: level, disabled: false } });
  const route = entry({
    perFilterConfig: { ...at('config'), g: { extension: '', data: null, disabled: true } },
    virtualHosts: [virtualHostData({ routes: [routeData({ perFilterConfig: at('route') })] })],
  });
  assert.deepEqual(route.perFilterConfig('f'), { extension: 'e', config: 'route' });
  assert.deepEqual(route.allPerFilterConfigs('f'), [
    { extension: 'e', config: 'route' },
    { extension: 'e', config: 'config' },
  ]);
  assert.equal(route.perFilterConfig('g'), null);
  assert.equal(route.isFilterDisabled('g'), true);
  assert.equal(route.isFilterDisabled('f'), false);
});
