import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cookieValue, setCookieValue } from './cookies.ts';

test('finds the first cookie of exactly that name, over all cookie headers', () => {
  const fields = ['cookie', 'xc=0; ccc=1;c', 'other', 'c=no', 'cookie', ' c=2; c=3'];
  assert.equal(cookieValue(fields, 'c'), '2');
  assert.equal(cookieValue(fields, 'xc'), '0');
  assert.equal(cookieValue(fields, 'cc'), null);
  assert.equal(cookieValue([], 'c'), null);
});

test('takes quotes off when both are there', () => {
  assert.equal(cookieValue(['cookie', 'c="v"'], 'c'), 'v');
  assert.equal(cookieValue(['cookie', 'c="v'], 'c'), '"v');
  assert.equal(cookieValue(['cookie', 'c="'], 'c'), '"');
});

test('writes a Set-Cookie with what is asked for, in the order of Envoy', () => {
  const plain = { name: 'c', ttlS: 0, path: '', attributes: [] };
  assert.equal(setCookieValue(plain, 'v'), 'c="v"; HttpOnly');
  const attributes = [
    { name: 'SameSite', value: 'Strict' },
    { name: 'Secure', value: '' },
  ];
  assert.equal(
    setCookieValue({ name: 'c', ttlS: 60, path: '/p', attributes }, 'v'),
    'c="v"; Max-Age=60; Path=/p; SameSite=Strict; Secure; HttpOnly',
  );
});
