import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeClock } from '../../test/fakes/clock.ts';
import type { NodeStatus, TypeStatus } from '../ads/ack-tracker.ts';
import { buildGraph } from '../graph/builder.ts';
import { readDocuments } from '../model/documents.ts';
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
const clock = new FakeClock();

const type = (kind: TypeStatus['kind'], status: TypeStatus['status']): TypeStatus => ({
  kind,
  status,
  sentVersion: 'v',
  syncedVersion: 'v',
  sentAtMs: 0,
  answeredAtMs: 0,
  sinceMs: 0,
  ackedSet: null,
  nack: status === 'NACKED' ? { version: 'v', reason: 'no', atMs: 0, sinceMs: 0 } : null,
});
const node = (isConnected: boolean, protocol: 'sotw' | 'delta'): NodeStatus => ({
  nodeId: 'default/a1',
  snapshotKey: 'default/a1',
  protocol,
  userAgent: 'envoy',
  address: 'x',
  isConnected,
  sinceMs: clock.wallMs() - 5000,
  types: [type('cluster', 'SYNCED'), type('listener', 'NACKED')],
});

describe('proxy status', () => {
  it('lists a node that never came', () => {
    const [status] = proxyStatuses(graph, [{ node: () => null }], clock);
    assert.equal(status?.stream, null);
    assert.equal(status?.address, '[::1]:15006');
    assert.equal(status?.types.CDS.state, 'NOT SENT');
  });

  it('shows what a node answered, with the reason of a NACK', () => {
    const [status] = proxyStatuses(graph, [{ node: () => node(true, 'delta') }], clock);
    assert.deepEqual(status?.stream, { protocol: 'delta', connectedSeconds: 5 });
    assert.deepEqual(status?.types.CDS, { state: 'SYNCED', error: null });
    assert.deepEqual(status?.types.LDS, { state: 'NACKED', error: 'no' });
  });

  it('prefers the port on which the node is connected now', () => {
    const trackers = [{ node: () => node(false, 'sotw') }, { node: () => node(true, 'delta') }];
    assert.equal(proxyStatuses(graph, trackers, clock)[0]?.stream?.protocol, 'delta');
    assert.equal(proxyStatuses(graph, trackers.reverse(), clock)[0]?.stream?.protocol, 'delta');
    assert.deepEqual(proxyStatuses(null, trackers, clock), []);
  });
});
