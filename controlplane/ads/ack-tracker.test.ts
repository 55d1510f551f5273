import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AdsWorld, NODE_ID } from '../../test/fakes/ads-node.ts';
import { assignment, edsCluster } from '../../test/fakes/xds-resources.ts';
import { NodeInspector } from '../status/node-inspector.ts';

const statusOf = (world: AdsWorld) => world.tracker.node(NODE_ID)?.types[0]?.status;

test('a type is NOT_SENT before it is asked for, and STALE until all of the pass is answered', () => {
  const world = new AdsWorld();
  const node = world.delta();
  node.request('listener');
  assert.equal(statusOf(world), 'NOT_SENT');
  world.publish(edsCluster('a'));
  node.take();
  node.request('cluster');
  const first = node.take();
  assert.equal(statusOf(world), 'STALE');
  for (const response of first) node.ack(response);
  for (const response of node.take()) node.ack(response);
  assert.equal(statusOf(world), 'STALE', 'listeners of the same snapshot are not answered');
});

test('a node in sync becomes STALE with a new snapshot and SYNCED with its answer', () => {
  const world = new AdsWorld();
  world.publish(edsCluster('a'));
  const node = world.delta();
  node.request('cluster');
  node.ack(node.take()[0]!);
  assert.equal(statusOf(world), 'SYNCED');
  world.publish(edsCluster('b'));
  assert.equal(statusOf(world), 'STALE');
  node.ack(node.take()[0]!);
  node.ack(node.take()[0]!);
  assert.equal(statusOf(world), 'SYNCED');
});

test('a NACK outlives the stream, until an ACK', () => {
  const world = new AdsWorld();
  world.publish(edsCluster('a'));
  const node = world.delta();
  node.request('cluster');
  node.nack(node.take()[0]!, 'no');
  node.stream.onEnd();
  assert.equal(world.tracker.node(NODE_ID)?.isConnected, false);
  assert.equal(statusOf(world), 'NACKED');
  const again = world.delta();
  again.request('cluster');
  assert.equal(statusOf(world), 'NACKED');
  again.ack(again.take()[0]!);
  assert.equal(statusOf(world), 'SYNCED');
});

test('the end of an older stream does not disconnect the newer one', () => {
  const world = new AdsWorld();
  world.publish(edsCluster('a'));
  const old = world.delta();
  old.request('cluster');
  const fresh = world.delta();
  fresh.request('cluster');
  old.stream.onEnd();
  assert.equal(world.tracker.node(NODE_ID)?.isConnected, true);
});

test('nodes that are gone are forgotten beyond a limit, the oldest first', () => {
  const world = new AdsWorld();
  for (let i = 0; i < 1005; i++) {
    const facts = { nodeId: `node-${i}`, snapshotKey: 'k', userAgent: '', address: '' };
    const record = world.tracker.open({ ...facts, protocol: 'delta' }, world.delta().stream);
    record.closed();
  }
  assert.equal(world.tracker.nodes().length, 1000);
  assert.equal(world.tracker.node('node-0'), null);
  assert.notEqual(world.tracker.node('node-1004'), null);
});

/** The node refuses the new `a`, then takes what `publish` brings. */
function afterNack(publish: (world: AdsWorld) => void) {
  const world = new AdsWorld();
  world.publish(edsCluster('a'), edsCluster('b'));
  const node = world.delta();
  node.request('cluster');
  node.ack(node.take()[0]!);
  world.publish(edsCluster('a', 2000), edsCluster('b'));
  node.nack(node.take()[0]!, 'no');
  assert.equal(statusOf(world), 'NACKED');
  publish(world);
  for (let sent = node.take(); sent.length > 0; sent = node.take()) {
    for (const response of sent) node.ack(response);
  }
  return world;
}

test('the ACK of a removal, or of another resource, does not hide a NACK', () => {
  const removal = afterNack((world) => world.publish(edsCluster('a', 2000)));
  assert.equal(statusOf(removal), 'NACKED');
  const other = afterNack((world) => world.publish(edsCluster('a', 2000), edsCluster('b', 3000)));
  assert.equal(statusOf(other), 'NACKED');
  const inspected = new NodeInspector(other.cache, [other.tracker]).resources(NODE_ID);
  assert.deepEqual(
    inspected.map(({ name, state }) => `${name} ${state}`),
    ['a ERROR', 'b SYNCED'],
  );
});

test('a refusal and a removal in one pass are a NACK', () => {
  const world = new AdsWorld();
  world.publish(edsCluster('a'), edsCluster('b'));
  const node = world.delta();
  node.request('cluster');
  node.ack(node.take()[0]!);
  world.publish(edsCluster('a', 2000));
  node.nack(node.take()[0]!, 'no');
  node.ack(node.take()[0]!);
  assert.equal(statusOf(world), 'NACKED');
});

test('a NACK ends with another version of what was refused, and when that is gone', () => {
  const mended = afterNack((world) => world.publish(edsCluster('a', 3000), edsCluster('b')));
  assert.equal(statusOf(mended), 'SYNCED');
  const gone = afterNack((world) => world.publish(edsCluster('b')));
  assert.equal(statusOf(gone), 'SYNCED');
});

test('in SotW the NACK of endpoints that are gone ends, although nothing is sent', () => {
  const world = new AdsWorld();
  world.publish(assignment('a', 1), assignment('b', 1));
  const node = world.sotw();
  node.request('endpoint', { resourceNames: ['a', 'b'] });
  node.ack(node.take()[0]!, ['a', 'b']);
  world.publish(assignment('a', 2), assignment('b', 1));
  node.nack(node.take()[0]!, 'no', ['a', 'b']);
  const status = () => world.tracker.node(NODE_ID)?.types.find((t) => t.kind === 'endpoint');
  assert.equal(status()?.status, 'NACKED');
  world.publish(assignment('b', 1));
  assert.equal(status()?.status, 'SYNCED');
});
