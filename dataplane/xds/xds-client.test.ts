import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setUpXdsClient } from '../../test/fakes/xds-client-setup.ts';
import {
  assignment,
  brokenResource,
  edsCluster,
  httpListener,
  resourceOf,
  routes,
} from '../../test/fakes/xds-resources.ts';
import { adsSource } from '../api/config/config-source.ts';
import { typeUrlOf } from '../api/resource-compiler.ts';
import { nackText } from './resource-update.ts';

test('listeners are asked for only when the first clusters are complete', () => {
  const { server, sink, client } = setUpXdsClient();
  client.start();
  const asked = () => server.call.takeDelta().map(({ typeUrl }) => typeUrl);
  assert.deepEqual(asked(), [typeUrlOf.cluster]);
  server.call.delta('cluster', [edsCluster('a')]);
  assert.ok(!asked().includes(typeUrlOf.listener));
  server.call.delta('endpoint', [assignment('a', 1)]);
  assert.ok(asked().includes(typeUrlOf.listener));
  server.call.delta('listener', [httpListener('l', 1, 'r')]);
  assert.ok(!client.initialized);
  server.call.delta('route', [routes('r', {})]);
  assert.ok(client.initialized);
  assert.equal(sink.take().at(-1), 'initialized');
});

test('clusters are asked for only when the runtime is there', () => {
  const { server, sink, client } = setUpXdsClient({
    lds: null,
    staticReferences: [
      { kind: 'runtime', name: 'layer', source: adsSource },
      { kind: 'endpoint', name: 'e', source: adsSource },
    ],
  });
  client.start();
  const asked = () => server.call.takeDelta().map(({ typeUrl }) => typeUrl);
  assert.deepEqual(asked(), [typeUrlOf.runtime]);
  server.call.delta('runtime', [resourceOf('runtime', 'layer', { name: 'layer' })]);
  assert.deepEqual(sink.take(), ['runtime layer']);
  const next = asked();
  assert.ok(next.includes(typeUrlOf.cluster) && next.includes(typeUrlOf.endpoint));
  server.call.delta('runtime', [], ['layer']);
  assert.deepEqual(sink.take(), ['-runtime layer']);
});

test('a runtime that does not come keeps nobody waiting for longer than its timeout', () => {
  const { server, timers, client, collect } = setUpXdsClient({
    staticReferences: [{ kind: 'runtime', name: 'layer', source: adsSource }],
  });
  client.start();
  server.call.takeDelta();
  timers.advance(15_000);
  assert.ok(
    server.call
      .takeDelta()
      .map(({ typeUrl }) => typeUrl)
      .includes(typeUrlOf.cluster),
  );
  assert.equal(collect()['runtime.layer.init_fetch_timeout'], 1);
});

test('a config by ECDS is waited for unless its default will do', () => {
  const config = {
    kind: 'extension-config',
    source: adsSource,
    statPrefix: 'http_filter',
  } as const;
  const { server, sink, client, collect } = setUpXdsClient({
    cds: null,
    lds: null,
    staticReferences: [
      { ...config, name: 'awaited' },
      { ...config, name: 'later', isAwaited: false },
    ],
  });
  client.start();
  assert.ok(!client.initialized);
  const resource = (name: string) => resourceOf('extension-config', name, { name });
  server.call.delta('extension-config', [resource('awaited')]);
  assert.deepEqual(sink.take(), ['extension-config awaited', 'initialized']);
  server.call.delta('extension-config', [resource('later')]);
  assert.deepEqual(sink.take(), ['extension-config later']);
  server.call.delta('extension-config', [], ['later']);
  assert.deepEqual(sink.take(), ['-extension-config later']);
  assert.equal(collect()['extension_config_discovery.http_filter.awaited.config_reload'], 1);
});

test('a config by ECDS that nobody refers to any more stays with those who drain', () => {
  const { server, sink, client } = setUpXdsClient({ cds: null, lds: null });
  client.start();
  const config = { kind: 'extension-config', name: 'x', source: adsSource } as const;
  client.ask(config);
  server.call.delta('extension-config', [resourceOf('extension-config', 'x', { name: 'x' })]);
  sink.take();
  client.unask(config);
  assert.deepEqual(sink.take(), ['~extension-config x']);
});

test('a control plane that is away keeps nobody from LIVE: 15 s for CDS, then 15 s for LDS', () => {
  const { timers, sink, client, collect } = setUpXdsClient();
  client.start();
  timers.advance(29_999);
  assert.ok(!client.initialized);
  timers.advance(1);
  assert.ok(client.initialized);
  assert.deepEqual(sink.take(), ['initialized']);
  assert.equal(collect()['cluster_manager.cds.init_fetch_timeout'], 1);
  assert.equal(collect()['listener_manager.lds.init_fetch_timeout'], 1);
});

test('a refused first CDS counts as an answer', () => {
  const { server, client } = setUpXdsClient({ lds: null });
  client.start();
  server.call.delta('cluster', [
    resourceOf('cluster', 'x', { name: 'x', connect_timeout: { seconds: -1, nanos: 0 } }),
  ]);
  assert.ok(client.initialized);
});

test('without dynamic clusters and listeners only static references are asked for', () => {
  const { server, sink, client } = setUpXdsClient({
    cds: null,
    lds: null,
    staticReferences: [
      { kind: 'endpoint', name: 'e', source: adsSource },
      { kind: 'route', name: 'r', source: adsSource },
    ],
  });
  client.start();
  const requests = server.call.takeDelta();
  assert.deepEqual(
    requests.map(({ subscribe }) => subscribe),
    [['e'], ['r']],
  );
  server.call.delta('endpoint', [assignment('e', 1)]);
  assert.ok(!client.initialized);
  server.call.delta('route', [routes('r', {})]);
  assert.deepEqual(sink.take(), ['endpoint e', 'route r', 'initialized']);
});

test('with nothing to fetch the client is initialized at once', () => {
  const { client } = setUpXdsClient({ cds: null, lds: null });
  client.start();
  assert.ok(client.initialized);
});

test('what is in use stays when the stream is lost, and when the server says a name is gone', () => {
  const { server, timers, sink, client } = setUpXdsClient();
  client.start();
  server.call.delta('cluster', [edsCluster('a')]);
  server.call.delta('endpoint', [assignment('a', 1)]);
  sink.take();
  server.call.close();
  timers.advance(60_000);
  assert.deepEqual(
    sink.take().filter((line) => line !== 'initialized'),
    [],
  );
  server.call.delta('endpoint', [], ['a']);
  assert.deepEqual(sink.take(), []);
  const dumped = client.dump().find(({ kind }) => kind === 'endpoint');
  assert.equal(dumped?.status, 'DOES_NOT_EXIST');
  assert.equal(dumped?.version, '');
});

test('the dump shows what is held, in use, waiting and refused', () => {
  const { server, client } = setUpXdsClient();
  client.start();
  server.call.delta('cluster', [
    resourceOf('cluster', 'good', { name: 'good' }),
    edsCluster('warming'),
    resourceOf('cluster', 'x', { name: 'x', connect_timeout: { seconds: -1, nanos: 0 } }),
  ]);
  assert.deepEqual(
    client
      .dump()
      .map(({ name, status, isReleased, version }) => [name, status, isReleased, version !== '']),
    [
      ['good', 'ACKED', true, true],
      ['warming', 'ACKED', false, true],
      ['x', 'NACKED', false, false],
    ],
  );
});

test('what could not be put to use is shown as an error until a good version comes', () => {
  const { server, client } = setUpXdsClient();
  client.start();
  server.call.connect();
  server.call.delta('cluster', [resourceOf('cluster', 'a', { name: 'a' })]);
  client.reportFailure('cluster', 'a', 'address already in use');
  client.reportFailure('cluster', 'unknown', 'is ignored');
  const errors = () => client.dump().map(({ name, error }) => [name, error?.details ?? '']);
  assert.deepEqual(errors(), [['a', 'address already in use']]);
  server.call.delta('cluster', [edsCluster('a')]);
  assert.deepEqual(
    errors().filter(([name]) => name === 'a'),
    [['a', '']],
  );
});

test('stats have the names of Envoy', () => {
  const { server, client, collect } = setUpXdsClient();
  client.start();
  server.call.connect();
  server.call.delta('cluster', [edsCluster('a')]);
  server.call.delta('endpoint', [assignment('a', 1)]);
  server.call.delta('cluster', [
    resourceOf('cluster', 'x', { name: 'x', connect_timeout: { seconds: -1, nanos: 0 } }),
  ]);
  const stats = collect();
  assert.equal(stats['control_plane.connected_state'], 1);
  assert.equal(stats['control_plane.identifier'], 'fake');
  assert.equal(stats['cluster_manager.cds.update_success'], 1);
  assert.equal(stats['cluster_manager.cds.update_rejected'], 1);
  assert.equal(stats['cluster_manager.cds.version_text'], 'sys-d1');
  assert.equal(stats['cluster.a.update_success'], 1);
  server.call.delta('cluster', [], ['a']);
  assert.equal(collect()['cluster.a.update_success'], undefined);
});

test('stats of routes hang below the connection manager, and count what was news', () => {
  const references = [
    { kind: 'route', name: 'a:80', statPrefix: 'in', source: adsSource },
  ] as const;
  const { server, client, collect } = setUpXdsClient({
    protocol: 'GRPC',
    staticReferences: references,
  });
  client.start();
  const prefix = 'http.in.rds.a_80.';
  assert.equal(collect()[`${prefix}update_attempt`], 1);
  assert.equal(collect()[`${prefix}config_reload_time_ms`], 0);
  const table = (name: string) =>
    resourceOf('route', 'a:80', { name: 'a:80', virtual_hosts: [{ name }] });
  server.call.sotw('route', '1', [table('one')]);
  server.call.sotw('route', '2', [table('one')]);
  server.call.sotw('route', '3', [table('two')]);
  server.call.sotw('route', '4', [brokenResource('route')]);
  const stats = collect();
  assert.deepEqual(
    ['update_success', 'update_rejected', 'config_reload', 'version_text'].map(
      (name) => stats[`${prefix}${name}`],
    ),
    [3, 1, 2, '3'],
  );
  assert.notEqual(stats[`${prefix}config_reload_time_ms`], 0);
  client.stop();
});

test('garbage closes the stream, is counted, and touches nothing', () => {
  const { server, timers, sink, client, collect } = setUpXdsClient();
  client.start();
  server.call.delta('cluster', [resourceOf('cluster', 'a', { name: 'a' })]);
  sink.take();
  server.call.message(Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x07]));
  assert.ok(server.calls[0]?.isCancelled);
  assert.equal(collect()['control_plane.malformed_responses'], 1);
  timers.advance(1);
  assert.equal(server.calls.length, 2);
  assert.ok(sink.clusters.has('a'));
  assert.deepEqual(sink.take(), []);
});

test('a resource too broken to have a name counts as rejected for each name that it may have been', () => {
  const { server, client, collect } = setUpXdsClient({ protocol: 'GRPC' });
  client.start();
  server.call.sotw('cluster', '1', [edsCluster('a'), edsCluster('b')]);
  server.call.sotw('endpoint', '1', [assignment('a', 1), brokenResource('endpoint')]);
  const stats = collect();
  assert.equal(stats['cluster.a.update_rejected'], 0);
  assert.equal(stats['cluster.a.update_success'], 1);
  assert.equal(stats['cluster.b.update_rejected'], 1);
  assert.equal(stats['cluster.b.update_success'], 0);
});

test('stop leaves no timer behind', () => {
  const { server, timers, client } = setUpXdsClient();
  client.start();
  server.call.delta('cluster', [edsCluster('a')]);
  client.stop();
  assert.equal(timers.armedCount(), 0);
  assert.equal(server.openChannels, 0);
});

test('a NACK of very many resources is shortened by whole resources', () => {
  const problems = Array.from({ length: 5000 }, (_, i) => `cluster "c${i}": no`);
  const text = nackText(problems);
  assert.ok(text.length <= 17 * 1024);
  const shown = text.match(/cluster/g)?.length ?? 0;
  assert.ok(text.endsWith(`; and ${5000 - shown} more`), text.slice(-40));
});
