import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ScopeFragmentData } from '../api/config/scoped-routes.ts';
import { RequestHeaders } from '../api/headers.ts';
import { ScopeKeyBuilder, scopeKey } from './scope-key.ts';

const index = (number: number, elementSeparator = ''): ScopeFragmentData => {
  return { kind: 'index', header: 'x', elementSeparator, index: number };
};
const element = (key: string, separator: string, elementSeparator = ';'): ScopeFragmentData => {
  return { kind: 'element', header: 'x', elementSeparator, separator, key };
};
const head = (...fields: string[]) => new RequestHeaders('GET', '/p', 'h', 'http', fields);
const keyOf = (fragment: ScopeFragmentData, value: string) =>
  new ScopeKeyBuilder([fragment]).keyOf(head('x', value));

test('an element by its place', () => {
  assert.equal(keyOf(index(0), 'a,b'), 'a,b');
  assert.equal(keyOf(index(0, ','), 'a,b'), 'a');
  assert.equal(keyOf(index(1, ', '), 'a, b, c'), 'b');
  assert.equal(keyOf(index(2, ','), 'a,b,'), '');
  assert.equal(keyOf(index(3, ','), 'a,b,'), null);
  assert.equal(keyOf(index(0, ','), ''), '');
});

test('an element by its key', () => {
  assert.equal(keyOf(element('t', '='), 'a=b;t=c=d;t=e'), 'c=d');
  assert.equal(keyOf(element('t', '='), 't'), '');
  assert.equal(keyOf(element('t', '='), 'tt=1;t =2; t=3'), null);
  assert.equal(keyOf(element('t', '=>', ''), 't=>a;t=>b'), 'a;t=>b');
  assert.equal(keyOf(element('t', '=;', ';'), 't=;a'), null);
  // The first separator ends the key, so that this one cannot be met.
  assert.equal(keyOf(element('a=b', '='), 'a=b=c'), null);
});

test('parts belong together: without one of them there is no key', () => {
  const builder = new ScopeKeyBuilder([index(0), { ...index(0), header: 'y' }]);
  assert.equal(builder.keyOf(head('x', 'a', 'y', 'b')), scopeKey(['a', 'b']));
  assert.equal(builder.keyOf(head('x', 'a')), null);
  assert.notEqual(scopeKey(['a', 'b']), scopeKey(['ab', '']));
  assert.notEqual(scopeKey(['a', 'b']), scopeKey(['a\0b']));
});

test('of several headers the first counts; pseudo headers are headers', () => {
  assert.equal(new ScopeKeyBuilder([index(0)]).keyOf(head('x', 'a', 'x', 'b')), 'a');
  const of = (header: string) => new ScopeKeyBuilder([{ ...index(0), header }]).keyOf(head());
  assert.deepEqual(
    [of(':authority'), of('host'), of(':path'), of(':none')],
    ['h', 'h', '/p', null],
  );
});

test('a long header costs what its length is, and not the square of it', () => {
  const beginMs = performance.now();
  const elements = ';'.repeat(1_000_000);
  assert.equal(keyOf(element('t', '='), elements), null);
  assert.equal(keyOf(element('t', '='), `${elements}t=a`), 'a');
  assert.equal(keyOf(element('t', '=='), `${'=;'.repeat(500_000)}t==a`), 'a');
  // Milliseconds; the square of it is minutes.
  assert.ok(performance.now() - beginMs < 5000);
});
