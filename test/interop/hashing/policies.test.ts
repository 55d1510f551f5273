// Hash policies beside Envoy: what is hashed, how several are put together, and the cookies that clients are given.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { skipWithout } from '../peers.ts';
import { type Backend, startBackend } from './backend.ts';
import { type Answer, sendAll } from './client.ts';
import { type Pair, startPair } from './pair.ts';
import { cookieCases, policyCases } from './policies.ts';
import { clusterOf } from './tables.ts';

const HOSTS = 20;
const httpOptions = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

describe('hash policies beside Envoy', { skip: skipWithout('envoy') }, () => {
  let backend: Backend;
  let pair: Pair;

  before(async () => {
    backend = await startBackend(HOSTS * 2);
    const hosts = (from: number) => [
      { zone: 'a', hosts: Array.from({ length: HOSTS }, (_, i) => ({ number: from + i })) },
    ];
    const ring = { lb_policy: 'RING_HASH' };
    const options = {
      '@type': `type.googleapis.com/${httpOptions}`,
      explicit_http_config: { http_protocol_options: {} },
      hash_policy: [{ query_parameter: { name: 'q' } }],
    };
    const withPolicy = { ...ring, typed_extension_protocol_options: { [httpOptions]: options } };
    const clusters = [
      { name: 'ring', cluster: ring, localities: hosts(0) },
      { name: 'other', cluster: ring, localities: hosts(HOSTS) },
      { name: 'with-policy', cluster: withPolicy, localities: hosts(0) },
    ].map((entry) => clusterOf(entry, backend.port));
    const routes = [
      ...policyCases.map(({ name, hashPolicy, action }) => ({
        match: { path: `/${name}` },
        route: { ...(action ?? { cluster: 'ring' }), hash_policy: hashPolicy },
      })),
      ...cookieCases.map(({ name, cookie }) => ({
        match: { path: `/cookie/${name}` },
        route: { cluster: 'ring', hash_policy: [{ cookie }] },
      })),
    ];
    pair = await startPair(clusters, routes);
  });

  after(async () => {
    await pair?.stop();
    backend?.close();
  });

  for (const { name, requests } of policyCases) {
    test(name, async () => {
      const heads = requests.map(({ query = '', headers = [] }) =>
        [`GET /${name}${query} HTTP/1.1`, 'host: h.example', ...headers].join('\r\n'),
      );
      // Requests without a hash go anywhere: several tries tell.
      const expected = await hostsOf(pair.envoyPort, heads);
      const actual = await hostsOf(pair.remoraPort, heads);
      for (const [i, head] of heads.entries()) assert.equal(actual[i], expected[i], head);
    });
  }

  for (const { name, sent } of cookieCases) {
    test(`generated cookie: ${name}`, async () => {
      const head = [
        `GET /cookie/${name} HTTP/1.1`,
        'host: h',
        ...(sent === undefined ? [] : [`cookie: ${sent}`]),
      ].join('\r\n');
      const [expected, again] = await sendAll(pair.envoyPort, [head, head]);
      const [actual] = await sendAll(pair.remoraPort, [head]);
      const form = (cookies: readonly string[]) =>
        cookies.map((text) => text.replace(/="[0-9a-f]{16}"/, '="<hash>"'));
      assert.deepEqual(form(actual!.setCookies), form(expected!.setCookies));
      assert.equal(again!.setCookies.length, expected!.setCookies.length);
    });
  }

  test('a generated cookie leads back to the host that it came with', async () => {
    for (const port of [pair.envoyPort, pair.remoraPort]) {
      const [first] = await sendAll(port, ['GET /cookie/ttl HTTP/1.1\r\nhost: h']);
      const value = /c="([0-9a-f]{16})"/.exec(first!.setCookies[0] ?? '')?.[1];
      assert.ok(value !== undefined, first!.setCookies[0]);
      const [second] = await sendAll(port, [
        `GET /cookie/ttl HTTP/1.1\r\nhost: h\r\ncookie: c=${value}`,
      ]);
      assert.equal(second!.host, first!.host);
      assert.deepEqual(second!.setCookies, []);
    }
  });
});

const TRIES = 6;

/** By request: its host, or 'any' when it went to several. */
async function hostsOf(port: number, heads: readonly string[]): Promise<string[]> {
  const rounds: Answer[][] = [];
  for (let i = 0; i < TRIES; i++) rounds.push(await sendAll(port, heads));
  return heads.map((_, i) => {
    const hosts = new Set(rounds.map((answers) => answers[i]!.host));
    return hosts.size === 1 ? [...hosts][0]! : 'any';
  });
}
