import assert from 'node:assert/strict';
import { test } from 'node:test';
import { grpcSource } from '../../test/fakes/config-source.ts';
import { setUpXdsClient } from '../../test/fakes/xds-client-setup.ts';
import { resourceOf } from '../../test/fakes/xds-resources.ts';
import { typeUrlOf } from '../api/resource-compiler.ts';
import { OwnStreamsSource } from './own-streams-source.ts';

const plain = (name: string) => resourceOf('cluster', name, { name });

for (const protocol of ['GRPC', 'DELTA_GRPC'] as const) {
  const verb = protocol === 'GRPC' ? 'Stream' : 'Delta';

  test(`${protocol}: each type has a stream of its own, with stats below its subscription`, () => {
    const source = grpcSource({ protocol });
    const { server, sink, client, collect } = setUpXdsClient({
      hasAds: false,
      cds: source,
      lds: source,
    });
    client.start();
    assert.deepEqual(
      server.calls.map(({ path }) => path),
      [`/envoy.service.cluster.v3.ClusterDiscoveryService/${verb}Clusters`],
    );
    server.call.connect();
    if (protocol === 'GRPC') server.call.sotw('cluster', '1', [plain('a')]);
    else server.call.delta('cluster', [plain('a')]);
    assert.deepEqual(
      server.calls.map(({ path }) => path.split('/').at(-1)),
      [`${verb}Clusters`, `${verb}Listeners`],
    );
    assert.deepEqual(sink.take(), ['cluster a']);
    const stats = collect();
    assert.equal(stats['cluster_manager.cds.control_plane.connected_state'], 1);
    assert.equal(stats['cluster_manager.cds.control_plane.identifier'], 'fake');
    assert.equal(stats['listener_manager.lds.control_plane.connected_state'], 0);
    assert.equal(stats['control_plane.connected_state'], undefined);
    assert.deepEqual(
      ['attempt', 'success'].map((name) => stats[`cluster_manager.cds.update_${name}`]),
      [2, 1],
    );
    client.stop();
    assert.equal(server.openChannels, 0);
  });
}

test('a stream that is lost counts as failed, and is opened again with the versions that are held', () => {
  const { server, timers, client, collect } = setUpXdsClient({
    hasAds: false,
    cds: grpcSource(),
    lds: null,
  });
  client.start();
  server.call.delta('cluster', [plain('a')]);
  server.call.close();
  assert.equal(collect()['cluster_manager.cds.update_failure'], 1);
  assert.equal(collect()['cluster_manager.cds.update_attempt'], 3);
  timers.advance(1);
  const [again] = server.call.takeDelta();
  assert.deepEqual([...(again?.initialResourceVersions.keys() ?? [])], ['a']);
});

test('the stream of a type that nobody wants any more is closed', () => {
  const opened: string[] = [];
  const closed: string[] = [];
  const source = new OwnStreamsSource((kind) => ({
    start: () => opened.push(kind),
    stop: () => closed.push(kind),
    subscribeToAll: () => {},
    unsubscribeFromAll: () => {},
    changeNames: () => {},
  }));
  source.start();
  source.changeNames('secret', ['s', 't'], []);
  source.changeNames('secret', [], ['s']);
  assert.deepEqual(closed, []);
  source.changeNames('secret', [], ['t']);
  source.subscribeToAll('cluster');
  source.unsubscribeFromAll('cluster');
  assert.deepEqual(closed, ['secret', 'cluster']);
  source.changeNames('secret', ['u'], []);
  assert.deepEqual(opened, ['secret', 'cluster', 'secret']);
});

test('the same name of two sources is two resources', () => {
  const one = grpcSource({}, 'one');
  const two = grpcSource({}, 'two');
  const { server, sink, client } = setUpXdsClient({
    hasAds: false,
    cds: null,
    lds: null,
    staticReferences: [
      { kind: 'secret', name: 's', source: one },
      { kind: 'secret', name: 's', source: two },
    ],
  });
  client.start();
  assert.equal(server.calls.length, 2);
  const [first, second] = server.calls;
  first?.delta('secret', [resourceOf('secret', 's', { name: 's' })]);
  assert.ok(!client.initialized);
  second?.delta('secret', [], ['s']);
  assert.ok(client.initialized);
  assert.equal(sink.take().length, 2);
  const held = client.dump().map(({ source, status }) => [source.key, status]);
  assert.deepEqual(held, [
    ['one', 'ACKED'],
    ['two', 'DOES_NOT_EXIST'],
  ]);
});

test('a response of an own stream need not name its type', () => {
  const { server, sink, client } = setUpXdsClient({
    hasAds: false,
    cds: grpcSource({ protocol: 'GRPC' }),
    lds: null,
  });
  client.start();
  const { bytes } = plain('a');
  server.call.untyped('1', [{ typeUrl: typeUrlOf.cluster, value: bytes }]);
  assert.deepEqual(sink.take(), ['cluster a', 'initialized']);
});
