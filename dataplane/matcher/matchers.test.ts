import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestHeaders } from '../api/headers.ts';
import type { HeaderMatcherData, StringMatcherData } from '../api/matcher-data.ts';
import { HeaderMatcher } from './header-matcher.ts';
import { compileStringMatcher } from './string-matcher.ts';

test('each kind of string matcher, with and without case', () => {
  const table: [StringMatcherData, string, boolean][] = [
    [{ kind: 'exact', value: 'Ab', ignoreCase: false }, 'Ab', true],
    [{ kind: 'exact', value: 'Ab', ignoreCase: false }, 'ab', false],
    [{ kind: 'exact', value: 'Ab', ignoreCase: true }, 'aB', true],
    [{ kind: 'prefix', value: '/A', ignoreCase: true }, '/abc', true],
    [{ kind: 'prefix', value: '/a', ignoreCase: false }, 'x/a', false],
    [{ kind: 'suffix', value: '.html', ignoreCase: false }, 'x.html', true],
    [{ kind: 'suffix', value: '.html', ignoreCase: false }, 'x.htm', false],
    [{ kind: 'contains', value: 'bc', ignoreCase: false }, 'abcd', true],
    [{ kind: 'contains', value: 'bc', ignoreCase: false }, 'aBCd', false],
    [{ kind: 'regex', value: '/v[0-9]+', ignoreCase: false }, '/v12', true],
    [{ kind: 'regex', value: '/v[0-9]+', ignoreCase: false }, '/v12/', false],
  ];
  for (const [data, text, expected] of table) {
    assert.equal(compileStringMatcher(data).match(text), expected, JSON.stringify([data, text]));
  }
});

const present = { kind: 'present', present: true } as const;
const absent = { kind: 'present', present: false } as const;
const range = { kind: 'range', start: -1, end: 10 } as const;
const exact = {
  kind: 'string',
  matcher: { kind: 'exact', value: 'v', ignoreCase: false },
} as const;

function matcher(
  match: HeaderMatcherData['match'],
  flags: { invert?: boolean; empty?: boolean } = {},
): HeaderMatcher {
  return new HeaderMatcher({
    name: 'x',
    match,
    invert: flags.invert ?? false,
    treatMissingAsEmpty: flags.empty ?? false,
  });
}

test('header matchers on present, missing and wrong values as in Envoy', () => {
  const table: [HeaderMatcher, string | null, boolean][] = [
    [matcher(exact), 'v', true],
    [matcher(exact), 'w', false],
    [matcher(exact), null, false],
    [matcher(exact, { invert: true }), 'w', true],
    [matcher(exact, { invert: true }), 'v', false],
    [matcher(exact, { invert: true }), null, false],
    [matcher(exact, { invert: true, empty: true }), null, true],
    [matcher(exact, { empty: true }), null, false],
    [matcher(present), 'v', true],
    [matcher(present), null, false],
    [matcher(present, { invert: true }), 'v', false],
    [matcher(present, { invert: true }), null, true],
    [matcher(absent), 'v', false],
    [matcher(absent), null, true],
    [matcher(absent, { invert: true }), 'v', true],
    [matcher(absent, { invert: true }), null, false],
    [matcher(range), '9', true],
    [matcher(range), '10', false],
    [matcher(range), '-1', true],
    [matcher(range), '', false],
    [matcher(range), '5x', false],
    [matcher(range), '0x5', false],
  ];
  for (const [subject, value, expected] of table) {
    const headers = new RequestHeaders('GET', '/', 'h', 'http', value === null ? [] : ['x', value]);
    assert.equal(subject.matches(headers), expected, JSON.stringify([subject, value]));
  }
});

test('a header matcher sees repeated values joined and knows pseudo headers', () => {
  const headers = new RequestHeaders('PUT', '/', 'h', 'http', ['x', 'a', 'x', 'b']);
  const joined = new HeaderMatcher({
    name: 'x',
    match: { kind: 'string', matcher: { kind: 'exact', value: 'a,b', ignoreCase: false } },
    invert: false,
    treatMissingAsEmpty: false,
  });
  const method = new HeaderMatcher({
    name: ':method',
    match: { kind: 'string', matcher: { kind: 'exact', value: 'PUT', ignoreCase: false } },
    invert: false,
    treatMissingAsEmpty: false,
  });
  assert.equal(joined.matches(headers), true);
  assert.equal(method.matches(headers), true);
});

test('a repeated header is read line by line, and whichever way is asked for decides', () => {
  const table: [HeaderMatcher, string[], each: boolean, some: boolean, every: boolean][] = [
    [matcher(exact), [], false, false, false],
    [matcher(exact), ['v'], true, true, true],
    [matcher(exact), ['w', 'v'], true, true, false],
    [matcher(exact), ['v', 'w'], true, true, false],
    [matcher(exact), ['w', 'w'], false, false, false],
    [matcher(exact), ['w, v'], false, true, false],
    [matcher(exact, { invert: true }), ['v'], false, false, false],
    [matcher(exact, { invert: true }), ['v', 'w'], false, true, false],
    [matcher(exact, { invert: true }), ['w', 'w'], true, true, true],
    [matcher(exact, { invert: true }), ['w, v'], true, true, true],
  ];
  for (const [subject, lines, ...expected] of table) {
    const fields = lines.flatMap((line) => ['x', line]);
    const headers = new RequestHeaders('GET', '/', 'h', 'http', fields);
    const actual = (['each', 'some', 'every'] as const).map((reading) =>
      subject.matchesReading(headers, reading),
    );
    assert.deepEqual(actual, expected, lines.join(' | '));
  }
});
