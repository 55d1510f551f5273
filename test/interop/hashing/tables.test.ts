// Ring hash and Maglev beside Envoy: the same host for the same key, for 10,000 keys and many host sets.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { skipWithout } from '../peers.ts';
import { type Backend, startBackend } from './backend.ts';
import { sendAll } from './client.ts';
import { type Pair, startPair } from './pair.ts';
import { clusterOf, HOSTS, tableCases } from './tables.ts';

const gauges = /\.(ring_hash_lb|maglev_lb)\.|\.lb_healthy_panic$/;

describe('hash tables beside Envoy', { skip: skipWithout('envoy') }, () => {
  let backend: Backend;
  let pair: Pair;

  before(async () => {
    backend = await startBackend(HOSTS);
    pair = await startPair(
      tableCases.map((entry) => clusterOf(entry, backend.port)),
      tableCases.map(({ name }) => ({
        match: { path: `/${name}` },
        route: { cluster: name, hash_policy: [{ header: { header_name: 'x-key' } }] },
      })),
    );
  });

  after(async () => {
    await pair?.stop();
    backend?.close();
  });

  for (const { name, keys } of tableCases) {
    test(`${name}: ${keys} keys`, async () => {
      const heads = Array.from(
        { length: keys },
        (_, i) =>
          `GET /${name} HTTP/1.1\r\nhost: h\r\nx-key: user-${i * 7919}\r\nx-other-key: ${i}`,
      );
      const expected = await sendAll(pair.envoyPort, heads);
      const actual = await sendAll(pair.remoraPort, heads);
      let different = 0;
      for (let i = 0; i < keys; i++) if (actual[i]!.host !== expected[i]!.host) different++;
      const told = `${different} of ${keys}, first at Envoy: ${expected[0]!.host}`;
      assert.equal(different, 0, told);
      assert.deepEqual(
        actual.map(({ status }) => status),
        expected.map(({ status }) => status),
      );
    });
  }

  test('the gauges of all tables, and panics, are those of Envoy', async () => {
    const expected = await pair.stats('envoy', gauges);
    const actual = await pair.stats('remora', gauges);
    assert.ok(Object.keys(expected).length > tableCases.length * 3);
    assert.deepEqual(actual, expected);
  });
});
