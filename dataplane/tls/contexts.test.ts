// What both contexts do beside verifying: certificates by SNI, staples, key logs, sessions of clients.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import tls from 'node:tls';
import { systemClock } from '../../common/clock.ts';
import { ocspResponse } from '../../test/fakes/openssl-files.ts';
import { KeyUsageFlags, TestCa } from '../../test/fakes/pki.ts';
import {
  certificateData,
  downstreamTls,
  inlineCertificate,
  upstreamTls,
  validationData,
} from '../../test/fakes/tls.ts';
import { TlsTestServer } from '../../test/fakes/tls-server.ts';
import type { UpstreamTlsConfig } from '../api/config/tls.ts';
import { SecretStore } from './secret-store.ts';
import { SslStats } from './ssl-stats.ts';
import { UpstreamTlsContext } from './upstream-tls.ts';

const ca = await TestCa.create();
const leaf = await ca.issue({ dns: ['a.test'] });
const directory = mkdtempSync(join(tmpdir(), 'keys-'));
after(() => rmSync(directory, { recursive: true, force: true }));

for (const peeks of [true, false]) {
  test(`the certificate follows the name, ${peeks ? 'peeked at or' : 'looked at in the handshake'}`, async () => {
    const certificates = await Promise.all([
      ca.issue({ dns: ['a.test'] }),
      ca.issue({ dns: ['b.test', '*.w.test'] }),
      ca.issue({ dns: ['b.test'], key: 'rsa' }),
    ]);
    const config = downstreamTls({ certificates: certificates.map(inlineCertificate) });
    const ask = async (servername: string, more: tls.ConnectionOptions = {}) => {
      await using server = await TlsTestServer.start(
        config,
        new SecretStore(),
        peeks ? servername : null,
      );
      const { serialNumber, keyType } = await server.connect({ servername, ...more });
      const index = certificates.findIndex(
        ({ certificatePem }) => new X509Certificate(certificatePem).serialNumber === serialNumber,
      );
      return `${index} ${keyType}`;
    };
    assert.equal(await ask('a.test'), '0 ec');
    assert.equal(await ask('b.test'), '1 ec');
    assert.equal(await ask('x.w.test'), '1 ec');
    assert.equal(await ask('nobody.test'), '0 ec');
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const rsaOnly = { maxVersion, sigalgs: 'rsa_pss_rsae_sha256:rsa_pkcs1_sha256' };
      assert.equal(await ask('b.test', rsaOnly), '2 rsa', maxVersion);
    }
  });
}

test('require_sni without a listener filter is judged after the handshake', async () => {
  await using server = await TlsTestServer.start(
    downstreamTls({ certificates: [inlineCertificate(leaf)], requireSni: true }),
  );
  assert.equal((await server.connect()).greeted, false);
  assert.equal((await server.connect({ servername: 'a.test' })).greeted, true);
  assert.equal(server.outcomes[1]?.info?.sni, 'a.test');
  assert.equal(server.stats.connectionError, 1);
});

test('a staple is given to who asks, left out when it ran out, or ends the handshake if strict', async () => {
  const staple = ocspResponse(leaf, await ca.export(), 2);
  const expiresMs = Date.now() + 2 * 86_400_000;
  const certificate = {
    ...certificateData(leaf),
    ocspStaple: staple.toString('base64'),
    ocspExpiresMs: expiresMs,
  };
  let offsetMs = 0;
  const clock = { ...systemClock, wallMs: () => Date.now() + offsetMs };
  for (const ocspStaplePolicy of ['LENIENT_STAPLING', 'STRICT_STAPLING', 'MUST_STAPLE'] as const) {
    offsetMs = 0;
    await using server = await TlsTestServer.start(
      downstreamTls({ certificates: [{ kind: 'inline', certificate }], ocspStaplePolicy }),
      new SecretStore({ clock }),
    );
    const stapled = (requestOCSP: boolean) =>
      new Promise<string>((resolve) => {
        const socket = tls.connect({
          port: server.port,
          host: '127.0.0.1',
          rejectUnauthorized: false,
          requestOCSP,
        });
        let length = 0;
        socket.on('OCSPResponse', (response: Buffer | null) => {
          length = response?.length ?? 0;
        });
        socket.on('error', () => {});
        socket.on('secureConnect', () => socket.write('x'));
        socket.on('data', () => {
          resolve(length === 0 ? 'none' : 'stapled');
          socket.destroy();
        });
        socket.on('close', () => resolve('refused'));
      });
    assert.equal(await stapled(false), 'none');
    assert.equal(await stapled(true), 'stapled');
    offsetMs = 3 * 86_400_000;
    const isLenient = ocspStaplePolicy === 'LENIENT_STAPLING';
    assert.equal(await stapled(true), isLenient ? 'none' : 'refused', ocspStaplePolicy);
    const { ocspStapleRequests, ocspStapleResponses, ocspStapleOmitted, ocspStapleFailed } =
      server.stats;
    assert.deepEqual(
      [ocspStapleRequests, ocspStapleResponses, ocspStapleOmitted, ocspStapleFailed],
      [2, 1, isLenient ? 1 : 0, isLenient ? 0 : 1],
    );
  }
});

test('the key log has the secrets of matching addresses, for nobody else to read', async () => {
  const path = join(directory, 'keys.log');
  const logged = (remoteAddressRanges: readonly string[]) =>
    downstreamTls({
      certificates: [inlineCertificate(leaf)],
      keyLog: { path, localAddressRanges: [], remoteAddressRanges },
    });
  {
    await using server = await TlsTestServer.start(logged(['10.0.0.0/8']));
    await server.connect();
    assert.equal(readFileSync(path, 'utf8'), '');
  }
  await using server = await TlsTestServer.start(logged(['127.0.0.0/8']));
  await server.connect();
  assert.match(readFileSync(path, 'utf8'), /^SERVER_HANDSHAKE_TRAFFIC_SECRET [0-9a-f]{64} /m);
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('a key log that cannot be written is counted, and connections go on', async () => {
  await using server = await TlsTestServer.start(
    downstreamTls({
      certificates: [inlineCertificate(leaf)],
      keyLog: {
        path: join(directory, 'no', 'keys'),
        localAddressRanges: [],
        remoteAddressRanges: [],
      },
    }),
  );
  assert.equal(server.stats.keyLogFailed, 1);
  assert.equal((await server.connect()).greeted, true);
});

/** Handshakes with `server` over one client context, one after the other. */
async function handshakes(
  server: TlsTestServer,
  context: UpstreamTlsContext,
  names: readonly string[],
): Promise<{ readonly reused: boolean; readonly reason: string }[]> {
  const results: { reused: boolean; reason: string }[] = [];
  for (const name of names) {
    const raw = net.connect(server.port, '127.0.0.1');
    await once(raw, 'connect');
    const socket = context.wrap(raw, name);
    socket.on('error', () => {});
    await once(socket, 'secureConnect');
    const { result } = context.verify(socket);
    results.push({ reused: socket.isSessionReused(), reason: result.reason });
    if (result.failure === null) {
      socket.write('x');
      await once(socket, 'data');
    }
    socket.destroy();
    await once(socket, 'close');
  }
  return results;
}

const client = (change: Partial<UpstreamTlsConfig> = {}) => {
  const validation = { base: validationData({ trustedCaPem: ca.certificatePem }), sdsName: null };
  return upstreamTls({ validation, ...change });
};

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`clients resume the newest session of the same name (${maxVersion})`, async () => {
    await using server = await TlsTestServer.start(
      downstreamTls({ certificates: [inlineCertificate(leaf)] }),
    );
    const stats = new SslStats('client');
    const context = new UpstreamTlsContext(client({ maxVersion }), new SecretStore(), stats);
    const results = await handshakes(server, context, ['a.test', 'a.test', 'b.test', 'a.test']);
    // One session is kept: the one of b.test takes the place of a.test's.
    assert.deepEqual(
      results.map(({ reused }) => reused),
      [false, true, false, false],
    );
    assert.equal(stats.sessionReused, 1);
    assert.equal(stats.handshake, 4);
  });
}

test('clients keep as many sessions as max_session_keys says, 0 = none', async () => {
  await using server = await TlsTestServer.start(
    downstreamTls({ certificates: [inlineCertificate(leaf)] }),
  );
  const reused = async (maxSessionKeys: number) => {
    // TLS 1.3 gives two tickets per handshake, which would only blur the counting.
    const config = client({ maxSessionKeys, maxVersion: 'TLSv1.2' });
    const context = new UpstreamTlsContext(config, new SecretStore(), new SslStats('client'));
    const results = await handshakes(server, context, ['a.test', 'b.test', 'a.test', 'b.test']);
    return results.map((result) => result.reused);
  };
  assert.deepEqual(await reused(0), [false, false, false, false]);
  assert.deepEqual(await reused(1), [false, false, false, false]);
  assert.deepEqual(await reused(2), [false, false, true, true]);
});

test('clients forget sessions when their roots change, and judge a resumed server anew', async () => {
  const secrets = new SecretStore();
  const trust = (of: TestCa) => {
    const validation = validationData({ trustedCaPem: of.certificatePem });
    secrets.set({ kind: 'validation_context', name: 'roots', validation });
  };
  trust(ca);
  await using server = await TlsTestServer.start(
    downstreamTls({ certificates: [inlineCertificate(leaf)] }),
  );
  const config = client({ validation: { base: null, sdsName: 'roots' } });
  const context = new UpstreamTlsContext(config, secrets, new SslStats('client'));
  const before = await handshakes(server, context, ['a.test', 'a.test']);
  assert.deepEqual(
    before.map(({ reused }) => reused),
    [false, true],
  );
  trust(await TestCa.create('another'));
  const [now] = await handshakes(server, context, ['a.test']);
  assert.equal(now?.reused, false);
  assert.match(now?.reason ?? '', /CERTIFICATE_VERIFY_FAILED/);
});

test('enforce_rsa_key_usage refuses an RSA server that must not sign', async () => {
  const { keyEncipherment, digitalSignature } = KeyUsageFlags;
  const verdict = async (keyUsage: number, enforceRsaKeyUsage: boolean) => {
    const rsa = await ca.issue({ dns: ['a.test'], key: 'rsa', keyUsage });
    await using server = await TlsTestServer.start(
      downstreamTls({ certificates: [inlineCertificate(rsa)] }),
    );
    const config = upstreamTls({ enforceRsaKeyUsage });
    const context = new UpstreamTlsContext(config, new SecretStore(), new SslStats('client'));
    return (await handshakes(server, context, ['a.test']))[0]?.reason;
  };
  assert.match((await verdict(keyEncipherment, true)) ?? '', /KEY_USAGE_BIT_INCORRECT/);
  assert.equal(await verdict(keyEncipherment, false), '');
  assert.equal(await verdict(keyEncipherment | digitalSignature, true), '');
});

test('TLS 1.0 and 1.1 are spoken when the config says so', async () => {
  await using server = await TlsTestServer.start(
    downstreamTls({
      certificates: [inlineCertificate(leaf)],
      minVersion: 'TLSv1',
      cipherSuites: ['ECDHE-ECDSA-AES128-SHA'],
    }),
  );
  for (const version of ['TLSv1', 'TLSv1.1'] as const) {
    const { protocol } = await server.connect({
      minVersion: version,
      maxVersion: version,
      ciphers: 'ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0',
    });
    assert.equal(protocol, version);
  }
});
