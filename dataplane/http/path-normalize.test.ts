import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalPath, mergeSlashes, unescapeSlashes } from './path-normalize.ts';

// Right sides were read off a real Envoy 1.40 with normalize_path, merge_slashes and UNESCAPE_AND_FORWARD.
const envoySays: readonly (readonly [string, string])[] = [
  ['/a/../admin', '/admin'],
  ['/a/./b', '/a/b'],
  ['/../../x', '/x'],
  ['/%2e%2e/x', '/x'],
  ['/a/%2E./b', '/b'],
  ['/%41b', '/Ab'],
  ['/a%2fb', '/a/b'],
  ['/a%2F..%2Fb', '/b'],
  ['/a%5cb', '/a/b'],
  ['/a\\b', '/a/b'],
  ['/a\\..\\b', '/b'],
  ['//admin/x', '/admin/x'],
  ['/a///b', '/a/b'],
  ['/a//../b', '/a/b'],
  ['/%7Efoo', '/~foo'],
  ['/%c3%a9', '/%c3%a9'],
  ['/%zz', '/%zz'],
  ['/%2', '/%2'],
  ['/a%01', '/a%01'],
  ['/a%20b?x=/../y', '/a%20b?x=/../y'],
  ['/a;b/../c', '/c'],
  ['/a"b<>`{|}^', '/a%22b%3C%3E%60%7B%7C%7D%5E'],
  ['/..', '/'],
  ['/.', '/'],
  ['/a/..', '/'],
  ['/a/.', '/a/'],
  ['/a/b/..;/c', '/a/c'],
  ['/a/b/..;x=1/c', '/a/c'],
  ['/a/b/.;/c', '/a/b/c'],
  ['/a/b/..;', '/a/'],
  ['/a/b/...;/c', '/a/b/...;/c'],
  ['/a/b/..%3b/c', '/a/b/..%3b/c'],
  ['/a/..;?x', '/?x'],
  ['/%252f', '/%252f'],
  ['/a?b//c', '/a?b//c'],
  ['/a%2f%2fb', '/a/b'],
  ['/%5c%5Cx', '/x'],
  ['/%2e', '/'],
  ['/A%2d%5F', '/A-_'],
  ['/a%2F', '/a/'],
  ['/x/%2e%2e%2fy', '/y'],
  ['/%3f%23', '/%3f%23'],
  ['/a%3Bb', '/a%3Bb'],
  ['/a?%2e%2e/%2f', '/a?%2e%2e/%2f'],
];

for (const [input, expected] of envoySays) {
  test(`U-13..U-17 ${input} normalises to ${expected} as Envoy does`, () => {
    const canonical = canonicalPath(unescapeSlashes(input));
    assert.equal(canonical === null ? null : mergeSlashes(canonical), expected);
  });
}

test('U-12 %00 in a path is refused, in a query it is not looked at', () => {
  assert.equal(canonicalPath('/a%00b'), null);
  assert.equal(canonicalPath('/a?%00'), '/a?%00');
});

test('a canonical path comes back as the same string', () => {
  const path = '/api/v1/orders/17?sort=../x';
  assert.equal(canonicalPath(path), path);
});

test('without the options escaped and doubled slashes stay', () => {
  assert.equal(canonicalPath('/a%2fb//c'), '/a%2fb//c');
});

test('U-18 canonicalPath is idempotent and leaves no dot segment, for every escape at every level', () => {
  for (let byte = 1; byte < 256; byte++) {
    const escaped = `%${byte.toString(16).padStart(2, '0')}`;
    for (const path of [
      `/${escaped}`,
      `/admin${escaped}`,
      `/admin/${escaped}x`,
      `/a/${escaped}/b`,
    ]) {
      const once = canonicalPath(path)!;
      assert.equal(canonicalPath(once), once, path);
    }
  }
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('/', '.', '..', '%2e', '%2F', '\\', 'a', '%41', '?', ';', '%')),
      (parts) => {
        const once = canonicalPath(`/${parts.join('')}`);
        assert.notEqual(once, null);
        assert.equal(canonicalPath(once!), once);
        const path = once!.split('?')[0]!;
        assert.doesNotMatch(path, /\/\.\.?(;[^/]*)?(\/|$)/);
        assert.match(path, /^\//);
      },
    ),
  );
});
