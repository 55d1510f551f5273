// What a validation context demands, over real handshakes: chains, pins, names, revocation, key usage.

import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import type tls from 'node:tls';
import {
  ExtendedKeyUsage,
  KeyUsageFlags,
  TestCa,
  type TestCertificate,
} from '../../test/fakes/pki.ts';
import { downstreamTls, inlineCertificate, validationData } from '../../test/fakes/tls.ts';
import { TlsTestServer } from '../../test/fakes/tls-server.ts';
import type { SanMatcherData, ValidationContextData } from '../api/config/tls.ts';

const ca = await TestCa.create();
const leaf = await ca.issue({ dns: ['a.test'] });

/** '' = let through, else the reason. */
async function verdict(
  context: Partial<ValidationContextData>,
  certificate: TestCertificate | null,
  issuers: readonly TestCa[] = [],
): Promise<string> {
  await using server = await TlsTestServer.start(
    downstreamTls({
      certificates: [inlineCertificate(leaf)],
      validation: { base: validationData(context), sdsName: null },
      requireClientCertificate: certificate !== null,
    }),
  );
  const chain = [certificate, ...issuers].map((each) => each?.certificatePem ?? '').join('\n');
  const options: tls.ConnectionOptions =
    certificate === null ? {} : { cert: chain, key: certificate.privateKeyPem };
  const { greeted } = await server.connect(options);
  const reason = server.outcomes[0]?.reason ?? 'none';
  assert.equal(greeted, reason === '');
  return reason;
}

const trusted = { trustedCaPem: ca.certificatePem };

test('allow_expired_certificate forgives the date and nothing else', async () => {
  const lenient = { ...trusted, allowExpiredCertificate: true };
  const stranger = await TestCa.create('stranger');
  assert.equal(await verdict(lenient, await ca.issue({ validDays: -1 })), '');
  // OpenSSL reports the date last, and so hides that the issuer is unknown.
  assert.match(
    await verdict(lenient, await stranger.issue({ validDays: -1 })),
    /no path to a trust/,
  );
  const revoked = await ca.issue({ validDays: -1 });
  const crlPem = await ca.revoke(revoked);
  assert.match(await verdict({ ...lenient, crlPem }, revoked), /CERT_REVOKED/);
  // Nor is it said that it was not meant for clients.
  const extendedKeyUsage = [ExtendedKeyUsage.serverAuth];
  for (const validDays of [1, -1]) {
    const wrong = await ca.issue({ validDays, extendedKeyUsage });
    assert.match(await verdict(lenient, wrong), /INVALID_PURPOSE/);
  }
});

test('an intermediate can be the trust anchor', async () => {
  const between = await ca.intermediate('between');
  const client = await between.issue({});
  assert.equal(await verdict({ trustedCaPem: between.certificatePem }, client), '');
});

test('max_verify_depth counts the certificates above the leaf, the anchor included', async () => {
  const between = await ca.intermediate('between');
  const client = await between.issue({});
  const at = (maxVerifyDepth: number) => verdict({ ...trusted, maxVerifyDepth }, client, [between]);
  assert.equal(await at(2), '');
  assert.match(await at(1), /no path to a trust anchor within the rules/);
  assert.equal(await verdict({ ...trusted, maxVerifyDepth: 1 }, await ca.issue({})), '');
});

test('the roots of the system vouch for nobody of ours, with or without a depth', async () => {
  const client = await ca.issue({});
  assert.match(await verdict({ systemRootCerts: true }, client), /UNABLE_TO/);
  assert.match(await verdict({ systemRootCerts: true, maxVerifyDepth: 3 }, client), /UNABLE_TO/);
  const lenient = { systemRootCerts: true, allowExpiredCertificate: true };
  assert.match(
    await verdict(lenient, await ca.issue({ validDays: -1 })),
    /no path to a trust anchor/,
  );
});

test('ACCEPT_UNTRUSTED lets strangers in, but not past the pins and names', async () => {
  const stranger = await (await TestCa.create('stranger')).issue({ dns: ['b.test'] });
  const open = { ...trusted, acceptUntrusted: true };
  assert.equal(await verdict(open, stranger), '');
  assert.match(
    await verdict({ ...open, verifyCertificateHash: ['00'.repeat(32)] }, stranger),
    /certificate hash is not pinned/,
  );
});

test('one of several pins, hash or key, is enough', async () => {
  const client = await ca.issue({});
  const certificate = new X509Certificate(client.certificatePem);
  const hash = createHash('sha256').update(certificate.raw).digest('hex');
  const spki = createHash('sha256')
    .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64');
  const wrongHash = '00'.repeat(32);
  const wrongSpki = Buffer.alloc(32).toString('base64');
  assert.equal(await verdict({ verifyCertificateHash: [wrongHash, hash] }, client), '');
  assert.equal(await verdict({ verifyCertificateSpki: [wrongSpki, spki] }, client), '');
  const mixed = { verifyCertificateHash: [wrongHash], verifyCertificateSpki: [spki] };
  assert.equal(await verdict(mixed, client), '');
  assert.match(await verdict({ verifyCertificateSpki: [wrongSpki] }, client), /not pinned/);
});

test('names match by kind: exact, prefix, suffix, contains, regex; DNS wildcards; IP; email', async () => {
  const client = await ca.issue({
    dns: ['a.orders.test', '*.w.test'],
    ip: ['10.1.2.3', '2001:db8::1'],
    email: ['me@a.test'],
    uri: ['https://a.test/x'],
  });
  const matches = async (
    sanType: SanMatcherData['sanType'],
    kind: 'exact' | 'prefix' | 'suffix' | 'contains' | 'regex',
    value: string,
  ) => {
    const matcher = { kind, value, ignoreCase: false } as SanMatcherData['matcher']; // one of its kinds
    return (await verdict({ ...trusted, sanMatchers: [{ sanType, matcher }] }, client)) === '';
  };
  assert.equal(await matches('DNS', 'exact', 'a.orders.test'), true);
  assert.equal(await matches('DNS', 'exact', 'orders.test'), false);
  assert.equal(await matches('DNS', 'exact', 'x.w.test'), true, 'covered by the wildcard');
  assert.equal(await matches('DNS', 'exact', 'x.y.w.test'), false, 'which covers one label');
  assert.equal(await matches('DNS', 'suffix', '.orders.test'), true);
  assert.equal(await matches('DNS', 'prefix', 'a.'), true);
  assert.equal(await matches('DNS', 'contains', 'order'), true);
  assert.equal(await matches('DNS', 'regex', '[ab]\\.orders\\.test'), true);
  assert.equal(await matches('DNS', 'exact', '10.1.2.3'), false, 'kinds do not mix');
  assert.equal(await matches('IP_ADDRESS', 'exact', '10.1.2.3'), true);
  assert.equal(await matches('IP_ADDRESS', 'exact', '2001:db8::1'), true);
  assert.equal(await matches('EMAIL', 'exact', 'me@a.test'), true);
  assert.equal(await matches('URI', 'exact', 'https://a.test/x'), true);
});

test('a CRL must cover the whole chain, unless only the leaf is to be looked at', async () => {
  const between = await ca.intermediate('between');
  const client = await between.issue({});
  const other = await between.issue({});
  const crlPem = await between.revoke(other);
  const rules = { ...trusted, crlPem };
  assert.match(await verdict(rules, client, [between]), /UNABLE_TO_GET_CRL/);
  const leafOnly = { ...rules, onlyVerifyLeafCertCrl: true };
  assert.equal(await verdict(leafOnly, client, [between]), '');
  assert.match(await verdict(leafOnly, other, [between]), /CERT_REVOKED/);
  const ofTheRoot = { ...trusted, crlPem: await ca.revoke(other), onlyVerifyLeafCertCrl: true };
  assert.match(await verdict(ofTheRoot, client, [between]), /UNABLE_TO_GET_CRL/);
});

test('without require_client_certificate none is fine and a bad one is not', async () => {
  assert.equal(await verdict(trusted, null), '');
  await using server = await TlsTestServer.start(
    downstreamTls({
      certificates: [inlineCertificate(leaf)],
      validation: { base: validationData(trusted), sdsName: null },
    }),
  );
  const stranger = await (await TestCa.create('stranger')).issue({});
  const options = { cert: stranger.certificatePem, key: stranger.privateKeyPem };
  assert.equal((await server.connect(options)).greeted, false);
  assert.equal((await server.connect()).greeted, true);
  assert.deepEqual([server.stats.noCertificate, server.stats.failVerifyError], [1, 1]);
  assert.equal(server.stats.connectionError, 0, 'a refusal is not a protocol error, as in Envoy');
});

test('the stats tell versions and ciphers, and when certificates end', async () => {
  await using server = await TlsTestServer.start(
    downstreamTls({ certificates: [inlineCertificate(leaf)] }),
  );
  await server.connect({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' });
  await server.connect();
  const seen = new Map<string, number>();
  const put = (name: string, value: number) => seen.set(name, value);
  server.stats.collectMore(
    { prefix: 'l', promPrefix: 'p', labels: {} },
    {
      value: (_scope, name, _kind, value) => put(name, value),
      tagged: (_scope, name, _prom, _labels, _kind, value) => put(name, value),
      histogram() {},
      text() {},
    },
  );
  assert.equal(seen.get('ssl.versions.TLSv1.2'), 1);
  assert.equal(seen.get('ssl.versions.TLSv1.3'), 1);
  assert.equal(seen.get('ssl.ciphers.ECDHE-ECDSA-AES256-GCM-SHA384'), 1);
  const ends = new X509Certificate(leaf.certificatePem).validToDate.getTime() / 1000;
  const name = 'ssl.certificate.unnamed_cert_e3b0c442.expiration_unix_time_seconds';
  assert.equal(seen.get(name), ends);
});

test('key usage keeps a certificate from what it does not say', async () => {
  const client = await ca.issue({ keyUsage: KeyUsageFlags.keyEncipherment });
  // OpenSSL: a client certificate signs, so digitalSignature or keyAgreement must be there.
  assert.match(await verdict(trusted, client), /INVALID_PURPOSE/);
});
