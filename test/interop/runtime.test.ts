// The layered runtime: a real Envoy and our sidecar with the same layers on the same server. What a key says changes by a file, by
// RTDS and by /runtime_modify, and the next request obeys; /runtime, stats and NACKs are the same.

import assert from 'node:assert/strict';
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { DeltaServer } from '../fakes/delta-server.ts';
import { adsBootstrap } from './ads-bootstrap.ts';
import { findPeer, skipWithout } from './peers.ts';
import { type RunningProxy, startProxy } from './proxies.ts';

const TYPE = 'envoy.service.runtime.v3.Runtime';
const FAULT = 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault';

const layers = (directory: string): string => `
layered_runtime:
  layers:
    - {name: st, static_layer: {a: {b: 1, c: {d: x}}, on: true, text: hello, fault.http.abort.http_status: 418}}
    - {name: disk, disk_layer: {symlink_root: ${directory}/current, subdirectory: envoy}}
    - {name: cluster, disk_layer: {symlink_root: ${directory}/current, subdirectory: over, append_service_cluster: true}}
    - {name: rt, rtds_layer: {name: layer-one, rtds_config: {ads: {}, resource_api_version: V3, initial_fetch_timeout: 2s}}}
    - {name: adm, admin_layer: {}}
`;

function writeVersion(directory: string, version: string, share: string): void {
  mkdirSync(join(directory, version, 'envoy', 'sub'), { recursive: true });
  mkdirSync(join(directory, version, 'over', 'c'), { recursive: true });
  writeFileSync(join(directory, version, 'envoy', 'share'), share);
  writeFileSync(join(directory, version, 'envoy', 'sub', 'num'), '# what it is for\n42\n');
  writeFileSync(join(directory, version, 'over', 'c', 'num'), '7 ');
  symlinkSync(version, join(directory, 'next'));
  renameSync(join(directory, 'next'), join(directory, 'current'));
}

interface Dump {
  readonly layers: readonly string[];
  readonly entries: Readonly<
    Record<string, { readonly layer_values: readonly string[]; readonly final_value: string }>
  >;
}

for (const kind of ['envoy', 'remora'] as const) {
  describe(`runtime of ${kind}`, { skip: skipWithout('envoy') }, () => {
    const server = new DeltaServer();
    let proxy!: RunningProxy;

    const ask = async (path: string): Promise<number> => {
      const response = await fetch(`http://127.0.0.1:${proxy.ports.listen}${path}`);
      await response.arrayBuffer();
      return response.status;
    };
    const until = async (what: string, holds: () => Promise<boolean> | boolean): Promise<void> => {
      const end = performance.now() + 8000;
      while (!(await holds())) {
        assert.ok(performance.now() < end, `${what}\n${proxy.output()}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    const untilStatus = (path: string, status: number): Promise<void> =>
      until(`${path} ${status}`, async () => (await ask(path)) === status);
    const dump = async (): Promise<Dump> => JSON.parse(await proxy.admin('/runtime')) as Dump;
    const stat = async (name: string): Promise<number> => {
      const line = (await proxy.admin('/stats'))
        .split('\n')
        .find((text) => text.startsWith(`runtime.${name}: `));
      return Number(line?.split(': ')[1]);
    };
    const modify = async (query: string): Promise<string> => {
      const response = await fetch(`http://127.0.0.1:${proxy.ports.admin}/runtime_modify${query}`, {
        method: 'POST',
      });
      return `${response.status} ${await response.text()}`;
    };

    before(async () => {
      await server.start();
      server.set(TYPE, 'layer-one', { name: 'layer-one', layer: { weights: { red: 0 } } });
      proxy = await startProxy(kind, findPeer('envoy') ?? '', (ports, directory) => {
        writeVersion(directory, 'v1', '0');
        return adsBootstrap({
          adsPort: server.port,
          ports,
          extra: layers(directory),
          httpFilters: `{name: fault, typed_config: {"@type": ${FAULT}, headers: [{name: ":path", string_match: {prefix: /fault}}], abort: {http_status: 500, percentage: {numerator: 100}}}}`,
          routes: `[
            {match: {prefix: /share, runtime_fraction: {default_value: {numerator: 100}, runtime_key: share}}, direct_response: {status: 201}},
            {match: {prefix: /rtds, runtime_fraction: {default_value: {numerator: 0}, runtime_key: rtds.share}}, direct_response: {status: 202}},
            {match: {prefix: /upstream}, route: {cluster: ads}},
            {match: {prefix: /}, direct_response: {status: 200}}]`,
        });
      });
    });
    after(async () => {
      // Undefined when it did not start.
      await (proxy as RunningProxy | undefined)?.stop();
      server.close();
    });

    test('/runtime shows every layer and what counts', async () => {
      const { layers: names, entries } = await dump();
      assert.deepEqual(names, ['st', 'disk', 'cluster', 'rt', 'adm']);
      assert.deepEqual(entries, {
        'a.b': { layer_values: ['1', '', '', '', ''], final_value: '1' },
        'a.c.d': { layer_values: ['x', '', '', '', ''], final_value: 'x' },
        'fault.http.abort.http_status': {
          layer_values: ['418', '', '', '', ''],
          final_value: '418',
        },
        num: { layer_values: ['', '', '7', '', ''], final_value: '7' },
        on: { layer_values: ['true', '', '', '', ''], final_value: 'true' },
        share: { layer_values: ['', '0', '', '', ''], final_value: '0' },
        'sub.num': { layer_values: ['', '42', '', '', ''], final_value: '42' },
        text: { layer_values: ['hello', '', '', '', ''], final_value: 'hello' },
        'weights.red': { layer_values: ['', '', '', '0', ''], final_value: '0' },
      });
      assert.deepEqual(
        [await stat('num_layers'), await stat('num_keys'), await stat('admin_overrides_active')],
        [5, 9, 0],
      );
      assert.equal(await stat('override_dir_not_exists'), 0);
    });

    test('a directory that takes the place of another is in force for the next request', async () => {
      assert.equal(await ask('/share'), 200);
      writeVersion(proxy.directory, 'v2', '{numerator: 10000, denominator: TEN_THOUSAND}');
      await untilStatus('/share', 201);
    });

    test('RTDS changes what a route and a filter do', async () => {
      assert.deepEqual([await ask('/rtds'), await ask('/fault')], [200, 418]);
      server.set(TYPE, 'layer-one', {
        name: 'layer-one',
        layer: { rtds: { share: 100 }, fault: { http: { abort: { http_status: 419 } } } },
      });
      await untilStatus('/rtds', 202);
      assert.equal(await ask('/fault'), 419);
      assert.equal((await dump()).entries['weights.red'], undefined);
    });

    test('RTDS changes what a cluster does', async () => {
      const answered = await ask('/upstream');
      assert.notEqual(answered, 503);
      const layer = { rtds: { share: 100 } };
      const say = (more: Readonly<Record<string, number>>): void =>
        server.set(TYPE, 'layer-one', { name: 'layer-one', layer: { ...layer, ...more } });
      say({ 'upstream.maintenance_mode.ads': 100 });
      await untilStatus('/upstream', 503);
      await until('log', () => proxy.output().includes('LOG 503 UO <maintenance_mode>'));
      say({ 'circuit_breakers.ads.default.max_requests': 0 });
      await until('overflow', async () => {
        assert.equal(await ask('/upstream'), 503);
        return /LOG 503 UO <upstream_reset_before_response_started\{overflow\}>/.test(
          proxy.output(),
        );
      });
      say({});
      await untilStatus('/upstream', answered);
    });

    test('a layer with what is no value is refused, and the former one stays', async () => {
      server.set(TYPE, 'layer-one', { name: 'layer-one', layer: { bad: [1] } });
      await until('NACK', () => server.nacks().length === 1);
      assert.match(server.nacks()[0] ?? '', /Invalid runtime entry value for bad/);
      assert.equal(await ask('/rtds'), 202);
      // Until then Envoy refuses all other changes, too.
      server.set(TYPE, 'layer-one', {
        name: 'layer-one',
        layer: { rtds: { share: 100 }, weights: { red: 1 } },
      });
      await until('good layer', async () => 'weights.red' in (await dump()).entries);
    });

    test('/runtime_modify goes before all layers, until it is taken back', async () => {
      assert.equal(await modify('?rtds.share=0&share=0'), '200 OK\n');
      assert.deepEqual([await ask('/rtds'), await ask('/share')], [200, 200]);
      assert.equal(await stat('admin_overrides_active'), 1);
      assert.equal((await dump()).entries['rtds.share']?.final_value, '0');
      assert.equal(await modify('?rtds.share=&share='), '200 OK\n');
      assert.deepEqual([await ask('/rtds'), await ask('/share')], [202, 201]);
      assert.match(await modify(''), /^400 usage: \/runtime_modify\?key1=value1/);
      assert.match(await proxy.admin('/runtime_modify?a=1'), /Method GET not allowed/);
    });

    test('a layer that is taken away is empty', async () => {
      server.remove(TYPE, 'layer-one');
      await untilStatus('/rtds', 200);
      assert.equal(await ask('/fault'), 418);
    });
  });
}
