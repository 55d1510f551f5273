import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AdsWorld, type DeltaNode, gist, NODE_ID } from '../../test/fakes/ads-node.ts';
import {
  assignment,
  edsCluster,
  httpListener,
  resourceOf,
  routes,
} from '../../test/fakes/xds-resources.ts';

function only(node: DeltaNode) {
  const responses = node.take();
  assert.equal(responses.length, 1, `responses: ${responses.map(gist)}`);
  return responses[0]!;
}

/** Answers everything until there is silence; the gists in order. */
function drain(node: DeltaNode): string[] {
  const gists: string[] = [];
  for (let round = 0; round < 100; round++) {
    const responses = node.take();
    if (responses.length === 0) return gists;
    for (const response of responses) {
      gists.push(gist(response));
      node.ack(response);
    }
  }
  throw new Error(`a loop: ${gists.slice(0, 10)}`);
}

test('the first request without names is answered with all, with identifier and versions (envoy #14891)', () => {
  const world = new AdsWorld();
  world.publish(edsCluster('a'));
  const node = world.delta();
  node.request('cluster');
  const response = only(node);
  assert.equal(response.controlPlane, 'cp-1');
  assert.equal(response.resources[0]?.version, edsCluster('a').version);
  node.ack(response);
  assert.deepEqual(node.take(), []);
});

test('an empty wildcard is answered once, so that the client need not wait', () => {
  const world = new AdsWorld();
  world.publish();
  const node = world.delta();
  node.request('cluster');
  assert.deepEqual(drain(node), ['cluster']);
});

test('a name that does not exist is refused at once, and pushed when it appears', () => {
  const world = new AdsWorld();
  world.publish();
  const node = world.delta();
  node.request('endpoint', { subscribe: ['a'] });
  assert.deepEqual(drain(node), ['endpoint -a']);
  world.publish(assignment('a', 1));
  assert.deepEqual(drain(node), ['endpoint +a']);
  world.publish();
  assert.deepEqual(drain(node), ['endpoint -a']);
  world.publish(assignment('a', 1));
  assert.deepEqual(drain(node), ['endpoint +a'], 'the subscription outlives the removal');
});

test('initial_resource_versions: only what differs is sent, and what is gone is removed', () => {
  const world = new AdsWorld();
  world.publish(edsCluster('same'), edsCluster('changed', 2000), edsCluster('new'));
  const node = world.delta();
  node.request('cluster', {
    initialResourceVersions: new Map([
      ['same', edsCluster('same').version],
      ['changed', edsCluster('changed', 1000).version],
      ['gone', 'x'],
    ]),
  });
  assert.deepEqual(drain(node), ['cluster +changed +new', 'cluster -gone']);
});

test('coming back with equal versions of named resources brings nothing', () => {
  const world = new AdsWorld();
  world.publish(assignment('a', 1));
  const node = world.delta();
  node.request('endpoint', {
    subscribe: ['a'],
    initialResourceVersions: new Map([['a', assignment('a', 1).version]]),
  });
  assert.deepEqual(node.take(), []);
  assert.equal(world.tracker.node(NODE_ID)?.types[1]?.status, 'SYNCED');
});

test('subscribing to a name again makes the server send it again', () => {
  const world = new AdsWorld();
  world.publish(assignment('a', 1));
  const node = world.delta();
  node.request('endpoint', { subscribe: ['a'] });
  assert.deepEqual(drain(node), ['endpoint +a']);
  node.request('endpoint', { subscribe: ['a'] });
  assert.deepEqual(drain(node), ['endpoint +a']);
});

test('subscription changes count even with a stale nonce', () => {
  const world = new AdsWorld();
  world.publish(assignment('a', 1), assignment('b', 1));
  const node = world.delta();
  node.request('endpoint', { subscribe: ['a'] });
  drain(node);
  node.request('endpoint', { subscribe: ['b'], responseNonce: 'from another time' });
  assert.equal(world.stats.staleNonceTotal, 1);
  assert.deepEqual(drain(node), ['endpoint +b']);
});

test('unsubscribing a name that the wildcard covers is answered with the resource, or that it is gone', () => {
  const world = new AdsWorld();
  world.publish(edsCluster('a'));
  const node = world.delta();
  node.request('cluster', { subscribe: ['*', 'a', 'missing'] });
  assert.deepEqual(drain(node), ['cluster +a -missing']);
  node.request('cluster', { unsubscribe: ['a', 'missing'] });
  assert.deepEqual(drain(node), ['cluster +a -missing']);
});

test('after unsubscribing * only the named ones are sent (go-control-plane #559)', () => {
  const world = new AdsWorld();
  world.publish(edsCluster('a'), edsCluster('b'));
  const node = world.delta();
  node.request('cluster');
  node.request('cluster', { subscribe: ['a'], unsubscribe: ['*'] });
  drain(node);
  world.publish(edsCluster('a', 2000), edsCluster('b', 2000));
  assert.deepEqual(drain(node), ['cluster +a']);
  node.request('cluster', { subscribe: ['*'] });
  assert.deepEqual(drain(node), ['cluster +b']);
});

test('order: clusters, endpoints, listeners, routes, and removals last, users first (go-control-plane #59)', () => {
  const world = new AdsWorld();
  world.publish(
    edsCluster('a'),
    assignment('a', 1),
    routes('r', { '/': 'a' }),
    httpListener('l', 1, 'r'),
  );
  const node = world.delta();
  node.request('cluster');
  node.request('endpoint', { subscribe: ['a', 'b'] });
  node.request('listener');
  node.request('route', { subscribe: ['r', 's'] });
  drain(node);
  world.publish(
    edsCluster('b'),
    assignment('b', 1),
    routes('s', { '/': 'b' }),
    httpListener('m', 1, 's'),
  );
  assert.deepEqual(drain(node), [
    'cluster +b',
    'endpoint +b',
    'listener +m',
    'route +s',
    'listener -l',
    'route -r',
    'cluster -a',
    'endpoint -a',
  ]);
});

test('listeners and routes wait until clusters and endpoints were answered for', () => {
  const world = new AdsWorld();
  const listener = httpListener('l', 1, 'r');
  world.publish(edsCluster('a'), assignment('a', 1), routes('r', { '/': 'a' }), listener);
  const node = world.delta();
  node.request('cluster');
  node.request('listener');
  node.request('route', { subscribe: ['r'] });
  const clusters = only(node);
  node.request('endpoint', { subscribe: ['a'] });
  const endpoints = only(node);
  node.ack(clusters);
  assert.deepEqual(node.take(), []);
  node.nack(endpoints, 'no');
  assert.deepEqual(node.take().map(gist), ['listener +l', 'route +r'], 'a NACK is an answer');
});

test('a new snapshot in the middle of a pass waits until the pass is over', () => {
  const world = new AdsWorld();
  world.publish(edsCluster('a'), routes('r', { '/': 'a' }));
  const node = world.delta();
  node.request('cluster');
  node.request('route', { subscribe: ['r'] });
  drain(node);
  world.publish(edsCluster('a'), edsCluster('b'), routes('r', { '/': 'b' }));
  const first = only(node);
  assert.equal(gist(first), 'cluster +b');
  world.publish(edsCluster('a'), edsCluster('c'), routes('r', { '/': 'c' }));
  node.ack(first);
  assert.deepEqual(drain(node), ['route +r', 'cluster +c', 'route +r', 'cluster -b']);
});

test('a NACK is not answered with the same again, and a later good version clears it', () => {
  const world = new AdsWorld();
  world.publish(edsCluster('a'), edsCluster('b'));
  const node = world.delta();
  node.request('cluster');
  node.nack(only(node), 'cluster a: connect_timeout: no');
  node.pump();
  assert.deepEqual(node.take(), []);
  assert.equal(world.stats.nacksTotal.of('cluster'), 1);
  world.publish(edsCluster('a', 2000), edsCluster('b'));
  assert.deepEqual(drain(node), ['cluster +a']);
  assert.equal(world.tracker.node(NODE_ID)?.types[0]?.nack, null);
});

test('endpoints follow their cluster when it is sent again (envoy #5933)', () => {
  const world = new AdsWorld();
  world.publish(edsCluster('a'), assignment('a', 1));
  const node = world.delta();
  node.request('cluster');
  node.request('endpoint', { subscribe: ['a'] });
  drain(node);
  world.publish(edsCluster('a', 2000), assignment('a', 1));
  assert.deepEqual(drain(node), ['cluster +a', 'endpoint +a']);
});

test('what does not fit into one response comes in the next', () => {
  const world = new AdsWorld({ maxResponseBytes: 4 << 20 });
  const big = (name: string) =>
    resourceOf('cluster', name, { name, alt_stat_name: 'x'.repeat(900_000) });
  world.publish(big('a'), big('b'), big('c'), big('d'), big('e'));
  const node = world.delta();
  node.request('cluster');
  assert.deepEqual(drain(node), ['cluster +a +b', 'cluster +c +d', 'cluster +e']);
});

test('names of a type that we do not serve are refused at once', () => {
  const world = new AdsWorld();
  world.publish();
  const node = world.delta();
  const typeUrl = 'type.googleapis.com/example.Nobody';
  node.request('cluster', { typeUrl, subscribe: ['x'] });
  assert.deepEqual(only(node).removedResources, ['x']);
  assert.equal(world.stats.unknownTypeTotal, 1);
});
