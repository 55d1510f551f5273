// set_filter_state beside Envoy: what it puts into filter state is logged, and hashed where it was put there to be.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { skipWithout } from '../peers.ts';
import { type Backend, startBackend } from './backend.ts';
import { sendAll } from './client.ts';
import { type Pair, startPair } from './pair.ts';
import { clusterOf } from './tables.ts';

const HOSTS = 20;
const KEYS = 40;

function value(object_key: string, factory_key: string, text_format: string, more: object = {}) {
  const text = { inline_string: text_format };
  return { object_key, factory_key, format_string: { text_format_source: text }, ...more };
}

function filter(kind: 'http' | 'network', list: string, values: readonly object[]): object {
  return {
    name: `envoy.filters.${kind}.set_filter_state`,
    typed_config: {
      '@type': `type.googleapis.com/envoy.extensions.filters.${kind}.set_filter_state.v3.Config`,
      [list]: values,
    },
  };
}

const ofRequest = filter('http', 'on_request_headers', [
  value('hashed', 'envoy.hashable_string', '%REQ(x-key)%'),
  value('plain', 'envoy.string', '%REQ(x-key)%'),
  value('skipped', 'envoy.hashable_string', '', { skip_if_empty: true }),
  value('empty', 'envoy.hashable_string', ''),
]);
const ofConnection = filter('network', 'on_new_connection', [
  value('connection', 'envoy.hashable_string', 'of %DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%'),
]);

const keys = ['hashed', 'plain', 'skipped', 'empty', 'connection', 'unknown'];
const shown = keys.flatMap((key) =>
  ['', ':PLAIN'].map((form) => ({
    header: { key: `x-host`, value: `${key}${form}=%FILTER_STATE(${key}${form})%` },
    append_action: 'APPEND_IF_EXISTS_OR_ADD',
  })),
);

describe('filter state beside Envoy', { skip: skipWithout('envoy') }, () => {
  let backend: Backend;
  let pair: Pair;

  before(async () => {
    backend = await startBackend(HOSTS);
    const hosts = Array.from({ length: HOSTS }, (_, number) => ({ number }));
    const localities = [{ zone: 'a', hosts }];
    const ring = { name: 'ring', cluster: { lb_policy: 'RING_HASH' }, localities };
    const routes = keys.map((key) => ({
      match: { path: `/${key}` },
      route: { cluster: 'ring', hash_policy: [{ filter_state: { key } }] },
    }));
    const logged = {
      match: { path: '/logged' },
      direct_response: { status: 200 },
      response_headers_to_add: shown,
    };
    pair = await startPair([clusterOf(ring, backend.port)], [...routes, logged], {
      http: [ofRequest],
      network: [ofConnection],
    });
  });

  after(async () => {
    await pair?.stop();
    backend?.close();
  });

  for (const key of ['hashed', 'empty', 'connection']) {
    test(`${key}: hashes are those of Envoy`, async () => {
      const expected = await sendAll(pair.envoyPort, headsFor(key));
      assert.deepEqual(await sendAll(pair.remoraPort, headsFor(key)), expected);
      const hosts = new Set(expected.map(({ host }) => host));
      assert.ok(key === 'hashed' ? hosts.size > 5 : hosts.size === 1, [...hosts].join());
    });
  }

  for (const key of ['plain', 'skipped', 'unknown']) {
    test(`${key}: is not hashed, requests go anywhere`, async () => {
      for (const port of [pair.envoyPort, pair.remoraPort]) {
        const heads = new Array<string>(KEYS).fill(
          `GET /${key} HTTP/1.1\r\nhost: h\r\nx-key: same`,
        );
        const hosts = new Set((await sendAll(port, heads)).map(({ host }) => host));
        assert.ok(hosts.size > 3, `${hosts.size} hosts`);
      }
    });
  }

  test('logs show the same', async () => {
    const head = 'GET /logged HTTP/1.1\r\nhost: h\r\nx-key: k "1"';
    const [expected] = await sendAll(pair.envoyPort, [head]);
    const [actual] = await sendAll(pair.remoraPort, [head]);
    assert.ok(expected!.hosts.length > 4, expected!.hosts.join('; '));
    assert.deepEqual(actual!.hosts, expected!.hosts);
  });
});

function headsFor(path: string): string[] {
  return Array.from({ length: KEYS }, (_, i) => `GET /${path} HTTP/1.1\r\nhost: h\r\nx-key: ${i}`);
}
