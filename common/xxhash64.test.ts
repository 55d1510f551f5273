import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { xxhash64, xxhash64Text } from './xxhash64.ts';

test('hashes as the published vectors say, with every kind of tail', () => {
  for (const [text, expected] of [
    ['', 'ef46db3751d8e999'],
    ['a', 'd24ec4f1a98c6e5b'],
    ['abc', '44bc2cf5ad770999'],
    ['foobar', 'a2aa05ed9085aaf9'],
    ['Nobody inspects the spammish repetition', 'fbcea83c8a378bf1'],
  ] as const) {
    assert.equal(xxhash64(Buffer.from(text)).toString(16), expected, text);
    assert.equal(xxhash64Text(text).toString(16), expected, text);
  }
});

test('agrees with the specification written down in bigints, for any bytes and seed', () => {
  const seeds = fc.bigInt({ min: 0n, max: MASK });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), seeds, (bytes, seed) => {
      const expected = specified(Buffer.from(bytes), seed);
      assert.equal(xxhash64(bytes, seed), expected);
      assert.equal(xxhash64Text(Buffer.from(bytes).toString('latin1'), seed), expected);
    }),
  );
});

test('texts longer than the scratch buffer are hashed whole', () => {
  const long = Buffer.alloc(5000, 'long text ');
  assert.equal(xxhash64Text(long.toString('latin1')), specified(long, 0n));
});

const MASK = 0xffffffffffffffffn;
const P1 = 0x9e3779b185ebca87n;
const P2 = 0xc2b2ae3d27d4eb4fn;
const P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n;
const P5 = 0x27d4eb2f165667c5n;

/** XXH64 as its specification has it, step by step. */
function specified(data: Buffer, seed: bigint): bigint {
  let at = 0;
  let hash = seed + P5;
  if (data.length >= 32) {
    const lanes = [seed + P1 + P2, seed + P2, seed, seed - P1];
    for (; at + 32 <= data.length; at += 32) {
      for (let i = 0; i < 4; i++) lanes[i] = round(lanes[i]!, data.readBigUInt64LE(at + 8 * i));
    }
    const turns = [1n, 7n, 12n, 18n];
    hash = lanes.reduce((sum, lane, i) => sum + rotate(lane, turns[i]!), 0n) & MASK;
    for (const lane of lanes) hash = ((hash ^ round(0n, lane)) * P1 + P4) & MASK;
  }
  hash = (hash + BigInt(data.length)) & MASK;
  for (; at + 8 <= data.length; at += 8) {
    hash = (rotate(hash ^ round(0n, data.readBigUInt64LE(at)), 27n) * P1 + P4) & MASK;
  }
  if (at + 4 <= data.length) {
    hash ^= (BigInt(data.readUInt32LE(at)) * P1) & MASK;
    hash = (rotate(hash, 23n) * P2 + P3) & MASK;
    at += 4;
  }
  for (; at < data.length; at++) {
    hash = (rotate(hash ^ ((BigInt(data[at]!) * P5) & MASK), 11n) * P1) & MASK;
  }
  hash = ((hash ^ (hash >> 33n)) * P2) & MASK;
  hash = ((hash ^ (hash >> 29n)) * P3) & MASK;
  return hash ^ (hash >> 32n);
}

function round(lane: bigint, input: bigint): bigint {
  return (rotate((lane + input * P2) & MASK, 31n) * P1) & MASK;
}

function rotate(value: bigint, bits: bigint): bigint {
  const v = value & MASK;
  return ((v << bits) | (v >> (64n - bits))) & MASK;
}
