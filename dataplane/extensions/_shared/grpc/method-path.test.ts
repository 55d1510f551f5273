import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMethodPath } from './method-path.ts';

// Checked against the names of Envoy 1.40's stats.
const paths: readonly (readonly [string, string | null])[] = [
  ['/a.b.Svc/Meth', 'a.b.Svc Meth'],
  ['/a.b.Svc/Meth?x=1/2', 'a.b.Svc Meth'],
  ['/a/b/', 'a b'],
  ['//a//b', 'a b'],
  ['/x', null],
  ['/a/', null],
  ['//b', null],
  ['/a/b/c', null],
  ['/', null],
  ['', null],
  ['?/a/b', null],
  ['/a?/b', null],
];

for (const [path, expected] of paths) {
  test(`the method of '${path}' is ${expected ?? 'none'}`, () => {
    const parsed = parseMethodPath(path);
    assert.equal(parsed === null ? null : `${parsed.service} ${parsed.method}`, expected);
  });
}
