// Callers stay in their zone while somebody there answers, and go to the next one when nobody does.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { until } from '../fakes/ads-harness.ts';
import { type MeshSidecar, TestMesh } from './mesh.ts';

const documents = `
apiVersion: remora.dev/v1
kind: Service
metadata: {name: caller}
spec: {ports: [{port: 80}]}
---
apiVersion: remora.dev/v1
kind: Service
metadata: {name: stock}
spec: {ports: [{port: 80}]}
`;

const zone = (name: string) => ({
  'topology.kubernetes.io/region': 'eu',
  'topology.kubernetes.io/zone': name,
});

describe('instances in two zones', () => {
  let mesh: TestMesh;
  let caller: MeshSidecar;
  let near: MeshSidecar;

  before(async () => {
    mesh = await TestMesh.start(documents);
    near = await mesh.join('stock', '', 'near', zone('eu-1'));
    await mesh.join('stock', '', 'far', zone('eu-2'));
    caller = await mesh.join('caller', '', 'caller', zone('eu-1'));
    await mesh.synced(3);
  });
  after(() => mesh?.stop());

  function call(): Promise<string> {
    return new Promise((resolve, reject) => {
      const options = { port: caller.outboundPort, headers: { host: 'stock' }, agent: false };
      const request = http.get({ host: '127.0.0.1', ...options }, (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => {
          body += chunk.toString();
        });
        response.on('end', () => resolve(body));
      });
      request.on('error', reject);
    });
  }

  test('calls stay near while somebody is there, and go on to the other zone without a failure', async () => {
    await until(
      'the caller has listeners and both instances',
      async () => (await call()) === 'near',
    );
    const before = await Promise.all(Array.from({ length: 30 }, call));
    assert.deepEqual([...new Set(before)], ['near']);

    near.shutdown();
    await near.finished;
    await until('the other zone takes over', async () => (await call()) === 'far');
    const behind = await Promise.all(Array.from({ length: 30 }, call));
    assert.deepEqual([...new Set(behind)], ['far']);
  });
});
