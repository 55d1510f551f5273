// Stories: many header lists one after the other on one connection, of several shapes, written by every encoder and
// read by every decoder there is: ours, and a plain one made from the RFC whose encoder picks any allowed way to write a
// field. nghttp2.test.ts has those of node:http2.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ModelDecoder, ModelEncoder, type ModelField } from '../../../../test/fakes/hpack-model.ts';
import { keptFields, type Pair, story, tableBytes } from '../../../../test/fakes/hpack-stories.ts';
import { HpackDecoder, HpackStatus } from './decoder.ts';
import { HpackEncoder, MAX_BLOCK_START_BYTES, maxFieldBytes } from './encoder.ts';

function encode(encoder: HpackEncoder, pairs: readonly Pair[]): Buffer {
  let most = MAX_BLOCK_START_BYTES;
  for (const [name, value] of pairs) most += maxFieldBytes(name, value);
  const out = Buffer.alloc(most);
  let pos = encoder.beginBlock(out, 0);
  for (const [name, value] of pairs) pos = encoder.encodeField(out, pos, name, value, false);
  return out.subarray(0, pos);
}

function decode(decoder: HpackDecoder, block: Buffer): string[] {
  assert.equal(decoder.decode(block, 0, block.length, 1e6, 1e9), HpackStatus.Ok);
  return decoder.fields;
}

test('what our encoder writes is what our decoder and the plain one read, whatever sizes the peer sets', () => {
  fc.assert(
    fc.property(
      story,
      fc.array(fc.array(tableBytes, { maxLength: 3 })),
      tableBytes,
      fc.boolean(),
      (lists, changes, ownMax, huffman) => {
        const encoder = new HpackEncoder(ownMax, huffman);
        const decoder = new HpackDecoder(65536);
        const model = new ModelDecoder(65536);
        for (const [i, pairs] of [...lists, ...lists].entries()) {
          for (const bytes of changes[i] ?? []) encoder.setPeerTableSize(bytes);
          const block = encode(encoder, pairs);
          const expected = keptFields(pairs);
          assert.deepEqual(decode(decoder, block), expected.flat());
          assert.deepEqual(
            model.decode(block).map(({ name, value }) => [name, value]),
            expected,
          );
        }
      },
    ),
    { numRuns: 150 },
  );
});

test('any way to write a list is read the same', () => {
  const picks = fc.array(fc.nat(1000), { minLength: 50, maxLength: 300 });
  const sizes = fc.array(fc.option(tableBytes), { maxLength: 60 });
  fc.assert(
    fc.property(story, picks, sizes, (lists, chosen, changes) => {
      let next = 0;
      const pick = (bound: number) =>
        bound === 0 ? 0 : (chosen[next++ % chosen.length] ?? 0) % bound;
      const encoder = new ModelEncoder(pick);
      const decoder = new HpackDecoder(65536);
      for (const [i, pairs] of [...lists, ...lists].entries()) {
        const fields = pairs.map(
          ([name, value]): ModelField => ({ name, value, neverIndexed: pick(10) === 0 }),
        );
        const block = encoder.encode(fields, changes[i] ?? null);
        assert.deepEqual(decode(decoder, block), pairs.flat());
        const never = fields.flatMap(({ neverIndexed }, at) => (neverIndexed ? [2 * at] : []));
        assert.deepEqual(decoder.neverIndexed ?? [], never);
        assert.equal(decoder.fieldCount, pairs.length);
        assert.equal(
          decoder.listBytes,
          pairs.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0),
        );
      }
    }),
    { numRuns: 150 },
  );
});
