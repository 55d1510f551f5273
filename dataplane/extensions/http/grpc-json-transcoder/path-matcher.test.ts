import assert from 'node:assert/strict';
import { test } from 'node:test';
import { labData } from '../../../../test/fakes/transcoding/lab.ts';
import { parseHttpTemplate } from './config/http-template.ts';
import type { HttpBindingData, UrlUnescapeSpec } from './data.ts';
import { PathMatcher, variableValue } from './path-matcher.ts';
import { unescapeUrl } from './url-unescape.ts';

function binding(httpMethod: string, template: string): HttpBindingData {
  const parsed = parseHttpTemplate(template);
  assert.notEqual(parsed, null, template);
  return {
    ...labData().bindings[0]!,
    httpMethod,
    segments: parsed!.segments,
    verb: parsed!.verb,
    variables: parsed!.variables,
  };
}

/** `rules`: `GET /a/{b}`. Gives the rule that matched with its variables, or null. */
function matcher(rules: readonly string[], matchesUnregisteredVerbs = false) {
  const bindings = rules.map((rule) => {
    const [method = '', template = ''] = rule.split(' ');
    return binding(method, template);
  });
  const paths = new PathMatcher(bindings, matchesUnregisteredVerbs);
  return (request: string, spec: UrlUnescapeSpec = 'ALL_CHARACTERS_EXCEPT_RESERVED') => {
    const [method = '', path = ''] = request.split(' ');
    const match = paths.match(method, path);
    if (match === null) return null;
    const variables = match.binding.variables.map((variable) => {
      const value = variableValue(variable, match.segments, spec);
      return `${variable.fieldPath.join('.')}=${value}`;
    });
    return [rules[bindings.indexOf(match.binding)], ...variables].join(' ');
  };
}

test('templates are parsed or refused', () => {
  assert.deepEqual(parseHttpTemplate('/v1/{a.b=shelves/*/books/**}/end:read'), {
    segments: ['v1', 'shelves', '*', 'books', '**', 'end'],
    verb: 'read',
    variables: [{ fieldPath: ['a', 'b'], start: 1, end: -2 }],
  });
  for (const wrong of [
    '',
    'a',
    '/',
    '/a//b',
    '/{a',
    '/{}',
    '/{a=}',
    '/{a={b}}',
    '/a:',
    '/a}',
    '/**/*',
    '/**/{a}',
    '/{a.}',
  ]) {
    assert.equal(parseHttpTemplate(wrong), null, wrong);
  }
});

test('literals go before one segment, one before many, and every way is tried', () => {
  const match = matcher([
    'GET /a/b',
    'GET /a/{x}',
    'GET /a/{x}/c',
    'GET /a/{x=**}',
    'GET /a/b/{y}/d',
  ]);
  assert.equal(match('GET /a/b'), 'GET /a/b');
  assert.equal(match('GET /a/z'), 'GET /a/{x} x=z');
  assert.equal(match('GET /a/b/c'), 'GET /a/{x}/c x=b');
  assert.equal(match('GET /a/b/q/d'), 'GET /a/b/{y}/d y=q');
  assert.equal(match('GET /a/b/q/e'), 'GET /a/{x=**} x=b/q/e');
  assert.equal(match('GET /a'), 'GET /a/{x=**} x=');
  assert.equal(match('POST /a/b'), null);
});

test('what is behind ** is matched from the end', () => {
  const match = matcher(['GET /deep/{name=a/*/b/**}/end', 'GET /s/{x=**}/e/f']);
  assert.equal(match('GET /deep/a/x/b/c/d/end'), 'GET /deep/{name=a/*/b/**}/end name=a/x/b/c/d');
  assert.equal(match('GET /deep/a/x/b/end'), null);
  assert.equal(match('GET /s/e/f/e/f'), 'GET /s/{x=**}/e/f x=e/f');
  assert.equal(match('GET /s/e/f/e'), null);
});

test('slashes at the end do not matter, in the middle they do', () => {
  const match = matcher(['GET /a/{x}']);
  assert.equal(match('GET /a/5//'), 'GET /a/{x} x=5');
  assert.equal(match('GET /a//5'), null);
});

test('verbs are known by the rules, or by their colon', () => {
  const rules = ['POST /v1/{name=files/**}:archive', 'GET /v1/{x}'];
  const known = matcher(rules);
  assert.equal(
    known('POST /v1/files/a:b:archive'),
    'POST /v1/{name=files/**}:archive name=files/a:b',
  );
  assert.equal(known('POST /v1/files/a'), null);
  assert.equal(known('GET /v1/a:read'), 'GET /v1/{x} x=a:read');
  assert.equal(known('GET /v1/a:archive'), null);
  const any = matcher(rules, true);
  assert.equal(any('GET /v1/a:read'), null);
  assert.equal(any('GET /v1/a:b/c'), null);
});

test('a rule for * answers to every method', () => {
  const match = matcher(['* /a', 'GET /a']);
  assert.equal(match('REPORT /a'), '* /a');
  assert.equal(match('GET /a'), 'GET /a');
});

test('one segment is decoded whole, several but for what the spec says', () => {
  const match = matcher(['GET /one/{x}', 'GET /many/{x=**}', 'GET /two/{x=a/*}']);
  assert.equal(match('GET /one/a%2Fb%20c'), 'GET /one/{x} x=a/b c');
  const path = 'GET /many/%2f%23/%20%2523%zz%2';
  assert.equal(match(path), 'GET /many/{x=**} x=%2f%23/ %23%zz%2');
  assert.equal(match(path, 'ALL_CHARACTERS_EXCEPT_SLASH'), 'GET /many/{x=**} x=%2f#/ %23%zz%2');
  assert.equal(match(path, 'ALL_CHARACTERS'), 'GET /many/{x=**} x=/#/ %23%zz%2');
  assert.equal(match('GET /two/a/b%2Fc'), 'GET /two/{x=a/*} x=a/b%2Fc');
});

test('escapes are UTF-8 or nothing, and a plus may be a space', () => {
  assert.equal(unescapeUrl('%C3%A9+a', 'ALL_CHARACTERS', false), 'é+a');
  assert.equal(unescapeUrl('%C3%A9+a%2B', 'ALL_CHARACTERS', true), 'é a+');
  assert.equal(unescapeUrl('%ff', 'ALL_CHARACTERS', false), null);
  assert.equal(unescapeUrl('%ED%A0%80', 'ALL_CHARACTERS', false), null);
});

test('a path of many segments is no deep recursion', () => {
  const match = matcher(['GET /{x=**}/end', 'GET /{x=**}']);
  assert.equal(match(`GET ${'/a'.repeat(30_000)}`)?.startsWith('GET /{x=**}'), true);
});
