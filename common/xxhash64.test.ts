import assert from 'node:assert/strict';
import { test } from 'node:test';
import { xxhash64 } from './xxhash64.ts';

test('hashes as the published vectors say, with every kind of tail', () => {
  for (const [text, expected] of [
    ['', 'ef46db3751d8e999'],
    ['a', 'd24ec4f1a98c6e5b'],
    ['abc', '44bc2cf5ad770999'],
    ['foobar', 'a2aa05ed9085aaf9'],
    ['Nobody inspects the spammish repetition', 'fbcea83c8a378bf1'],
  ] as const) {
    assert.equal(xxhash64(Buffer.from(text)).toString(16), expected, text);
  }
});
