import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { byteByByte, grpcFrame } from '../../../../test/fakes/grpc.ts';
import { Base64Decoder, Base64Encoder } from './base64.ts';

/** What comes out when the text is cut at these places; null = refused, '...' behind it = a group is not whole. */
function decoded(text: string, cuts: readonly number[] = []): string | null {
  const decoder = new Base64Decoder();
  let bytes = '';
  let from = 0;
  for (const cut of [...cuts, text.length]) {
    const part = decoder.decode(Buffer.from(text.slice(from, cut), 'latin1'));
    if (part === null) return null;
    bytes += part.toString('latin1');
    from = cut;
  }
  return decoder.isIncomplete ? `${bytes}...` : bytes;
}

const cutsOf = (length: number) =>
  fc.array(fc.nat({ max: length }), { maxLength: 10 }).map((cuts) => cuts.sort((a, b) => a - b));

test('what was encoded is decoded, wherever it is cut, also with padding inside', () => {
  const parts = fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { maxLength: 5 });
  const cases = parts.chain((bytes) => {
    const text = bytes.map((part) => Buffer.from(part).toString('base64')).join('');
    return fc.tuple(fc.constant(bytes), fc.constant(text), cutsOf(text.length));
  });
  fc.assert(
    fc.property(cases, ([bytes, text, cuts]) => {
      const expected = Buffer.concat(bytes).toString('latin1');
      assert.equal(decoded(text, cuts), expected);
      assert.equal(
        decoded(
          text,
          Array.from(text, (_, i) => i),
        ),
        expected,
      );
    }),
  );
});

test('what is no base64 is refused, whole and byte by byte', () => {
  const bad = [
    '!!!!',
    '====',
    'A===',
    'AB==',
    'AAB=',
    'AA=A',
    '__-A',
    'AAA\n',
    'AA\r\n',
    'AAAAA=AA',
    'AA==AB==',
  ];
  for (const text of bad) {
    assert.equal(decoded(text), null, text);
    assert.equal(decoded(text, [1, 2, 3, 4, 5, 6, 7]), null, text);
  }
});

test('a group that is not whole waits', () => {
  assert.equal(decoded('AAAA'), '\0\0\0');
  for (const text of ['AAAAA', 'AAAAAA', 'AAAAAAA']) assert.equal(decoded(text), '\0\0\0...');
});

test('messages are padded each for itself, wherever the bytes are cut', () => {
  const messages = fc.array(fc.string({ maxLength: 40 }), { maxLength: 5 });
  const cases = messages.chain((texts) => {
    const frames = texts.map((text) => grpcFrame(text));
    const body = Buffer.concat(frames);
    return fc.tuple(fc.constant(frames), fc.constant(body), cutsOf(body.length));
  });
  fc.assert(
    fc.property(cases, ([frames, body, cuts]) => {
      const expected = frames.map((frame) => frame.toString('base64')).join('');
      const whole = (pieces: readonly Buffer[]): string => {
        const encoder = new Base64Encoder();
        return pieces.map((piece) => encoder.encode(piece)).join('') + encoder.flush();
      };
      const ends = [...cuts, body.length];
      assert.equal(whole(ends.map((end, i) => body.subarray(ends[i - 1] ?? 0, end))), expected);
      assert.equal(whole(byteByByte(body)), expected);
    }),
  );
});

test('nothing of a message is held back but what fills no group', () => {
  const encoder = new Base64Encoder();
  assert.equal(encoder.encode(Buffer.from([0, 0])), '');
  assert.equal(encoder.encode(Buffer.from([0, 0, 9, 1])), 'AAAAAAkB');
  assert.equal(encoder.encode(Buffer.from([2])), '');
  assert.equal(encoder.flush(), 'Ag==');
});
