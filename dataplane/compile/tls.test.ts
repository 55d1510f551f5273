import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import {
  bootstrapErrors,
  compiledData,
  loadYaml,
  resourceErrors,
} from '../../test/fakes/config.ts';
import { TestCa, type TestCertificate } from '../../test/fakes/pki.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';
import type { ListenerConfig } from '../api/config/listener.ts';
import type { SecretData } from '../api/config/tls.ts';

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';
const TCP =
  '{name: tcp, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: c}}';

const upstream = (common: string, more = ''): string =>
  `{name: c, transport_socket: {name: t, typed_config: {"@type": ${TLS}.UpstreamTlsContext, common_tls_context: {${common}}${more}}}}`;
const downstream = (common: string, more = ''): string =>
  `{name: l, address: {socket_address: {address: 127.0.0.1, port_value: 1}}, filter_chains: [{filters: [${TCP}], transport_socket: {name: t, typed_config: {"@type": ${TLS}.DownstreamTlsContext, common_tls_context: {${common}}${more}}}}]}`;
const inline = (pem: string): string => `{inline_string: ${JSON.stringify(pem)}}`;

// The kinds say what the compiler makes.
const upstreamTls = (text: string) => (compiledData('cluster', text) as ClusterConfig).tls;
const downstreamTls = (text: string) =>
  (compiledData('listener', text) as ListenerConfig).filterChains[0]?.tls;

describe('TLS contexts', () => {
  let ca: TestCa;
  let one: TestCertificate;
  let other: TestCertificate;
  before(async () => {
    ca = await TestCa.create();
    one = await ca.issue({ uri: ['spiffe://td/one'] });
    other = await ca.issue({ uri: ['spiffe://td/other'] });
  });

  const pair = (certificate: TestCertificate, key: TestCertificate): string =>
    `tls_certificates: [{certificate_chain: ${inline(certificate.certificatePem)}, private_key: ${inline(key.privateKeyPem)}}]`;

  it('takes inline certificates and a validation context', () => {
    const tls = downstreamTls(
      downstream(
        `${pair(one, one)}, alpn_protocols: [h2], validation_context: {trusted_ca: ${inline(ca.certificatePem)}, match_typed_subject_alt_names: [{san_type: URI, matcher: {prefix: "spiffe://td/"}}]}`,
        ', require_client_certificate: true',
      ),
    );
    assert.equal(tls?.certificates[0]?.kind, 'inline');
    assert.equal(tls?.requireClientCertificate, true);
    assert.deepEqual(tls?.alpnProtocols, ['h2']);
    assert.equal(tls?.validation.base?.trustedCaPem, ca.certificatePem);
    assert.deepEqual(tls?.validation.base?.sanMatchers, [
      { sanType: 'URI', matcher: { kind: 'prefix', value: 'spiffe://td/', ignoreCase: false } },
    ]);
  });

  it('lets servers speak TLS 1.3 and clients 1.2 by default', () => {
    const server = downstreamTls(downstream(pair(one, one)));
    assert.deepEqual([server?.minVersion, server?.maxVersion], ['TLSv1.2', 'TLSv1.3']);
    const client = upstreamTls(upstream(''));
    assert.deepEqual([client?.minVersion, client?.maxVersion], ['TLSv1.2', 'TLSv1.2']);
  });

  it('names SDS secrets, and tells the resource that it needs them', () => {
    const sds = (name: string): string => `{name: ${name}, sds_config: {ads: {}}}`;
    const tls = upstreamTls(
      upstream(
        `tls_certificate_sds_secret_configs: [${sds('cert')}], combined_validation_context: {default_validation_context: {match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: a}}]}, validation_context_sds_secret_config: ${sds('ca')}}`,
      ),
    );
    assert.deepEqual(tls?.certificates, [{ kind: 'sds', name: 'cert' }]);
    assert.equal(tls?.validation.sdsName, 'ca');
    assert.equal(tls?.validation.base?.sanMatchers.length, 1);
  });

  it('normalises certificate hashes', () => {
    const hex = 'AB'.repeat(32);
    const colons = hex.match(/../g)!.join(':');
    const tls = upstreamTls(
      upstream(`validation_context: {verify_certificate_hash: ["${hex}", "${colons}"]}`),
    );
    assert.deepEqual(tls?.validation.base?.verifyCertificateHash, [
      hex.toLowerCase(),
      hex.toLowerCase(),
    ]);
  });

  it('refuses a key that belongs to another certificate', () => {
    assert.deepEqual(resourceErrors('listener', downstream(pair(one, other))), [
      'filter_chains[0].transport_socket.typed_config.common_tls_context.tls_certificates[0].private_key: private key inline private_key does not match the certificate inline certificate_chain',
    ]);
  });

  it('refuses what is no certificate or key, and never prints it', () => {
    const garbage = 'hunter2';
    const errors = resourceErrors(
      'cluster',
      upstream(
        `tls_certificates: [{certificate_chain: ${inline(garbage)}, private_key: ${inline(garbage)}}]`,
      ),
    );
    assert.equal(errors.length, 2);
    assert.ok(errors.every((error) => /no PEM/.test(error) && !error.includes(garbage)));
  });

  it('refuses a server without certificates', () => {
    assert.match(
      resourceErrors('listener', downstream('')).join(),
      /no TLS certificates found for server context$/,
    );
  });

  it('refuses names without a CA to vouch for them', () => {
    const san =
      'validation_context: {match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: a}}]}';
    assert.match(resourceErrors('cluster', upstream(san)).join(), /without trusted CA is insecure/);
  });

  it('lays groups of equal preference flat', () => {
    const tls = upstreamTls(
      upstream(
        'tls_params: {cipher_suites: ["[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]"]}',
      ),
    );
    assert.deepEqual(tls?.cipherSuites, [
      'ECDHE-RSA-AES128-GCM-SHA256',
      'ECDHE-RSA-CHACHA20-POLY1305',
    ]);
  });

  it('refuses unknown ciphers and curves, and versions in the wrong order', () => {
    const params = (text: string): string =>
      resourceErrors('cluster', upstream(`tls_params: {${text}}`)).join();
    assert.match(
      params('cipher_suites: [ECDHE-ECDSA-AES128-GCM-SHA256, NOPE]'),
      /cipher_suites\[1\]: unknown cipher suite 'NOPE'$/,
    );
    assert.match(
      params('ecdh_curves: [X25519, P-256, NOPE]'),
      /ecdh_curves\[2\]: unknown curve 'NOPE'$/,
    );
    assert.match(
      params('tls_minimum_protocol_version: TLSv1_3'),
      /must be <= the maximum, TLSv1.2$/,
    );
  });

  it('reads certificates from files, and names a file that is missing or does not fit', () => {
    const files = (key: string): string => `static_resources:
  clusters:
  - name: c
    transport_socket:
      name: t
      typed_config:
        "@type": ${TLS}.UpstreamTlsContext
        common_tls_context:
          tls_certificates:
          - certificate_chain: {filename: one.pem}
            private_key: {filename: ${key}}
`;
    const disk = {
      'one.pem': one.certificatePem,
      'one.key': one.privateKeyPem,
      'other.key': other.privateKeyPem,
    };
    assert.deepEqual(bootstrapErrors(files('one.key'), disk), []);
    const path =
      'static_resources.clusters[0].transport_socket.typed_config.common_tls_context.tls_certificates[0].private_key';
    assert.deepEqual(bootstrapErrors(files('none.key'), disk), [
      `bootstrap.yaml:11:27 ${path}.filename: cannot read 'none.key': no such file`,
    ]);
    assert.deepEqual(bootstrapErrors(files('other.key'), disk), [
      `bootstrap.yaml:11:13 ${path}: private key 'other.key' does not match the certificate 'one.pem'`,
    ]);
  });

  it('puts static secrets in where they are named', () => {
    const text = (name: string): string => `static_resources:
  secrets:
  - name: mine
    tls_certificate: {certificate_chain: ${inline(one.certificatePem)}, private_key: ${inline(one.privateKeyPem)}}
  clusters:
  - ${upstream(`tls_certificate_sds_secret_configs: [{name: ${name}}]`)}
`;
    const good = loadYaml(text('mine'));
    assert.ok(good.ok);
    assert.equal(good.value.clusters[0]?.tls?.certificates[0]?.kind, 'inline');
    assert.match(bootstrapErrors(text('yours')).join(), /unknown static secret 'yours'/);
  });

  it('compiles secrets of both kinds and refuses others by name', () => {
    const secret = compiledData(
      'secret',
      `{name: s, tls_certificate: {certificate_chain: ${inline(one.certificatePem)}, private_key: ${inline(one.privateKeyPem)}}}`,
    ) as SecretData; // that kind
    assert.equal(secret.kind, 'tls_certificate');
    assert.deepEqual(
      resourceErrors('secret', '{name: s, generic_secret: {secret: {inline_string: x}}}').slice(
        0,
        1,
      ),
      ['generic_secret: not supported yet'],
    );
  });
});
