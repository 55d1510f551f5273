import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../common/clock.ts';
import { TestCa } from '../../test/fakes/pki.ts';
import {
  certificateData,
  downstreamTls,
  inlineCertificate,
  validationData,
} from '../../test/fakes/tls.ts';
import { TlsTestServer } from '../../test/fakes/tls-server.ts';
import type { DownstreamTlsConfig, ValidationContextData } from '../api/config/tls.ts';
import { SecretStore } from './secret-store.ts';

const ca = await TestCa.create();
const leaf = await ca.issue({ dns: ['a.test'] });
const clientLeaf = await ca.issue({ uri: ['spiffe://a.test/client'] });
const clientOptions = { cert: clientLeaf.certificatePem, key: clientLeaf.privateKeyPem };
const seed = Buffer.alloc(32, 1);
const key80 = (fill: number) => Buffer.alloc(80, fill).toString('base64');

function config(change: Partial<DownstreamTlsConfig> = {}): DownstreamTlsConfig {
  return downstreamTls({ certificates: [inlineCertificate(leaf)], ...change });
}

function mutual(context: ValidationContextData): DownstreamTlsConfig {
  return config({ requireClientCertificate: true, validation: { base: context, sdsName: null } });
}

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`a session resumes over ${maxVersion}, in any worker of the process`, async () => {
    await using first = await TlsTestServer.start(config(), new SecretStore({ ticketSeed: seed }));
    await using second = await TlsTestServer.start(config(), new SecretStore({ ticketSeed: seed }));
    const full = await first.connect({ maxVersion });
    assert.equal(full.reused, false);
    assert.ok(full.session);
    const resumed = await second.connect({ maxVersion, session: full.session });
    assert.equal(resumed.reused, true);
    assert.equal(second.stats.sessionReused, 1);
    assert.equal(second.stats.handshake, 1);
  });

  test(`a resumed ${maxVersion} client shows the identity of its certificate`, async () => {
    const context = validationData({ trustedCaPem: ca.certificatePem });
    await using server = await TlsTestServer.start(mutual(context));
    const full = await server.connect({ maxVersion, ...clientOptions });
    assert.ok(full.session);
    const resumed = await server.connect({ maxVersion, session: full.session });
    assert.equal(resumed.reused, true);
    assert.deepEqual(server.outcomes[1]?.info?.uriSanPeerCertificate, ['spiffe://a.test/client']);
    assert.equal(server.outcomes[1]?.info?.peerCertificateValidated, true);
  });
}

test('another process cannot open the ticket: a full handshake', async () => {
  await using first = await TlsTestServer.start(config());
  await using second = await TlsTestServer.start(config());
  const { session } = await first.connect();
  assert.ok(session);
  const again = await second.connect({ session });
  assert.deepEqual([again.greeted, again.reused], [true, false]);
});

test('configured keys open tickets across processes, the newest key alone counts', async () => {
  const keyed = (...keys: string[]) => config({ sessionTickets: { kind: 'keys', keys } });
  await using first = await TlsTestServer.start(keyed(key80(1)));
  await using second = await TlsTestServer.start(keyed(key80(1), key80(2)));
  await using third = await TlsTestServer.start(keyed(key80(3), key80(1)));
  const { session } = await first.connect();
  assert.ok(session);
  assert.equal((await second.connect({ session })).reused, true);
  assert.equal((await third.connect({ session })).reused, false);
});

test('ticket keys come by SDS, are waited for, and rotate', async () => {
  const secrets = new SecretStore();
  await using server = await TlsTestServer.start(
    config({ sessionTickets: { kind: 'sds', name: 'tickets' } }),
    secrets,
  );
  assert.equal(server.context.isReady(), false);
  secrets.set({ kind: 'session_ticket_keys', name: 'tickets', keys: [key80(1)] });
  const { session } = await server.connect();
  assert.ok(session);
  assert.equal((await server.connect({ session })).reused, true);
  secrets.set({ kind: 'session_ticket_keys', name: 'tickets', keys: [key80(2), key80(1)] });
  const after = await server.connect({ session });
  assert.deepEqual([after.greeted, after.reused], [true, false]);
  assert.equal(server.stats.sslContextUpdateBySds, 2);
});

test('disable_stateless_session_resumption: nothing resumes', async () => {
  await using server = await TlsTestServer.start(config({ sessionTickets: { kind: 'off' } }));
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const { session } = await server.connect({ maxVersion });
    const again = await server.connect({ maxVersion, ...(session === null ? {} : { session }) });
    assert.deepEqual([again.greeted, again.reused], [true, false]);
  }
});

test('a client that was refused gets nothing by resuming', async () => {
  const other = await TestCa.create('other');
  const stranger = await other.issue({ uri: ['spiffe://a.test/client'] });
  const context = validationData({ trustedCaPem: ca.certificatePem });
  await using server = await TlsTestServer.start(mutual(context));
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const options = { maxVersion, cert: stranger.certificatePem, key: stranger.privateKeyPem };
    const refused = await server.connect(options);
    assert.equal(refused.greeted, false);
    const session = refused.session === null ? {} : { session: refused.session };
    assert.equal((await server.connect({ ...options, ...session })).greeted, false);
    assert.equal((await server.connect({ maxVersion, ...session })).greeted, false);
  }
});

test('a certificate that expired since the ticket was given is refused', async () => {
  let offsetMs = 0;
  const clock = { ...systemClock, wallMs: () => Date.now() + offsetMs };
  const short = await ca.issue({ uri: ['spiffe://a.test/client'], validDays: 1 / 24 });
  const context = validationData({ trustedCaPem: ca.certificatePem });
  await using server = await TlsTestServer.start(
    { ...mutual(context), sessionTickets: { kind: 'keys', keys: [key80(1)] } },
    new SecretStore({ clock }),
  );
  const options = { cert: short.certificatePem, key: short.privateKeyPem };
  const { session } = await server.connect(options);
  assert.ok(session);
  assert.equal((await server.connect({ ...options, session })).reused, true);
  offsetMs = 90 * 60_000;
  const late = await server.connect({ ...options, session });
  assert.equal(late.greeted, false);
  assert.match(server.outcomes.at(-1)?.reason ?? '', /CERT_HAS_EXPIRED/);
});

test('own ticket keys change every 48 hours', async () => {
  let offsetMs = 0;
  const clock = { ...systemClock, wallMs: () => Date.now() + offsetMs };
  await using server = await TlsTestServer.start(config(), new SecretStore({ clock }));
  const { session } = await server.connect();
  assert.ok(session);
  offsetMs = 48 * 3_600_000;
  assert.equal((await server.connect({ session })).reused, false);
});

test('a secret that OpenSSL refuses is counted once and the last good one serves on', async () => {
  const secrets = new SecretStore();
  secrets.set({ kind: 'tls_certificate', name: 'c', certificate: certificateData(leaf) });
  await using server = await TlsTestServer.start(
    downstreamTls({ certificates: [{ kind: 'sds', name: 'c' }] }),
    secrets,
  );
  assert.equal((await server.connect()).greeted, true);
  const junk = certificateData({ certificatePem: 'junk', privateKeyPem: 'junk' });
  secrets.set({ kind: 'tls_certificate', name: 'c', certificate: junk });
  for (let i = 0; i < 3; i++) assert.equal((await server.connect()).greeted, true);
  assert.equal(server.stats.contextUpdateFailed, 1);
});
