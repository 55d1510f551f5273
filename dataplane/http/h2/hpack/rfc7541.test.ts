// The examples of RFC 7541 Appendix C, all of them: blocks, header lists and the dynamic table after each block.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HpackDecoder, HpackStatus } from './decoder.ts';
import { huffmanDecode, huffmanEncode, huffmanLength, maxDecodedBytes } from './huffman.ts';

interface Example {
  readonly hex: string;
  readonly fields: readonly string[];
  /** What 62, 63... stand for after the block. */
  readonly table: readonly string[];
  readonly tableBytes: number;
}

/** Decodes blocks one after the other; the table is looked at with a decoder's own means: by reference. */
function expectBlocks(tableBytes: number, examples: readonly Example[]): void {
  const decoder = new HpackDecoder(tableBytes);
  // The contexts of C.5 and C.6 have 256 bytes from the start.
  if (tableBytes < 4096) decode(decoder, Buffer.from('3fe101', 'hex'));
  for (const example of examples) {
    assert.deepEqual(decode(decoder, Buffer.from(example.hex.replaceAll(' ', ''), 'hex')), [
      ...example.fields,
    ]);
    const references = example.table.filter((_, i) => i % 2 === 0).map((_, i) => 0x80 | (62 + i));
    assert.deepEqual(decode(decoder, Buffer.from(references)), [...example.table]);
    assert.equal(decoder.listBytes, example.tableBytes);
    const beyond = Buffer.from([0x80 | (62 + references.length)]);
    assert.equal(decoder.decode(beyond, 0, 1, 100, 1e6), HpackStatus.CompressionError);
  }
}

function decode(decoder: HpackDecoder, block: Buffer): string[] {
  assert.equal(decoder.decode(block, 0, block.length, 100, 1e6), HpackStatus.Ok);
  assert.equal(decoder.invalid, '');
  return decoder.fields;
}

describe('RFC 7541 C.2: header field representations', () => {
  test('C.2.1: a literal that is added to the table', () => {
    expectBlocks(4096, [
      {
        hex: '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572',
        fields: ['custom-key', 'custom-header'],
        table: ['custom-key', 'custom-header'],
        tableBytes: 55,
      },
    ]);
  });

  test('C.2.2: a literal that is not', () => {
    expectBlocks(4096, [
      {
        hex: '040c 2f73 616d 706c 652f 7061 7468',
        fields: [':path', '/sample/path'],
        table: [],
        tableBytes: 0,
      },
    ]);
  });

  test('C.2.3: a literal that never is', () => {
    const decoder = new HpackDecoder(4096);
    const block = Buffer.from('100870617373776f726406736563726574', 'hex');
    assert.deepEqual(decode(decoder, block), ['password', 'secret']);
    assert.deepEqual(decoder.neverIndexed, [0]);
  });

  test('C.2.4: an indexed field', () => {
    expectBlocks(4096, [{ hex: '82', fields: [':method', 'GET'], table: [], tableBytes: 0 }]);
  });
});

const request1 = [
  ':method',
  'GET',
  ':scheme',
  'http',
  ':path',
  '/',
  ':authority',
  'www.example.com',
];
const request2 = [...request1, 'cache-control', 'no-cache'];
const request3 = [
  ...[':method', 'GET', ':scheme', 'https', ':path', '/index.html'],
  ...[':authority', 'www.example.com', 'custom-key', 'custom-value'],
];
const requestTable1 = [':authority', 'www.example.com'];
const requestTable2 = ['cache-control', 'no-cache', ...requestTable1];
const requestTable3 = ['custom-key', 'custom-value', ...requestTable2];

function requests(hex1: string, hex2: string, hex3: string): Example[] {
  return [
    { hex: hex1, fields: request1, table: requestTable1, tableBytes: 57 },
    { hex: hex2, fields: request2, table: requestTable2, tableBytes: 110 },
    { hex: hex3, fields: request3, table: requestTable3, tableBytes: 164 },
  ];
}

test('RFC 7541 C.3: requests without Huffman code', () => {
  expectBlocks(
    4096,
    requests(
      '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '8286 84be 5808 6e6f 2d63 6163 6865',
      '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    ),
  );
});

test('RFC 7541 C.4: requests with Huffman code', () => {
  expectBlocks(
    4096,
    requests(
      '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
      '8286 84be 5886 a8eb 1064 9cbf',
      '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    ),
  );
});

const date1 = ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'];
const date2 = ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'];
const location = ['location', 'https://www.example.com'];
const cookie = ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'];
const isPrivate = ['cache-control', 'private'];
const status302 = [':status', '302'];
const status307 = [':status', '307'];
const gzip = ['content-encoding', 'gzip'];

function responses(hex1: string, hex2: string, hex3: string): Example[] {
  return [
    {
      hex: hex1,
      fields: [...status302, ...isPrivate, ...date1, ...location],
      table: [...location, ...date1, ...isPrivate, ...status302],
      tableBytes: 222,
    },
    {
      hex: hex2,
      fields: [...status307, ...isPrivate, ...date1, ...location],
      table: [...status307, ...location, ...date1, ...isPrivate],
      tableBytes: 222,
    },
    {
      hex: hex3,
      fields: [':status', '200', ...isPrivate, ...date2, ...location, ...gzip, ...cookie],
      table: [...cookie, ...gzip, ...date2],
      tableBytes: 215,
    },
  ];
}

test('RFC 7541 C.5: responses without Huffman code, in a table of 256 bytes', () => {
  expectBlocks(
    256,
    responses(
      '4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133' +
        '2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '4803 3330 37c1 c0bf',
      '88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738' +
        '666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33' +
        '3630 303b 2076 6572 7369 6f6e 3d31',
    ),
  );
});

test('RFC 7541 C.6: responses with Huffman code, in a table of 256 bytes', () => {
  expectBlocks(
    256,
    responses(
      '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718' +
        '63c7 8f0b 97c8 e9ae 82ae 43d3',
      '4883 640e ffc1 c0bf',
      '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7' +
        'b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
    ),
  );
});

test('the Huffman code of the appendix comes out of the encoder too', () => {
  for (const [text, hex] of [
    ['www.example.com', 'f1e3c2e5f23a6ba0ab90f4ff'],
    ['no-cache', 'a8eb10649cbf'],
    ['Mon, 21 Oct 2013 20:13:21 GMT', 'd07abe941054d444a8200595040b8166e082a62d1bff'],
    ['https://www.example.com', '9d29ad171863c78f0b97c8e9ae82ae43d3'],
  ] as const) {
    const out = Buffer.alloc(64);
    const length = huffmanEncode(text, out, 0);
    assert.equal(length, huffmanLength(text));
    assert.equal(out.toString('hex', 0, length), hex);
  }
});

test('every byte survives the Huffman code, alone and between others', () => {
  for (let byte = 0; byte < 256; byte++) {
    for (const text of [String.fromCharCode(byte), `a${String.fromCharCode(byte)}~0`]) {
      const out = Buffer.alloc(64);
      const length = huffmanEncode(text, out, 0);
      const back = Buffer.alloc(maxDecodedBytes(length));
      const backLength = huffmanDecode(out, 0, length, back);
      assert.equal(back.toString('latin1', 0, backLength), text);
    }
  }
});
