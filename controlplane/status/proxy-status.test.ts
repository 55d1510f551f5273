import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AdsWorld, NODE_ID } from '../../test/fakes/ads-node.ts';
import { assignment, edsCluster } from '../../test/fakes/xds-resources.ts';
import { buildGraph } from '../graph/builder.ts';
import { readDocuments } from '../model/documents.ts';
import { NodeInspector } from './node-inspector.ts';
import { proxyStatuses } from './proxy-status.ts';

const text = `
apiVersion: remora.dev/v1
kind: Service
metadata: {name: a}
spec: {ports: [{port: 80}]}
---
apiVersion: remora.dev/v1
kind: Workload
metadata: {name: a1}
spec: {service: a, address: "::1", inboundPort: 15006, appPort: 9000}
`;
const graph = buildGraph(
  readDocuments(text, 'f').objects.map(({ object }) => object),
  [],
);

function statusesOf(world: AdsWorld) {
  return proxyStatuses(null, new NodeInspector(world.cache, [world.tracker]), world.timers.clock);
}

describe('proxy status', () => {
  it('lists a node that never came', () => {
    const { cache, tracker, timers } = new AdsWorld();
    const [status] = proxyStatuses(graph, new NodeInspector(cache, [tracker]), timers.clock);
    assert.equal(status?.node, 'default/a1');
    assert.equal(status.stream, null);
    assert.equal(status.address, '[::1]:15006');
    assert.deepEqual(status.types['CDS'], {
      ...{ state: 'NOT_SENT', since: null, sentVersion: '', acceptedVersion: '', error: null },
    });
    assert.deepEqual(status.waits, []);
  });

  it('lists a connected client that is no instance of the mesh, and not one that went', () => {
    const world = new AdsWorld();
    const node = world.delta();
    node.request('cluster');
    world.timers.advance(5000);
    const [status] = statusesOf(world);
    assert.equal(status?.node, NODE_ID);
    assert.deepEqual(status.stream, { protocol: 'delta', connectedSeconds: 5 });
    assert.equal(status.client, 'envoy');
    node.stream.onEnd();
    assert.deepEqual(statusesOf(world), []);
  });

  it('shows what a node refused, since when, and what it still runs', () => {
    const world = new AdsWorld();
    world.publish(edsCluster('a'));
    const node = world.delta();
    node.request('cluster');
    node.ack(node.take()[0]!);
    const accepted = world.cache.get(NODE_ID)!.versionOf('cluster');
    world.publish(edsCluster('b'));
    const since = new Date(world.timers.clock.wallMs()).toISOString();
    node.nack(node.take()[0]!, 'b: no');
    world.timers.advance(1000);
    const [status] = statusesOf(world);
    const cds = status?.types['CDS'];
    assert.deepEqual([cds?.state, cds?.error, cds?.since], ['NACKED', 'b: no', since]);
    assert.equal(cds?.acceptedVersion, accepted);
    assert.equal(cds?.sentVersion, world.cache.get(NODE_ID)!.versionOf('cluster'));
  });

  it('says which resource a node waits for, and which answer it owes, since when', () => {
    const world = new AdsWorld();
    world.publish(edsCluster('a'), assignment('a'));
    const node = world.delta();
    node.request('cluster');
    world.timers.advance(3000);
    node.request('endpoint', { subscribe: ['a', 'nowhere'] });
    world.timers.advance(12_000);
    const seconds = Object.fromEntries(
      statusesOf(world)[0]!.waits.map((wait) => [
        `${wait.type} ${wait.name} ${wait.reason}`,
        wait.seconds,
      ]),
    );
    assert.deepEqual(seconds, {
      'CDS a unanswered': 15,
      'EDS nowhere missing': 12,
      'EDS a unanswered': 12,
    });
  });

  it('prefers the port on which the node is connected now', () => {
    const [old, now] = [new AdsWorld(), new AdsWorld()];
    old.sotw().request('cluster');
    const gone = now.delta();
    gone.request('cluster');
    gone.stream.onEnd();
    for (const trackers of [
      [old.tracker, now.tracker],
      [now.tracker, old.tracker],
    ]) {
      const inspector = new NodeInspector(old.cache, trackers);
      const [status] = proxyStatuses(null, inspector, old.timers.clock);
      assert.equal(status?.stream?.protocol, 'sotw');
    }
  });
});
