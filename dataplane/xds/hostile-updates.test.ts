// Rows XD-01 to XD-11 of reliability.md, the sidecar's side, on the real compiler: what a management server may send.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeMessage } from '../../proto/any.ts';
import { adsBootstrapYaml, configInputs } from '../../test/fakes/config.ts';
import { setUpXdsClient } from '../../test/fakes/xds-client-setup.ts';
import {
  assignment,
  edsCluster,
  httpListener,
  resourceOf,
  routes,
} from '../../test/fakes/xds-resources.ts';
import { typeUrlOf } from '../api/resource-compiler.ts';
import { loadBootstrap } from '../config/load-bootstrap.ts';
import { createResourceCompiler } from '../config/resource-compiler.ts';

const bootstrap = loadBootstrap({ ...configInputs(), yaml: adsBootstrapYaml });
assert.ok(bootstrap.ok);
const compiler = createResourceCompiler(bootstrap.value, configInputs());

function setUp() {
  const world = setUpXdsClient({ compiler });
  world.client.start();
  world.server.call.takeDelta();
  const good = resourceOf('cluster', 'good', { name: 'good' });
  world.server.call.delta('cluster', [good]);
  world.server.call.takeDelta();
  world.sink.take();
  /** What the last answer says is wrong; '' = nothing. */
  const refusal = (): string => world.server.call.takeDelta().at(-1)?.errorDetail?.message ?? '';
  return { ...world, refusal };
}

const raw = (name: string, value: Uint8Array, typeUrl = typeUrlOf.cluster) => ({
  name,
  version: '2',
  resource: { typeUrl, value: Buffer.from(value) },
});

test('XD-01: malformed, truncated, oversized and deeply nested resources are refused by name, the old ones serve', () => {
  const { server, sink, refusal } = setUp();
  const good = encodeMessage('envoy.config.cluster.v3.Cluster', { name: 'good' });
  let nested = Buffer.from([0x0a, 0x00]);
  for (let i = 0; i < 10_000 && nested.length < 20_000; i++) {
    nested = Buffer.concat([Buffer.from([0x1a, nested.length & 0x7f]), nested.subarray(0, 127)]);
  }
  for (const [what, bytes] of Object.entries({
    garbage: Buffer.from([0xff, 0xff, 0xff]),
    truncated: Buffer.from(good).subarray(0, good.length - 1),
    huge: Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x07]),
    nested,
  })) {
    server.call.deltaOf('cluster', [raw('good', bytes)]);
    assert.match(refusal(), /^cluster "good": /, what);
    assert.ok(sink.clusters.has('good'), what);
  }
  assert.equal(server.calls.length, 1, 'the stream stays');
});

test('XD-02: a response of an unknown type is refused, and the stream stays', () => {
  const { server, refusal, collect } = setUp();
  server.call.wrappedDelta('type.googleapis.com/no.such.Type', []);
  assert.match(refusal(), /unknown type URL "type.googleapis.com\/no.such.Type"/);
  assert.equal(collect()['control_plane.unknown_types'], 1);
  server.call.deltaOf('cluster', [raw('good', Buffer.alloc(0), 'type.googleapis.com/other')]);
  assert.match(refusal(), /^cluster "good": has type URL "type.googleapis.com\/other"/);
  assert.equal(server.calls.length, 1);
});

test('XD-03: an unknown filter or load balancer inside a good resource is named with its field', () => {
  const { server, refusal } = setUp();
  const any = { type_url: 'type.googleapis.com/no.such.Thing', value: Buffer.alloc(0) };
  const listener = resourceOf('listener', 'l', {
    name: 'l',
    address: { socket_address: { address: '127.0.0.1', port_value: 1 } },
    filter_chains: [{ filters: [{ name: 'f', typed_config: any }] }],
  });
  server.call.delta('listener', [listener]);
  assert.match(
    refusal(),
    /^listener "l": filter_chains\[0\]\.filters\[0\]\.typed_config: .*no\.such\.Thing/,
  );
  const policy = { typed_extension_config: { name: 'p', typed_config: any } };
  server.call.delta('cluster', [
    resourceOf('cluster', 'c', { name: 'c', load_balancing_policy: { policies: [policy] } }),
  ]);
  assert.match(refusal(), /^cluster "c": load_balancing_policy/);
});

test('XD-04: one bad cluster among a hundred good ones: the ninety-nine others are applied', () => {
  const { server, sink, refusal } = setUp();
  const many = Array.from({ length: 99 }, (_, i) =>
    resourceOf('cluster', `c${i}`, { name: `c${i}` }),
  );
  const timeout = { seconds: -1, nanos: 0 };
  const bad = resourceOf('cluster', 'bad', { name: 'bad', connect_timeout: timeout });
  server.call.delta('cluster', [...many, bad]);
  assert.match(refusal(), /^cluster "bad": connect_timeout: [^;]*$/);
  assert.equal(sink.clusters.size, 100);
});

test('XD-05: a name that is in a response twice is refused', () => {
  const { server, sink, refusal } = setUp();
  const twice = resourceOf('cluster', 'c', { name: 'c' });
  server.call.delta('cluster', [twice, twice]);
  assert.match(refusal(), /^cluster "c": is in the response more than once$/);
  assert.ok(!sink.clusters.has('c'));
});

test('XD-07, XD-08: what never comes is waited for until initial_fetch_timeout, and others are not affected', () => {
  const { server, timers, sink } = setUp();
  server.call.delta('cluster', [edsCluster('a'), resourceOf('cluster', 'b', { name: 'b' })]);
  assert.deepEqual([...sink.clusters.keys()], ['good', 'b']);
  timers.advance(15_000);
  assert.ok(sink.clusters.has('a'));
  server.call.delta('listener', [
    httpListener('waits', 1, 'never'),
    httpListener('serves', 2, 'r'),
  ]);
  server.call.delta('route', [routes('r', { '/': 'b' })]);
  assert.deepEqual([...sink.listeners.keys()], ['serves']);
  timers.advance(15_000);
  assert.deepEqual([...sink.listeners.keys()], ['serves', 'waits']);
});

test('XD-11: of a thousand updates the latest is in force, and nothing is kept of those before', () => {
  const { server, timers, sink, client } = setUp();
  server.call.delta('cluster', [edsCluster('a')]);
  const armed = timers.armedCount();
  for (let i = 1; i <= 1000; i++) server.call.delta('endpoint', [assignment('a', i)]);
  const latest = JSON.stringify(sink.endpoints.get('a'));
  assert.match(latest, /"port":1000\b/);
  assert.ok(timers.armedCount() <= armed);
  assert.equal(client.dump().filter(({ kind }) => kind === 'endpoint').length, 1);
});
