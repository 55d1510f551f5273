import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assignment, edsCluster, resourceOf } from '../../test/fakes/xds-resources.ts';
import { Snapshot } from './snapshot.ts';
import { SnapshotCache } from './snapshot-cache.ts';
import { defaultVanishLimits, formatVanishing, type Vanishing } from './vanish-guard.ts';

const clusters = (count: number, from = 0) =>
  Snapshot.of(Array.from({ length: count }, (_, i) => edsCluster(`c${from + i}`)));

function guarded() {
  const alarms: (string | null)[] = [];
  const onGuard = (_key: string, found: Vanishing | null) =>
    alarms.push(found === null ? null : formatVanishing(found));
  return { cache: new SnapshotCache({ guard: defaultVanishLimits, onGuard }), alarms };
}

test('XD-22: a push that would take most clusters away is held back, with an alarm', () => {
  const { cache, alarms } = guarded();
  cache.set('n', clusters(10));
  assert.ok(cache.set('n', clusters(5)), 'half may go');
  cache.set('n', clusters(10));
  assert.ok(!cache.set('n', clusters(4)));
  assert.equal(cache.get('n')?.set('cluster').size, 10);
  assert.ok(!cache.set('n', clusters(4)));
  assert.deepEqual(alarms, ['6 of 10 clusters would vanish'], 'said once');
  assert.equal(cache.heldBack().get('n')?.gone, 6);
  assert.ok(cache.set('n', clusters(9)), 'what comes later and is sane goes through');
  assert.equal(cache.heldBack().size, 0);
  assert.equal(alarms.at(-1), null);
});

test('XD-22: replacing all of them by others is the same accident', () => {
  const { cache } = guarded();
  cache.set('n', clusters(10));
  assert.ok(!cache.set('n', clusters(10, 5 + 1)));
  assert.ok(cache.set('n', clusters(10, 5)));
});

test('XD-22: nothing at all is held back however few there were; other types may go', () => {
  const { cache } = guarded();
  cache.set('n', Snapshot.of([edsCluster('a'), assignment('a', 1)]));
  assert.ok(cache.set('n', Snapshot.of([edsCluster('a')])));
  assert.ok(!cache.set('n', Snapshot.empty));
  assert.ok(cache.set('n', Snapshot.of([edsCluster('b')])), 'one of one, replaced');
});

test('XD-22: certificates are renewed while a push is held back', () => {
  const { cache } = guarded();
  const secret = (name: string, text: string) =>
    resourceOf('secret', name, { name, generic_secret: { secret: { inline_string: text } } });
  const mesh = (count: number, ...secrets: readonly ReturnType<typeof secret>[]) =>
    Snapshot.of([...clusters(count).set('cluster').resources.values(), ...secrets]);
  cache.set('n', mesh(10, secret('default', 'old'), secret('ROOTCA', 'roots')));
  const notified: string[] = [];
  cache.listen((key) => notified.push(key));
  assert.ok(!cache.set('n', mesh(1, secret('default', 'old'), secret('ROOTCA', 'roots'))));
  assert.deepEqual(notified, []);
  const renewed = secret('default', 'new');
  assert.ok(!cache.set('n', mesh(1, renewed, secret('ROOTCA', 'roots'))));
  assert.deepEqual(notified, ['n']);
  assert.equal(cache.get('n')?.set('secret').get('default'), renewed);
  assert.equal(cache.get('n')?.set('cluster').size, 10);
  assert.ok(!cache.set('n', mesh(1)));
  assert.equal(cache.get('n')?.set('secret').size, 2, 'secrets that would go stay');
  cache.release();
  assert.equal(cache.get('n')?.set('cluster').size, 1);
});

test('XD-22: who meant it says so', () => {
  const { cache } = guarded();
  const heard: string[] = [];
  for (const key of ['n', 'm']) cache.set(key, clusters(10));
  cache.listen((key) => heard.push(key));
  for (const key of ['n', 'm']) cache.set(key, clusters(1));
  assert.deepEqual(heard, []);
  assert.deepEqual(cache.release('n'), ['n']);
  assert.deepEqual(cache.release('n'), []);
  assert.equal(cache.get('n')?.set('cluster').size, 1);
  assert.deepEqual(cache.release(), ['m']);
  assert.deepEqual(heard, ['n', 'm']);
});

test('XD-22: a key that is cleared is not held back any more, and without a guard nothing is', () => {
  const { cache } = guarded();
  cache.set('n', clusters(10));
  cache.set('n', clusters(1));
  cache.clear('n');
  assert.equal(cache.heldBack().size, 0);
  const open = new SnapshotCache();
  open.set('n', clusters(10));
  assert.ok(open.set('n', Snapshot.empty));
});
