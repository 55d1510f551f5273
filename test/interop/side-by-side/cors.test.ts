// envoy.filters.http.cors side by side with Envoy: policies of virtual host and route, preflights, responses, stats.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { rawMessages } from '../../fakes/raw-message.ts';
import { skipWithout } from '../peers.ts';
import { callRaw, ScriptedUpstream } from './scripted-http1.ts';
import { type ProxyKind, startVariants, type VariantProxies } from './variants.ts';

const TYPES = 'type.googleapis.com/envoy.extensions.filters.http.cors.v3';
const CORS = `{ name: envoy.filters.http.cors, typed_config: { "@type": ${TYPES}.Cors } }`;
const policy = (fields: string): string =>
  `typed_per_filter_config: { envoy.filters.http.cors: { "@type": ${TYPES}.CorsPolicy, ${fields} } }`;
const HOST =
  'allow_origin_string_match: [{ exact: "http://a" }, { suffix: ".b" }], allow_methods: "GET, POST", allow_headers: "x-h", expose_headers: "x-e", max_age: "60", allow_credentials: true';
const OFF = 'filter_enabled: { default_value: { numerator: 0 } }';

/** By path; '' = what the virtual host says. */
const policies: Readonly<Record<string, string>> = {
  '/plain': '',
  '/methods': 'allow_methods: "PUT"',
  '/none': 'allow_methods: "", allow_credentials: false',
  '/origin': 'allow_origin_string_match: [{ exact: "http://z" }]',
  '/off': OFF,
  '/shadow': `${OFF}, shadow_enabled: { default_value: { numerator: 100 } }`,
  '/any': 'allow_origin_string_match: [{ exact: "*" }]',
  '/any-prefix': 'allow_origin_string_match: [{ prefix: "*" }]',
  '/private': 'allow_private_network_access: true',
  '/answered': 'forward_not_matching_preflights: false',
};
const routes = Object.entries(policies).map(
  ([path, fields]) =>
    `{ match: { path: ${path} }, route: { cluster: backend }${fields === '' ? '' : `, ${policy(fields)}`} }`,
);
const routeConfig = `{ name: r, virtual_hosts: [{ name: all, domains: ["*"], ${policy(HOST)}, routes: [${routes.join(', ')}, { match: { path: /direct }, direct_response: { status: 403 } }] }] }`;

const request = (method: string, path: string, ...headers: readonly string[]): string =>
  `${[`${method} ${path} HTTP/1.1`, 'Host: h', ...headers].join('\r\n')}\r\ncontent-length: 0\r\n\r\n`;
const preflight = (path: string, origin: string, ...more: readonly string[]): string =>
  request('OPTIONS', path, `origin: ${origin}`, 'access-control-request-method: POST', ...more);

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const MARKED =
  'HTTP/1.1 200 OK\r\naccess-control-allow-origin: http://up\r\naccess-control-expose-headers: up\r\naccess-control-allow-credentials: false\r\ncontent-length: 2\r\n\r\nok';

const cases: readonly (readonly [name: string, request: string, answer?: string])[] = [
  ...[...Object.keys(policies), '/direct', '/missing'].flatMap(
    (path): readonly (readonly [string, string])[] => [
      [`${path}: a request`, request('GET', path, 'origin: http://a')],
      [`${path}: a preflight`, preflight(path, 'http://a')],
      [`${path}: a preflight of another origin`, preflight(path, 'http://x')],
    ],
  ),
  ['no origin', request('GET', '/plain')],
  ['an empty origin', request('GET', '/plain', 'origin:')],
  ['another origin', request('GET', '/plain', 'origin: http://x')],
  ['an origin by suffix', request('GET', '/plain', 'origin: http://q.b')],
  ['an origin in capitals', request('GET', '/plain', 'origin: HTTP://A')],
  ['two origins', request('GET', '/plain', 'origin: http://a', 'origin: http://q.b')],
  ['OPTIONS that is no preflight', request('OPTIONS', '/plain', 'origin: http://a')],
  [
    'OPTIONS for no method',
    request('OPTIONS', '/plain', 'origin: http://a', 'access-control-request-method:'),
  ],
  ['an upstream with headers of its own', request('GET', '/plain', 'origin: http://a'), MARKED],
  [
    'a private network',
    preflight('/private', 'http://a', 'access-control-request-private-network: true'),
  ],
  [
    'a private network that is not allowed',
    preflight('/plain', 'http://a', 'access-control-request-private-network: true'),
  ],
  [
    'a body behind a preflight',
    preflight('/plain', 'http://a').replace('length: 0\r\n\r\n', 'length: 3\r\n\r\nabc'),
  ],
];

describe('CORS side by side with Envoy', { skip: skipWithout('envoy') }, () => {
  const upstream = new ScriptedUpstream();
  let proxies: VariantProxies;

  before(async () => {
    const port = await upstream.listen();
    const variant = { name: 'cors', hcm: '', routeConfig, filters: [CORS] };
    proxies = await startVariants([variant], port);
  });
  after(async () => {
    upstream.close();
    await proxies.stop();
  });

  for (const [name, bytes, answer = OK] of cases) {
    test(name, async () => {
      const observe = async (kind: ProxyKind) => {
        upstream.script([[answer]]);
        const client = rawMessages(await callRaw(proxies.port(kind, 'cors'), [bytes]));
        return { client, up: rawMessages(upstream.seen) };
      };
      const envoy = await observe('envoy');
      assert.notEqual(envoy.client.length, 0);
      assert.deepEqual(await observe('remora'), envoy);
    });
  }

  test('the stats are the same', async () => {
    const counted = async (kind: ProxyKind) =>
      (await proxies.admin(kind, '/stats?filter=cors.origin')).trim().split('\n').sort();
    const envoy = await counted('envoy');
    assert.equal(envoy.length, 2);
    assert.deepEqual(await counted('remora'), envoy);
  });
});
