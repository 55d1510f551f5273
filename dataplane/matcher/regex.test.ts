import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RE2JS } from 're2js';
import { isBacktrackFree } from './backtrack-free.ts';
import { compileRegex } from './regex.ts';

test('plain path patterns may run on the native engine', () => {
  const patterns = [
    '/api/v[0-9]+/.*',
    '.*',
    '.*foo.*',
    '[^/]+',
    '/a/[^/]+/b',
    '(get|set)/x',
    '\\d{3}',
    '^/x$',
    '.*\\.html',
    '(/a/(b|c))[-a-z0-9.]*',
    'colou?r',
  ];
  for (const pattern of patterns) assert.equal(isBacktrackFree(pattern), true, pattern);
});

test('patterns that can backtrack or that JavaScript reads differently go to RE2', () => {
  const patterns = [
    '(a+)+b',
    'a*a*b',
    '.*a.*b',
    '(a|b)*',
    '(a*|b)',
    'a{0,80}b',
    'a?a?a?a?a?a?a?b',
    '(?i)foo',
    '\\s+',
    '\\bfoo',
    '\\pN',
    '[[:alpha:]]+',
    'a*?b',
    'a**',
    '[]a]',
    'a|b',
    'é+',
    'x$y',
    'a^b',
    '(?P<n>a)',
    '\\Qa\\E',
  ];
  for (const pattern of patterns) assert.equal(isBacktrackFree(pattern), false, pattern);
});

test('an accepted pattern means on V8 what it means in RE2', () => {
  const atom = fc.constantFrom(
    'a',
    'b',
    '/',
    '.',
    '[ab]',
    '[^a]',
    '\\d',
    '\\.',
    '(a|b/)',
    '(?:ab)',
  );
  const quantifier = fc.constantFrom('', '', '*', '+', '?', '{2}', '{1,3}');
  const pattern = fc
    .array(fc.tuple(atom, quantifier), { minLength: 1, maxLength: 6 })
    .map((parts) => parts.map(([a, q]) => a + q).join(''));
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '/', '.', '1', 'x'), maxLength: 8 });
  fc.assert(
    fc.property(pattern, text, (source, subject) => {
      fc.pre(isBacktrackFree(source));
      assert.equal(compileRegex(source).matches(subject), RE2JS.matches(source, subject), source);
    }),
    { numRuns: 2000 },
  );
});

test('an accepted pattern stays linear on long hostile text', () => {
  const hostile = `${'a'.repeat(60_000)}!`;
  for (const pattern of ['.*b', '[a-z]*[0-9]+x', 'a+bc', '.*aaaaab.*']) {
    assert.equal(isBacktrackFree(pattern), true, pattern);
    const startedMs = performance.now();
    assert.equal(compileRegex(pattern).matches(hostile), false);
    assert.ok(performance.now() - startedMs < 1000, pattern);
  }
});

test('a match is a full match on both engines', () => {
  for (const pattern of ['/a', '(/a)+']) {
    assert.equal(compileRegex(pattern).matches('/a'), true);
    assert.equal(compileRegex(pattern).matches('/ab'), false);
    assert.equal(compileRegex(pattern).matches('x/a'), false);
  }
  assert.equal(compileRegex('(?i)FOO').matches('foo'), true);
});

test('replaceAll knows groups, the whole match and the escaped backslash', () => {
  assert.equal(compileRegex('^/api/(.*)/(\\d+)').replaceAll('/api/x/12?q', '/\\2/\\1'), '/12/x?q');
  assert.equal(compileRegex('a').replaceAll('banana', '<\\0>'), 'b<a>n<a>n<a>');
  assert.equal(compileRegex('a').replaceAll('xa', '\\\\'), 'x\\');
  assert.equal(compileRegex('(a)|(b)').replaceAll('ab', '[\\1\\2]'), '[a][b]');
  assert.equal(compileRegex('z').replaceAll('ab', 'x'), 'ab');
});
