import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HpackDecoder, HpackStatus } from './decoder.ts';

const MAX_FIELDS = 100;
const MAX_LIST_BYTES = 60 * 1024;

function run(decoder: HpackDecoder, block: Buffer | string): HpackStatus {
  const bytes = typeof block === 'string' ? Buffer.from(block.replaceAll(' ', ''), 'hex') : block;
  return decoder.decode(bytes, 0, bytes.length, MAX_FIELDS, MAX_LIST_BYTES);
}

function decoded(decoder: HpackDecoder, block: Buffer | string): string[] {
  assert.equal(run(decoder, block), HpackStatus.Ok);
  return decoder.fields;
}

/** A literal with the name, plain, not added to the table. */
function literal(name: string, value: string, first = 0): Buffer {
  return Buffer.concat([Buffer.from([first]), text(name), text(value)]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const rest = bytes.length - 127;
  return Buffer.concat([Buffer.from([127, (rest & 127) | 128, rest >> 7]), bytes]);
}

describe('what is a compression error', () => {
  for (const [what, hex] of [
    ['H2-15 index 0', '80'],
    ['H2-15 index 200 with an empty table', 'ff49'],
    ['index 62 with an empty table', 'be'],
    ['an indexed name that is not there', '7e0161'],
    ['an indexed name that is not there, not added', '0f2f0161'],
    ['H2-15 a size update above the limit', '3fe21f'],
    ['a size update behind a field', '8220'],
    ['H2-15 Huffman padding of zeros', '4081 1c 0161'],
    ['Huffman padding of 8 bits', '40821fff0161'],
    ['EOS in a Huffman string', '4084ffffffff0161'],
    ['an integer of 6 bytes', 'ff808080808000'],
    ['an integer of 6 bytes that says little', 'ff8080808080800101'],
    ['an integer that is cut off', 'ff80'],
    ['a string longer than the block', '0005616263'],
    ['a string of 4 GiB', '007ff0ffffff0f'],
    ['a name without a value', '000161'],
    ['a block that ends after the first byte of a literal', '40'],
    ['a size update that is cut off', '3f'],
  ] as const) {
    test(what, () => {
      assert.equal(run(new HpackDecoder(4096), hex), HpackStatus.CompressionError);
    });
  }

  test('every byte of a block is needed', () => {
    const block = Buffer.from(
      '828684418cf1e3c2e5f23a6ba0ab90f4ff400161 0162'.replace(' ', ''),
      'hex',
    );
    const lengths: number[] = [];
    for (let end = 0; end <= block.length; end++) {
      const decoder = new HpackDecoder(4096);
      const status = decoder.decode(block, 0, end, MAX_FIELDS, MAX_LIST_BYTES);
      if (status === HpackStatus.Ok) lengths.push(end);
    }
    assert.deepEqual(lengths, [0, 1, 2, 3, 17, 22]);
  });
});

describe('size of the table', () => {
  test('begins with 4096 whatever ours is, until the peer acknowledged', () => {
    const decoder = new HpackDecoder(0);
    assert.deepEqual(decoded(decoder, '4001610162'), ['a', 'b']);
    assert.deepEqual(decoded(decoder, 'be'), ['a', 'b']);
    decoder.acknowledgeTableSize();
    assert.equal(run(decoder, 'be'), HpackStatus.CompressionError);
    assert.deepEqual(decoded(decoder, '20 82'), [':method', 'GET']);
    assert.deepEqual(decoded(decoder, '83'), [':method', 'POST']);
    assert.equal(run(decoder, 'be'), HpackStatus.CompressionError);
    assert.equal(run(decoder, '21'), HpackStatus.CompressionError);
  });

  test('above 4096 needs no acknowledgement, because only who read our SETTINGS asks for it', () => {
    const decoder = new HpackDecoder(8192);
    assert.equal(run(decoder, '3fe13f'), HpackStatus.Ok);
    assert.equal(run(decoder, '3fe23f'), HpackStatus.CompressionError);
  });

  test('is kept to its last byte', () => {
    const decoder = new HpackDecoder(4096);
    // Two entries of 33 + 34 bytes in 67, then in 66.
    assert.deepEqual(decoded(decoder, '3f24 40 0161 00 40 0162 0163'), ['a', '', 'b', 'c']);
    assert.deepEqual(decoded(decoder, 'be bf'), ['b', 'c', 'a', '']);
    assert.deepEqual(decoded(decoder, '3f23 be'), ['b', 'c']);
    assert.equal(run(decoder, 'bf'), HpackStatus.CompressionError);
  });

  test('an entry larger than the table empties it and is a field all the same', () => {
    const decoder = new HpackDecoder(4096);
    const block = Buffer.concat([Buffer.from('3f11400161', 'hex'), text('b'.repeat(15))]);
    assert.deepEqual(decoded(decoder, Buffer.concat([Buffer.from('4001610162', 'hex')])), [
      'a',
      'b',
    ]);
    assert.deepEqual(decoded(decoder, block), ['a', 'b'.repeat(15)]);
    assert.deepEqual(decoded(decoder, 'be'), ['a', 'b'.repeat(15)]);
    const larger = Buffer.concat([Buffer.from('400161', 'hex'), text('b'.repeat(16))]);
    assert.deepEqual(decoded(decoder, larger), ['a', 'b'.repeat(16)]);
    assert.equal(run(decoder, 'be'), HpackStatus.CompressionError);
  });

  test('an entry may take its name from the entry that it evicts', () => {
    const decoder = new HpackDecoder(4096);
    assert.deepEqual(decoded(decoder, '3f03 40 0161 0162'), ['a', 'b']);
    assert.deepEqual(decoded(decoder, '7e 0163 be'), ['a', 'c', 'a', 'c']);
  });

  test('many small entries in a large table keep their order', () => {
    const decoder = new HpackDecoder(65536);
    assert.equal(run(decoder, '3fe1ff03'), HpackStatus.Ok);
    for (let i = 0; i < 3000; i++) assert.equal(run(decoder, literal('n', String(i), 0x40)), 0);
    for (const back of [0, 1, 100, 1000, 1700]) {
      const index = 62 + back - 127;
      const block = index < 0 ? [0x80 | (62 + back)] : [0xff, (index & 127) | 128, index >> 7];
      assert.deepEqual(decoded(decoder, Buffer.from(block)), ['n', String(2999 - back)]);
    }
  });
});

describe('limits of the list', () => {
  test('so many fields fit, one more does not and the table goes on', () => {
    const decoder = new HpackDecoder(4096);
    const block = Buffer.concat([Buffer.alloc(3, 0x82), Buffer.from('4001610162', 'hex')]);
    assert.equal(decoder.decode(block, 0, block.length, 4, 1e6), HpackStatus.Ok);
    assert.equal(decoder.overflow, false);
    assert.equal(decoder.decode(block, 0, block.length, 3, 1e6), HpackStatus.Ok);
    assert.equal(decoder.overflow, true);
    assert.equal(decoder.fieldCount, 4);
    assert.equal(decoder.fields.length, 6);
    assert.deepEqual(decoded(decoder, 'bebf'), ['a', 'b', 'a', 'b']);
    assert.equal(decoder.overflow, false);
  });

  test('so many bytes fit, one more does not', () => {
    const decoder = new HpackDecoder(4096);
    const block = Buffer.concat([literal('name', 'value'), literal('n', 'v')]);
    assert.equal(decoder.decode(block, 0, block.length, 9, 75), HpackStatus.Ok);
    assert.equal(decoder.overflow, false);
    assert.equal(decoder.listBytes, 75);
    assert.equal(decoder.decode(block, 0, block.length, 9, 74), HpackStatus.Ok);
    assert.equal(decoder.overflow, true);
    assert.equal(decoder.listBytes, 75);
    assert.deepEqual(decoder.fields, ['name', 'value']);
  });

  test('H2-13 a bomb of references to a 4 KB entry stores no more than the limit', () => {
    const decoder = new HpackDecoder(4096);
    const value = 'x'.repeat(4096 - 32 - 1);
    assert.deepEqual(decoded(decoder, literal('n', value, 0x40)), ['n', value]);
    const bomb = Buffer.alloc(1_000_000, 0xbe);
    assert.equal(decoder.decode(bomb, 0, bomb.length, 1e9, MAX_LIST_BYTES), HpackStatus.Ok);
    assert.equal(decoder.overflow, true);
    assert.equal(decoder.fieldCount, 1_000_000);
    assert.equal(decoder.listBytes, 4096 * 1_000_000);
    assert.equal(decoder.fields.length, 30);
  });

  test('the bytes of literals count that were not stored any more, Huffman or plain', () => {
    const decoder = new HpackDecoder(4096);
    const huffman = Buffer.from('00 0161 8c f1e3c2e5f23a6ba0ab90f4ff'.replaceAll(' ', ''), 'hex');
    const block = Buffer.concat([huffman, literal('a', 'bc'), huffman]);
    assert.equal(decoder.decode(block, 0, block.length, 1, 1e6), HpackStatus.Ok);
    assert.equal(decoder.listBytes, 48 + 35 + 48);
    assert.deepEqual(decoder.fields, ['a', 'www.example.com']);
  });
});

describe('RFC 9113 8.2.1: fields that are malformed', () => {
  const badNames = ['', 'A', 'aB', 'a b', 'a:', 'a\n', 'a\0', '\x7f', 'ä', ':', ':A', ':a b', '::'];
  const badValues = ['\0', 'a\rb', 'a\nb', '\x01', 'a\x7f', '\x1f', 'a \n'];

  for (const name of badNames) {
    test(`name ${JSON.stringify(name)}, also from the table`, () => {
      const decoder = new HpackDecoder(4096);
      const block = Buffer.concat([Buffer.from([0x82]), literal(name, 'v', 0x40)]);
      for (const bytes of [block, Buffer.from([0xbe]), Buffer.from('0f2f0177', 'hex')]) {
        assert.equal(run(decoder, bytes), HpackStatus.Ok);
        assert.equal(decoder.invalid, 'http2.invalid.header.field');
        assert.equal(decoder.fields.at(-2), name);
      }
      assert.equal(run(decoder, '82'), HpackStatus.Ok);
      assert.equal(decoder.invalid, '');
    });
  }

  for (const value of badValues) {
    test(`value ${JSON.stringify(value)}, also from the table`, () => {
      const decoder = new HpackDecoder(4096);
      for (const bytes of [literal('n', value, 0x40), literal('n', value), Buffer.from([0xbe])]) {
        assert.equal(run(decoder, bytes), HpackStatus.Ok);
        assert.equal(decoder.invalid, 'http2.invalid.header.field');
        assert.deepEqual(decoder.fields, ['n', value]);
      }
      // Its name with another value is good.
      assert.deepEqual(decoded(decoder, '0f2f0177'), ['n', 'w']);
      assert.equal(decoder.invalid, '');
    });
  }

  for (const [value, clean] of [
    [' a', 'a'],
    ['a\t ', 'a'],
    ['\t a b ', 'a b'],
    [' ', ''],
  ] as const) {
    test(`outer spaces of ${JSON.stringify(value)} are cut off, and count in the table`, () => {
      const decoder = new HpackDecoder(4096);
      for (const bytes of [literal('n', value, 0x40), literal('n', value), Buffer.from([0xbe])]) {
        assert.deepEqual(decoded(decoder, bytes), ['n', clean]);
        assert.equal(decoder.invalid, '');
        assert.equal(decoder.listBytes, 1 + value.length + 32);
      }
      assert.equal(run(decoder, literal(':path', value)), HpackStatus.Ok);
      assert.equal(
        decoder.invalid,
        'http2.invalid.header.field',
        'a pseudo-header is none of that',
      );
    });
  }

  test('an empty name is no pseudo-header whatever the byte behind it', () => {
    const decoder = new HpackDecoder(4096);
    assert.equal(run(decoder, literal('', 'v'.repeat(':'.charCodeAt(0)))), HpackStatus.Ok);
    assert.equal(decoder.invalid, 'http2.invalid.header.field');
  });

  test('what looks odd and is allowed passes', () => {
    const decoder = new HpackDecoder(4096);
    for (const name of ["!#$%&'*+-.^_`|~0az", ':x', ':path']) {
      for (const value of ['', 'a b', 'a\tb', '"\\<>', '\x80\xff']) {
        assert.deepEqual(decoded(decoder, literal(name, value)), [name, value]);
        assert.equal(decoder.invalid, '');
      }
    }
  });
});

test('tells of an underscore in a name, also from the table, not in pseudo-headers or values', () => {
  const decoder = new HpackDecoder(4096);
  const seen = [
    literal('a_b', 'v', 0x40),
    Buffer.from([0xbe]),
    Buffer.from('0f2f0177', 'hex'),
    literal('c', '_'),
    literal(`${'long'.repeat(20)}_`, ''),
  ].map((block) => {
    decoded(decoder, block);
    return decoder.hasUnderscore;
  });
  assert.deepEqual(seen, [true, true, true, false, true]);
});

test('tells which fields are never indexed, by their place in the list', () => {
  const decoder = new HpackDecoder(4096);
  decoded(decoder, Buffer.concat([literal('a', '1'), literal('b', '2', 0x10), literal('c', '3')]));
  assert.deepEqual(decoder.neverIndexed, [2]);
  decoded(decoder, '82');
  assert.equal(decoder.neverIndexed, null);
  const block = Buffer.concat([Buffer.from([0x82]), literal('b', '2', 0x10)]);
  assert.equal(decoder.decode(block, 0, block.length, 1, 1e6), HpackStatus.Ok);
  assert.equal(decoder.neverIndexed, null);
});

test('values that repeat come right, whatever shares their place in the cache', () => {
  const decoder = new HpackDecoder(4096);
  // The cache looks at some of the bytes only: these differ in others, and come again and again.
  const values = Array.from(
    { length: 200 },
    (_, i) => `0${'abcdefgh'[i % 8]}1${i}2345678901234567`,
  );
  for (let round = 0; round < 4; round++) {
    for (const value of values) {
      for (let again = 0; again < 3; again++) {
        assert.deepEqual(decoded(decoder, literal('n', value)), ['n', value]);
      }
    }
  }
});

test('a list is the caller’s: the next block does not touch it', () => {
  const decoder = new HpackDecoder(4096);
  const first = decoded(decoder, '82');
  decoded(decoder, '83');
  assert.deepEqual(first, [':method', 'GET']);
});

test('decodes a part of a buffer', () => {
  const decoder = new HpackDecoder(4096);
  const bytes = Buffer.from('ffff82ffff', 'hex');
  assert.equal(decoder.decode(bytes, 2, 3, 9, 1000), HpackStatus.Ok);
  assert.deepEqual(decoder.fields, [':method', 'GET']);
});
