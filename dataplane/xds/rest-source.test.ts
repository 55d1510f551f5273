import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../common/logger.ts';
import { restSource } from '../../test/fakes/config-source.ts';
import { FakeTimers } from '../../test/fakes/timers.ts';
import { setUpXdsClient } from '../../test/fakes/xds-client-setup.ts';
import { FakeRestServer } from '../../test/fakes/xds-sources.ts';
import { typeUrlOf } from '../api/resource-compiler.ts';
import type { SourceOwner } from './resource-source.ts';
import { RestResourceSource } from './rest-source.ts';

const cluster = (name: string, more: object = {}) => ({
  '@type': typeUrlOf.cluster,
  name,
  ...more,
});
const secret = (name: string) => ({ '@type': typeUrlOf.secret, name });
const answer = (version: string, ...resources: object[]) => ({
  status: 200,
  body: JSON.stringify({ version_info: version, resources }),
});

function setUp() {
  const world = setUpXdsClient({ cds: restSource({ refreshDelayMs: 1000 }), lds: null });
  world.client.start();
  const counts = () => {
    const stats = world.collect();
    return ['attempt', 'success', 'failure', 'rejected'].map(
      (name) => stats[`cluster_manager.cds.update_${name}`],
    );
  };
  return { ...world, counts };
}

test('asks by POST with a DiscoveryRequest, and again after refresh_delay with the accepted version', () => {
  const { rest, timers, sink, client } = setUp();
  assert.equal(rest.call.path, '/v3/discovery:clusters');
  assert.deepEqual({ ...rest.call.body }, { node: { id: 'n1' }, type_url: typeUrlOf.cluster });
  rest.call.answer(answer('7', cluster('a')));
  assert.deepEqual(sink.take(), ['cluster a', 'initialized']);
  timers.advance(999);
  assert.equal(rest.calls.length, 1);
  timers.advance(1);
  assert.equal(rest.calls.length, 2);
  assert.equal(rest.call.body['version_info'], '7');
  client.stop();
  assert.ok(rest.call.isCancelled);
  assert.equal(timers.armedCount(), 0);
});

test('304 and an equal version change nothing; absence is deletion', () => {
  const { rest, timers, sink, counts } = setUp();
  rest.call.answer(answer('1', cluster('a')));
  sink.take();
  timers.advance(1000);
  rest.call.answer({ status: 304, body: '' });
  assert.deepEqual(counts(), [2, 1, 0, 0]);
  timers.advance(1000);
  rest.call.answer(answer('1', cluster('a')));
  assert.deepEqual(sink.take(), []);
  assert.deepEqual(counts(), [3, 2, 0, 0]);
  timers.advance(1000);
  rest.call.answer(answer('2'));
  assert.deepEqual(sink.take(), ['-cluster a']);
});

test('a server that fails is counted and asked again; what is held stays', () => {
  const { rest, timers, sink, counts } = setUp();
  rest.call.answer(answer('1', cluster('a')));
  sink.take();
  for (const bad of [{ status: 500, body: '' }, { error: 'timeout' }]) {
    timers.advance(1000);
    rest.call.answer(bad);
  }
  assert.deepEqual(counts(), [3, 1, 2, 0]);
  timers.advance(1000);
  rest.call.answer({ status: 200, body: '<html>' });
  assert.deepEqual(counts(), [4, 1, 2, 1]);
  assert.deepEqual(sink.take(), []);
});

test('a version with a bad resource is not acknowledged; the good ones are used', () => {
  const { rest, timers, sink, counts } = setUp();
  rest.call.answer(answer('1', cluster('a'), cluster('b', { connect_timeout: '-1s' })));
  assert.deepEqual(sink.take(), ['cluster a', 'initialized']);
  assert.deepEqual(counts(), [1, 0, 0, 1]);
  timers.advance(1000);
  assert.equal(Object.keys(rest.call.body).includes('version_info'), false);
});

test('names are asked for together, and at once when there are more', () => {
  const source = restSource();
  const reference = (name: string) => ({ kind: 'secret', name, source }) as const;
  const { rest, sink, client } = setUpXdsClient({
    cds: null,
    lds: null,
    staticReferences: [reference('s'), reference('t')],
  });
  client.start();
  assert.equal(rest.call.path, '/v3/discovery:secrets');
  assert.deepEqual(rest.call.body['resource_names'], ['s', 't']);
  // What is not in the answer does not exist: nobody waits for it.
  rest.call.answer(answer('1', secret('s')));
  assert.deepEqual(sink.take(), ['secret s', 'initialized']);
});

test('names that are new are asked for without a version, which would say that we know them', () => {
  const timers = new FakeTimers();
  const rest = new FakeRestServer();
  const options = { node: { id: 'n1' }, random: () => 0, timers, logger: silentLogger() };
  const owner: SourceOwner = {
    knownVersions: () => new Map(),
    receive: () => null,
    settle: () => {},
    onRequest: () => {},
    onFailure: () => {},
  };
  const source = new RestResourceSource(
    { ...options, source: restSource(), caller: rest.caller },
    owner,
  );
  source.start();
  source.changeNames('secret', ['s'], []);
  rest.call.answer(answer('1', secret('s')));
  timers.advance(1000);
  assert.equal(rest.call.body['version_info'], '1');
  source.changeNames('secret', ['t'], []);
  assert.deepEqual(rest.call.body['resource_names'], ['s', 't']);
  assert.equal(rest.call.body['version_info'], undefined);
  source.stop();
});
