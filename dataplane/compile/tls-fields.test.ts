// The rarer fields of both contexts and of what they are made of. tls.test.ts has the usual ones.

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { before, describe, it } from 'node:test';
import { compiledData, resourceErrors } from '../../test/fakes/config.ts';
import { ocspResponse, pkcs12Of } from '../../test/fakes/openssl-files.ts';
import { TestCa, type TestCertificate } from '../../test/fakes/pki.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';
import type { ListenerConfig } from '../api/config/listener.ts';
import type { SecretData } from '../api/config/tls.ts';

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';
const TCP =
  '{name: tcp, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: c}}';
const inline = (pem: string): string => `{inline_string: ${JSON.stringify(pem)}}`;
const bytes = (data: Buffer): string => `{inline_bytes: ${data.toString('base64')}}`;
const key = (fill: number, length = 80): string => bytes(Buffer.alloc(length, fill));

const upstream = (common: string, more = ''): string =>
  `{name: c, transport_socket: {name: t, typed_config: {"@type": ${TLS}.UpstreamTlsContext, common_tls_context: {${common}}${more}}}}`;
const downstream = (common: string, more = ''): string =>
  `{name: l, address: {socket_address: {address: 127.0.0.1, port_value: 1}}, filter_chains: [{filters: [${TCP}], transport_socket: {name: t, typed_config: {"@type": ${TLS}.DownstreamTlsContext, common_tls_context: {${common}}${more}}}}]}`;
// The kinds say what the compiler makes.
const upstreamTls = (text: string) => (compiledData('cluster', text) as ClusterConfig).tls;
const downstreamTls = (text: string) =>
  (compiledData('listener', text) as ListenerConfig).filterChains[0]?.tls;
const errorOf = (kind: 'listener' | 'cluster' | 'secret', text: string): string =>
  resourceErrors(kind, text).join('\n');

let ca: TestCa;
let leaf: TestCertificate;
let pair: string;
before(async () => {
  ca = await TestCa.create();
  leaf = await ca.issue({ dns: ['a.test'] });
  pair = pairOf(leaf);
});
const pairOf = ({ certificatePem, privateKeyPem }: TestCertificate, more = ''): string =>
  `tls_certificates: [{certificate_chain: ${inline(certificatePem)}, private_key: ${inline(privateKeyPem)}${more}}]`;

describe('session tickets', () => {
  it('are on by default, with a key of this process, for two hours', () => {
    const tls = downstreamTls(downstream(pair));
    assert.deepEqual(tls?.sessionTickets, { kind: 'own' });
    assert.equal(tls?.sessionTimeoutS, 7200);
  });

  it('take keys of 80 bytes, the newest first', () => {
    const tls = downstreamTls(
      downstream(
        pair,
        `, session_ticket_keys: {keys: [${key(1)}, ${key(2)}]}, session_timeout: 60.9s`,
      ),
    );
    assert.deepEqual(tls?.sessionTickets, {
      kind: 'keys',
      keys: [1, 2].map((fill) => Buffer.alloc(80, fill).toString('base64')),
    });
    assert.equal(tls?.sessionTimeoutS, 60);
    assert.match(
      errorOf('listener', downstream(pair, `, session_ticket_keys: {keys: [${key(1, 48)}]}`)),
      /session_ticket_keys\.keys\[0\]: incorrect TLS session ticket key length: 48, expected 80/,
    );
  });

  it('take keys from SDS, which the listener then waits for', () => {
    const tls = downstreamTls(
      downstream(
        pair,
        ', session_ticket_keys_sds_secret_config: {name: tickets, sds_config: {ads: {}}}',
      ),
    );
    assert.deepEqual(tls?.sessionTickets, { kind: 'sds', name: 'tickets' });
    const secret = compiledData(
      'secret',
      `{name: tickets, session_ticket_keys: {keys: [${key(3)}]}}`,
    );
    assert.equal((secret as SecretData).kind, 'session_ticket_keys');
  });

  it('can be switched off, statelessly and not', () => {
    const tls = downstreamTls(
      downstream(
        pair,
        ', disable_stateless_session_resumption: true, disable_stateful_session_resumption: true',
      ),
    );
    assert.deepEqual(tls?.sessionTickets, { kind: 'off' });
  });
});

describe('TLS parameters', () => {
  it('take signature algorithms by their IANA names and refuse others by name', () => {
    const params = (names: string) => upstream(`tls_params: {signature_algorithms: [${names}]}`);
    const tls = upstreamTls(params('ecdsa_secp256r1_sha256, rsa_pss_rsae_sha256'));
    assert.deepEqual(tls?.signatureAlgorithms, ['ecdsa_secp256r1_sha256', 'rsa_pss_rsae_sha256']);
    assert.match(errorOf('cluster', params('nope')), /unknown signature algorithm 'nope'/);
  });

  it('know the FIPS policy, alone, and refuse the others by name', () => {
    const policy = (text: string) => upstream(`tls_params: {${text}}`);
    const tls = upstreamTls(policy('compliance_policies: [FIPS_202205]'));
    assert.deepEqual(tls?.ecdhCurves, ['P-256', 'P-384']);
    assert.equal(tls?.maxVersion, 'TLSv1.3');
    assert.match(
      errorOf('cluster', policy('compliance_policies: [FIPS_202205], ecdh_curves: [X25519]')),
      /ecdh_curves: must not be set beside compliance_policies/,
    );
    assert.match(
      errorOf('cluster', policy('compliance_policies: [CNSA2_202603]')),
      /compliance_policies: not supported yet \(CNSA2_202603\)/,
    );
  });
});

describe('certificates', () => {
  it('come from PKCS#12, the chain with its leaf first', () => {
    const file = pkcs12Of(leaf, ca.certificatePem, 'secret');
    const tls = upstreamTls(
      upstream(`tls_certificates: [{pkcs12: ${bytes(file)}, password: ${inline('secret')}}]`),
    );
    const [source] = tls?.certificates ?? [];
    assert.equal(source?.kind, 'inline');
    if (source?.kind !== 'inline') return;
    const { certificateChainPem } = source.certificate;
    assert.equal(certificateChainPem.match(/BEGIN CERTIFICATE/g)?.length, 2);
    assert.equal(
      new X509Certificate(certificateChainPem).serialNumber,
      new X509Certificate(leaf.certificatePem).serialNumber,
    );
    const plain = pkcs12Of(leaf, ca.certificatePem, '', ['-keypbe', 'NONE', '-certpbe', 'NONE']);
    assert.deepEqual(
      resourceErrors('cluster', upstream(`tls_certificates: [{pkcs12: ${bytes(plain)}}]`)),
      [],
    );
  });

  it('in PKCS#12 are refused with a wrong password, when malformed, or beside PEM', () => {
    const file = pkcs12Of(leaf, ca.certificatePem, 'secret');
    const refusal = (fields: string) =>
      errorOf('cluster', upstream(`tls_certificates: [{${fields}}]`));
    const wrong = refusal(`pkcs12: ${bytes(file)}, password: ${inline('hunter2')}`);
    assert.match(wrong, /pkcs12: inline pkcs12: cannot be decrypted/);
    assert.doesNotMatch(wrong, /hunter2/);
    assert.match(refusal(`pkcs12: ${bytes(Buffer.from('junk'))}`), /malformed PKCS#12/);
    assert.match(
      refusal(`pkcs12: ${bytes(file)}, password: ${inline('secret')}, private_key: ${inline('x')}`),
      /private_key: must not be set beside pkcs12/,
    );
  });

  it('of RSA below 2048 bits, other curves and other algorithms are refused in the words of Envoy', async () => {
    const { execFileSync } = await import('node:child_process');
    const made = (args: readonly string[]) => {
      const text = execFileSync(
        'openssl',
        ['req', '-x509', '-nodes', '-subj', '/CN=x', '-keyout', '-', '-out', '-', ...args],
        { stdio: ['ignore', 'pipe', 'ignore'] },
      ).toString();
      const block = (kind: string) =>
        new RegExp(`-----BEGIN ${kind}-----[\\s\\S]*-----END ${kind}-----`).exec(text)?.[0] ?? '';
      return { certificatePem: block('CERTIFICATE'), privateKeyPem: block('PRIVATE KEY') };
    };
    const refusal = (args: readonly string[]) =>
      errorOf('listener', downstream(pairOf(made(args))));
    assert.match(refusal(['-newkey', 'rsa:1024']), /2048-bit or larger keys are supported/);
    assert.match(
      refusal(['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1']),
      /only P-256, P-384 or P-521/,
    );
    assert.match(refusal(['-newkey', 'ed25519']), /Only RSA and ECDSA are supported/);
  });

  it('carry a staple, which must be about them', async () => {
    const signer = await ca.export();
    const staple = ocspResponse(leaf, signer, 7);
    const tls = downstreamTls(downstream(pairOf(leaf, `, ocsp_staple: ${bytes(staple)}`)));
    const [source] = tls?.certificates ?? [];
    assert.ok(source?.kind === 'inline');
    assert.equal(source.certificate.ocspStaple, staple.toString('base64'));
    const days = (source.certificate.ocspExpiresMs - Date.now()) / 86_400_000;
    assert.ok(days > 6.9 && days < 7.1, `${days}`);
    const other = await ca.issue({ dns: ['b.test'] });
    assert.match(
      errorOf('listener', downstream(pairOf(other, `, ocsp_staple: ${bytes(staple)}`))),
      /ocsp_staple: OCSP response does not match its TLS certificate/,
    );
    assert.match(
      errorOf('listener', downstream(pairOf(leaf, `, ocsp_staple: ${bytes(Buffer.from('x'))}`))),
      /not a successful OCSP response/,
    );
  });

  it('need a staple under MUST_STAPLE, and carry one only alone', async () => {
    assert.match(
      errorOf('listener', downstream(pair, ', ocsp_staple_policy: MUST_STAPLE')),
      /Required OCSP response is missing from TLS context/,
    );
    const staple = ocspResponse(leaf, await ca.export(), 7);
    const two = `tls_certificates: [{certificate_chain: ${inline(leaf.certificatePem)}, private_key: ${inline(leaf.privateKeyPem)}, ocsp_staple: ${bytes(staple)}}, {certificate_chain: ${inline(leaf.certificatePem)}, private_key: ${inline(leaf.privateKeyPem)}}]`;
    assert.match(
      errorOf('listener', downstream(two)),
      /tls_certificates\[0\]\.ocsp_staple: not supported yet \(beside further tls_certificates\)/,
    );
  });

  it('with a private key provider are refused by name', () => {
    const provider = `tls_certificates: [{certificate_chain: ${inline(leaf.certificatePem)}, private_key_provider: {provider_name: cryptomb}}]`;
    assert.match(
      errorOf('listener', downstream(provider)),
      /private_key_provider: not supported yet/,
    );
  });
});

describe('validation contexts', () => {
  const context = (fields: string) => upstream(`validation_context: {${fields}}`);

  it('take depth, leaf-only CRLs and the roots of the system', () => {
    const base = upstreamTls(
      context('system_root_certs: {}, max_verify_depth: 2, only_verify_leaf_cert_crl: true'),
    )?.validation.base;
    assert.deepEqual(
      [base?.systemRootCerts, base?.maxVerifyDepth, base?.onlyVerifyLeafCertCrl],
      [true, 2, true],
    );
  });

  it('find CRLs beside the certificates of trusted_ca', async () => {
    const crl = await ca.revoke(leaf);
    const base = upstreamTls(context(`trusted_ca: ${inline(`${ca.certificatePem}\n${crl}`)}`))
      ?.validation.base;
    assert.match(base?.crlPem ?? '', /BEGIN X509 CRL/);
    assert.match(
      errorOf(
        'cluster',
        context(
          `trusted_ca: ${inline(ca.certificatePem)}, crl: ${inline(crl.replace(/[A-Za-z0-9]{20}\n/, '\n'))}`,
        ),
      ),
      /crl: malformed CRL/,
    );
  });

  const spiffe = (fields: string) =>
    context(
      `custom_validator_config: {name: envoy.tls.cert_validator.spiffe, typed_config: {"@type": ${TLS}.SPIFFECertValidatorConfig, ${fields}}}`,
    );

  it('take the SPIFFE validator with several trust domains', () => {
    const bundle = inline(ca.certificatePem);
    const base = upstreamTls(
      spiffe(
        `trust_domains: [{name: a.test, trust_bundle: ${bundle}}, {name: b.test, trust_bundle: ${bundle}}]`,
      ),
    )?.validation.base;
    assert.deepEqual(
      base?.spiffe?.map(({ name }) => name),
      ['a.test', 'b.test'],
    );
    assert.match(
      errorOf(
        'cluster',
        spiffe(
          `trust_domains: [{name: a, trust_bundle: ${bundle}}, {name: a, trust_bundle: ${bundle}}]`,
        ),
      ),
      /trust_domains\[1\]\.name: Multiple trust bundles are given for one trust domain for a/,
    );
    assert.match(
      errorOf('cluster', spiffe('trust_domains: [{name: a}]')),
      /trust_bundle: is required/,
    );
  });

  it('take a SPIFFE bundle map', () => {
    const x5c = ca.certificatePem.replaceAll(/-----[A-Z ]+-----|\s/g, '');
    const map = (use: string) =>
      JSON.stringify({ trust_domains: { 'a.test': { keys: [{ kty: 'EC', use, x5c: [x5c] }] } } });
    const base = upstreamTls(spiffe(`trust_bundles: ${inline(map('x509-svid'))}`))?.validation.base;
    assert.equal(base?.spiffe?.[0]?.name, 'a.test');
    assert.match(
      errorOf('cluster', spiffe(`trust_bundles: ${inline(map('jwt-svid'))}`)),
      /no x509-svid key with a certificate/,
    );
    for (const text of ['{}', '[]', '{"trust_domains": {"a": {"keys": [{"x5c": [1]}]}}}', 'x']) {
      assert.match(
        errorOf('cluster', spiffe(`trust_bundles: ${inline(text)}`)),
        /not a SPIFFE bundle map/,
        text,
      );
    }
  });

  it('refuse other validators, and OTHER_NAME', () => {
    assert.match(
      errorOf(
        'cluster',
        context(
          'custom_validator_config: {name: x, typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.TlsParameters}}',
        ),
      ),
      /custom_validator_config/,
    );
    assert.match(
      errorOf(
        'cluster',
        context('match_typed_subject_alt_names: [{san_type: OTHER_NAME, matcher: {exact: a}}]'),
      ),
      /san_type: not supported yet \(OTHER_NAME\)/,
    );
  });
});

describe('contexts', () => {
  it('take a key log with its ranges', () => {
    const tls = upstreamTls(
      upstream(
        'key_log: {path: keys.log, local_address_range: [{address_prefix: 10.0.0.0, prefix_len: 8}]}',
      ),
    );
    assert.deepEqual(tls?.keyLog, {
      path: 'keys.log',
      localAddressRanges: ['10.0.0.0/8'],
      remoteAddressRanges: [],
    });
  });

  it('of clients keep one session unless told otherwise, and never renegotiate', () => {
    assert.equal(upstreamTls(upstream(''))?.maxSessionKeys, 1);
    assert.equal(upstreamTls(upstream('', ', max_session_keys: 0'))?.maxSessionKeys, 0);
    assert.match(
      errorOf('cluster', upstream('', ', allow_renegotiation: true')),
      /allow_renegotiation: not supported yet \(true\)/,
    );
  });

  it('refuse ALPN names that the protocol cannot carry', () => {
    assert.match(
      errorOf('cluster', upstream(`alpn_protocols: ["", ${'x'.repeat(256)}]`)),
      /alpn_protocols\[0\]: must have 1 to 255 bytes[\s\S]*alpn_protocols\[1\]/,
    );
  });
});
