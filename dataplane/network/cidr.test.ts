import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress, plainIp } from './address.ts';
import { CidrMap, cidrContains, makeCidr, parseCidr, parseIp } from './cidr.ts';

function contains(cidr: string, ip: string): boolean {
  return cidrContains(parseCidr(cidr)!, parseIp(ip)!);
}

test('a range holds its addresses and not its neighbours', () => {
  assert.equal(contains('10.0.0.0/8', '10.255.255.255'), true);
  assert.equal(contains('10.0.0.0/8', '11.0.0.0'), false);
  assert.equal(contains('10.128.0.0/9', '10.127.255.255'), false);
  assert.equal(contains('192.168.1.4/30', '192.168.1.7'), true);
  assert.equal(contains('192.168.1.4/30', '192.168.1.8'), false);
  assert.equal(contains('0.0.0.0/0', '1.2.3.4'), true);
  assert.equal(contains('2001:db8::/33', '2001:db8:7fff::1'), true);
  assert.equal(contains('2001:db8::/33', '2001:db8:8000::1'), false);
  assert.equal(contains('::1/128', '::1'), true);
});

test('a range never holds an address of the other family, except mapped IPv4', () => {
  assert.equal(contains('0.0.0.0/0', '::1'), false);
  assert.equal(contains('::/0', '1.2.3.4'), false);
  assert.equal(contains('10.0.0.0/8', '::ffff:10.1.2.3'), true);
});

test('host bits beyond the prefix are ignored', () => {
  assert.deepEqual(parseCidr('10.1.2.3/8'), parseCidr('10.0.0.0/8'));
});

test('what is no range is refused', () => {
  for (const text of ['', '10.0.0.0/33', '::/129', 'a/8', '10.0.0/8', '10.0.0.0/', '10.0.0.0/-1']) {
    assert.equal(parseCidr(text), null, text);
  }
  assert.equal(makeCidr('10.0.0.0', 33), null);
});

test('the longest prefix wins in a map', () => {
  const map = new CidrMap<string>();
  for (const range of ['0.0.0.0/0', '10.0.0.0/8', '10.1.0.0/16', '10.1.2.3/32', '2001:db8::/32']) {
    map.add(parseCidr(range)!, range);
  }
  assert.equal(map.find(parseIp('10.1.2.3')!), '10.1.2.3/32');
  assert.equal(map.find(parseIp('10.1.2.4')!), '10.1.0.0/16');
  assert.equal(map.find(parseIp('10.9.9.9')!), '10.0.0.0/8');
  assert.equal(map.find(parseIp('9.9.9.9')!), '0.0.0.0/0');
  assert.equal(map.find(parseIp('2001:db8::1')!), '2001:db8::/32');
  assert.equal(map.find(parseIp('::1')!), null);
});

test('addresses are parsed in the forms that formatAddress writes', () => {
  assert.deepEqual(parseAddress('1.2.3.4:80'), { ip: '1.2.3.4', port: 80 });
  assert.deepEqual(parseAddress('[::1]:65535'), { ip: '::1', port: 65535 });
  assert.deepEqual(parseAddress('/run/x.sock'), { ip: '/run/x.sock', port: 0 });
  for (const text of [
    '1.2.3.4',
    '::1:80',
    '[1.2.3.4]:80',
    'host:80',
    '1.2.3.4:65536',
    '1.2.3.4:',
  ]) {
    assert.equal(parseAddress(text), null, text);
  }
  assert.equal(plainIp('::ffff:1.2.3.4'), '1.2.3.4');
  assert.equal(plainIp('::1'), '::1');
});
