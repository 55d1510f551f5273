import assert from 'node:assert/strict';
import { test } from 'node:test';
import { literalPrefix } from './literal-prefix.ts';

test('finds what every match begins with, and no more', () => {
  const cases: readonly (readonly [pattern: string, prefix: string])[] = [
    ['/users/[0-9]+', '/users/'],
    ['^/a\\.b\\-c/.*$', '/a.b-c/'],
    ['/ab?c', '/a'],
    ['/ab*', '/a'],
    ['/ab+', '/a'],
    ['/ab{0,2}', '/a'],
    ['/a\\.?b', '/a'],
    ['/a|/b', ''],
    ['/x/(a|b)', ''],
    ['(?i)/a', ''],
    ['/a\\d', '/a'],
    ['/a\\Qb\\E', '/a'],
    ['/plain', '/plain'],
    ['/end\\', '/end'],
    ['', ''],
  ];
  for (const [pattern, prefix] of cases) assert.equal(literalPrefix(pattern), prefix, pattern);
});
