import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeMetadataMatch, metadataMatchOf, metadataText } from './metadata-match.ts';

test('the order of keys matters neither in a match nor inside a value', () => {
  assert.deepEqual(
    metadataMatchOf({ b: { y: [2], x: 1 }, a: 'v' }).entries,
    metadataMatchOf({ a: 'v', b: { x: 1, y: [2] } }).entries,
  );
  assert.deepEqual(metadataMatchOf({ b: 1, a: true }).entries, [
    { key: 'a', value: metadataText(true) },
    { key: 'b', value: metadataText(1) },
  ]);
});

test('a number, a text and a bool that look alike are different values', () => {
  const values = [
    1,
    '1',
    '\u00001',
    true,
    'true',
    '\0true',
    null,
    'null',
    ['a'],
    'a',
    { a: 1 },
    '\0"a"',
  ];
  const texts = values.map(metadataText);
  assert.equal(new Set(texts).size, texts.length);
  assert.notEqual(metadataText(['a', 'b']), metadataText(['b', 'a']));
});

test('what is merged in replaces keys and adds others', () => {
  const merged = mergeMetadataMatch(metadataMatchOf({ version: 'v1', stage: 'prod' }), {
    stage: 'dev',
    tier: 1,
  });
  assert.deepEqual(merged, metadataMatchOf({ stage: 'dev', tier: 1, version: 'v1' }));
  assert.deepEqual(mergeMetadataMatch(null, { a: 1 }), metadataMatchOf({ a: 1 }));
});

test('each struct of a fallback list is a variant of the other keys', () => {
  const of = (values: Record<string, unknown>) => metadataMatchOf(values).entries;
  const { variants } = metadataMatchOf({
    version: 'v1',
    fallback_list: [{ version: 'v2', stage: 'x' }, {}, 'none'],
  });
  assert.deepEqual(variants, [
    of({ stage: 'x', version: 'v2' }),
    of({ version: 'v1' }),
    of({ version: 'v1' }),
  ]);
  assert.deepEqual(metadataMatchOf({ a: 1, fallback_list: [] }).variants, [of({ a: 1 })]);
  assert.deepEqual(metadataMatchOf({ a: 1, fallback_list: 'b' }).variants, [of({ a: 1 })]);
  assert.equal(metadataMatchOf({ a: 1 }).variants, null);
});

test('a key named like a part of every object is a key', () => {
  const values = JSON.parse('{"__proto__": "x", "constructor": "y"}') as Record<string, unknown>;
  assert.deepEqual(
    metadataMatchOf(values).entries.map(({ key }) => key),
    ['__proto__', 'constructor'],
  );
});
