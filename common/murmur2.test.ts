import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { murmur2Words } from './murmur2.ts';
import { bigintOf } from './uint64.ts';

test('agrees with std::hash of libstdc++', () => {
  const words = new Uint32Array(2);
  for (const [text, expected] of [
    ['', '553e93901e462a6e'],
    ['a', '454ddee488c1ed6b'],
    ['abc', '32d82bf8ed3dba39'],
    ['10.0.0.1:80_0', 'bd8f6461ecffb28c'],
    ['127.0.0.1:8080_1023', 'e08b998ec0b06afc'],
    ['0123456789abcdef', '934b0d760642ed86'],
  ] as const) {
    murmur2Words(Buffer.from(text), text.length, words);
    assert.equal(bigintOf(words[0]!, words[1]!).toString(16), expected, text);
  }
});

const MASK = 0xffffffffffffffffn;
const M = 0xc6a4a7935bd1e995n;

test('agrees with MurmurHash64A written down in bigints, for any bytes', () => {
  const words = new Uint32Array(2);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      murmur2Words(bytes, bytes.length, words);
      assert.equal(bigintOf(words[0]!, words[1]!), specified(Buffer.from(bytes)));
    }),
  );
});

/** MurmurHash64A with the seed of libstdc++. */
function specified(data: Buffer): bigint {
  const mix = (value: bigint) => value ^ (value >> 47n);
  let hash = 0xc70f6907n ^ ((BigInt(data.length) * M) & MASK);
  let at = 0;
  for (; at + 8 <= data.length; at += 8) {
    const input = mix((data.readBigUInt64LE(at) * M) & MASK);
    hash = ((hash ^ ((input * M) & MASK)) * M) & MASK;
  }
  if (at < data.length) {
    let rest = 0n;
    for (let i = data.length - 1; i >= at; i--) rest = (rest << 8n) | BigInt(data[i]!);
    hash = ((hash ^ rest) * M) & MASK;
  }
  hash = (mix(hash) * M) & MASK;
  return mix(hash);
}
