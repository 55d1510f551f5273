// ECDS: a real Envoy and our sidecar with the same HTTP filter by config_discovery on the same server. One kept connection sees all
// updates; what both say of them (statuses, stats, NACKs, log lines, /config_dump) is the same.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import type { JsonValue } from '../../proto/plain.ts';
import { DeltaServer } from '../fakes/delta-server.ts';
import { adsBootstrap } from './ads-bootstrap.ts';
import { findPeer, skipWithout } from './peers.ts';
import { type RunningProxy, startProxy } from './proxies.ts';

const TYPE = 'envoy.config.core.v3.TypedExtensionConfig';
const FAULT = 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault';
const CORS = 'type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors';
const SOURCE = 'config_source: {ads: {}, resource_api_version: V3, initial_fetch_timeout: 1s}';
const abort = (status: number): JsonValue => ({
  '@type': FAULT,
  abort: { http_status: status, percentage: { numerator: 100 } },
});
const named = (name: string, config: JsonValue): JsonValue => ({ name, typed_config: config });

const filters = [
  `{name: one, config_discovery: {${SOURCE}, type_urls: [${FAULT}]}}`,
  `{name: two, config_discovery: {${SOURCE}, type_urls: [${FAULT}], apply_default_config_without_warming: true, default_config: {"@type": ${FAULT}, abort: {http_status: 420, percentage: {numerator: 100}, header_abort: null}, headers: [{name: x-two, present_match: true}]}}}`,
].map((filter) => filter.replace(', header_abort: null', ''));

for (const kind of ['envoy', 'remora'] as const) {
  describe(`ECDS with ${kind}`, { skip: skipWithout('envoy') }, () => {
    const server = new DeltaServer();
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    let proxy!: RunningProxy;
    let connections = 0;

    const ask = (headers: Record<string, string> = {}): Promise<number> =>
      new Promise((resolve, reject) => {
        const request = http.get(
          { port: proxy.ports.listen, host: '127.0.0.1', agent, headers },
          (response) => {
            response.resume().on('end', () => resolve(response.statusCode ?? 0));
          },
        );
        request.on('socket', (socket) => {
          if (socket.connecting) connections++;
        });
        request.on('error', reject);
      });
    const until = async (what: string, holds: () => Promise<boolean> | boolean): Promise<void> => {
      const end = performance.now() + 8000;
      while (!(await holds())) {
        assert.ok(performance.now() < end, `${what}\n${proxy.output()}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    const stat = async (name: string): Promise<number> => {
      const full = `extension_config_discovery.http_filter.one.${name}: `;
      const line = (await proxy.admin('/stats')).split('\n').find((text) => text.startsWith(full));
      return Number(line?.slice(full.length));
    };

    before(async () => {
      await server.start();
      server.silentAbout.add('one').add('two');
      proxy = await startProxy(kind, findPeer('envoy') ?? '', (ports) =>
        adsBootstrap({
          adsPort: server.port,
          ports,
          httpFilters: filters.join(', '),
          routes:
            '[{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: ok}}}]',
        }),
      );
    });
    after(async () => {
      agent.destroy();
      // Undefined when it did not start.
      await (proxy as RunningProxy | undefined)?.stop();
      server.close();
    });

    test('a filter whose config did not come in time answers 500 with flag NFCF', async () => {
      assert.equal(await ask(), 500);
      assert.equal(await stat('init_fetch_timeout'), 1);
      await until('log', () => /LOG 500 NFCF <-?>/.test(proxy.output()));
    });

    test('a config that comes is in force for the next request, on the same connection', async () => {
      server.set(TYPE, 'one', named('one', abort(418)));
      await until('418', async () => (await ask()) === 418);
      server.set(TYPE, 'one', named('one', abort(419)));
      await until('419', async () => (await ask()) === 419);
      assert.equal(await stat('config_reload'), 2);
      assert.equal(connections, 1);
    });

    test('a config of another type is refused by its type, and the former one stays', async () => {
      const before = await stat('config_fail');
      server.set(TYPE, 'one', named('one', { '@type': CORS }));
      await until('NACK', () => server.nacks().length === 1);
      assert.match(
        server.nacks()[0] ?? '',
        /filter config has type URL envoy\.extensions\.filters\.http\.cors\.v3\.Cors but expect envoy\.extensions\.filters\.http\.fault\.v3\.HTTPFault/,
      );
      assert.equal(await ask(), 419);
      assert.equal(await stat('config_fail'), before + 1);
      assert.equal(await stat('update_rejected'), 1);
    });

    test('/config_dump shows what is in force', async () => {
      const dump = JSON.parse(await proxy.admin('/config_dump')) as {
        configs: { '@type': string; ecds_filters?: { ecds_filter: unknown }[] }[];
      };
      const section = dump.configs.find((config) => config['@type'].endsWith('EcdsConfigDump'));
      const shown = section?.ecds_filters?.find(({ ecds_filter: filter }) =>
        JSON.stringify(filter).includes('419'),
      );
      assert.deepEqual(shown?.ecds_filter, {
        '@type': `type.googleapis.com/${TYPE}`,
        name: 'one',
        typed_config: abort(419),
      });
    });

    test('a default is in force at once, until a config comes, and again when it is gone', async () => {
      server.set(TYPE, 'one', named('one', { '@type': FAULT }));
      await until('200', async () => (await ask()) === 200);
      assert.equal(await ask({ 'x-two': '1' }), 420);
      server.set(TYPE, 'two', named('two', abort(421)));
      await until('421', async () => (await ask()) === 421);
      server.remove(TYPE, 'two');
      await until('200 again', async () => (await ask()) === 200);
      assert.equal(await ask({ 'x-two': '1' }), 420);
      server.remove(TYPE, 'one');
      await until('500 again', async () => (await ask()) === 500);
      assert.equal(connections, 1);
    });
  });
}

const LIMIT =
  'type.googleapis.com/envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit';
const INSPECTOR =
  'type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector';

for (const kind of ['envoy', 'remora'] as const) {
  describe(`ECDS of network and listener filters with ${kind}`, {
    skip: skipWithout('envoy'),
  }, () => {
    const server = new DeltaServer();
    let proxy!: RunningProxy;

    /** '' = the connection was closed without an answer. */
    const ask = (): Promise<string> =>
      new Promise((resolve) => {
        const request = http.get(
          { port: proxy.ports.listen, host: '127.0.0.1', agent: false },
          (response) => {
            response.resume().on('end', () => resolve(`${response.statusCode}`));
          },
        );
        request.on('error', () => resolve(''));
      });
    const until = async (what: string, holds: () => Promise<boolean>): Promise<void> => {
      const end = performance.now() + 8000;
      while (!(await holds())) {
        assert.ok(performance.now() < end, `${what}\n${proxy.output()}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    const stat = async (name: string): Promise<number> => {
      const lines = (await proxy.admin('/stats')).split('\n');
      return Number(lines.find((line) => line.includes(`${name}: `))?.split(': ')[1]);
    };

    before(async () => {
      await server.start();
      server.silentAbout.add('net').add('peek');
      proxy = await startProxy(kind, findPeer('envoy') ?? '', (ports) =>
        adsBootstrap({
          adsPort: server.port,
          ports,
          httpFilters: `{name: f, typed_config: {"@type": ${FAULT}}}`,
          listenerFilters: `{name: peek, config_discovery: {${SOURCE}, type_urls: [${INSPECTOR}]}}`,
          networkFilters: `            - {name: net, config_discovery: {${SOURCE}, type_urls: [${LIMIT}]}}`,
          routes: '[{match: {prefix: /}, direct_response: {status: 200}}]',
        }),
      );
    });
    after(async () => {
      // Undefined when it did not start.
      await (proxy as RunningProxy | undefined)?.stop();
      server.close();
    });

    test('without their configs connections are closed', async () => {
      assert.equal(await ask(), '');
      assert.equal(await stat('.extension_config_missing'), 1);
      assert.equal(await stat('.network_extension_config_missing'), 0);
      server.set(TYPE, 'peek', named('peek', { '@type': INSPECTOR }));
      await until('network filter', async () => {
        assert.equal(await ask(), '');
        return (await stat('.network_extension_config_missing')) > 0;
      });
    });

    test('with them they are in force for the next connection', async () => {
      const limit = (max: number): JsonValue => ({
        '@type': LIMIT,
        stat_prefix: 'net',
        max_connections: `${max}`,
      });
      server.set(TYPE, 'net', named('net', limit(5)));
      await until('200', async () => (await ask()) === '200');
      server.set(TYPE, 'net', named('net', { '@type': INSPECTOR }));
      await until('NACK', async () => server.nacks().length === 1);
      assert.match(server.nacks()[0] ?? '', /HttpInspector but expect .*ConnectionLimit/);
      assert.equal(await ask(), '200');
      assert.equal(await stat('extension_config_discovery.network_filter.net.config_reload'), 1);
      assert.equal(
        await stat('extension_config_discovery.tcp_listener_filter.peek.config_reload'),
        1,
      );
      server.remove(TYPE, 'net');
      await until('closed again', async () => (await ask()) === '');
    });
  });
}
