import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setUpXdsClient } from '../../test/fakes/xds-client-setup.ts';
import {
  assignment,
  brokenResource,
  edsCluster,
  httpListener,
  resourceOf,
  routes,
} from '../../test/fakes/xds-resources.ts';
import { typeUrlOf } from '../api/resource-compiler.ts';

const setUp = () => setUpXdsClient({ protocol: 'GRPC' });
const bad = resourceOf('cluster', 'x', { name: 'x', connect_timeout: { seconds: -1, nanos: 0 } });

test('an ACK has the new version, a NACK the last accepted one, both the nonce', () => {
  const { server, client } = setUp();
  client.start();
  assert.equal(server.call.takeSotw()[0]?.versionInfo, '');
  const first = server.call.sotw('cluster', 'v1', []);
  const ack = server.call.takeSotw().find(({ typeUrl }) => typeUrl === typeUrlOf.cluster);
  assert.deepEqual([ack?.versionInfo, ack?.responseNonce], ['v1', first]);
  const second = server.call.sotw('cluster', 'v2', [bad]);
  const [nack] = server.call.takeSotw();
  assert.deepEqual([nack?.versionInfo, nack?.responseNonce], ['v1', second]);
  assert.match(nack?.errorDetail?.message ?? '', /cluster "x": connect_timeout/);
});

test('what is absent from CDS and LDS is deleted, from EDS not', () => {
  const { server, sink, client } = setUp();
  client.start();
  server.call.sotw('cluster', 'v1', [edsCluster('a'), edsCluster('b')]);
  server.call.sotw('endpoint', 'v1', [assignment('a', 1)]);
  server.call.sotw('endpoint', 'v2', [assignment('b', 1)]);
  assert.deepEqual([...sink.endpoints.keys()], ['a', 'b']);
  server.call.sotw('endpoint', 'v3', []);
  server.call.sotw('cluster', 'v2', [edsCluster('b')]);
  assert.deepEqual([...sink.clusters.keys()], ['b']);
  assert.deepEqual(
    sink.calls.filter((call) => call.startsWith('-')),
    ['-cluster a'],
  );
});

test('a rejected resource keeps its last good version although CDS is the full state', () => {
  const { server, sink, client } = setUp();
  client.start();
  const good = resourceOf('cluster', 'x', { name: 'x' });
  server.call.sotw('cluster', 'v1', [good]);
  server.call.sotw('cluster', 'v2', [bad]);
  assert.ok(sink.clusters.has('x'));
  const dumped = client.dump().find(({ name }) => name === 'x');
  assert.equal(dumped?.status, 'NACKED');
  assert.equal(dumped?.version, 'v1');
  assert.equal(dumped?.error?.version, 'v2');
});

test('a resource too broken to have a name deletes nothing', () => {
  const { server, sink, client } = setUp();
  client.start();
  server.call.sotw('cluster', 'v1', [resourceOf('cluster', 'x', { name: 'x' })]);
  server.call.sotw('cluster', 'v2', [brokenResource('cluster')]);
  assert.ok(sink.clusters.has('x'));
});

test('subscriptions that follow from an update go before its ACK, those of its own type in it', () => {
  const { server, client } = setUp();
  client.start();
  server.call.takeSotw();
  server.call.sotw('cluster', 'v1', [edsCluster('a'), edsCluster('b')]);
  const kinds = () =>
    server.call.takeSotw().map(({ typeUrl, resourceNames }) => [typeUrl, resourceNames.join()]);
  assert.deepEqual(kinds(), [
    [typeUrlOf.endpoint, 'a,b'],
    [typeUrlOf.cluster, ''],
  ]);
  server.call.sotw('endpoint', 'e1', [assignment('b', 1)]);
  kinds();
  server.call.sotw('cluster', 'v2', [edsCluster('b'), edsCluster('c')]);
  kinds();
  server.call.sotw('endpoint', 'e2', [assignment('c', 1)]);
  const [answer, ...more] = server.call.takeSotw().filter((r) => r.typeUrl === typeUrlOf.endpoint);
  assert.deepEqual(answer?.resourceNames, ['b', 'c']);
  assert.equal(answer?.versionInfo, 'e2');
  assert.deepEqual(more, []);
});

test('requests name everything that is wanted, with the last nonce', () => {
  const { server, client } = setUp();
  client.start();
  server.call.takeSotw();
  server.call.sotw('cluster', 'v1', [edsCluster('a')]);
  const first = server.call.takeSotw().filter(({ typeUrl }) => typeUrl === typeUrlOf.endpoint);
  assert.deepEqual(
    first.map(({ resourceNames }) => resourceNames),
    [['a']],
  );
  const nonce = server.call.sotw('endpoint', 'e1', [assignment('a', 1)]);
  server.call.takeSotw();
  server.call.sotw('cluster', 'v2', [edsCluster('a'), edsCluster('b')]);
  const [more] = server.call.takeSotw();
  assert.deepEqual(more?.resourceNames, ['a', 'b']);
  assert.deepEqual([more?.versionInfo, more?.responseNonce], ['e1', nonce]);
});

test('on a new stream the last accepted versions are told, and no nonce', () => {
  const { server, timers, client } = setUp();
  client.start();
  server.call.sotw('cluster', 'v1', [edsCluster('a')]);
  server.call.sotw('endpoint', 'e1', [assignment('a', 1)]);
  server.call.close();
  timers.advance(1);
  const requests = server.call.takeSotw();
  assert.deepEqual(
    requests.map(({ versionInfo, responseNonce }) => [versionInfo, responseNonce]),
    [
      ['v1', ''],
      ['e1', ''],
      ['', ''],
    ],
  );
});

test('after a NACK whose good part is in use no version is told on a new stream', () => {
  const { server, timers, client } = setUp();
  client.start();
  const good = resourceOf('cluster', 'a', { name: 'a' });
  server.call.sotw('cluster', 'v1', [good]);
  server.call.sotw('cluster', 'v2', [bad]);
  server.call.close();
  timers.advance(1);
  assert.equal(server.call.takeSotw()[0]?.versionInfo, '');
});

test('a version that does not cover a wanted name is not told on a new stream', () => {
  const { server, timers, client } = setUp();
  client.start();
  server.call.sotw('cluster', 'v1', [edsCluster('a')]);
  server.call.sotw('endpoint', 'e1', [assignment('a', 1)]);
  server.call.sotw('cluster', 'v2', []);
  server.call.close();
  timers.advance(1);
  server.call.sotw('cluster', 'v1', [edsCluster('a')]);
  const endpoints = server.call.takeSotw().find(({ typeUrl }) => typeUrl === typeUrlOf.endpoint);
  assert.deepEqual([endpoints?.resourceNames, endpoints?.versionInfo], [['a'], '']);
});

test('unchanged resources in a full response are neither compiled nor delivered again', () => {
  const { server, sink, client } = setUp();
  client.start();
  const listener = httpListener('l', 1, 'r');
  server.call.sotw('cluster', 'v1', []);
  server.call.sotw('listener', 'v1', [listener]);
  server.call.sotw('route', 'v1', [routes('r', {})]);
  assert.deepEqual(sink.take(), ['route r', 'listener l', 'initialized']);
  server.call.sotw('listener', 'v2', [listener]);
  assert.deepEqual(sink.take(), []);
  assert.equal(client.dump().find(({ name }) => name === 'l')?.version, 'v2');
});

test('resources that nobody asked for are ignored and ACKed', () => {
  const { server, sink, client } = setUp();
  client.start();
  server.call.takeSotw();
  server.call.sotw('cluster', 'v1', [edsCluster('a')]);
  server.call.takeSotw();
  server.call.sotw('endpoint', 'e1', [assignment('a', 1), assignment('stranger', 1)]);
  assert.equal(server.call.takeSotw()[0]?.errorDetail, null);
  assert.deepEqual([...sink.endpoints.keys()], ['a']);
});
