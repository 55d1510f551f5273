import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeDeltaDiscoveryResponse } from '../../proto/discovery.ts';
import { setUpXdsClient } from '../../test/fakes/xds-client-setup.ts';
import { assignment, edsCluster, resourceOf, routes } from '../../test/fakes/xds-resources.ts';
import { adsSource } from '../api/config/config-source.ts';
import { typeUrlOf } from '../api/resource-compiler.ts';

test('every request carries the node, as those of Envoy', () => {
  const { server, client } = setUpXdsClient();
  client.start();
  server.call.delta('cluster', [edsCluster('a')]);
  const requests = server.call.takeDelta();
  assert.ok(requests.length > 1 && requests.every(({ node }) => node !== null));
  assert.match(server.call.path, /DeltaAggregatedResources$/);
});

test('with set_node_on_first_message_only only the first request of a stream carries the node', () => {
  const { server, timers, client } = setUpXdsClient({ setNodeOnFirstMessageOnly: true });
  client.start();
  for (let i = 0; i < 2; i++) {
    server.call.delta('cluster', [edsCluster('a')]);
    const [first, ...later] = server.call.takeDelta();
    assert.notEqual(first?.node, null);
    assert.ok(later.length > 0 && later.every(({ node }) => node === null));
    server.call.close();
    timers.advance(1);
  }
});

test('the subscriptions that follow from an update go before its ACK', () => {
  const { server, client } = setUpXdsClient();
  client.start();
  server.call.takeDelta();
  const nonce = server.call.delta('cluster', [edsCluster('a'), edsCluster('b')]);
  const [endpoints, ack, ...rest] = server.call.takeDelta();
  assert.equal(ack?.responseNonce, nonce);
  assert.equal(ack?.errorDetail, null);
  assert.equal(endpoints?.typeUrl, typeUrlOf.endpoint);
  assert.deepEqual(endpoints?.subscribe, ['a', 'b']);
  assert.equal(endpoints?.responseNonce, '');
  assert.deepEqual(rest, []);
});

test('later changes subscribe and unsubscribe only the difference', () => {
  const { server, client } = setUpXdsClient();
  client.start();
  server.call.delta('cluster', [edsCluster('a'), edsCluster('b')]);
  server.call.delta('endpoint', [assignment('a', 1), assignment('b', 1)]);
  server.call.takeDelta();
  server.call.delta('cluster', [edsCluster('c')], ['a']);
  const endpoints = server.call.takeDelta().filter(({ typeUrl }) => typeUrl === typeUrlOf.endpoint);
  assert.deepEqual(
    endpoints.flatMap(({ subscribe }) => subscribe),
    ['c'],
  );
  assert.deepEqual(
    endpoints.flatMap(({ unsubscribe }) => unsubscribe),
    [],
    'a serves until c is warm',
  );
  server.call.delta('endpoint', [assignment('c', 1)]);
  const after = server.call.takeDelta();
  assert.deepEqual(
    after.flatMap(({ unsubscribe }) => unsubscribe),
    ['a'],
  );
});

test('a NACK lists every bad resource with its path; the good ones are used', () => {
  const { server, sink, client } = setUpXdsClient();
  client.start();
  server.call.takeDelta();
  const bad = (name: string) =>
    resourceOf('cluster', name, { name, connect_timeout: { seconds: -1, nanos: 0 } });
  const nonce = server.call.delta('cluster', [
    bad('x'),
    resourceOf('cluster', 'good', { name: 'good' }),
    bad('y'),
  ]);
  const nack = server.call.takeDelta().find(({ errorDetail }) => errorDetail !== null);
  assert.equal(nack?.responseNonce, nonce);
  assert.equal(nack?.errorDetail?.code, 13);
  assert.equal(
    nack?.errorDetail?.message,
    'cluster "x": connect_timeout: must be > 0; cluster "y": connect_timeout: must be > 0',
  );
  assert.deepEqual([...sink.clusters.keys()], ['good']);
});

test('on a new stream every type tells what it holds, not what it refused', () => {
  const { server, timers, client } = setUpXdsClient();
  client.start();
  server.call.delta('cluster', [
    edsCluster('a'),
    resourceOf('cluster', 'x', { name: 'x', connect_timeout: { seconds: -1, nanos: 0 } }),
  ]);
  server.call.delta('endpoint', [assignment('a', 1)]);
  server.call.close();
  timers.advance(1);
  const [clusters, endpoints, listeners] = server.call.takeDelta();
  assert.notEqual(clusters?.node, null);
  assert.deepEqual(
    [...(clusters?.initialResourceVersions ?? [])],
    [['a', edsCluster('a').version]],
  );
  assert.deepEqual(clusters?.subscribe, [], 'the wildcard');
  assert.deepEqual(endpoints?.subscribe, ['a']);
  assert.deepEqual(
    [...(endpoints?.initialResourceVersions ?? [])],
    [['a', assignment('a', 1).version]],
  );
  assert.equal(listeners?.typeUrl, typeUrlOf.listener);
});

test('a type of which nothing is wanted is not asked for: that would mean everything', () => {
  const { server, timers, client } = setUpXdsClient();
  client.start();
  server.call.delta('cluster', [resourceOf('cluster', 'static', { name: 'static' })]);
  server.call.close();
  timers.advance(1);
  const asked = server.call.takeDelta().map(({ typeUrl }) => typeUrl);
  assert.deepEqual(asked, [typeUrlOf.cluster, typeUrlOf.listener]);
});

test('an unknown type is NACKed and counted; the stream stays', () => {
  const { server, client, collect } = setUpXdsClient();
  client.start();
  server.call.takeDelta();
  server.call.message(
    encodeDeltaDiscoveryResponse({
      systemVersionInfo: '',
      resources: [],
      typeUrl: 'type.googleapis.com/envoy.config.trace.v3.Tracing',
      removedResources: [],
      nonce: 'n',
      controlPlane: '',
    }),
  );
  const [nack] = server.call.takeDelta();
  assert.match(nack?.errorDetail?.message ?? '', /unknown type URL .*Tracing/);
  assert.equal(collect()['control_plane.unknown_types'], 1);
  assert.ok(!server.call.isCancelled);
});

test('resources of another type, without content or with another name inside are refused by name', () => {
  const { server, sink, client } = setUpXdsClient();
  client.start();
  server.call.takeDelta();
  const cluster = edsCluster('a');
  const any = { typeUrl: cluster.typeUrl, value: cluster.bytes };
  server.call.message(
    encodeDeltaDiscoveryResponse({
      systemVersionInfo: '',
      resources: [
        { name: 'r', version: '1', resource: { ...any, typeUrl: routes('r', {}).typeUrl } },
        { name: 'empty', version: '1', resource: null },
        { name: 'b', version: '1', resource: any },
        { name: 'junk', version: '1', resource: { ...any, value: Buffer.from([0xff, 0xff]) } },
      ],
      typeUrl: typeUrlOf.cluster,
      removedResources: [],
      nonce: 'n',
      controlPlane: '',
    }),
  );
  const message = server.call.takeDelta().at(-1)?.errorDetail?.message ?? '';
  assert.match(message, /cluster "r": has type URL/);
  assert.match(message, /cluster "empty": has no content/);
  assert.match(message, /cluster "b": is named "a" inside/);
  assert.match(message, /cluster "junk": malformed/);
  assert.equal(sink.clusters.size, 0);
});

test('the same name twice in one response is refused', () => {
  const { server, sink, client } = setUpXdsClient();
  client.start();
  server.call.takeDelta();
  server.call.delta('cluster', [
    resourceOf('cluster', 'a', { name: 'a' }),
    resourceOf('cluster', 'a', { name: 'a' }),
  ]);
  assert.match(server.call.takeDelta().at(-1)?.errorDetail?.message ?? '', /"a": .*more than once/);
  assert.equal(sink.clusters.size, 0);
});

test('virtual hosts are asked for by an empty request, then by name, and by name alone on a new stream', () => {
  const staticReferences = [
    { kind: 'virtual-host', name: '*', source: adsSource, statName: 'rc' } as const,
  ];
  const { server, timers, client } = setUpXdsClient({ staticReferences });
  const asked = () =>
    server.call
      .takeDelta()
      .flatMap(({ typeUrl, subscribe }) =>
        typeUrl === typeUrlOf['virtual-host'] ? [subscribe] : [],
      );
  client.start();
  assert.deepEqual(asked(), [[]]);
  client.ask({ kind: 'virtual-host', name: 'rc/a', source: adsSource });
  client.ask({ kind: 'virtual-host', name: 'rc/b', source: adsSource });
  assert.deepEqual(asked(), [['rc/a'], ['rc/b']]);
  server.call.close();
  timers.advance(60_000);
  assert.deepEqual(asked(), [['rc/a', 'rc/b']]);
});

test('a virtual host without content is one that there is not, and no reason for a NACK', () => {
  const { server, client } = setUpXdsClient();
  client.start();
  server.call.takeDelta();
  server.call.message(
    encodeDeltaDiscoveryResponse({
      systemVersionInfo: '',
      resources: [{ name: 'table/nobody.test', version: '', resource: null }],
      typeUrl: typeUrlOf['virtual-host'],
      removedResources: [],
      nonce: 'n1',
      controlPlane: '',
    }),
  );
  const [answer] = server.call.takeDelta();
  assert.equal(answer?.responseNonce, 'n1');
  assert.equal(answer?.errorDetail, null);
});
