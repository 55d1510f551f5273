// The control plane goes away and comes back while its sidecars serve: traffic must not notice.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Load } from './load.ts';
import { type MeshSidecar, TestMesh } from './mesh.ts';

const documents = `
apiVersion: remora.dev/v1
kind: MeshConfig
metadata: {name: mesh}
spec: {trustDomain: a.test}
---
apiVersion: remora.dev/v1
kind: Service
metadata: {name: frontend}
spec: {ports: [{port: 80}]}
---
apiVersion: remora.dev/v1
kind: Service
metadata: {name: orders}
spec: {ports: [{port: 80}], versions: [{name: v1}, {name: v2}]}
`;

const toOrders = (weights: readonly [number, number]) => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata: { name: 'orders' },
  spec: {
    parentRefs: [{ kind: 'Service', group: '', name: 'orders' }],
    rules: [
      {
        backendRefs: weights.map((weight, i) => ({
          group: 'remora.dev',
          kind: 'ServiceVersion',
          name: `orders-v${i + 1}`,
          port: 80,
          weight,
        })),
      },
    ],
  },
});

describe('a restart of the control plane', () => {
  let mesh: TestMesh;
  let frontend: MeshSidecar;
  let load: Load;

  before(async () => {
    mesh = await TestMesh.start(documents);
    await mesh.api.apply(toOrders([1, 0]));
    await mesh.join('orders', 'v1', 'v1');
    await mesh.join('orders', 'v2', 'v2');
    frontend = await mesh.join('frontend', '', 'frontend');
    await mesh.synced(3);
    load = new Load({ port: frontend.outboundPort, host: 'orders' });
  });
  after(async () => {
    await load?.stop();
    await mesh?.stop();
  });

  /** Outbound hosts as /clusters names them. */
  const endpoints = async () => {
    const lines = (await frontend.admin('/clusters')).split('\n');
    const hosts = lines.flatMap((line) => /^(outbound.*)::health_flags::/.exec(line)?.[1] ?? []);
    return hosts.sort();
  };

  /** How often the hosts of each outbound cluster changed. */
  const changes = async () => {
    const stats = (await frontend.admin('/stats?filter=membership_change')).trim().split('\n');
    return stats.filter((line) => line.startsWith('cluster.outbound|80|'));
  };

  for (const turn of ['first', 'second']) {
    test(`is not noticed by any request (${turn} time)`, async () => {
      await load.more(40);
      const before = await endpoints();
      assert.equal(before.length, 5, before.join()); // two of orders, one of each version, one of frontend
      const changesBefore = await changes();
      assert.equal(changesBefore.length, 4, changesBefore.join());
      await mesh.stopControlPlane();
      await frontend.untilStat('control_plane.connected_state', (value) => value === 0);
      load.takeBodies();
      await load.more(100);
      assert.deepEqual(await endpoints(), before, 'away: nothing is lost');
      await mesh.startControlPlane();
      await mesh.synced(3);
      await load.more(40);
      assert.deepEqual(await endpoints(), before, 'back: nothing was emptied');
      assert.deepEqual(await changes(), changesBefore, 'not even for a moment');
      assert.deepEqual(load.takeBodies(), ['v1'], 'what was applied over REST still holds');
      assert.deepEqual(load.failures, []);
    });
  }

  test('leaves a control plane that can change the mesh', async () => {
    await mesh.api.apply(toOrders([0, 1]));
    await mesh.synced(3);
    await load.more(20);
    load.takeBodies();
    await load.more(20);
    assert.deepEqual(load.takeBodies(), ['v2']);
    assert.deepEqual(load.failures, []);
  });
});
