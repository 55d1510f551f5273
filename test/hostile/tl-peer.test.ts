// Suite G of the reliability spec, who the peer is: TL-01 to TL-08 and TL-16. Our own listener and our own
// cluster judge certificates that Node's client and server present.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import {
  ExtendedKeyUsage,
  KeyUsageFlags,
  type LeafNames,
  TestCa,
  type TestCertificate,
} from '../fakes/pki.ts';
import {
  certificatesYaml,
  downstreamSocket,
  httpChain,
  inlineText,
  mutual,
  TlsSidecar,
  tlsInspector,
  upstreamSocket,
} from './tls-sidecar.ts';

const CLIENT = 'spiffe://a.test/ns/web/sa/client';
const uriRule =
  'match_typed_subject_alt_names: [{ san_type: URI, matcher: { prefix: "spiffe://a.test/" } }]';

function present(
  certificate: TestCertificate,
  ...issuers: readonly TestCa[]
): tls.ConnectionOptions {
  const chain = [certificate, ...issuers].map(({ certificatePem }) => certificatePem);
  return { cert: chain.join('\n'), key: certificate.privateKeyPem };
}

describe('clients of a STRICT listener', () => {
  let ca: TestCa;
  let server: TlsSidecar;
  before(async () => {
    ca = await TestCa.create('mesh');
    const leaf = await ca.issue({ dns: ['a.test'] });
    server = await TlsSidecar.start({
      chains: [httpChain(downstreamSocket(mutual(leaf, ca, uriRule)))],
    });
  });
  after(() => server[Symbol.asyncDispose]());

  const refused = async (names: LeafNames, counter: string, reason: RegExp, issuer = ca) => {
    const certificate = await issuer.issue({ uri: [CLIENT], ...names });
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const attack = () => server.request({ maxVersion, ...present(certificate) });
      await server.refuses(attack, `ssl.${counter}`, reason);
    }
  };

  test('control: a good client is served, and the upstream learns who it is', async () => {
    const good = await ca.issue({ uri: [CLIENT] });
    assert.equal(await server.request(present(good)), 'served');
    assert.match(server.seen.pop()?.forwardedClientCert ?? '', new RegExp(`URI=${CLIENT}$`));
  });

  test('TL-01 an expired certificate is refused', () =>
    refused({ validDays: -1 }, 'fail_verify_error', /CERT_HAS_EXPIRED/));

  test('TL-01 one that is not valid yet is refused', () =>
    refused({ validFromDays: 1, validDays: 2 }, 'fail_verify_error', /CERT_NOT_YET_VALID/));

  test('TL-02 a self-signed certificate is refused', async () => {
    const self = await TestCa.create('self');
    await refused({}, 'fail_verify_error', /UNABLE_TO|SELF_SIGNED|DEPTH_ZERO/, self);
  });

  test('TL-02 an unknown CA with the name of ours is refused', async () => {
    const double = await TestCa.create('mesh');
    await refused({}, 'fail_verify_error', /CERT_SIGNATURE_FAILURE|UNABLE_TO/, double);
  });

  test('TL-04 the right CA with another trust domain is refused', () =>
    refused({ uri: ['spiffe://b.test/ns/web/sa/client'] }, 'fail_verify_san', /verify SAN list/));

  test('TL-05 two URI SANs, none, an https one and one without a path are refused', async () => {
    const reason = /URI SANs instead of one|not a SPIFFE ID/;
    for (const uri of [
      [CLIENT, 'spiffe://a.test/ns/web/sa/other'],
      [],
      ['https://a.test/ns/web/sa/client'],
      ['spiffe://a.test'],
      ['spiffe://a.test/'],
    ]) {
      await refused({ uri }, 'fail_verify_error', reason);
    }
  });

  test('TL-06 a leaf that is a CA or may sign certificates or CRLs is refused', async () => {
    const { keyCertSign, cRLSign, digitalSignature } = KeyUsageFlags;
    await refused({ ca: true }, 'fail_verify_error', /must not be a CA|INVALID_PURPOSE/);
    await refused(
      { keyUsage: digitalSignature | keyCertSign },
      'fail_verify_error',
      /keyCertSign|INVALID/,
    );
    await refused({ keyUsage: digitalSignature | cRLSign }, 'fail_verify_error', /cRLSign/);
    const good = await ca.issue({ uri: [CLIENT], keyUsage: digitalSignature });
    assert.equal(await server.request(present(good)), 'served');
    server.seen.pop();
  });

  test('TL-06 a certificate for servers only is refused as a client', () =>
    refused(
      { extendedKeyUsage: [ExtendedKeyUsage.serverAuth] },
      'fail_verify_error',
      /INVALID_PURPOSE/,
    ));

  test('TL-07 SANs with %41, //, /../, an upper-case domain or 2,049 bytes are refused', async () => {
    for (const id of [
      'spiffe://a.test/%41',
      'spiffe://a.test/ns//web',
      'spiffe://a.test/ns/../web',
      'spiffe://a.test/./web',
      'spiffe://a.test/web/',
      'spiffe://A.test/web',
      'SPIFFE://a.test/web',
      'spiffe://a.test/web?query',
      'spiffe://a.test:80/web',
      `spiffe://a.test/${'x'.repeat(2049 - 'spiffe://a.test/'.length)}`,
    ]) {
      await refused({ uri: [id] }, 'fail_verify_error', /not a SPIFFE ID/);
    }
    const longest = `spiffe://a.test/${'x'.repeat(2048 - 'spiffe://a.test/'.length)}`;
    const good = await ca.issue({ uri: [longest] });
    assert.equal(await server.request(present(good)), 'served');
    server.seen.pop();
  });

  test('TL-08 a client without a certificate is refused', async () => {
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      await server.refuses(
        () => server.request({ maxVersion }),
        'ssl.fail_verify_no_cert',
        /did not present a certificate/,
      );
    }
  });
});

describe('PERMISSIVE: TLS and plaintext on one port', () => {
  test('TL-08 plaintext is served with an empty identity, never that of another connection', async () => {
    const ca = await TestCa.create();
    const leaf = await ca.issue({ dns: ['a.test'] });
    await using server = await TlsSidecar.start({
      listener: tlsInspector,
      chains: [
        httpChain(downstreamSocket(mutual(leaf, ca, uriRule)), '{ transport_protocol: tls }'),
        httpChain('', '{ transport_protocol: raw_buffer }'),
      ],
    });
    const good = await ca.issue({ uri: [CLIENT] });
    assert.equal(await server.request(present(good)), 'served');
    assert.match(server.seen[0]?.forwardedClientCert ?? '', /URI=spiffe/);
    const plain = await server.send(
      'GET /plain HTTP/1.1\r\nhost: a\r\nx-forwarded-client-cert: URI=spiffe://a.test/admin\r\nconnection: close\r\n\r\n',
    );
    assert.match(plain.toString(), /^HTTP\/1\.1 200/);
    assert.deepEqual(server.seen[1], { path: '/plain', forwardedClientCert: '' });
  });
});

describe('trust', () => {
  let a: TestCa;
  let b: TestCa;
  let server: TlsSidecar;
  before(async () => {
    a = await TestCa.create('root of a');
    b = await TestCa.create('root of b');
    const leaf = await a.issue({ dns: ['a.test'] });
    const spiffe = `custom_validator_config: { name: envoy.tls.cert_validator.spiffe, typed_config: {
      "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig,
      trust_domains: [{ name: a.test, trust_bundle: ${inlineText(a.certificatePem)} },
                      { name: b.test, trust_bundle: ${inlineText(b.certificatePem)} }] } }`;
    const context = `require_client_certificate: true, common_tls_context: { ${certificatesYaml(leaf)}, validation_context: { ${spiffe} } }`;
    server = await TlsSidecar.start({ chains: [httpChain(downstreamSocket(context))] });
  });
  after(() => server[Symbol.asyncDispose]());

  test('TL-04 each trust domain is vouched for by its own roots', async () => {
    for (const [ca, uri] of [
      [a, 'spiffe://a.test/x'],
      [b, 'spiffe://b.test/x'],
    ] as const) {
      assert.equal(await server.request(present(await ca.issue({ uri: [uri] }))), 'served', uri);
    }
    server.seen.length = 0;
  });

  test('TL-04 a federated root does not vouch for our domain, nor ours for it', async () => {
    const cases = [
      [b, 'spiffe://a.test/x', /no path to a trust anchor/],
      [a, 'spiffe://b.test/x', /no path to a trust anchor/],
      [a, 'spiffe://c.test/x', /no trust bundle/],
    ] as const;
    for (const [ca, uri, reason] of cases) {
      const stolen = await ca.issue({ uri: [uri] });
      await server.refuses(() => server.request(present(stolen)), 'ssl.fail_verify_error', reason);
    }
  });

  test('TL-04 an intermediate of the federated root does not vouch for our domain either', async () => {
    const between = await b.intermediate('between');
    const good = await between.issue({ uri: ['spiffe://b.test/x'] });
    assert.equal(await server.request(present(good, between)), 'served');
    server.seen.length = 0;
    const stolen = await between.issue({ uri: ['spiffe://a.test/x'] });
    await server.refuses(
      () => server.request(present(stolen, between, a)),
      'ssl.fail_verify_error',
      /no path to a trust anchor/,
    );
  });

  test('TL-16 a revoked certificate is refused once the list says so', async () => {
    const ca = await TestCa.create();
    const leaf = await ca.issue({ dns: ['a.test'] });
    const revoked = await ca.issue({ uri: [CLIENT] });
    const good = await ca.issue({ uri: [CLIENT] });
    for (const leafOnly of ['', ', only_verify_leaf_cert_crl: true']) {
      const crl = await ca.revoke(revoked);
      const rules = `crl: ${inlineText(crl)}${leafOnly}`;
      await using listed = await TlsSidecar.start({
        chains: [httpChain(downstreamSocket(mutual(leaf, ca, rules)))],
      });
      assert.equal(await listed.request(present(good)), 'served');
      await listed.refuses(
        () => listed.request(present(revoked)),
        'ssl.fail_verify_error',
        /CERT_REVOKED/,
      );
    }
  });
});

describe('servers of a cluster', () => {
  let ca: TestCa;
  before(async () => {
    ca = await TestCa.create();
  });

  /** What a client gets over a cluster whose host shows this certificate. */
  async function through(shown: TestCertificate, context: string) {
    const requests: string[] = [];
    const host = tls.createServer(
      { cert: shown.certificatePem, key: shown.privateKeyPem },
      (socket) => {
        socket.on('error', () => {});
        socket.on('data', (chunk) => {
          requests.push(String(chunk));
          socket.end('HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nserved');
        });
      },
    );
    await new Promise<void>((resolve) => host.listen(0, '127.0.0.1', resolve));
    const { port } = host.address() as { port: number }; // a TCP server has one
    const clusters = `
    - name: secured
      type: STATIC
      ${upstreamSocket(context)}
      load_assignment: { cluster_name: secured, endpoints: [{ lb_endpoints: [{ endpoint: {
        address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }] }] }`;
    await using server = await TlsSidecar.start({
      chains: [httpChain('', '', 'secured')],
      clusters,
    });
    const answer = await server.send('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
    await server.good();
    const stat = async (name: string) => server.stat(`cluster.secured.ssl.${name}`);
    const result = {
      answer: answer.toString(),
      requests: requests.length,
      log: await server.logged(/200|503/),
      san: await stat('fail_verify_san'),
      error: await stat('fail_verify_error'),
    };
    host.close();
    return result;
  }

  const trusting = (rule: string) =>
    `sni: a.test, common_tls_context: { validation_context: { trusted_ca: ${inlineText(ca.certificatePem)}, ${rule} } }`;
  const serverRule =
    'match_typed_subject_alt_names: [{ san_type: URI, matcher: { exact: "spiffe://a.test/server" } }]';

  test('TL-03 the right server is used, one with another name gets no byte: 503 with the reason', async () => {
    const right = await through(
      await ca.issue({ uri: ['spiffe://a.test/server'] }),
      trusting(serverRule),
    );
    assert.match(right.answer, /served$/);
    const wrong = await through(
      await ca.issue({ uri: ['spiffe://a.test/other'] }),
      trusting(serverRule),
    );
    assert.match(wrong.answer, /^HTTP\/1\.1 503/);
    assert.match(
      wrong.log,
      /UF .*TLS_error:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_verify_SAN_list/,
    );
    assert.deepEqual([wrong.requests, wrong.san], [0, 1]);
  });

  test('TL-01 TL-02 expired servers and those of another CA get no byte', async () => {
    const stranger = await TestCa.create();
    for (const shown of [
      await ca.issue({ uri: ['spiffe://a.test/server'], validDays: -1 }),
      await stranger.issue({ uri: ['spiffe://a.test/server'] }),
    ]) {
      const result = await through(shown, trusting(serverRule));
      assert.match(result.answer, /^HTTP\/1\.1 503/);
      assert.deepEqual([result.requests, result.error], [0, 1]);
    }
  });
});
