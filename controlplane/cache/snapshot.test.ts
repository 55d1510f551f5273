import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assignment,
  edsCluster,
  httpListener,
  resourceOf,
  routes,
} from '../../test/fakes/xds-resources.ts';
import { formatMissing, missingReferences } from './consistency.ts';
import { ResourceInterner, SnapshotResource } from './resource.ts';
import { Snapshot } from './snapshot.ts';
import { SnapshotCache } from './snapshot-cache.ts';

test('versions follow content: equal after a restart, different after a change', () => {
  assert.equal(edsCluster('a').version, edsCluster('a').version);
  assert.notEqual(edsCluster('a').version, edsCluster('a', 2000).version);
  const ab = Snapshot.of([edsCluster('a'), edsCluster('b')]);
  const ba = Snapshot.of([edsCluster('b'), edsCluster('a')]);
  assert.equal(ab.versionOf('cluster'), ba.versionOf('cluster'));
  assert.notEqual(ab.versionOf('cluster'), Snapshot.empty.versionOf('cluster'));
});

test('the same name twice in one type is refused', () => {
  assert.throws(() => Snapshot.of([edsCluster('a'), edsCluster('a')]), /named a/);
});

test('references are found in messages and in bytes', () => {
  const listener = httpListener('l', 1, 'r');
  assert.deepEqual(listener.references, [{ kind: 'route', name: 'r' }]);
  const encoded = SnapshotResource.ofBytes('listener', 'l', listener.bytes);
  assert.deepEqual(encoded.references, listener.references);
  const tls = resourceOf('cluster', 'c', {
    name: 'c',
    type: 'EDS',
    eds_cluster_config: { service_name: 's' },
    transport_socket: {
      name: 't',
      typed_config: {
        message: {
          common_tls_context: {
            tls_certificate_sds_secret_configs: [{ name: 'cert', sds_config: { ads: {} } }],
            validation_context_sds_secret_config: { name: 'static' },
          },
        },
      },
    },
  });
  assert.deepEqual(tls.references, [
    { kind: 'endpoint', name: 's' },
    { kind: 'secret', name: 'cert' },
  ]);
  assert.deepEqual(SnapshotResource.ofBytes('cluster', 'x', Buffer.from([0xff])).references, []);
});

test('consistency reports what is missing and refuses nothing (go-control-plane #444, #556)', () => {
  const snapshot = Snapshot.of([
    edsCluster('a'),
    assignment('unused', 1),
    routes('r', { '/a': 'a', '/b': 'b' }),
    httpListener('l', 1, 'nowhere'),
  ]);
  assert.deepEqual(missingReferences(snapshot).map(formatMissing), [
    'cluster "a" refers to endpoint "a", which does not exist',
    'listener "l" refers to route "nowhere", which does not exist',
    'route "r" refers to cluster "b", which does not exist',
  ]);
});

test('what nodes share is encoded once', () => {
  const interner = new ResourceInterner();
  const message = { name: 'a' };
  assert.equal(
    interner.resource('cluster', 'a', message),
    interner.resource('cluster', 'a', message),
  );
  assert.notEqual(
    interner.resource('cluster', 'a', message),
    interner.resource('cluster', 'a', { name: 'a' }),
  );
});

test('listeners hear of changes only, and kinds that did not change keep their set', () => {
  const cache = new SnapshotCache();
  const heard: string[] = [];
  const stop = cache.listen((key) => heard.push(key));
  cache.set('n', Snapshot.of([edsCluster('a'), assignment('a', 1)]));
  const before = cache.get('n');
  cache.set('n', Snapshot.of([edsCluster('a'), assignment('a', 1)]));
  assert.deepEqual(heard, ['n']);
  cache.set('n', Snapshot.of([edsCluster('a'), assignment('a', 2)]));
  assert.deepEqual(heard, ['n', 'n']);
  assert.equal(cache.get('n')?.set('cluster'), before?.set('cluster'));
  cache.clear('n');
  cache.clear('n');
  assert.equal(cache.get('n'), null);
  stop();
  cache.set('n', Snapshot.empty);
  assert.equal(heard.length, 3);
});

test('a resource that cannot be encoded keeps the last good snapshot', () => {
  const cache = new SnapshotCache();
  const good = Snapshot.of([edsCluster('a')]);
  cache.set('n', good);
  const bad = Snapshot.of([resourceOf('cluster', 'a', { no_such_field: 1 })]);
  assert.throws(() => cache.set('n', bad), /no_such_field/);
  assert.equal(cache.get('n'), good);
});
