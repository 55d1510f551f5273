import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AdsWorld, kindWord, NODE_ID, type SotwNode } from '../../test/fakes/ads-node.ts';
import { apiListener, assignment, edsCluster, routes } from '../../test/fakes/xds-resources.ts';
import { versionOf } from '../cache/snapshot.ts';

/** Takes the only response there is. */
function only(node: SotwNode) {
  const responses = node.take();
  assert.equal(responses.length, 1, `responses: ${responses.map((r) => kindWord(r.typeUrl))}`);
  return responses[0]!;
}

test('a wildcard request is answered with all, an ACK with nothing', () => {
  const world = new AdsWorld();
  world.publish(edsCluster('a'), edsCluster('b'));
  const node = world.sotw();
  node.request('cluster');
  const response = only(node);
  assert.equal(response.resources.length, 2);
  assert.equal(response.controlPlane, 'cp-1');
  node.ack(response);
  assert.deepEqual(node.take(), []);
});

test('an empty CDS is answered too: the client waits for it', () => {
  const world = new AdsWorld();
  world.publish();
  const node = world.sotw();
  node.request('cluster');
  const response = only(node);
  assert.deepEqual(response.resources, []);
  node.ack(response);
  assert.deepEqual(node.take(), []);
});

test('newly added names are answered even if the version is unchanged (go-control-plane #399)', () => {
  const world = new AdsWorld();
  world.publish(assignment('a', 1), assignment('b', 2));
  const node = world.sotw();
  node.request('endpoint', { resourceNames: ['a'] });
  const first = only(node);
  node.ack(first, ['a', 'b']);
  const second = only(node);
  assert.equal(second.resources.length, 1, 'EDS may be partial');
  node.ack(second, ['a', 'b']);
  node.ack(second, ['a']);
  assert.deepEqual(node.take(), [], 'removing names needs no answer');
  node.request('endpoint', {
    responseNonce: second.nonce,
    versionInfo: second.versionInfo,
    resourceNames: ['a', 'b'],
  });
  assert.equal(only(node).resources.length, 1, 'asked for again after it was given up');
});

test('a subset of names is answered at once (go-control-plane #426, grpc-go #5131)', () => {
  const world = new AdsWorld();
  world.publish(assignment('a', 1), assignment('b', 2), routes('r', {}), routes('s', {}));
  const node = world.sotw();
  node.request('endpoint', { resourceNames: ['b'] });
  node.request('route', { resourceNames: ['nope', 's'] });
  const [endpoints, tables] = node.take();
  assert.equal(endpoints?.resources.length, 1);
  assert.equal(tables, undefined, 'routes wait for endpoints of the same stream');
  node.ack(endpoints!, ['b']);
  assert.equal(only(node).resources.length, 1);
});

test('only changed resources of a partial type are sent (go-control-plane #1356)', () => {
  const world = new AdsWorld();
  world.publish(assignment('a', 1), assignment('b', 2));
  const node = world.sotw();
  node.request('endpoint', { resourceNames: ['a', 'b'] });
  node.ack(only(node), ['a', 'b']);
  world.publish(assignment('a', 1), assignment('b', 3));
  assert.equal(only(node).resources.length, 1);
});

test('LDS and CDS are sent whole, and a removal only after everything else', () => {
  const world = new AdsWorld();
  world.publish(edsCluster('a'), edsCluster('b'));
  const node = world.sotw();
  node.request('cluster');
  node.ack(only(node));
  world.publish(edsCluster('b'), edsCluster('c'));
  const union = only(node);
  assert.equal(union.resources.length, 3, 'a is still there');
  node.ack(union);
  const final = only(node);
  assert.equal(final.resources.length, 2);
  assert.notEqual(final.versionInfo, union.versionInfo);
  node.ack(final);
  assert.deepEqual(node.take(), []);
});

test('a name that was left and wanted again before our response came is sent again', () => {
  const world = new AdsWorld();
  world.publish(assignment('a', 1), assignment('b', 1));
  const node = world.sotw();
  node.request('endpoint', { resourceNames: ['a', 'b'] });
  const first = only(node);
  node.ack(first, ['a', 'b']);
  world.publish(assignment('a', 2), assignment('b', 1));
  const [second] = node.take();
  assert.ok(second !== undefined);
  // Both with the nonce of the first response: the second is still on its way to the client.
  node.ack(first, ['a']);
  node.ack(first, ['a', 'b']);
  assert.deepEqual(node.take(), [], 'nothing is sent for a stale nonce');
  node.ack(second, ['a', 'b']);
  assert.equal(only(node).resources.length, 1, 'b, which the client has dropped');
});

test('a stale nonce is ignored', () => {
  const world = new AdsWorld();
  world.publish(assignment('a', 1), assignment('b', 1));
  const node = world.sotw();
  node.request('endpoint', { resourceNames: ['a'] });
  const first = only(node);
  node.ack(first, ['a']);
  world.publish(assignment('a', 2), assignment('b', 1));
  const second = only(node);
  node.ack(first, ['a', 'b']);
  assert.deepEqual(node.take(), []);
  assert.equal(world.stats.staleNonceTotal, 1);
  node.ack(second, ['a', 'b']);
  assert.equal(only(node).resources.length, 1, 'its ACK repeats what is wanted');
});

test('changes coalesce while a response is under way: one outstanding per type', () => {
  const world = new AdsWorld();
  world.publish(assignment('a', 1));
  const node = world.sotw();
  node.request('endpoint', { resourceNames: ['a'] });
  const first = only(node);
  for (let port = 2; port < 50; port++) world.publish(assignment('a', port));
  assert.deepEqual(node.take(), []);
  node.ack(first, ['a']);
  const second = only(node);
  node.ack(second, ['a']);
  assert.deepEqual(node.take(), [], 'only the newest was sent');
  assert.equal(world.stats.responsesTotal.of('endpoint'), 2);
});

test('a NACKed version is not sent again until the content changes (envoy #10046)', () => {
  const world = new AdsWorld();
  world.publish(edsCluster('a'));
  const node = world.sotw();
  node.request('cluster');
  const response = only(node);
  node.nack(response, 'cluster a: no');
  assert.deepEqual(node.take(), []);
  node.pump();
  world.publish(edsCluster('a'));
  assert.deepEqual(node.take(), []);
  const status = world.tracker.node(NODE_ID)?.types[0];
  assert.equal(status?.status, 'NACKED');
  assert.equal(status?.nack?.reason, 'cluster a: no');
  world.publish(edsCluster('a', 2000));
  node.ack(only(node));
  assert.equal(world.tracker.node(NODE_ID)?.types[0]?.status, 'SYNCED');
});

test('a rollback after a NACK is delivered, though its version was ACKed before (go-control-plane #564)', () => {
  const world = new AdsWorld();
  world.publish(edsCluster('a', 1000));
  const node = world.sotw();
  node.request('cluster');
  const good = only(node);
  node.ack(good);
  world.publish(edsCluster('a', 2000));
  node.nack(only(node), 'no');
  world.publish(edsCluster('a', 1000));
  const again = only(node);
  assert.equal(again.versionInfo, good.versionInfo);
  node.ack(again);
  assert.equal(world.tracker.node(NODE_ID)?.types[0]?.status, 'SYNCED');
});

test('a client that comes back with the current version is sent nothing (contour #6250)', () => {
  const world = new AdsWorld();
  world.publish(edsCluster('a'), assignment('a', 1), assignment('b', 1));
  const node = world.sotw();
  const cluster = versionOf([edsCluster('a')]);
  const endpoints = versionOf([assignment('a', 1)]);
  node.request('cluster', { versionInfo: cluster });
  node.request('endpoint', { versionInfo: endpoints, resourceNames: ['a'] });
  assert.deepEqual(node.take(), []);
  assert.equal(world.tracker.node(NODE_ID)?.types[0]?.status, 'SYNCED');
});

test('a client that refused something is not believed its version when it comes back', () => {
  const world = new AdsWorld();
  world.publish(edsCluster('a'));
  const node = world.sotw();
  node.request('cluster');
  const good = only(node);
  node.ack(good);
  world.publish(edsCluster('b'));
  node.nack(only(node), 'no b; a is gone all the same');
  node.stream.onEnd();
  world.publish(edsCluster('a'));
  const again = world.sotw();
  again.request('cluster', { versionInfo: good.versionInfo });
  assert.equal(only(again).resources.length, 1);
});

test('a client that comes back with that version but more names is sent everything', () => {
  const world = new AdsWorld();
  world.publish(assignment('a', 1), assignment('b', 1));
  const node = world.sotw();
  const versionInfo = versionOf([assignment('a', 1)]);
  node.request('endpoint', { versionInfo, resourceNames: ['a', 'b'] });
  assert.equal(only(node).resources.length, 2);
});

test('endpoints follow a changed cluster, although they did not change', () => {
  const world = new AdsWorld();
  world.publish(edsCluster('a'), assignment('a', 1), edsCluster('b'), assignment('b', 1));
  const node = world.sotw();
  node.request('cluster');
  node.ack(only(node));
  node.request('endpoint', { resourceNames: ['a', 'b'] });
  node.ack(only(node), ['a', 'b']);
  world.publish(edsCluster('a', 3000), assignment('a', 1), edsCluster('b'), assignment('b', 1));
  const [clusters, endpoints] = node.take();
  assert.equal(kindWord(clusters!.typeUrl), 'cluster');
  assert.equal(kindWord(endpoints!.typeUrl), 'endpoint');
});

test('endpoints do not wait for the ACK of clusters: Envoy gives it only when they are warm', () => {
  const world = new AdsWorld();
  world.publish(edsCluster('a'), assignment('a', 1));
  const node = world.sotw();
  node.request('cluster');
  only(node);
  node.request('endpoint', { resourceNames: ['a'] });
  assert.equal(kindWord(only(node).typeUrl), 'endpoint');
});

test('the same request for endpoints again is answered after a cluster was sent, not else', () => {
  const world = new AdsWorld();
  world.publish(edsCluster('a'), assignment('a', 1));
  const node = world.sotw();
  node.request('endpoint', { resourceNames: ['a'] });
  const endpoints = only(node);
  node.ack(endpoints, ['a']);
  node.ack(endpoints, ['a']);
  assert.deepEqual(node.take(), [], 'no loop');
  node.request('cluster');
  const [clusters, followed] = node.take();
  node.ack(followed!, ['a']);
  node.ack(clusters!);
  node.ack(followed!, ['a']);
  assert.deepEqual(node.take(), []);
});

test('names of LDS and CDS are served as a subset (proxyless gRPC), and a missing one is absent', () => {
  const world = new AdsWorld();
  world.publish(apiListener('x', 'r'), apiListener('y', 'r'));
  const node = world.sotw();
  node.request('listener', { resourceNames: ['x', 'z'] });
  const response = only(node);
  assert.equal(response.resources.length, 1);
  node.ack(response, ['x', 'z']);
  world.publish(apiListener('x', 'r'), apiListener('y', 'other'));
  assert.deepEqual(node.take(), [], 'y is not wanted');
  world.publish(apiListener('x', 'r'), apiListener('z', 'r'));
  assert.equal(only(node).resources.length, 2);
});
