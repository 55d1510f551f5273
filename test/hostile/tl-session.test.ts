// Suite G of the reliability spec, sessions, sizes and secrets: TL-14, TL-15 and TL-18.

import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generatePrimeSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { SecretStore } from '../../dataplane/tls/secret-store.ts';
import { SslStats } from '../../dataplane/tls/ssl-stats.ts';
import { UpstreamTlsContext } from '../../dataplane/tls/upstream-tls.ts';
import { startAds, until } from '../fakes/ads-harness.ts';
import { TestCa, type TestCertificate } from '../fakes/pki.ts';
import {
  certificateData,
  downstreamTls,
  inlineCertificate,
  upstreamTls,
  validationData,
} from '../fakes/tls.ts';
import { TlsTestServer } from '../fakes/tls-server.ts';
import { resourceOf } from '../fakes/xds-resources.ts';
import { sClient } from './openssl.ts';
import { downstreamSocket, httpChain, mutual, TlsSidecar, tlsInspector } from './tls-sidecar.ts';

const CLIENT = 'spiffe://a.test/client';

function present({ certificatePem, privateKeyPem }: TestCertificate): tls.ConnectionOptions {
  return { cert: certificatePem, key: privateKeyPem };
}

describe('session tickets', () => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`TL-14 tickets of a CA that was removed are worth nothing (${maxVersion})`, async () => {
      const former = await TestCa.create('former');
      const ca = await TestCa.create('current');
      const leaf = inlineCertificate(await ca.issue({ dns: ['a.test'] }));
      const secrets = new SecretStore();
      const trust = (...cas: readonly TestCa[]) => {
        const trustedCaPem = cas.map(({ certificatePem }) => certificatePem).join('\n');
        const validation = validationData({ trustedCaPem });
        secrets.set({ kind: 'validation_context', name: 'roots', validation });
      };
      trust(former, ca);
      await using server = await TlsTestServer.start(
        downstreamTls({
          certificates: [leaf],
          validation: { base: null, sdsName: 'roots' },
          requireClientCertificate: true,
          // The same ticket key before and after: it is the derived one that must differ.
          sessionTickets: { kind: 'keys', keys: [Buffer.alloc(80, 1).toString('base64')] },
        }),
        secrets,
      );
      const old = { maxVersion, ...present(await former.issue({ uri: [CLIENT] })) };
      const first = await server.connect(old);
      assert.ok(first.session);
      // Control: with the CA still there the ticket does resume.
      const resumed = await server.connect({ ...old, session: first.session });
      assert.equal(resumed.reused, true);
      trust(ca);
      const session = resumed.session ?? first.session;
      const after = await server.connect({ ...old, session });
      assert.deepEqual([after.greeted, after.reused], [false, false]);
      assert.equal(server.stats.failVerifyError, 1);
      // The ticket alone, without the certificate, opens nothing either.
      assert.equal((await server.connect({ maxVersion, session })).greeted, false);
    });

    test(`TL-14 tickets of one filter chain do not open another one (${maxVersion})`, async () => {
      const a = await TestCa.create('a');
      const b = await TestCa.create('b');
      const leafOf = (ca: TestCa, name: string) => ca.issue({ dns: [name] });
      await using server = await TlsSidecar.start({
        listener: tlsInspector,
        chains: [
          httpChain(
            downstreamSocket(mutual(await leafOf(a, 'a.test'), a)),
            '{ server_names: [a.test] }',
          ),
          httpChain(
            downstreamSocket(mutual(await leafOf(b, 'b.test'), b)),
            '{ server_names: [b.test] }',
          ),
        ],
      });
      const options = { maxVersion, ...present(await a.issue({ uri: [CLIENT] })) };
      const sessions: Buffer[] = [];
      const once = (extra: tls.ConnectionOptions) =>
        new Promise<{ reused: boolean; text: string }>((resolve) => {
          const socket = tls.connect({
            port: server.port,
            host: '127.0.0.1',
            rejectUnauthorized: false,
            ...options,
            ...extra,
          });
          let text = '';
          let reused = false;
          socket.on('session', (session: Buffer) => sessions.push(session));
          socket.on('secureConnect', () => {
            reused = socket.isSessionReused();
          });
          socket.on('data', (chunk) => {
            text += chunk;
          });
          socket.on('error', () => {});
          socket.on('close', () => resolve({ reused, text }));
          socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
        });
      assert.match((await once({ servername: 'a.test' })).text, /served/);
      const [session] = sessions;
      assert.ok(session);
      assert.equal((await once({ servername: 'a.test', session })).reused, true, 'control');
      // Node ties a session to its name; a hostile client does not.
      const bare = sessions.at(-1)!;
      const untied = bare.subarray(bare.indexOf('a.test') + 'a.test'.length);
      server.seen.length = 0;
      const other = await once({ servername: 'b.test', session: untied });
      assert.deepEqual([other.reused, other.text], [false, '']);
      assert.deepEqual(server.seen, []);
      await server.good();
    });
  }
});

/**
 * An RSA key of almost `bits` bits out of small primes: useless as a secret, made at once, and as costly to
 * check as a real one.
 */
function weakRsaKey(bits: number): KeyObject {
  const e = 65537n;
  const half = () => {
    let product = 1n;
    let carmichael = 1n;
    for (let made = 0; made < bits / 2; made += 512) {
      let prime: bigint;
      do prime = generatePrimeSync(512, { bigint: true, safe: false });
      while ((prime - 1n) % e === 0n);
      product *= prime;
      carmichael = (carmichael * (prime - 1n)) / gcd(carmichael, prime - 1n);
    }
    return { product, carmichael };
  };
  const [p, q] = [half(), half()];
  const n = p.product * q.product;
  const lambda = (p.carmichael * q.carmichael) / gcd(p.carmichael, q.carmichael);
  return createPrivateKey({
    format: 'jwk',
    key: {
      kty: 'RSA',
      n: encode(n),
      e: encode(e),
      d: encode(inverse(e, lambda)),
      p: encode(p.product),
      q: encode(q.product),
      dp: encode(inverse(e, p.carmichael)),
      dq: encode(inverse(e, q.carmichael)),
      qi: encode(inverse(q.product, p.product)),
    },
  });
}

function gcd(a: bigint, b: bigint): bigint {
  while (b !== 0n) [a, b] = [b, a % b];
  return a;
}

function inverse(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [value % modulus, modulus, 1n, 0n];
  while (b !== 0n) {
    const quotient = a / b;
    [a, b, x, y] = [b, a - quotient * b, y, x - quotient * y];
  }
  return ((x % modulus) + modulus) % modulus;
}

function encode(value: bigint): string {
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex').toString('base64url');
}

test('TL-16 a certificate is refused from the reload that revokes it on, ticket or not', async () => {
  const ca = await TestCa.create();
  const revoked = await ca.issue({ uri: [CLIENT] });
  const secrets = new SecretStore();
  const trust = (crlPem: string) => {
    const validation = validationData({ trustedCaPem: ca.certificatePem, crlPem });
    secrets.set({ kind: 'validation_context', name: 'roots', validation });
  };
  trust(await ca.revoke());
  await using server = await TlsTestServer.start(
    downstreamTls({
      certificates: [inlineCertificate(await ca.issue({ dns: ['a.test'] }))],
      validation: { base: null, sdsName: 'roots' },
      requireClientCertificate: true,
    }),
    secrets,
  );
  const options = present(revoked);
  const { greeted, session } = await server.connect(options);
  assert.equal(greeted, true);
  assert.ok(session);
  trust(await ca.revoke(revoked));
  for (const more of [{}, { session }]) {
    assert.equal((await server.connect({ ...options, ...more })).greeted, false);
    assert.match(server.outcomes.at(-1)?.reason ?? '', /CERT_REVOKED/);
  }
  const good = present(await ca.issue({ uri: [CLIENT] }));
  assert.equal((await server.connect(good)).greeted, true);
  assert.equal(server.stats.failVerifyError, 2);
});

describe('certificates made to cost', () => {
  const MOST_CPU_MS = 50;
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'big-'));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  /** Our CPU time of one handshake; the client is another process. */
  async function cpuMs(server: TlsTestServer, chain: readonly string[], keyPem: string) {
    const [certificate, key] = [join(directory, 'leaf.pem'), join(directory, 'leaf.key')];
    writeFileSync(certificate, chain[0] ?? '');
    writeFileSync(join(directory, 'chain.pem'), chain.slice(1).join('\n'));
    writeFileSync(key, keyPem);
    const args = ['-cert', certificate, '-key', key];
    if (chain.length > 1) args.push('-cert_chain', join(directory, 'chain.pem'));
    const before = process.cpuUsage();
    await sClient(server.port, args);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  }

  async function refusedCheaply(
    ca: TestCa,
    chain: readonly string[],
    keyPem: string,
    reason: RegExp,
  ): Promise<void> {
    await using server = await TlsTestServer.start(
      downstreamTls({
        certificates: [inlineCertificate(await ca.issue({ dns: ['a.test'] }))],
        validation: {
          base: validationData({ trustedCaPem: ca.certificatePem }),
          sdsName: null,
        },
        requireClientCertificate: true,
      }),
    );
    const good = await ca.issue({ uri: [CLIENT] });
    let extra = Number.POSITIVE_INFINITY;
    for (let attempt = 0; attempt < 3 && extra >= MOST_CPU_MS; attempt++) {
      const usual = await cpuMs(server, [good.certificatePem], good.privateKeyPem);
      assert.equal(server.outcomes.at(-1)?.reason, '', 'control: a good client passes');
      extra = (await cpuMs(server, chain, keyPem)) - usual;
      assert.match(server.outcomes.at(-1)?.reason ?? '', reason);
    }
    assert.ok(extra < MOST_CPU_MS, `${extra.toFixed(1)} ms more than a good client`);
  }

  test('TL-15 a chain of 100 certificates is refused', async () => {
    const ca = await TestCa.create();
    let issuer = ca;
    const between: string[] = [];
    for (let i = 0; i < 99; i++) {
      issuer = await issuer.intermediate(`between ${i}`);
      between.unshift(issuer.certificatePem);
    }
    const leaf = await issuer.issue({ uri: [CLIENT] });
    await refusedCheaply(
      ca,
      [leaf.certificatePem, ...between],
      leaf.privateKeyPem,
      /more than 16 certificates/,
    );
  });

  test('TL-15 a SAN of 16 KB is refused', async () => {
    const ca = await TestCa.create();
    const leaf = await ca.issue({ uri: [`spiffe://a.test/${'x'.repeat(16 * 1024)}`] });
    const reason = /certificate of \d+ bytes/;
    await refusedCheaply(ca, [leaf.certificatePem], leaf.privateKeyPem, reason);
  });

  test('TL-15 an RSA key of 16,384 bits is refused', async () => {
    const ca = await TestCa.create();
    const key = weakRsaKey(16_384);
    const publicKeyPem = createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString();
    const leaf = await ca.issue({ uri: [CLIENT], publicKeyPem });
    const keyPem = key.export({ type: 'pkcs8', format: 'pem' }).toString();
    await refusedCheaply(ca, [leaf.certificatePem], keyPem, /RSA key of 163\d\d bits/);
  });
});

describe('before the identity is issued', () => {
  const identity = [{ kind: 'sds', name: 'identity' }] as const;

  test('TL-18 clients are closed without a byte, whatever they send, and served once it came', async () => {
    const ca = await TestCa.create();
    const secrets = new SecretStore();
    await using server = await TlsTestServer.start(
      downstreamTls({ certificates: identity }),
      secrets,
    );
    for (const bytes of ['GET / HTTP/1.1\r\nhost: a\r\n\r\n', '\x16\x03\x01\x00\x05']) {
      const answer = await new Promise<string>((resolve) => {
        const socket = net.connect(server.port, '127.0.0.1');
        let text = '';
        socket.on('error', () => {});
        socket.on('data', (chunk) => {
          text += chunk;
        });
        socket.on('close', () => resolve(text));
        socket.write(bytes);
      });
      assert.equal(answer, '');
    }
    assert.match(server.outcomes[0]?.reason ?? '', /Secret is not supplied by SDS/);
    assert.equal(server.stats.downstreamContextSecretsNotReady, 2);
    const certificate = certificateData(await ca.issue({ dns: ['a.test'] }));
    secrets.set({ kind: 'tls_certificate', name: 'identity', certificate });
    assert.equal((await server.connect()).greeted, true);
  });

  test('TL-18 a whole sidecar serves nobody until its identity came, and then those who handshake', async (context) => {
    const source = 'sds_config: { ads: {}, resource_api_version: V3 }';
    const ads = await startAds();
    context.after(() => ads.close());
    ads.publish('waiting');
    await using server = await TlsSidecar.start({
      chains: [
        httpChain(
          downstreamSocket(
            `common_tls_context: { tls_certificate_sds_secret_configs: [{ name: identity, ${source} }] }`,
          ),
        ),
      ],
      clusters: `    - { name: ads, type: STATIC, typed_extension_protocol_options: {
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions,
          explicit_http_config: { http2_protocol_options: {} } } },
        load_assignment: { cluster_name: ads, endpoints: [{ lb_endpoints: [{ endpoint: {
          address: { socket_address: { address: 127.0.0.1, port_value: ${ads.port} } } } }] }] } }
node: { id: waiting, cluster: test }
dynamic_resources: { ads_config: { api_type: DELTA_GRPC, grpc_services: [{ envoy_grpc: { cluster_name: ads } }] } }`,
    });
    for (const bytes of ['GET / HTTP/1.1\r\nhost: a\r\n\r\n', '\x16\x03\x01\x00\x05']) {
      await server.refuses(
        async () => assert.equal((await server.send(bytes)).length, 0),
        'server_ssl_socket_factory.downstream_context_secrets_not_ready',
        /Secret is not supplied by SDS/,
      );
    }
    assert.notEqual(await server.request(), 'served');
    assert.deepEqual(server.seen, []);
    const { certificatePem, privateKeyPem } = await (await TestCa.create()).issue({
      dns: ['a.test'],
    });
    ads.publish(
      'waiting',
      resourceOf('secret', 'identity', {
        name: 'identity',
        tls_certificate: {
          certificate_chain: { inline_string: certificatePem },
          private_key: { inline_string: privateKeyPem },
        },
      }),
    );
    await until('it is served', async () => (await server.request()) === 'served');
    assert.equal(
      (await server.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')).includes('served'),
      false,
    );
  });

  test('TL-18 servers get no byte', async () => {
    const received: string[] = [];
    const upstream = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (chunk) => received.push(String(chunk)));
    });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    const { port } = upstream.address() as net.AddressInfo; // a TCP server has one
    const config = upstreamTls({ certificates: identity });
    const context = new UpstreamTlsContext(config, new SecretStore(), new SslStats('client'));
    const socket = net.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    assert.equal(context.isReady(), false);
    assert.throws(() => context.wrap(socket, ''), /Secret is not supplied by SDS/);
    socket.destroy();
    await new Promise<void>((resolve) => upstream.close(() => resolve()));
    assert.deepEqual(received, []);
  });
});
