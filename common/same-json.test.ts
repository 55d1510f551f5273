import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSameJson } from './same-json.ts';

test('equal values are equal whatever the order of keys, and whatever their prototype', () => {
  assert.ok(isSameJson({ a: 1, b: [1, { c: null }] }, { b: [1, { c: null }], a: 1 }));
  assert.ok(isSameJson(Object.assign(Object.create(null), { a: 'x' }), { a: 'x' }));
  assert.ok(isSameJson(null, null));
});

const pairs: [unknown, unknown][] = [
  [{ a: 1 }, { a: 2 }],
  [{ a: 1 }, { a: 1, b: 2 }],
  [{ a: undefined }, { b: undefined }],
  [[1, 2], [1]],
  [[1], { 0: 1 }],
  [null, {}],
  ['1', 1],
  [{ a: {} }, { a: null }],
];

test('everything else differs', () => {
  for (const [a, b] of pairs) {
    assert.equal(isSameJson(a, b), false, JSON.stringify([a, b]));
    assert.equal(isSameJson(b, a), false, JSON.stringify([b, a]));
  }
});
