import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { TestCa } from '../../test/fakes/pki.ts';
import { ServerNames } from './server-names.ts';

const ca = await TestCa.create();
const leaf = async (...dns: string[]) =>
  new X509Certificate((await ca.issue({ dns })).certificatePem);
const rsaLeaf = async (...dns: string[]) =>
  new X509Certificate((await ca.issue({ dns, key: 'rsa' })).certificatePem);

test('an exact name goes before a wildcard, which covers one label', async () => {
  const names = new ServerNames(
    [await leaf('first.test'), await leaf('*.w.test'), await leaf('a.w.test')],
    false,
  );
  assert.equal(names.choose('a.w.test').ecdsa, 2);
  assert.equal(names.choose('A.W.test').ecdsa, 2);
  assert.equal(names.choose('b.w.test').ecdsa, 1);
  assert.equal(
    names.choose('c.b.w.test').ecdsa,
    0,
    'two labels are no match: the first certificate',
  );
  assert.equal(names.choose('').ecdsa, 0);
});

test('of two certificates of one name and kind the first is used', async () => {
  const names = new ServerNames(
    [await leaf('x.test'), await leaf('a.test'), await leaf('a.test')],
    false,
  );
  assert.equal(names.choose('a.test').ecdsa, 1);
});

test('an RSA and an ECDSA certificate of one name stand beside each other', async () => {
  const names = new ServerNames([await rsaLeaf('a.test'), await leaf('a.test')], false);
  assert.deepEqual(names.choose('a.test'), { ecdsa: 1, rsa: 0 });
  assert.deepEqual(names.choose(''), { ecdsa: 1, rsa: 0 });
  assert.deepEqual(
    names.choose('other.test'),
    { ecdsa: -1, rsa: 0 },
    'a mismatch means the first only',
  );
});

test('full_scan_certs_on_sni_mismatch looks at all certificates when no name matches', async () => {
  const names = new ServerNames([await rsaLeaf('a.test'), await leaf('b.test')], true);
  assert.deepEqual(names.choose('other.test'), { ecdsa: 1, rsa: 0 });
  assert.deepEqual(names.choose('a.test'), { ecdsa: -1, rsa: 0 });
});

test('who cannot take the ECDSA certificate of a name gets the first one', async () => {
  const names = new ServerNames([await rsaLeaf('a.test'), await leaf('b.test')], false);
  assert.deepEqual(names.choose('b.test'), { ecdsa: 1, rsa: 0 });
});

test('names like __proto__ are just names', async () => {
  const names = new ServerNames([await leaf('a.test')], false);
  for (const name of ['__proto__', 'constructor', '\0', 'x'.repeat(300), '.', '..', '*.a']) {
    assert.equal(names.choose(name).ecdsa, 0, name);
  }
});
