import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalIp } from './ip-bytes.ts';

test('an address has one spelling, whatever it came as', () => {
  for (const [text, canonical] of [
    ['10.0.0.1', '10.0.0.1'],
    ['2001:DB8:0:0::2', '2001:db8::2'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['::FFFF:10.0.0.1', '::ffff:10.0.0.1'],
    ['::ffff:a00:1', '::ffff:10.0.0.1'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
    ['a.name', 'a.name'],
    ['not:an:address', 'not:an:address'],
    ['', ''],
  ] as const) {
    assert.equal(canonicalIp(text), canonical, text);
  }
});
