import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FrameScanner, frameHeader } from './frame-scanner.ts';

const frame = (message: Uint8Array, flags = 0): Buffer =>
  Buffer.concat([frameHeader(flags, message.length), message]);

/** Ends of messages in the whole body, as a scanner fed in these cuts reports them. */
function ends(body: Buffer, cuts: readonly number[]): number[] {
  const scanner = new FrameScanner();
  const found: number[] = [];
  let from = 0;
  for (const cut of [...cuts, body.length]) {
    const piece = body.subarray(from, cut);
    for (let at = 0; at < piece.length; ) {
      at = scanner.advance(piece, at);
      if (scanner.isBetweenMessages) found.push(from + at);
    }
    from = cut;
  }
  return found;
}

test('messages are found wherever the bytes are cut', () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 });
  const cutPoints = fc.array(fc.nat({ max: 2000 }), { maxLength: 20 });
  fc.assert(
    fc.property(messages, cutPoints, (parts, points) => {
      const frames = parts.map((part, i) => frame(part, i % 3));
      const body = Buffer.concat(frames);
      let end = 0;
      const expected = frames.map(({ length }) => {
        end += length;
        return end;
      });
      const cuts = points.map((point) => Math.min(point, body.length)).sort((a, b) => a - b);
      assert.deepEqual(ends(body, cuts), expected);
      const byteByByte = Array.from({ length: body.length }, (_, i) => i);
      assert.deepEqual(ends(body, byteByByte), expected);
    }),
  );
});

test('a message counts from its first byte on', () => {
  const scanner = new FrameScanner();
  assert.equal(scanner.scan(Buffer.concat([frame(Buffer.from('ab')), Buffer.from([9])])), 2);
  assert.equal(scanner.isBetweenMessages, false);
  assert.equal(scanner.scan(Buffer.from([0, 0, 0, 0])), 0);
  assert.equal(scanner.isBetweenMessages, true);
  assert.equal(scanner.messages, 2);
});

test('a length of 4 GiB - 1 is waited for, not negative', () => {
  const scanner = new FrameScanner();
  assert.equal(scanner.scan(Buffer.from([0, 0xff, 0xff, 0xff, 0xff])), 1);
  assert.equal(scanner.scan(Buffer.alloc(70_000)), 0);
  assert.equal(scanner.isBetweenMessages, false);
});
