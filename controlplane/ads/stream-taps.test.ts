import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AdsWorld, NODE_ID } from '../../test/fakes/ads-node.ts';
import { assignment, edsCluster } from '../../test/fakes/xds-resources.ts';
import type { StreamEvent } from './stream-taps.ts';

test('a listener sees requests, responses and the end of a node’s streams, and nothing after it stopped', () => {
  const world = new AdsWorld();
  world.publish(edsCluster('a'));
  const seen: StreamEvent[] = [];
  const stop = world.taps.listen(NODE_ID, (event) => seen.push(event));
  world.taps.listen('somebody else', () => assert.fail('events of another node'));
  const node = world.delta();
  node.request('cluster');
  node.nack(node.take()[0]!, 'no');
  node.stream.onEnd();
  assert.deepEqual(
    seen.map((event) => (event.kind === 'request' ? event.meaning : event.kind)),
    ['opened', 'subscription', 'response', 'nack', 'closed'],
  );
  const response = seen[2];
  assert.ok(response?.kind === 'response' && response.bytes > 0);
  assert.deepEqual(
    response.resources.map(({ name }) => name),
    ['a'],
  );
  stop();
  assert.equal(world.taps.of(NODE_ID), null);
  world.delta().request('cluster');
  assert.equal(seen.length, 5);
});

test('a stream knows which names it was asked for and has not, and since when', () => {
  const world = new AdsWorld();
  world.publish(edsCluster('a'));
  const node = world.delta();
  node.request('endpoint', { subscribe: ['a', 'b'] });
  const since = world.timers.clock.wallMs();
  const view = () => [...(world.tracker.view(NODE_ID)?.missing('endpoint') ?? [])];
  assert.deepEqual(view(), [
    ['a', since],
    ['b', since],
  ]);
  world.timers.advance(5000);
  world.publish(edsCluster('a'), assignment('a'));
  for (const response of node.take()) node.ack(response);
  for (const response of node.take()) node.ack(response);
  assert.deepEqual(view(), [['b', since]]);
  node.request('endpoint', { unsubscribe: ['b'] });
  assert.deepEqual(view(), []);
});
