import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  derChildren,
  derSequence,
  derTimeMs,
  integerHex,
  objectIdentifier,
  pemBlocks,
  pemOf,
  readDer,
} from './der.ts';

const bytes = (hex: string) => Buffer.from(hex, 'hex');

test('reads short and long lengths', () => {
  assert.equal(readDer(bytes('0401ff'))?.content.toString('hex'), 'ff');
  const long = Buffer.concat([bytes('04820100'), Buffer.alloc(256, 1)]);
  assert.equal(readDer(long)?.content.length, 256);
});

test('malformed input is null', () => {
  for (const hex of ['', '30', '3005', '3080', '1f0100', '3085ffffffffff', '0402ff']) {
    assert.equal(readDer(bytes(hex)), null, hex);
  }
  assert.equal(derChildren(bytes('040100ff')), null);
  assert.equal(derSequence(bytes('0400')), null);
});

test('any bytes are read without a throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (input) => {
      const element = readDer(Buffer.from(input));
      if (element !== null) derChildren(element.content);
      objectIdentifier(element ?? undefined);
      derTimeMs(element ?? undefined);
      integerHex(element ?? undefined);
    }),
  );
});

test('object identifiers, integers and times read as their texts', () => {
  assert.equal(objectIdentifier(readDer(bytes('0603551d0f')) ?? undefined), '2.5.29.15');
  assert.equal(
    objectIdentifier(readDer(bytes('06092a864886f70d010701')) ?? undefined),
    '1.2.840.113549.1.7.1',
  );
  assert.equal(integerHex(readDer(bytes('02020 0ff'.replace(' ', ''))) ?? undefined), 'ff');
  const time = (tag: number, text: string) =>
    derTimeMs(
      readDer(Buffer.concat([Buffer.from([tag, text.length]), Buffer.from(text)])) ?? undefined,
    );
  assert.equal(time(0x17, '500101000000Z'), Date.UTC(1950, 0, 1));
  assert.equal(time(0x17, '491231235959Z'), Date.UTC(2049, 11, 31, 23, 59, 59));
  assert.equal(time(0x18, '20261121123000Z'), Date.UTC(2026, 10, 21, 12, 30));
  assert.ok(Number.isNaN(time(0x17, 'never')));
});

test('PEM blocks come back as they went in', () => {
  const der = Buffer.alloc(100, 7);
  const pem = `noise\n${pemOf(der, 'X509 CRL')}${pemOf(bytes('00'), 'CERTIFICATE')}`;
  assert.deepEqual(pemBlocks(pem, 'X509 CRL'), [der]);
});
