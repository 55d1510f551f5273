import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Subscription } from './subscription.ts';

describe('SotW lists', () => {
  test('an empty first list is the wildcard, and ACKs without names keep it', () => {
    const subscription = new Subscription(true);
    assert.deepEqual(subscription.replace([]), { added: [], startedWildcard: true });
    assert.deepEqual(subscription.replace([]), { added: [], startedWildcard: false });
    assert.ok(subscription.wants('anything'));
  });

  test('an empty list after an explicit one is an empty list (go-control-plane #558)', () => {
    const subscription = new Subscription(true);
    subscription.replace(['a']);
    subscription.replace([]);
    assert.ok(!subscription.isWildcard);
    assert.ok(!subscription.wants('a'));
  });

  test('an empty list after * is an empty list', () => {
    const subscription = new Subscription(true);
    subscription.replace(['*']);
    assert.ok(subscription.wants('b'));
    subscription.replace([]);
    assert.ok(!subscription.wants('b'));
  });

  test('* and names together are both (go-control-plane #1092)', () => {
    const subscription = new Subscription(true);
    assert.deepEqual(subscription.replace(['*', 'a']), { added: ['a'], startedWildcard: true });
    subscription.replace(['a']);
    assert.ok(!subscription.wants('b'));
    assert.ok(subscription.wants('a'));
  });

  test('legacy wildcard, then names: only the names', () => {
    const subscription = new Subscription(true);
    subscription.replace([]);
    subscription.replace(['a']);
    assert.ok(!subscription.wants('b'));
  });

  test('types without wildcard take an empty first list for nothing, and * for a name', () => {
    const subscription = new Subscription(false);
    subscription.replace([]);
    assert.ok(!subscription.wants('a'));
    subscription.replace(['*']);
    assert.ok(!subscription.wants('a'));
  });
});

describe('delta changes', () => {
  test('a first request without names is the wildcard, one with names is not', () => {
    const all = new Subscription(true);
    assert.ok(all.change([], []).startedWildcard);
    const some = new Subscription(true);
    some.change(['a'], []);
    assert.ok(!some.isWildcard);
    some.change([], []);
    assert.ok(!some.isWildcard, 'only the first request counts');
  });

  test('unsubscribing * ends it; named ones remain', () => {
    const subscription = new Subscription(true);
    subscription.change([], []);
    subscription.change(['a'], []);
    const change = subscription.change([], ['*']);
    assert.ok(change.endedWildcard);
    assert.ok(subscription.wants('a'));
    assert.ok(!subscription.wants('b'));
  });

  test('a name that the wildcard still covers is told apart from a dropped one', () => {
    const subscription = new Subscription(true);
    subscription.change(['*', 'a'], []);
    assert.deepEqual(subscription.change([], ['a']).stillCovered, ['a']);
    const named = new Subscription(true);
    named.change(['a'], []);
    assert.deepEqual(named.change([], ['a', 'never-wanted']).dropped, ['a']);
  });
});
