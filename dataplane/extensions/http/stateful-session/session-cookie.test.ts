import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeSessionCookie, encodeSessionCookie } from './session-cookie.ts';

const address = '127.0.0.1:39063';
/** As Envoy 1.40 wrote them. */
const withoutEnd = 'Cg8xMjcuMC4wLjE6MzkwNjM=';
const withEnd = 'Cg8xMjcuMC4wLjE6NDQxMDkQ++SH2AY=';

const encoded = (...bytes: (number | string)[]) =>
  Buffer.concat(
    bytes.map((part) => (typeof part === 'number' ? Buffer.of(part) : Buffer.from(part))),
  ).toString('base64');

test('a cookie is written and read as Envoy does', () => {
  assert.equal(encodeSessionCookie({ address, expiresS: 0 }), withoutEnd);
  assert.deepEqual(decodeSessionCookie(withoutEnd), { address, expiresS: 0 });
  const ending = { address: '127.0.0.1:44109', expiresS: 1_795_289_723 };
  assert.equal(encodeSessionCookie(ending), withEnd);
  assert.deepEqual(decodeSessionCookie(withEnd), ending);
  for (const expiresS of [1, 127, 128, 2 ** 31, 2 ** 40]) {
    const cookie = { address: '[::1]:80', expiresS };
    assert.deepEqual(decodeSessionCookie(encodeSessionCookie(cookie)), cookie);
  }
});

test('fields that nobody knows are passed over', () => {
  const more = encoded(0x1a, 2, 'xy', 0x0a, 3, 'a:1', 0x21, '12345678', 0x2d, '1234', 0x30, 7);
  assert.deepEqual(decodeSessionCookie(more), { address: 'a:1', expiresS: 0 });
});

test('what is no such message is the address, as older proxies wrote it', () => {
  assert.deepEqual(decodeSessionCookie(encoded(address)), { address, expiresS: 0 });
  for (const cut of [encoded(0x0a, 9, 'a:1'), encoded(0x0a), encoded(0x10, 0xff), encoded(3)]) {
    assert.equal(decodeSessionCookie(cut)?.expiresS, 0, cut);
  }
});

test('what is not base64, or empty, names no host', () => {
  for (const value of ['', '!!!', 'Cg8x', `${withoutEnd}=`, 'abc', encoded(0x0a, 0)]) {
    const cookie = decodeSessionCookie(value);
    assert.ok(cookie === null || cookie.address !== '', value);
  }
  assert.equal(decodeSessionCookie(''), null);
  assert.equal(decodeSessionCookie('!!!'), null);
  assert.equal(decodeSessionCookie(encoded(0x0a, 0)), null);
});
