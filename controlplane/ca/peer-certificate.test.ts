import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pemBlocks } from '../../common/der.ts';
import { TestCa } from '../../test/fakes/pki.ts';
import { spiffeIdOfPeer } from './peer-certificate.ts';

const ID = 'spiffe://a.test/ns/default/sa/orders';
const derOf = (pem: string) => pemBlocks(pem, 'CERTIFICATE')[0] ?? new Uint8Array();

async function problemOf(names: Parameters<TestCa['issue']>[0], root?: TestCa): Promise<string> {
  const ca = await TestCa.create();
  const { certificatePem } = await ca.issue(names);
  const trusted = (root ?? ca).certificatePem;
  const result = spiffeIdOfPeer(derOf(certificatePem), trusted, Date.now());
  return result.ok ? result.value : result.errors;
}

describe('the identity of a client certificate', () => {
  it('is its SPIFFE id when one of the roots has signed it', async () => {
    const [other, ca] = [await TestCa.create('other'), await TestCa.create()];
    const { certificatePem } = await ca.issue({ uri: [ID] });
    const roots = `${other.certificatePem}\n${ca.certificatePem}\n`;
    assert.deepEqual(spiffeIdOfPeer(derOf(certificatePem), roots, Date.now()), {
      ok: true,
      value: ID,
    });
  });

  it('is none when somebody else has signed it, also under our name', async () => {
    assert.match(await problemOf({ uri: [ID] }, await TestCa.create()), /not issued by this mesh/);
    assert.match(await problemOf({ uri: [ID] }, await TestCa.create('x')), /not issued by/);
  });

  it('is none before and after its time', async () => {
    assert.match(await problemOf({ uri: [ID], validDays: -1 }), /expired at/);
    assert.match(await problemOf({ uri: [ID], validFromDays: 1, validDays: 2 }), /not valid yet/);
  });

  it('is none without a URI, with two, and of a CA', async () => {
    assert.match(await problemOf({ dns: ['a'] }), /exactly one URI/);
    assert.match(await problemOf({ uri: [ID, `${ID}2`] }), /exactly one URI/);
    assert.match(await problemOf({ uri: [ID], ca: true }), /not issued by this mesh/);
  });

  it('is none of bytes that are no certificate', () => {
    const result = spiffeIdOfPeer(Buffer.from('no'), '', 0);
    assert.ok(!result.ok && /cannot be read/.test(result.errors));
  });
});
