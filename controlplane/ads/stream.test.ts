import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { encodeMessage } from '../../proto/any.ts';
import { AdsWorld, NODE_ID, nodeBytes } from '../../test/fakes/ads-node.ts';
import { assignment, edsCluster, resourceOf } from '../../test/fakes/xds-resources.ts';

test('garbage ends the stream with a reason and a counter', () => {
  const world = new AdsWorld();
  const node = world.delta();
  node.stream.onMessage(Buffer.from([0xff, 0xff, 0xff]));
  assert.equal(node.port.ended?.code, status.INVALID_ARGUMENT);
  assert.match(node.port.ended?.details ?? '', /malformed request/);
  assert.equal(world.stats.badRequestsTotal, 1);
  assert.equal(world.stats.streamsActive, 0);
  assert.equal(world.timers.armedCount(), 0);
});

test('a first request without node, or without type, ends the stream', () => {
  const world = new AdsWorld();
  const nobody = world.sotw();
  nobody.request('cluster', { node: null });
  assert.match(nobody.port.ended?.details ?? '', /must carry node/);
  const typeless = world.sotw();
  typeless.request('cluster', { typeUrl: '' });
  assert.match(typeless.port.ended?.details ?? '', /type_url/);
});

test('the authenticator decides who it is; what later requests say is not looked at', () => {
  const world = new AdsWorld({
    authenticate: () => ({ ok: true, snapshotKey: NODE_ID, nodeId: 'authenticated' }),
  });
  world.publish(edsCluster('a'));
  const node = world.delta();
  node.request('cluster');
  assert.equal(node.take()[0]?.resources.length, 1);
  const other = encodeMessage('envoy.config.core.v3.Node', { id: 'somebody-else' });
  node.request('listener', { node: other });
  assert.equal(world.tracker.nodes().length, 1);
  assert.equal(world.tracker.nodes()[0]?.nodeId, 'authenticated');
});

test('a refused peer gets PERMISSION_DENIED with the reason, and no resource', () => {
  const world = new AdsWorld({ authenticate: () => ({ ok: false, reason: 'not your node' }) });
  world.publish(edsCluster('a'));
  const node = world.delta();
  node.request('cluster');
  assert.deepEqual(node.port.ended, { code: status.PERMISSION_DENIED, details: 'not your node' });
  assert.deepEqual(node.take(), []);
  assert.equal(world.stats.refusedTotal, 1);
});

test('a node whose snapshot is not there yet waits, and is answered when it comes (go-control-plane #119)', () => {
  const world = new AdsWorld();
  const node = world.delta();
  node.request('endpoint', { subscribe: ['a'] });
  node.request('cluster');
  assert.deepEqual(node.take(), []);
  world.publish(edsCluster('a'), assignment('a', 1));
  assert.equal(node.take().length, 2);
});

test('a cleared snapshot takes nothing away', () => {
  const world = new AdsWorld();
  world.publish(edsCluster('a'));
  const node = world.delta();
  node.request('cluster');
  node.ack(node.take()[0]!);
  world.cache.clear(NODE_ID);
  node.pump();
  assert.deepEqual(node.take(), []);
});

test('while gRPC pushes back nothing is written and nothing read (go-control-plane #503)', () => {
  const world = new AdsWorld();
  world.publish(edsCluster('a'), assignment('a', 1));
  const node = world.delta();
  node.port.takes = false;
  node.request('cluster');
  node.request('endpoint', { subscribe: ['a'] });
  assert.equal(node.take().length, 1);
  assert.ok(node.port.isPaused);
  node.port.takes = true;
  node.stream.onDrain();
  assert.ok(!node.port.isPaused);
  assert.equal(node.take().length, 1);
});

test('a stream that does not answer is cut off, one that does is not', () => {
  const world = new AdsWorld({ answerTimeoutMs: 1000 });
  world.publish(edsCluster('a'));
  const good = world.delta();
  const slow = world.delta();
  for (const node of [good, slow]) node.request('cluster');
  world.timers.advance(900);
  good.ack(good.take()[0]!);
  world.timers.advance(900);
  assert.equal(good.port.ended, null);
  assert.equal(slow.port.ended?.code, status.DEADLINE_EXCEEDED);
  assert.match(slow.port.ended?.details ?? '', /no answer to cluster within 1000 ms/);
  assert.equal(world.stats.slowStreamsTotal, 1);
});

test('a stream that says nothing is cut off', () => {
  const world = new AdsWorld({ helloTimeoutMs: 1000 });
  const node = world.delta();
  world.timers.advance(1000);
  assert.equal(node.port.ended?.code, status.DEADLINE_EXCEEDED);
});

test('names have a limit', () => {
  const world = new AdsWorld({ maxNames: 10 });
  world.publish();
  const node = world.delta();
  const names = Array.from({ length: 11 }, (_, i) => `n${i}`);
  node.request('endpoint', { subscribe: names.slice(0, 10) });
  assert.equal(world.stats.streamsActive, 1);
  node.request('endpoint', { subscribe: names.slice(10) });
  assert.equal(node.port.ended?.code, status.RESOURCE_EXHAUSTED);
});

test('a response over the limit is not sent, and says how large it is', () => {
  const world = new AdsWorld({ maxResponseBytes: 1000 });
  world.publish(resourceOf('cluster', 'a', { name: 'a', alt_stat_name: 'x'.repeat(2000) }));
  const node = world.sotw();
  node.request('cluster');
  assert.deepEqual(node.take(), []);
  assert.match(node.port.ended?.details ?? '', /cluster response has \d+ bytes/);
});

test('one hostile stream does not touch another', () => {
  const world = new AdsWorld();
  world.publish(edsCluster('a'));
  const good = world.delta();
  good.request('cluster');
  const bad = world.delta();
  bad.stream.onMessage(Buffer.concat([Buffer.from([0x0a, 0x7f]), Buffer.from(nodeBytes)]));
  assert.notEqual(bad.port.ended, null);
  good.ack(good.take()[0]!);
  world.publish(edsCluster('a', 2000));
  assert.equal(good.take().length, 1);
});
