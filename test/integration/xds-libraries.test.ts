// The two libraries as their users see them: the example's control plane in a process of its own drives our sidecar;
// the client asks a server of the library. (A real Envoy on the example: test/interop/xds-library.test.ts.)

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { silentLogger } from '../../common/logger.ts';
import {
  resource,
  resourceFromJson,
  resourceOfOtherType,
  startXdsServer,
  type XdsServer,
} from '../../controlplane/xds-server.ts';
import { type ReceivedResource, XdsClient } from '../../dataplane/xds-client.ts';
import { until } from '../fakes/until.ts';
import { startExampleControlPlane } from './example-control-plane.ts';
import { startSidecar } from './sidecar.ts';

const logger = silentLogger();
const cluster = (name: string, seconds = 1) =>
  resource('cluster', { name, connect_timeout: { seconds, nanos: 0 } });

for (const protocol of ['delta', 'sotw'] as const) {
  describe(`client and server of the libraries, ${protocol}`, () => {
    let server: XdsServer;
    let client: XdsClient;
    const updates: string[] = [];

    before(async () => {
      server = await startXdsServer({ port: 0, groupOf: (node) => node.cluster, logger });
      client = new XdsClient({
        target: `127.0.0.1:${server.port}`,
        node: { id: 'n', cluster: 'web' },
        protocol,
        logger,
        baseBackoffMs: 10,
        maxBackoffMs: 20,
      });
      server.set('web', [cluster('a'), cluster('b', 99), cluster('c')]);
      client.watch('cluster', {
        check: ({ message }) => ((message.connect_timeout?.seconds ?? 0) > 60 ? 'too long' : null),
        onUpdate: ({ name, message }) =>
          updates.push(`+${name} ${message.connect_timeout?.seconds}`),
        onRemoved: (name) => updates.push(`-${name}`),
      });
      client.start();
    });
    after(() => {
      client.stop();
      server.close();
    });
    const status = () => server.tracker.node('n')?.types[0];

    test('gets decoded resources; what it refuses is a NACK by name, and the rest is taken', async () => {
      await until('refused', () => status()?.status === 'NACKED');
      assert.deepEqual(updates.splice(0), ['+a 1', '+c 1']);
      assert.equal(status()?.nack?.reason, 'cluster "b": too long');
      assert.ok(client.isConnected);
    });

    test('hears of changes and of what is gone, each once', async () => {
      server.set('web', [cluster('a'), cluster('b', 2)]);
      await until('in sync', () => status()?.status === 'SYNCED');
      assert.deepEqual(updates.splice(0), ['+b 2', '-c']);
    });

    test('one node of the group has its own', async () => {
      server.groups.fork('n', [cluster('a', 7)]);
      await until('told', () => updates.length > 0);
      assert.deepEqual(updates.splice(0), ['+a 7']);
      await until('in sync', () => status()?.status === 'SYNCED');
    });

    test('names are asked for one by one, and there is one watcher per type', async () => {
      const seen: ReceivedResource<'endpoint'>[] = [];
      const watch = client.watch('endpoint', { names: [], onUpdate: (one) => seen.push(one) });
      assert.throws(() => client.watch('endpoint', { onUpdate: () => {} }), /already/);
      watch.setNames(['x']);
      server.set('web', [resource('endpoint', { cluster_name: 'x' }), cluster('z')]);
      await until('the name', () => seen.length === 1);
      assert.equal(seen[0]?.message.cluster_name, 'x');
    });

    test('a lost stream comes back and brings only what changed', async () => {
      await until('in sync', () => status()?.status === 'SYNCED');
      updates.splice(0);
      const { port } = server;
      server.close();
      await until('gone', () => !client.isConnected);
      server = await startXdsServer({ port, groupOf: (node) => node.cluster, logger });
      server.set('web', [cluster('z'), cluster('new')]);
      await until('told', () => updates.includes('+new 1'));
      assert.ok(!updates.includes('+z 1'));
    });
  });
}

describe('resources of the server library', () => {
  test('JSON is checked, with the path of what is wrong', () => {
    const json = { name: 'a', connect_timeout: '1s', typ: 'EDS' };
    assert.throws(() => resourceFromJson('cluster', json), /cluster: typ/);
    assert.throws(() => resourceFromJson('cluster', {}), /without a name/);
    assert.equal(resourceFromJson('cluster', { name: 'a' }).name, 'a');
  });

  test('types of one’s own are served as bytes', () => {
    const own = resourceOfOtherType('type.googleapis.com/my.Thing', 't', Buffer.from([1]));
    assert.equal(own.typeUrl, 'type.googleapis.com/my.Thing');
  });
});

test('the example’s control plane of twenty lines drives our sidecar', async () => {
  const example = await startExampleControlPlane();
  try {
    const sidecar = await startSidecar(example.bootstrap);
    try {
      await until('it serves', async () => (await example.get().catch(() => '')) === 'hello');
    } finally {
      await sidecar.stop();
    }
  } finally {
    await example.stop();
  }
});
