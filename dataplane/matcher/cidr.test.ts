import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CidrRange } from './cidr.ts';

test('ranges contain what lies in them, per family', () => {
  const table: [string, string, boolean][] = [
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['10.1.2.3/8', '10.9.9.9', true],
    ['192.168.1.0/25', '192.168.1.127', true],
    ['192.168.1.0/25', '192.168.1.128', false],
    ['1.2.3.4', '1.2.3.4', true],
    ['1.2.3.4/32', '1.2.3.5', false],
    ['0.0.0.0/0', '255.1.2.3', true],
    ['0.0.0.0/0', '::1', false],
    ['200.0.0.0/8', '200.1.1.1', true],
    ['::1/128', '::1', true],
    ['::1', '0:0:0:0:0:0:0:1', true],
    ['fd00::/8', 'fdff:1::2', true],
    ['fd00::/8', 'fe00::2', false],
    ['2001:db8::/33', '2001:db8:7fff::1', true],
    ['2001:db8::/33', '2001:db8:8000::1', false],
    ['::/0', '1.2.3.4', false],
    ['::ffff:1.2.3.0/120', '::ffff:1.2.3.9', true],
    ['10.0.0.0/8', '/run/x.sock', false],
    ['10.0.0.0/8', '010.0.0.1', false],
    ['10.0.0.0/8', '10.0.0', false],
  ];
  for (const [range, ip, expected] of table) {
    assert.equal(new CidrRange(range).contains(ip), expected, `${range} ${ip}`);
  }
});

test('a text that is no range is refused', () => {
  for (const text of [
    '',
    'x',
    '1.2.3/8',
    '1.2.3.4/x',
    '1.2.3.256/8',
    ':::/8',
    '1:2:3:4:5:6:7:8:9/8',
  ])
    assert.throws(() => new CidrRange(text), text);
});
