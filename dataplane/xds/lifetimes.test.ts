import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeMessage } from '../../proto/any.ts';
import { setUpXdsClient } from '../../test/fakes/xds-client-setup.ts';
import { assignment, edsCluster, resourceOf } from '../../test/fakes/xds-resources.ts';

const withTtl = (name: string, ttlMs: number, version = '1') => {
  const { typeUrl, bytes } = resourceOf('cluster', name, { name });
  return { name, version, ttlMs, resource: { typeUrl, value: bytes } };
};

test('a resource is dropped when its time to live is over, and lives on by heartbeats', () => {
  const { server, timers, sink, client } = setUpXdsClient({ lds: null });
  client.start();
  server.call.deltaOf('cluster', [withTtl('a', 1000)]);
  sink.take();
  timers.advance(999);
  server.call.deltaOf('cluster', [{ name: 'a', version: '1', ttlMs: 1000, resource: null }]);
  assert.equal(server.call.takeDelta().at(-1)?.errorDetail, null, 'a heartbeat is acknowledged');
  timers.advance(999);
  assert.deepEqual(sink.take(), []);
  timers.advance(1);
  assert.deepEqual(sink.take(), ['-cluster a']);
  // It may come back as it was.
  server.call.deltaOf('cluster', [withTtl('a', 1000)]);
  assert.deepEqual(sink.take(), ['cluster a']);
  client.stop();
  assert.equal(timers.armedCount(), 0);
});

test('a ttl that is not there any more ends the countdown', () => {
  const { server, timers, sink, client } = setUpXdsClient({ lds: null });
  client.start();
  server.call.deltaOf('cluster', [withTtl('a', 1000)]);
  const { ttlMs: _, ...forever } = withTtl('a', 0, '2');
  server.call.deltaOf('cluster', [forever]);
  sink.take();
  timers.advance(5000);
  assert.deepEqual(sink.take(), []);
});

test('a ttl ends with the subscription: wanted anew, the resource is waited for as any other', () => {
  const { server, timers, sink, client } = setUpXdsClient({ lds: null });
  client.start();
  server.call.connect();
  server.call.delta('cluster', [edsCluster('a')]);
  const { typeUrl, bytes } = assignment('a', 1);
  const resource = { typeUrl, value: bytes };
  server.call.deltaOf('endpoint', [{ name: 'a', version: '1', ttlMs: 1000, resource }]);
  server.call.delta('cluster', [], ['a']);
  assert.equal(timers.armedCount(), 0);
  server.call.delta('cluster', [edsCluster('a')]);
  sink.take();
  timers.advance(1000);
  assert.deepEqual(sink.take(), [], 'its endpoints may still come');
});

test('in state of the world a heartbeat is presence, not absence', () => {
  const { server, sink, client } = setUpXdsClient({ protocol: 'GRPC', lds: null });
  client.start();
  server.call.sotw('cluster', '1', [resourceOf('cluster', 'a', { name: 'a' })]);
  sink.take();
  const RESOURCE = 'envoy.service.discovery.v3.Resource';
  const value = encodeMessage(RESOURCE, { name: 'a', ttl: { seconds: 1, nanos: 0 } });
  server.call.wrapped('cluster', '1', [{ typeUrl: `type.googleapis.com/${RESOURCE}`, value }]);
  assert.deepEqual(sink.take(), []);
});

test('in state of the world a ttl also ends by a version without wrapper', () => {
  const { server, timers, sink, client } = setUpXdsClient({ protocol: 'GRPC', lds: null });
  client.start();
  const RESOURCE = 'envoy.service.discovery.v3.Resource';
  const { typeUrl, bytes } = resourceOf('cluster', 'a', { name: 'a' });
  const value = encodeMessage<string>(RESOURCE, {
    name: 'a',
    ttl: { seconds: 1, nanos: 0 },
    resource: { type_url: typeUrl, value: bytes },
  });
  server.call.connect();
  server.call.wrapped('cluster', '1', [{ typeUrl: `type.googleapis.com/${RESOURCE}`, value }]);
  assert.deepEqual(sink.take(), ['cluster a', 'initialized']);
  assert.equal(timers.armedCount(), 1);
  server.call.sotw('cluster', '2', [resourceOf('cluster', 'a', { name: 'a', lb_policy: 1 })]);
  sink.take();
  timers.advance(5000);
  assert.deepEqual(sink.take(), []);
});

test("the ttl of what nobody asked for is nobody's concern", () => {
  const { server, timers, client } = setUpXdsClient({ lds: null });
  client.start();
  server.call.connect();
  server.call.delta('cluster', []);
  const { typeUrl, bytes } = assignment('other', 1);
  const resource = { typeUrl, value: bytes };
  server.call.deltaOf('endpoint', [{ name: 'other', version: '1', ttlMs: 1000, resource }]);
  assert.equal(timers.armedCount(), 0);
});

test('an error in place of a resource ends waiting; what is held stays (gRFC A88)', () => {
  const { server, sink, client } = setUpXdsClient({ lds: null });
  client.start();
  server.call.delta('cluster', [edsCluster('a')]);
  assert.ok(!client.initialized);
  const error = { code: 7, message: 'not yours' };
  server.call.deltaOf('endpoint', [], [{ name: 'a', error }]);
  assert.deepEqual(sink.take(), ['cluster a', 'initialized']);
  const dumped = client.dump().find(({ kind }) => kind === 'endpoint');
  assert.deepEqual(
    [dumped?.status, dumped?.error?.details],
    ['RECEIVED_ERROR', 'not yours (gRPC status 7)'],
  );
});
