import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assignment, edsCluster } from '../../test/fakes/xds-resources.ts';
import { NodeGroups } from './node-groups.ts';
import { SnapshotResource } from './resource.ts';
import { Snapshot } from './snapshot.ts';
import { SnapshotCache } from './snapshot-cache.ts';

const timeoutOf = (cache: SnapshotCache, node: string, cluster: string) =>
  cache.get(node)?.set('cluster').get(cluster)?.version;

test('members of a group share its snapshot, whenever they join', () => {
  const cache = new SnapshotCache();
  const groups = new NodeGroups(cache);
  groups.join('early', 'web');
  assert.equal(cache.get('early'), null);
  groups.set('web', Snapshot.of([edsCluster('a'), assignment('a', 1)]));
  groups.join('late', 'web');
  assert.equal(cache.get('early')?.set('cluster'), cache.get('late')?.set('cluster'));
  groups.set('api', Snapshot.of([edsCluster('b')]));
  groups.join('late', 'api');
  assert.deepEqual([...(cache.get('late')?.set('cluster').resources.keys() ?? [])], ['b']);
  groups.set('web', Snapshot.empty);
  assert.equal(cache.get('late')?.set('cluster').size, 1, 'no member any more');
  groups.leave('late');
  assert.equal(cache.get('late'), null);
  assert.equal(groups.groupOf('late'), null);
});

test('a fork of one node stays through changes of its group (kuma #528)', () => {
  const cache = new SnapshotCache();
  const groups = new NodeGroups(cache);
  groups.set('web', Snapshot.of([edsCluster('a'), edsCluster('b'), assignment('a', 1)]));
  groups.fork('special', [edsCluster('a', 9000), edsCluster('own')]);
  assert.equal(cache.get('special'), null, 'it is not there yet');
  for (const node of ['plain', 'special']) groups.join(node, 'web');
  assert.equal(timeoutOf(cache, 'special', 'a'), edsCluster('a', 9000).version);
  assert.equal(timeoutOf(cache, 'plain', 'a'), edsCluster('a').version);
  assert.equal(
    cache.get('special')?.set('endpoint'),
    cache.get('plain')?.set('endpoint'),
    'what is not forked is shared',
  );
  groups.set('web', Snapshot.of([edsCluster('a', 2000), edsCluster('c')]));
  assert.deepEqual([...(cache.get('special')?.set('cluster').resources.keys() ?? [])].sort(), [
    'a',
    'c',
    'own',
  ]);
  assert.equal(timeoutOf(cache, 'special', 'a'), edsCluster('a', 9000).version);
  groups.leave('special');
  groups.join('special', 'web');
  assert.equal(timeoutOf(cache, 'special', 'a'), edsCluster('a', 9000).version, 'it came back');
  groups.fork('special', []);
  assert.equal(timeoutOf(cache, 'special', 'a'), edsCluster('a', 2000).version);
});

test('a node that goes over to a group without a snapshot leaves its old one’s behind', () => {
  const cache = new SnapshotCache();
  const groups = new NodeGroups(cache);
  groups.set('web', Snapshot.of([edsCluster('a')]));
  groups.join('n', 'web');
  groups.join('n', 'api');
  assert.equal(cache.get('n'), null);
  groups.set('api', Snapshot.of([edsCluster('b')]));
  assert.deepEqual([...(cache.get('n')?.set('cluster').resources.keys() ?? [])], ['b']);
});

test('what cannot be encoded is refused when it is given, not when a member joins', () => {
  const groups = new NodeGroups(new SnapshotCache());
  const wrong = SnapshotResource.ofMessage('cluster', 'a', { name: 7 });
  groups.set('web', Snapshot.of([edsCluster('a')]));
  assert.throws(() => groups.set('web', Snapshot.of([wrong])));
  assert.throws(() => groups.fork('n', [wrong]));
  groups.join('n', 'web');
});
