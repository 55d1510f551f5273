import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KeptPieces } from './kept-pieces.ts';
import { POISON, sharedReadSlab } from './read-slab.ts';

/** `text` where sockets are read into, and overwritten behind. */
function add(kept: KeptPieces, text: string): void {
  const data = sharedReadSlab.memory.subarray(0, text.length);
  data.write(text, 'latin1');
  kept.add(data);
  data.fill(POISON);
}

test('a hundred thousand bytes that come one by one are a few pieces', () => {
  const kept = new KeptPieces();
  for (let i = 0; i < 100_000; i++) add(kept, String.fromCharCode(97 + (i % 26)));
  assert.ok(kept.pieces.length <= 30, `${kept.pieces.length}`);
  const text = Buffer.concat(kept.pieces).toString();
  assert.equal(text.length, 100_000);
  assert.equal(text.slice(0, 30), 'abcdefghijklmnopqrstuvwxyzabcd');
});

test('bytes stay as they were, however they come and are taken from the front', () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ add: fc.oneof(fc.nat({ max: 5 }), fc.nat({ max: 600 }), fc.nat({ max: 9000 })) }),
      fc.record({ take: fc.nat({ max: 3000 }) }),
    ),
    { maxLength: 60, size: 'max' },
  );
  fc.assert(
    fc.property(steps, (todo) => {
      const kept = new KeptPieces();
      let expected = '';
      let seen = '';
      let letter = 0;
      for (const step of todo) {
        if ('add' in step) {
          const text = String.fromCharCode(97 + (letter++ % 26)).repeat(step.add);
          expected += text;
          add(kept, text);
          continue;
        }
        const [first] = kept.pieces;
        if (first === undefined) continue;
        seen += first.toString('latin1', 0, step.take);
        if (step.take < first.length) kept.pieces[0] = first.subarray(step.take);
        else kept.pieces.shift();
      }
      assert.ok(seen + Buffer.concat(kept.pieces).toString('latin1') === expected);
    }),
    { numRuns: 300 },
  );
});

test('a piece that somebody else was given stays as it was', () => {
  const kept = new KeptPieces();
  const other = new KeptPieces();
  add(kept, 'a');
  add(kept, 'b');
  other.add(kept.pieces[0]!);
  add(other, 'x');
  add(kept, 'c');
  add(other, 'y');
  assert.equal(Buffer.concat(kept.pieces).toString(), 'abc');
  assert.equal(Buffer.concat(other.pieces).toString(), 'abxy');
});
