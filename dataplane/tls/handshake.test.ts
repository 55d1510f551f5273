import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';
import { TestCa } from '../../test/fakes/pki.ts';
import {
  certificateData,
  downstreamTls,
  inlineCertificate,
  upstreamTls,
  validationData,
} from '../../test/fakes/tls.ts';
import type {
  CertificateSource,
  DownstreamTlsConfig,
  UpstreamTlsConfig,
  ValidationContextData,
} from '../api/config/tls.ts';
import type { TlsInfo } from '../api/connection.ts';
import { DownstreamTlsContext } from './downstream-tls.ts';
import { SecretStore } from './secret-store.ts';
import { SslStats } from './ssl-stats.ts';
import { UpstreamTlsContext } from './upstream-tls.ts';

const ordersId = 'spiffe://mesh.test/ns/default/sa/orders';
const frontendId = 'spiffe://mesh.test/ns/default/sa/frontend';

function validation(ca: TestCa, uris: readonly string[]): ValidationContextData {
  return validationData({
    trustedCaPem: ca.certificatePem,
    sanMatchers: uris.map((value) => ({
      sanType: 'URI',
      matcher: { kind: 'exact', value, ignoreCase: false },
    })),
  });
}

function server(
  certificates: readonly CertificateSource[],
  context: ValidationContextData | null,
  change: Partial<DownstreamTlsConfig> = {},
): DownstreamTlsConfig {
  return downstreamTls({
    certificates,
    validation: { base: context, sdsName: null },
    alpnProtocols: ['http/1.1'],
    requireClientCertificate: context !== null,
    ...change,
  });
}

function client(
  certificates: readonly CertificateSource[],
  context: ValidationContextData | null,
  change: Partial<UpstreamTlsConfig> = {},
): UpstreamTlsConfig {
  return upstreamTls({
    certificates,
    validation: { base: context, sdsName: null },
    alpnProtocols: ['http/1.1'],
    ...change,
  });
}

interface Outcome {
  /** What the server says: 'secure' or why not. */
  readonly server: string;
  readonly info: TlsInfo | null;
  /** What the client's own verification says: '' = it accepted the server. */
  readonly clientReason: string;
  readonly serverStats: SslStats;
  readonly clientStats: SslStats;
}

/** One real handshake over loopback between our two sides. */
async function handshake(
  serverConfig: DownstreamTlsConfig,
  clientConfig: UpstreamTlsConfig,
  clientAlpn: readonly string[] | null = null,
): Promise<Outcome> {
  const secrets = new SecretStore();
  const serverStats = new SslStats();
  const clientStats = new SslStats();
  const downstream = new DownstreamTlsContext(serverConfig, secrets, serverStats);
  const upstream = new UpstreamTlsContext(clientConfig, secrets, clientStats);
  const listener = net.createServer();
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const serverSide = new Promise<{ server: string; info: TlsInfo | null }>((resolve) => {
    listener.once('connection', (socket) => {
      downstream.accept(socket, 'orders.test', clientAlpn, {
        onSecure: (tlsSocket, info) => {
          tlsSocket.on('error', () => {});
          tlsSocket.end('hello');
          resolve({ server: 'secure', info });
        },
        onRefused: (reason) => resolve({ server: reason, info: null }),
      });
    });
  });
  const { port } = listener.address() as net.AddressInfo;
  const socket = upstream.wrap(net.connect(port, '127.0.0.1'), '');
  const clientReason = await new Promise<string>((resolve) => {
    socket.once('error', (error) => resolve(error.message));
    socket.once('secureConnect', () => resolve(upstream.verify(socket).result.reason));
  });
  socket.on('error', () => {});
  const outcome = await serverSide;
  socket.destroy();
  listener.close();
  return { ...outcome, clientReason, serverStats, clientStats };
}

test('both sides accept each other by CA and SPIFFE id, and the server sees the client identity', async () => {
  const ca = await TestCa.create();
  const outcome = await handshake(
    server([inlineCertificate(await ca.issue({ uri: [ordersId] }))], validation(ca, [frontendId])),
    client([inlineCertificate(await ca.issue({ uri: [frontendId] }))], validation(ca, [ordersId])),
  );
  assert.equal(outcome.server, 'secure');
  assert.equal(outcome.clientReason, '');
  assert.deepEqual(outcome.info?.uriSanPeerCertificate, [frontendId]);
  assert.equal(outcome.info?.peerCertificateValidated, true);
  assert.equal(outcome.info?.version, 'TLSv1.3');
  assert.equal(outcome.info?.alpn, 'http/1.1');
  assert.equal(outcome.serverStats.handshake, 1);
  assert.equal(outcome.clientStats.handshake, 1);
});

test('a client without a certificate is refused when one is required', async () => {
  const ca = await TestCa.create();
  const outcome = await handshake(
    server([inlineCertificate(await ca.issue({ uri: [ordersId] }))], validation(ca, [])),
    client([], validation(ca, [])),
  );
  assert.match(outcome.server, /did not present a certificate/);
  assert.equal(outcome.serverStats.failVerifyNoCert, 1);
  assert.equal(outcome.serverStats.handshake, 0);
});

test('a client of another CA is refused', async () => {
  const ca = await TestCa.create();
  const otherCa = await TestCa.create('other');
  const outcome = await handshake(
    server([inlineCertificate(await ca.issue({ uri: [ordersId] }))], validation(ca, [])),
    client([inlineCertificate(await otherCa.issue({ uri: [frontendId] }))], validation(ca, [])),
  );
  assert.match(outcome.server, /CERTIFICATE_VERIFY_FAILED/);
  assert.equal(outcome.serverStats.failVerifyError, 1);
});

test('an expired client certificate is refused, unless allowed', async () => {
  const ca = await TestCa.create();
  const expired = inlineCertificate(await ca.issue({ uri: [frontendId], validDays: -1 }));
  const leaf = inlineCertificate(await ca.issue({ uri: [ordersId] }));
  const refused = await handshake(
    server([leaf], validation(ca, [])),
    client([expired], validation(ca, [])),
  );
  assert.match(refused.server, /CERT_HAS_EXPIRED/);
  const allowed = await handshake(
    server([leaf], { ...validation(ca, []), allowExpiredCertificate: true }),
    client([expired], validation(ca, [])),
  );
  assert.equal(allowed.server, 'secure');
});

test('a client whose SPIFFE id does not match is refused', async () => {
  const ca = await TestCa.create();
  const outcome = await handshake(
    server([inlineCertificate(await ca.issue({ uri: [ordersId] }))], validation(ca, [frontendId])),
    client(
      [inlineCertificate(await ca.issue({ uri: [`${frontendId}x`] }))],
      validation(ca, [ordersId]),
    ),
  );
  assert.match(outcome.server, /verify SAN list/);
  assert.equal(outcome.serverStats.failVerifySan, 1);
});

test('a server whose SPIFFE id does not match is refused by the client', async () => {
  const ca = await TestCa.create();
  const outcome = await handshake(
    server(
      [inlineCertificate(await ca.issue({ uri: ['spiffe://mesh.test/ns/default/sa/impostor'] }))],
      null,
    ),
    client([], validation(ca, [ordersId])),
  );
  assert.match(outcome.clientReason, /verify SAN list/);
  assert.equal(outcome.clientStats.failVerifySan, 1);
});

test('without a protocol in common the connection goes on without ALPN', async () => {
  const ca = await TestCa.create();
  const outcome = await handshake(
    server([inlineCertificate(await ca.issue({ dns: ['a.test'] }))], null, {
      alpnProtocols: ['h2'],
    }),
    client([], validation(ca, []), { alpnProtocols: ['http/1.1'] }),
    ['http/1.1'],
  );
  assert.equal(outcome.server, 'secure');
  assert.equal(outcome.info?.alpn, '');
});

test('bytes that are not TLS end the connection with a reason', async () => {
  const ca = await TestCa.create();
  const stats = new SslStats();
  const context = new DownstreamTlsContext(
    server([inlineCertificate(await ca.issue({ uri: [ordersId] }))], null),
    new SecretStore(),
    stats,
  );
  const listener = net.createServer();
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const refused = new Promise<string>((resolve) => {
    listener.once('connection', (socket) => {
      context.accept(socket, '', null, { onSecure: () => resolve('secure'), onRefused: resolve });
    });
  });
  const socket = net.connect((listener.address() as net.AddressInfo).port, '127.0.0.1');
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', () => {});
  socket.write('GET / HTTP/1.1\r\n\r\n');
  assert.match(await refused, /^TLS_error:/);
  await closed;
  assert.equal(stats.connectionError, 1);
  listener.close();
});

test('secrets come by SDS, are missed until they do, and a rotation serves the next handshake', async () => {
  const ca = await TestCa.create();
  const secrets = new SecretStore();
  const config = server([{ kind: 'sds', name: 'default' }], null);
  const context = new DownstreamTlsContext(config, secrets, new SslStats());
  assert.equal(context.isReady(), false);
  const serials: string[] = [];
  const listener = net.createServer((socket) => {
    context.accept(socket, '', null, {
      onSecure: (tlsSocket) => tlsSocket.end(),
      onRefused: () => {},
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as net.AddressInfo;
  for (let round = 0; round < 2; round++) {
    const leaf = await ca.issue({ dns: ['a.test'] });
    const source = inlineCertificate(leaf);
    assert.equal(source.kind, 'inline');
    if (source.kind === 'inline') {
      secrets.set({ kind: 'tls_certificate', name: 'default', certificate: source.certificate });
    }
    assert.equal(context.isReady(), true);
    const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
    await new Promise<void>((resolve) => socket.once('secureConnect', () => resolve()));
    serials.push(socket.getPeerX509Certificate()?.serialNumber ?? '');
    socket.destroy();
  }
  assert.equal(new Set(serials).size, 2);
  // A broken rotation keeps the last good pair.
  secrets.set({
    kind: 'tls_certificate',
    name: 'default',
    certificate: certificateData({ certificatePem: 'junk', privateKeyPem: 'junk' }),
  });
  assert.equal(context.isReady(), true);
  listener.close();
});

test('a client that ends its half in the middle of the handshake is gone, and its connection closed', async () => {
  const ca = await TestCa.create();
  const context = new DownstreamTlsContext(
    server([inlineCertificate(await ca.issue({ dns: ['a.test'] }))], null),
    new SecretStore(),
    new SslStats(),
  );
  // As listeners accept: the peer's FIN alone does not end the socket.
  const listener = net.createServer({ allowHalfOpen: true });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const refused = new Promise<string>((resolve) => {
    listener.once('connection', (socket) => {
      context.accept(socket, '', null, {
        onSecure: () => resolve('secure'),
        onRefused: resolve,
      });
    });
  });
  const peer = net.connect((listener.address() as net.AddressInfo).port, '127.0.0.1');
  // The head of a ClientHello record that never comes.
  peer.end(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00]));
  const closed = new Promise<void>((resolve) => peer.once('close', () => resolve()));
  peer.on('error', () => {});
  peer.resume();
  assert.equal(await refused, 'remote close during TLS handshake');
  await closed;
  listener.close();
});
