// Which host comes instead, beside Envoy: at a retry that avoids previous hosts, and when hash_balance_factor says that
// the host of the hash has enough to do.

import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import { skipWithout } from '../peers.ts';
import { type Backend, startBackend } from './backend.ts';
import { sendAll } from './client.ts';
import { type Pair, startPair } from './pair.ts';
import { clusterOf, policyExtension } from './tables.ts';

const HOSTS = 12;
const RETRIED_KEYS = 60;
const HELD = 60;
const hosts = Array.from({ length: HOSTS }, (_, number) => ({ number, weight: 1 + (number % 3) }));
const balanced = {
  common_lb_config: { consistent_hashing_lb_config: { hash_balance_factor: 120 } },
};

const manyRetries = { circuit_breakers: { thresholds: [{ max_retries: 1000 }] } };

const clusters = [
  { name: 'ring', cluster: { lb_policy: 'RING_HASH', ...manyRetries } },
  { name: 'maglev', cluster: { lb_policy: 'MAGLEV', ...manyRetries } },
  { name: 'priorities', cluster: { lb_policy: 'RING_HASH', ...manyRetries } },
  { name: 'bounded-ring', cluster: { lb_policy: 'RING_HASH', ...balanced } },
  { name: 'bounded-maglev', cluster: { lb_policy: 'MAGLEV', ...balanced } },
  {
    name: 'bounded-extension',
    cluster: policyExtension('maglev.v3.Maglev', {
      consistent_hashing_lb_config: { hash_balance_factor: 200 },
    }),
  },
];

/** Policies that hash do not heed it, in Envoy as here. */
const retryPriority = {
  retry_priority: {
    name: 'envoy.retry_priorities.previous_priorities',
    typed_config: {
      '@type':
        'type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig',
      update_frequency: 1,
    },
  },
};

const retryPolicy = {
  retry_on: '5xx',
  num_retries: 4,
  host_selection_retry_max_attempts: 3,
  retry_back_off: { base_interval: '0.001s', max_interval: '0.002s' },
  retry_host_predicate: [
    {
      name: 'envoy.retry_host_predicates.previous_hosts',
      typed_config: {
        '@type':
          'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
      },
    },
  ],
};

describe('other hosts for the same hash, beside Envoy', { skip: skipWithout('envoy') }, () => {
  let backend: Backend;
  let pair: Pair;

  before(async () => {
    backend = await startBackend(HOSTS);
    const one = [{ zone: 'a', hosts }];
    const two = [
      { zone: 'a', priority: 0, hosts: hosts.slice(0, 6) },
      { zone: 'a', priority: 1, hosts: hosts.slice(6) },
    ];
    pair = await startPair(
      clusters.map((entry) =>
        clusterOf({ ...entry, localities: entry.name === 'priorities' ? two : one }, backend.port),
      ),
      clusters.map(({ name }) => ({
        match: { path: `/${name}` },
        route: {
          cluster: name,
          timeout: '0s',
          hash_policy: [{ header: { header_name: 'x-key' } }],
          retry_policy: name === 'priorities' ? { ...retryPolicy, ...retryPriority } : retryPolicy,
        },
      })),
    );
  });

  after(async () => {
    await pair?.stop();
    backend?.close();
  });

  for (const name of ['ring', 'maglev', 'priorities']) {
    test(`${name}: tries of a failing request go to the same hosts in the same order`, async () => {
      const visits = async (port: number, of: string): Promise<(readonly string[])[]> => {
        const ids = Array.from({ length: RETRIED_KEYS }, (_, i) => `${of}-${name}-${i}`);
        await sendAll(
          port,
          ids.map(
            (id, i) =>
              `GET /${name} HTTP/1.1\r\nhost: h\r\nx-key: k${i}\r\nx-fail: 1\r\nx-id: ${id}`,
          ),
        );
        return ids.map((id) => backend.visits(id));
      };
      const expected = await visits(pair.envoyPort, 'envoy');
      const actual = await visits(pair.remoraPort, 'remora');
      assert.ok(
        expected.every((list) => list.length === 5),
        JSON.stringify(expected[0]),
      );
      assert.deepEqual(actual, expected);
    });
  }

  for (const name of ['bounded-ring', 'bounded-maglev', 'bounded-extension']) {
    test(`${name}: held requests of few keys spread over the same hosts in the same order`, async () => {
      const expected = await holdMany(backend, pair.envoyPort, name, 'envoy');
      const actual = await holdMany(backend, pair.remoraPort, name, 'remora');
      assert.ok(new Set(expected).size > 3, expected.join(' '));
      assert.deepEqual(actual, expected);
    });
  }
});

/** Sends one request after the other, each on its own connection, none of which is answered before the last came. */
async function holdMany(
  backend: Backend,
  port: number,
  cluster: string,
  of: string,
): Promise<string[]> {
  const sockets: net.Socket[] = [];
  const visited: string[] = [];
  for (let i = 0; i < HELD; i++) {
    const id = `${of}-${cluster}-${i}`;
    const socket = net.connect(port, '127.0.0.1');
    sockets.push(socket);
    socket.write(
      `GET /${cluster} HTTP/1.1\r\nhost: h\r\nx-key: ${i % 3}\r\nx-hold: 1\r\nx-id: ${id}\r\n\r\n`,
    );
    visited.push((await backend.visit(id))[0]!);
  }
  const answered = sockets.map((socket) => new Promise((resolve) => socket.once('data', resolve)));
  backend.release();
  await Promise.all(answered);
  for (const socket of sockets) socket.destroy();
  return visited;
}
