import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResponseHeaders } from '../api/headers.ts';
import type { HeaderMatcherData, ResponsePredicateData } from '../api/matcher-data.ts';
import { createResponsePredicate } from './response-predicate.ts';

const header = (name: string, value: string): HeaderMatcherData => ({
  name,
  match: { kind: 'string', matcher: { kind: 'exact', value, ignoreCase: false } },
  invert: false,
  treatMissingAsEmpty: false,
});
const headers = (...given: HeaderMatcherData[]): ResponsePredicateData => ({
  kind: 'headers',
  headers: given,
});
const teapot = headers(header(':status', '418'));
const bad = headers(header('x-bad', '1'));

test('predicates look at the status and at headers, and combine', () => {
  const table: readonly [ResponsePredicateData, boolean, boolean, boolean][] = [
    // predicate, of a 418, of a 418 with x-bad, of a 200 with x-bad
    [{ kind: 'any' }, true, true, true],
    [teapot, true, true, false],
    [bad, false, true, true],
    [headers(header(':status', '418'), header('x-bad', '1')), false, true, false],
    [{ kind: 'or', rules: [teapot, bad] }, true, true, true],
    [{ kind: 'and', rules: [teapot, bad] }, false, true, false],
    [{ kind: 'not', rule: teapot }, false, false, true],
    [{ kind: 'not', rule: { kind: 'or', rules: [teapot, bad] } }, false, false, false],
    [{ kind: 'and', rules: [] }, true, true, true],
    [{ kind: 'or', rules: [] }, false, false, false],
  ];
  for (const [data, ...expected] of table) {
    const predicate = createResponsePredicate(data);
    const seen = [
      new ResponseHeaders(418, []),
      new ResponseHeaders(418, ['x-bad', '1']),
      new ResponseHeaders(200, ['x-bad', '1']),
    ].map((response) => predicate.matches(response));
    assert.deepEqual(seen, expected, JSON.stringify(data));
  }
});
