import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { silentLogger } from '../../common/logger.ts';
import type { IssuedCertificate } from '../ca/authority.ts';
import { SnapshotCache } from '../cache/snapshot-cache.ts';
import { readDocuments } from '../model/documents.ts';
import type { Workload } from '../model/kinds/workload.ts';
import { MemoryStore } from '../store/memory-store.ts';
import { MeshDocuments } from '../store/mesh-documents.ts';
import { SnapshotPublisher } from './publisher.ts';
import { Reconciler } from './reconciler.ts';

const service = (name: string) =>
  `apiVersion: remora.dev/v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {ports: [{port: 80}]}\n---\n`;

const workload = (name: string, of: string): Workload => ({
  apiVersion: 'remora.dev/v1',
  kind: 'Workload',
  metadata: { name, namespace: 'default' },
  spec: { service: of, address: '10.0.0.1', inboundPort: 15006, appPort: 9000 },
});

describe('a reconcile round', () => {
  let documents: MeshDocuments;
  let joined: Workload[];
  let certified: Set<string>;
  let cache: SnapshotCache;
  let reconciler: Reconciler;

  beforeEach(() => {
    documents = new MeshDocuments(new MemoryStore());
    documents.replaceFiles(readDocuments(service('a') + service('b'), 'f').objects, []);
    joined = [];
    certified = new Set(['default/a1', 'default/b1']);
    cache = new SnapshotCache();
    reconciler = new Reconciler({
      grpcProfiles: () => [],
      store: documents.store,
      joined: () => joined,
      certificates: {
        get: (nodeId, spiffeId): IssuedCertificate | null =>
          certified.has(nodeId)
            ? {
                spiffeId,
                certificatePem: `cert ${spiffeId}`,
                privateKeyPem: 'key',
                notBeforeMs: 0,
                notAfterMs: 0,
              }
            : null,
        retain: () => {},
      },
      rootsPem: 'roots',
      sink: new SnapshotPublisher(cache),
      logger: silentLogger(),
    });
  });

  const endpointsOf = (nodeId: string, name: string) =>
    JSON.stringify(reconciler.resourcesOf(nodeId)?.endpoint.get(name)).match(/"address":"[^"]+"/g)
      ?.length ?? 0;

  it('gives each node a consistent snapshot in which every instance is an endpoint', () => {
    joined = [workload('a1', 'a'), workload('b1', 'b')];
    reconciler.run();
    assert.equal(reconciler.lastError, null);
    assert.deepEqual([...cache.keys()], ['default/a1', 'default/b1']);
    assert.equal(endpointsOf('default/a1', 'outbound|80||b.default'), 1);
    assert.equal(reconciler.revision, 1);
  });

  it('shares between nodes what is the same for them', () => {
    joined = [workload('a1', 'a'), workload('b1', 'b')];
    reconciler.run();
    const [a, b] = [cache.get('default/a1'), cache.get('default/b1')];
    assert.equal(a?.set('endpoint'), b?.set('endpoint'));
    assert.equal(a?.set('route'), b?.set('route'));
    assert.notEqual(a?.set('secret'), b?.set('secret'));
  });

  it('leaves out a node whose certificate is not there yet, but not its endpoint', () => {
    certified.delete('default/b1');
    joined = [workload('a1', 'a'), workload('b1', 'b')];
    reconciler.run();
    assert.deepEqual([...cache.keys()], ['default/a1']);
    assert.equal(endpointsOf('default/a1', 'outbound|80||b.default'), 1);
  });

  it('takes back the snapshot of a node that left', () => {
    joined = [workload('a1', 'a')];
    reconciler.run();
    joined = [];
    reconciler.run();
    assert.deepEqual([...cache.keys()], []);
    assert.equal(reconciler.resourcesOf('default/a1'), null);
  });

  it('ignores an instance whose service is gone', () => {
    joined = [workload('a1', 'a'), workload('x1', 'x')];
    reconciler.run();
    assert.equal(reconciler.lastError, null);
    assert.deepEqual([...cache.keys()], ['default/a1']);
  });

  it('gives a node that is written and has joined the identity of what is written', () => {
    const { address, inboundPort, appPort } = workload('', '').spec;
    const written = `apiVersion: remora.dev/v1\nkind: Workload\nmetadata: {name: a1}\nspec: {service: a, address: ${address}, inboundPort: ${inboundPort}, appPort: ${appPort}}\n`;
    const texts = service('a') + service('b') + written;
    documents.replaceFiles(readDocuments(texts, 'f').objects, []);
    joined = [workload('a1', 'b')];
    reconciler.run();
    const secrets = JSON.stringify([...(reconciler.resourcesOf('default/a1')?.secret ?? [])]);
    assert.match(secrets, /sa\/a"/);
    assert.equal(endpointsOf('default/a1', 'outbound|80||b.default'), 0);
  });

  it('changes nothing in the cache when nothing changed', () => {
    joined = [workload('a1', 'a')];
    reconciler.run();
    let notified = 0;
    cache.listen(() => notified++);
    reconciler.run();
    assert.equal(notified, 0);
  });
});
