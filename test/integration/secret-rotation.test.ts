// Certificates and roots rotate between two sidecars that speak mTLS, again and again, under traffic: no
// request fails, kept connections stay, and each new handshake shows the newest certificate.

import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { type AdsHarness, startAds, until } from '../fakes/ads-harness.ts';
import { TestCa, type TestCertificate } from '../fakes/pki.ts';
import { resourceOf } from '../fakes/xds-resources.ts';
import { Load } from './load.ts';
import { portOf } from './mesh.ts';
import { type Sidecar, startSidecar } from './sidecar.ts';

const SERVER_ID = 'spiffe://a.test/server';
const CLIENT_ID = 'spiffe://a.test/client';
/** Requests per connection to the cluster `renewed`: handshakes go on all the time. */
const REQUESTS_PER_CONNECTION = 3;

const adsSource = '{ ads: {}, resource_api_version: V3 }';

/** common_tls_context in flow style: identity and roots by SDS, the peer by its URI. */
const commonTls = (peer: string) => `{
  tls_certificate_sds_secret_configs: [{ name: default, sds_config: ${adsSource} }],
  combined_validation_context: {
    default_validation_context: {
      match_typed_subject_alt_names: [{ san_type: URI, matcher: { exact: "${peer}" } }] },
    validation_context_sds_secret_config: { name: ROOTCA, sds_config: ${adsSource} } } }`;

const tlsSocket = (type: string, fields: string) => `{
  name: envoy.transport_sockets.tls,
  typed_config: {
    "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.${type}, ${fields} } }`;

const cluster = (name: string, port: number, extra = '') => `
    - name: ${name}
      type: STATIC
      connect_timeout: 5s
      load_assignment: { cluster_name: ${name}, endpoints: [{ lb_endpoints: [{ endpoint: {
        address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }] }] }${extra}`;

const httpOptions = (fields: string) => `
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: { http_protocol_options: {} }
          ${fields}`;

const listener = (name: string, routes: string, socket = '', extra = '') => `
    - name: ${name}
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
      filter_chains:
        - ${socket === '' ? '' : `transport_socket: ${socket.replaceAll('\n', '\n          ')}\n          `}filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: ${name}${extra}
                route_config: { virtual_hosts: [{ name: all, domains: ["*"], routes: [${routes}] }] }
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router`;

const bootstrap = (nodeId: string, adsPort: number, listeners: string, clusters: string) => `
node: { id: ${nodeId}, cluster: test }
dynamic_resources:
  ads_config:
    api_type: DELTA_GRPC
    transport_api_version: V3
    grpc_services: [{ envoy_grpc: { cluster_name: ads } }]
static_resources:
  listeners:${listeners}
  clusters:${clusters}
    - name: ads
      type: STATIC
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: { http2_protocol_options: {} }
      load_assignment: { cluster_name: ads, endpoints: [{ lb_endpoints: [{ endpoint: {
        address: { socket_address: { address: 127.0.0.1, port_value: ${adsPort} } } } }] }] }
`;

const serverBootstrap = (adsPort: number, applicationPort: number) => {
  const socket = tlsSocket(
    'DownstreamTlsContext',
    `require_client_certificate: true, common_tls_context: ${commonTls(CLIENT_ID)}`,
  );
  // The application sees the hash of the client's certificate in x-forwarded-client-cert.
  const forward = '\n                forward_client_cert_details: SANITIZE_SET';
  const toApplication = '{ match: { prefix: / }, route: { cluster: application } }';
  return bootstrap(
    'server',
    adsPort,
    listener('secure', toApplication, socket, forward),
    cluster('application', applicationPort),
  );
};

const clientBootstrap = (adsPort: number, serverPort: number) => {
  const context = `sni: server, common_tls_context: ${commonTls(SERVER_ID)}`;
  const socket = tlsSocket('UpstreamTlsContext', context).replaceAll('\n', '\n        ');
  const secured = `\n      transport_socket: ${socket}`;
  const limit = `common_http_protocol_options: { max_requests_per_connection: ${REQUESTS_PER_CONNECTION} }`;
  return bootstrap(
    'client',
    adsPort,
    listener(
      'web',
      '{ match: { prefix: /kept }, route: { cluster: kept } }, { match: { prefix: / }, route: { cluster: renewed } }',
    ),
    cluster('kept', serverPort, secured) +
      cluster('renewed', serverPort, secured + httpOptions(limit)),
  );
};

describe('certificates between two sidecars', () => {
  let ads: AdsHarness;
  let application: http.Server;
  let server: Sidecar;
  let client: Sidecar;
  let kept: Load;
  let renewed: Load;
  let ca: TestCa;
  let serverLeaf: TestCertificate;
  let clientLeaf: TestCertificate;

  before(async () => {
    application = http.createServer((request, response) => {
      request.resume();
      const hash = /Hash=([0-9a-f]{64})/.exec(String(request.headers['x-forwarded-client-cert']));
      response.end(hash?.[1] ?? 'nobody');
    });
    await new Promise<void>((resolve) => application.listen(0, '127.0.0.1', resolve));
    ads = await startAds();
    ca = await TestCa.create('CA 1');
    await issueLeafs();
    publish([ca]);
    server = await startSidecar(serverBootstrap(ads.port, portOf(application)));
    client = await startSidecar(clientBootstrap(ads.port, server.port('secure')));
    const port = client.port('web');
    kept = new Load({ port, path: '/kept', clients: 2 });
    renewed = new Load({ port, clients: 3 });
    await settled();
  });
  after(async () => {
    await kept?.stop();
    await renewed?.stop();
    await client?.stop();
    await server?.stop();
    ads?.close();
    application?.closeAllConnections();
    application?.close();
  });

  async function issueLeafs(): Promise<void> {
    serverLeaf = await ca.issue({ uri: [SERVER_ID] });
    clientLeaf = await ca.issue({ uri: [CLIENT_ID] });
  }

  /** Both nodes get their newest leafs, and these roots. */
  function publish(roots: readonly TestCa[]): void {
    const bundle = roots.map((root) => root.certificatePem).join('\n');
    const inline = (text: string) => ({ inline_string: text });
    for (const [node, leaf] of [
      ['server', serverLeaf],
      ['client', clientLeaf],
    ] as const) {
      ads.publish(
        node,
        resourceOf('secret', 'default', {
          name: 'default',
          tls_certificate: {
            certificate_chain: inline(leaf.certificatePem),
            private_key: inline(leaf.privateKeyPem),
          },
        }),
        resourceOf('secret', 'ROOTCA', {
          name: 'ROOTCA',
          validation_context: { trusted_ca: inline(bundle) },
        }),
      );
    }
  }

  /** Both sidecars have taken the newest secrets, and a round of traffic went over them. */
  async function settled(): Promise<void> {
    await until('both sidecars are in sync', () =>
      ['server', 'client'].every((node) =>
        ads.ads.tracker
          .node(node)
          ?.types.some(({ kind, status }) => kind === 'secret' && status === 'SYNCED'),
      ),
    );
    await Promise.all([kept.more(20), renewed.more(60)]);
    assert.deepEqual([...kept.failures, ...renewed.failures], []);
  }

  /** New handshakes show the newest leafs on both sides, and /certs names them. */
  async function newestAreInUse(): Promise<void> {
    const shown = await handshake(server.port('secure'), clientLeaf, ca);
    assert.equal(shown.serialNumber, new X509Certificate(serverLeaf.certificatePem).serialNumber);
    renewed.takeBodies();
    await renewed.more(40);
    const clientHash = createHash('sha256').update(
      new X509Certificate(clientLeaf.certificatePem).raw,
    );
    assert.deepEqual(renewed.takeBodies(), [clientHash.digest('hex')]);
    for (const [sidecar, leaf] of [
      [server, serverLeaf],
      [client, clientLeaf],
    ] as const) {
      const serial = new X509Certificate(leaf.certificatePem).serialNumber.toLowerCase();
      assert.deepEqual(await serialsInUse(sidecar), [serial]);
    }
  }

  test('are shown from the start', newestAreInUse);

  for (const turn of [1, 2, 3]) {
    test(`are renewed under the same root (turn ${turn})`, async () => {
      await issueLeafs();
      publish([ca]);
      await settled();
      await newestAreInUse();
    });
  }

  for (const turn of [2, 3]) {
    test(`move to another root: both roots, new leafs, new root alone (CA ${turn})`, async () => {
      const former = { ca, clientLeaf };
      ca = await TestCa.create(`CA ${turn}`);
      publish([former.ca, ca]);
      await settled();
      await issueLeafs();
      publish([former.ca, ca]);
      await settled();
      await newestAreInUse();
      await handshake(server.port('secure'), former.clientLeaf, ca); // still good
      publish([ca]);
      await settled();
      await newestAreInUse();
      await assert.rejects(
        handshake(server.port('secure'), former.clientLeaf, ca),
        /alert|ECONNRESET|EPIPE/,
      );
    });
  }

  test('never closed a connection that was in use, and no handshake between the two failed', async () => {
    const stats = await client.admin('/stats');
    assert.match(stats, /^cluster\.kept\.upstream_cx_total: [1-4]$/m);
    assert.match(stats, /^cluster\.kept\.upstream_cx_destroy: 0$/m);
    assert.match(stats, /^cluster\.renewed\.ssl\.fail_verify_error: 0$/m);
    assert.match(stats, /^cluster\.renewed\.ssl\.connection_error: 0$/m);
    const handshakes = Number(/^cluster\.renewed\.ssl\.handshake: (\d+)$/m.exec(stats)?.[1]);
    assert.ok(handshakes >= renewed.answered / REQUESTS_PER_CONNECTION - 5, `${handshakes}`);
    assert.deepEqual([...kept.failures, ...renewed.failures], []);
  });
});

/** The peer's certificate; rejects when it does not take ours (TLS 1.3 says so after the handshake). */
function handshake(port: number, leaf: TestCertificate, root: TestCa): Promise<X509Certificate> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      host: '127.0.0.1',
      port,
      ca: root.certificatePem,
      cert: leaf.certificatePem,
      key: leaf.privateKeyPem,
      checkServerIdentity: () => undefined, // the name is in the URI; the serial is what we look at
    });
    socket.on('error', reject);
    socket.on('secureConnect', () => socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n'));
    socket.once('data', () => {
      const certificate = socket.getPeerX509Certificate();
      socket.destroy();
      if (certificate === undefined) reject(new Error('no certificate'));
      else resolve(certificate);
    });
    socket.on('close', () => reject(new Error('ECONNRESET without a word')));
  });
}

/** Serials of the certificate chains in /certs. */
async function serialsInUse(sidecar: Sidecar): Promise<string[]> {
  // The sidecar's own page; another shape fails the caller's comparison.
  const { certificates } = JSON.parse(await sidecar.admin('/certs')) as {
    certificates: { cert_chain?: { serial_number: string }[] }[];
  };
  // One entry per context, as in Envoy; both clusters of the client show the same.
  const serials = certificates.flatMap((one) => one.cert_chain ?? []);
  return [...new Set(serials.map((entry) => entry.serial_number))];
}
