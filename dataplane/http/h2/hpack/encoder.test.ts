import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HpackDecoder, HpackStatus } from './decoder.ts';
import { HpackEncoder, MAX_BLOCK_START_BYTES, maxFieldBytes } from './encoder.ts';

/** The block of a list, checked not to be longer than what had to be reserved for it. */
function encode(encoder: HpackEncoder, fields: readonly string[], neverIndexed = false): Buffer {
  let maxBytes = MAX_BLOCK_START_BYTES;
  for (let i = 0; i < fields.length; i += 2) maxBytes += maxFieldBytes(fields[i]!, fields[i + 1]!);
  const out = Buffer.alloc(maxBytes);
  let pos = encoder.beginBlock(out, 0);
  assert.ok(pos <= MAX_BLOCK_START_BYTES);
  for (let i = 0; i < fields.length; i += 2) {
    const before = pos;
    pos = encoder.encodeField(out, pos, fields[i]!, fields[i + 1]!, neverIndexed);
    assert.ok(pos - before <= maxFieldBytes(fields[i]!, fields[i + 1]!));
  }
  return out.subarray(0, pos);
}

function decode(decoder: HpackDecoder, block: Buffer): string[] {
  assert.equal(decoder.decode(block, 0, block.length, 1000, 1e7), HpackStatus.Ok);
  return decoder.fields;
}

for (const huffman of [false, true]) {
  describe(huffman ? 'with Huffman code' : 'without Huffman code', () => {
    test('a repeated list is one byte per field', () => {
      const encoder = new HpackEncoder(4096, huffman);
      const decoder = new HpackDecoder(4096);
      const fields = [
        ...[':method', 'GET', ':scheme', 'https', ':path', '/orders', ':authority', 'shop'],
        ...['accept', '*/*', 'x-tenant', 'blue', 'x-empty', '', 'user-agent', 'curl/8'],
      ];
      for (let round = 0; round < 3; round++) {
        const block = encode(encoder, fields);
        assert.deepEqual(decode(decoder, block), fields);
        if (round > 0) assert.equal(block.length, fields.length / 2);
      }
    });

    test('several values of one name are all found again', () => {
      const encoder = new HpackEncoder(4096, huffman);
      const decoder = new HpackDecoder(4096);
      const fields = ['/a', '/b', '/c', '/', '/index.html'].flatMap((path) => [':path', path]);
      decode(decoder, encode(encoder, fields));
      const block = encode(encoder, fields);
      assert.equal(block.length, 5);
      assert.deepEqual(decode(decoder, block), fields);
    });

    test('values that never repeat soon leave the table to others', () => {
      const encoder = new HpackEncoder(4096, huffman);
      const decoder = new HpackDecoder(4096);
      const repeated = ['x-tenant', 'blue', 'user-agent', 'Mozilla/5.0', 'accept', 'text/html'];
      let repeatedBytes = 0;
      for (let i = 0; i < 2000; i++) {
        const fields = [
          ...repeated,
          'x-request-id',
          `4112e037-3e3c-4929-b95c-${i}`,
          ':path',
          `/o/${i}`,
        ];
        assert.deepEqual(decode(decoder, encode(encoder, fields)), fields);
        const block = encode(encoder, repeated);
        assert.deepEqual(decode(decoder, block), repeated);
        if (i > 0) repeatedBytes += block.length;
      }
      assert.ok(repeatedBytes < 1999 * 3.2, `${repeatedBytes} bytes`);
    });

    test('a value that begins to repeat after many that did not gets its place', () => {
      const encoder = new HpackEncoder(4096, huffman);
      const decoder = new HpackDecoder(4096);
      for (let i = 0; i < 100; i++) decode(decoder, encode(encoder, ['x-id', `${i}`]));
      let rounds = 0;
      while (encode(encoder, ['x-id', 'the same from now on']).length > 1) rounds++;
      assert.ok(rounds <= 32, `${rounds}`);
    });
  });
}

test('strings and integers of every length class come back', () => {
  for (const length of [0, 1, 30, 39, 40, 41, 126, 127, 128, 254, 255, 16383, 16384, 70000]) {
    for (const huffman of [false, true]) {
      const fields = [
        'n',
        'v'.repeat(length),
        'm',
        '\xff'.repeat(length),
        'x'.repeat(length + 1),
        'v',
      ];
      const encoder = new HpackEncoder(4096, huffman);
      const decoder = new HpackDecoder(4096);
      assert.deepEqual(decode(decoder, encode(encoder, fields)), fields);
      assert.deepEqual(decode(decoder, encode(encoder, fields)), fields);
    }
  }
});

test('every status comes back, the common ones as one byte', () => {
  const encoder = new HpackEncoder(4096, false);
  const decoder = new HpackDecoder(4096);
  const out = Buffer.alloc(64);
  for (let status = 100; status < 1000; status++) {
    const end = encoder.encodeStatus(out, 0, status);
    if ([200, 204, 206, 304, 400, 404, 500].includes(status)) assert.equal(end, 1);
    assert.deepEqual(decode(decoder, out.subarray(0, end)), [':status', String(status)]);
  }
});

test('names of one connection are not written, TE only with trailers', () => {
  const names = [
    ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'host'],
    'http2-settings',
  ];
  for (const others of [0, 200]) {
    const encoder = new HpackEncoder(4096, false);
    encode(encoder, Array.from({ length: others }, (_, i) => [`x-${i}`, '']).flat());
    const out = Buffer.alloc(64);
    for (const name of names) assert.equal(encoder.encodeField(out, 7, name, 'x', false), 7);
    assert.equal(encoder.encodeField(out, 7, 'te', 'gzip', false), 7);
    assert.equal(encoder.encodeField(out, 7, 'te', 'trailers, deflate', false), 7);
    const block = encode(encoder, ['te', 'trailers']);
    assert.deepEqual(decode(new HpackDecoder(4096), block), ['te', 'trailers']);
  }
});

test('secrets are never indexed, and neither is what the caller says', () => {
  for (const others of [0, 200]) {
    for (const [name, value, asked] of [
      ['authorization', 'Bearer x', false],
      ['proxy-authorization', 'Basic x', false],
      ['cookie', 'nineteen-bytes-long', false],
      ['x-api-key', 'x', true],
      ['accept', 'x', true],
    ] as const) {
      const encoder = new HpackEncoder(4096, false);
      encode(encoder, Array.from({ length: others }, (_, i) => [`x-${i}`, '']).flat());
      for (let round = 0; round < 2; round++) {
        const block = encode(encoder, [name, value], asked);
        assert.equal(block[0]! & 0xf0, 0x10);
        const decoder = new HpackDecoder(4096);
        assert.deepEqual(decode(decoder, block), [name, value]);
        assert.deepEqual(decoder.neverIndexed, [0]);
      }
    }
  }
  const longer = encode(new HpackEncoder(4096, false), ['cookie', 'twenty-bytes-long-ab']);
  assert.equal(longer[0], 0x40 | 32);
});

test('what was indexed before is never indexed when the caller says so', () => {
  const encoder = new HpackEncoder(4096, false);
  const decoder = new HpackDecoder(4096);
  decode(decoder, encode(encoder, ['x-key', 'k']));
  assert.deepEqual(decode(decoder, encode(encoder, ['x-key', 'k'], true)), ['x-key', 'k']);
  assert.deepEqual(decoder.neverIndexed, [0]);
});

test('more names than are kept come right, and those that repeat are found again', () => {
  const encoder = new HpackEncoder(4096, false);
  const decoder = new HpackDecoder(4096);
  const repeated = ['accept', '*/*', 'x-tenant', 'blue'];
  for (let i = 0; i < 1000; i++) {
    const fields = [...repeated, `x-${i}`, `${i % 3}`];
    assert.deepEqual(decode(decoder, encode(encoder, fields)), fields);
  }
  encode(encoder, repeated);
  assert.equal(encode(encoder, repeated).length, 2);
});

describe('size of the table', () => {
  test('is told as the least and the last when it changed twice', () => {
    const encoder = new HpackEncoder(4096, false);
    const decoder = new HpackDecoder(4096);
    decode(decoder, encode(encoder, ['x-a', 'b']));
    encoder.setPeerTableSize(0);
    encoder.setPeerTableSize(100);
    encoder.setPeerTableSize(4000);
    const block = encode(encoder, ['x-a', 'b']);
    assert.equal(block.toString('hex', 0, 4), '203f811f');
    assert.deepEqual(decode(decoder, block), ['x-a', 'b']);
    // The entry went with size 0 and came again: it is the only one.
    assert.equal(encode(encoder, ['x-a', 'b']).toString('hex'), 'be');
    assert.equal(decoder.decode(Buffer.from([0xbf]), 0, 1, 9, 999), HpackStatus.CompressionError);
  });

  test('is told once when it only grows or only shrinks, and not when it stays', () => {
    const encoder = new HpackEncoder(8192, false);
    assert.equal(encode(encoder, []).length, 0);
    encoder.setPeerTableSize(4096);
    assert.equal(encode(encoder, []).length, 0);
    encoder.setPeerTableSize(6000);
    encoder.setPeerTableSize(1e9);
    assert.equal(encode(encoder, []).toString('hex'), '3fe13f');
    encoder.setPeerTableSize(30);
    assert.equal(encode(encoder, []).toString('hex'), '3e');
    assert.equal(encode(encoder, []).length, 0);
  });

  test('below 4096 by our own wish is told with the first block', () => {
    const encoder = new HpackEncoder(100, false);
    const decoder = new HpackDecoder(4096);
    assert.equal(encode(encoder, []).toString('hex'), '3f45');
    const none = new HpackEncoder(0, false);
    for (let round = 0; round < 3; round++) {
      const block = encode(none, ['x-a', 'b']);
      assert.equal(block.length, round === 0 ? 8 : 7);
      assert.deepEqual(decode(decoder, block), ['x-a', 'b']);
    }
  });

  test('holds after any change in the middle', () => {
    const encoder = new HpackEncoder(4096, false);
    const decoder = new HpackDecoder(4096);
    const sizes = [4096, 300, 64, 0, 4096, 1000, 33, 500];
    for (let i = 0; i < 400; i++) {
      if (i % 5 === 0) encoder.setPeerTableSize(sizes[(i / 5) % sizes.length]!);
      const fields = [
        `x-${i % 7}`,
        `${i % 3}`,
        'x-long',
        'y'.repeat(i % 90),
        ':path',
        `/${i % 11}`,
      ];
      assert.deepEqual(decode(decoder, encode(encoder, fields)), fields);
    }
  });
});

test('a value that most of the table would go for gets no entry', () => {
  const encoder = new HpackEncoder(4096, false);
  for (const [length, expected] of [
    [3 * 1024 - 32 - 1, 1],
    [3 * 1024 - 32, 3 * 1024 - 32 + 5],
  ] as const) {
    const fields = ['n', 'v'.repeat(length)];
    encode(encoder, fields);
    assert.equal(encode(encoder, fields).length, expected);
  }
});
