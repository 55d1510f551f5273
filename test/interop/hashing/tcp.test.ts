// Hash policies of tcp_proxy beside Envoy: the same host for the same client.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { skipWithout } from '../peers.ts';
import { startBackend } from './backend.ts';
import { sendAll } from './client.ts';
import { startPairOf } from './pair.ts';
import { clusterOf } from './tables.ts';

const HOSTS = 20;
const CLIENTS = 60;
const filters = 'type.googleapis.com/envoy.extensions.filters.network';
const format = 'of %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%';
const setFilterState = {
  name: 'envoy.filters.network.set_filter_state',
  typed_config: {
    '@type': `${filters}.set_filter_state.v3.Config`,
    on_new_connection: [
      {
        object_key: 'client',
        factory_key: 'envoy.hashable_string',
        format_string: { text_format_source: { inline_string: format } },
      },
    ],
  },
};

describe('tcp_proxy beside Envoy', { skip: skipWithout('envoy') }, () => {
  for (const [name, policy, lbPolicy] of [
    ['source_ip', { source_ip: {} }, 'RING_HASH'],
    ['filter_state', { filter_state: { key: 'client' } }, 'MAGLEV'],
  ] as const) {
    test(`${name} with ${lbPolicy}: each client has its host`, async () => {
      const backend = await startBackend(HOSTS);
      const hosts = Array.from({ length: HOSTS }, (_, number) => ({ number }));
      const cluster = {
        name: 'c',
        cluster: { lb_policy: lbPolicy },
        localities: [{ zone: 'a', hosts }],
      };
      const tcpProxy = {
        name: 'envoy.filters.network.tcp_proxy',
        typed_config: {
          '@type': `${filters}.tcp_proxy.v3.TcpProxy`,
          stat_prefix: 't',
          cluster: 'c',
          hash_policy: [policy],
        },
      };
      const pair = await startPairOf(
        [clusterOf(cluster, backend.port)],
        [setFilterState, tcpProxy],
      );
      try {
        const hostsOf = async (port: number): Promise<string[]> => {
          const chosen: string[] = [];
          for (let i = 0; i < CLIENTS; i++) {
            const [answer] = await sendAll(port, ['GET / HTTP/1.1\r\nhost: h'], `127.0.2.${i + 1}`);
            chosen.push(answer!.host);
          }
          return chosen;
        };
        const expected = await hostsOf(pair.envoyPort);
        assert.ok(new Set(expected).size > 8, expected.join(' '));
        assert.deepEqual(await hostsOf(pair.remoraPort), expected);
      } finally {
        await pair.stop();
        backend.close();
      }
    });
  }
});
