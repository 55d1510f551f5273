import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PeekBuffer } from './peek-buffer.ts';

describe('PeekBuffer', () => {
  it('has what was appended and not consumed, in order', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 3000 }), fc.nat({ max: 3000 })),
          { maxLength: 30 },
        ),
        (steps) => {
          const peeked = new PeekBuffer();
          let expected = Buffer.alloc(0);
          for (const step of steps) {
            if (typeof step === 'number') {
              const bytes = Math.min(step, expected.length);
              peeked.consume(bytes);
              expected = expected.subarray(bytes);
            } else {
              peeked.append(Buffer.from(step));
              expected = Buffer.concat([expected, step]);
            }
            assert.deepEqual(peeked.data, expected);
          }
        },
      ),
    );
  });

  it('lets nobody consume what is not there', () => {
    const peeked = new PeekBuffer();
    peeked.append(Buffer.from('ab'));
    assert.throws(() => peeked.consume(3), /consumed too much/);
  });

  it('does not copy what came before with every byte', () => {
    const peeked = new PeekBuffer();
    const buffers = new Set<ArrayBufferLike>();
    for (let i = 0; i < 65_536; i++) {
      peeked.append(Buffer.of(i & 0xff));
      buffers.add(peeked.data.buffer);
    }
    assert.ok(buffers.size < 20, `${buffers.size} buffers`);
  });
});
