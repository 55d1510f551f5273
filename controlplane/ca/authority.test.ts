import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FakeClock } from '../../test/fakes/clock.ts';
import { CertificateAuthority, storedFingerprint } from './authority.ts';
import { MemoryState, StateDir } from './state-dir.ts';

const id = 'spiffe://shop.local/ns/default/sa/orders';

describe('the certificate authority', () => {
  it('issues X509-SVIDs: one URI SAN, critical, no CA, for both ends of TLS, backdated a minute', async () => {
    const clock = new FakeClock();
    const authority = await CertificateAuthority.open(new MemoryState(), clock);
    const leaf = await authority.issue(id, 3_600_000);
    const certificate = new X509Certificate(leaf.certificatePem);
    const root = new X509Certificate(authority.rootsPem);
    assert.equal(certificate.subjectAltName, `URI:${id}`);
    assert.equal(certificate.subject, undefined, 'empty, so the SAN is critical');
    assert.equal(certificate.ca, false);
    assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
    assert.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
    assert.equal(certificate.checkIssued(root), true);
    assert.equal(certificate.verify(root.publicKey), true);
    assert.equal(root.ca, true);
    // X.509 times are whole seconds.
    const second = (ms: number) => Math.floor(ms / 1000);
    assert.equal(second(certificate.validFromDate.getTime()), second(clock.wallMs() - 60_000));
    assert.equal(second(certificate.validToDate.getTime()), second(clock.wallMs() + 3_600_000));
    // OID 2.5.29.17 followed by BOOLEAN TRUE: the critical flag of subjectAltName.
    assert.notEqual(certificate.raw.indexOf(Buffer.from('0603551d110101ff', 'hex')), -1);
    // keyUsage: critical, digitalSignature only.
    assert.notEqual(
      certificate.raw.indexOf(Buffer.from('0603551d0f0101ff040403020780', 'hex')),
      -1,
    );
  });

  it('gives every certificate its own key and serial number', async () => {
    const authority = await CertificateAuthority.open(new MemoryState(), new FakeClock());
    const [a, b] = [await authority.issue(id, 60_000), await authority.issue(id, 60_000)];
    assert.notEqual(a.privateKeyPem, b.privateKeyPem);
    const serials = [a, b].map(
      ({ certificatePem }) => new X509Certificate(certificatePem).serialNumber,
    );
    assert.notEqual(serials[0], serials[1]);
    for (const serial of serials) assert.match(serial, /^[4-7][0-9A-F]{31}$/, 'positive, 16 bytes');
  });

  it('keeps its root in the state directory, readable by nobody else', async () => {
    const directory = join(mkdtempSync(join(tmpdir(), 'remora-ca-')), 'state');
    try {
      const first = await CertificateAuthority.open(new StateDir(directory), new FakeClock());
      const again = await CertificateAuthority.open(new StateDir(directory), new FakeClock());
      assert.equal(again.rootsPem, first.rootsPem);
      assert.equal(again.fingerprint, first.fingerprint);
      assert.equal(storedFingerprint(new StateDir(directory)), first.fingerprint);
      assert.equal(statSync(directory).mode & 0o777, 0o700);
      assert.equal(statSync(join(directory, 'root-key.pem')).mode & 0o777, 0o600);
      const leaf = new X509Certificate((await again.issue(id, 60_000)).certificatePem);
      assert.equal(leaf.verify(new X509Certificate(first.rootsPem).publicKey), true);
    } finally {
      rmSync(join(directory, '..'), { recursive: true });
    }
  });

  it('refuses to start on half a root instead of making a new mesh', async () => {
    const state = new MemoryState();
    await CertificateAuthority.open(state, new FakeClock());
    const half = new MemoryState();
    half.write('root-cert.pem', state.read('root-cert.pem') ?? '');
    await assert.rejects(
      CertificateAuthority.open(half, new FakeClock()),
      /half a root: root-key\.pem is missing/,
    );
  });

  it('trusts further roots that an operator put beside its own', async () => {
    const old = await CertificateAuthority.open(new MemoryState(), new FakeClock());
    const state = new MemoryState();
    state.write('extra-roots.pem', old.rootsPem);
    const authority = await CertificateAuthority.open(state, new FakeClock());
    assert.equal(authority.rootsPem.match(/BEGIN CERTIFICATE/g)?.length, 2);
    assert.ok(authority.rootsPem.endsWith(old.rootsPem));
    assert.notEqual(authority.fingerprint, old.fingerprint);
  });
});
