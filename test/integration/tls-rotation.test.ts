// Certificates, roots and ticket keys of a listener rotate while clients handshake all the time: none of them
// fails, and connections that stand live on. A short form always; REMORA_SOAK=1 rotates every second for a minute.

import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import tls from 'node:tls';
import { type AdsHarness, startAds } from '../fakes/ads-harness.ts';
import { TestCa, type TestCertificate } from '../fakes/pki.ts';
import { resourceOf } from '../fakes/xds-resources.ts';
import { downstreamSocket, httpChain } from '../hostile/tls-sidecar.ts';
import { portOf } from './mesh.ts';
import { type Sidecar, startSidecar } from './sidecar.ts';

const isSoak = process.env['REMORA_SOAK'] === '1';
const rotations = isSoak ? 60 : 6;
const pauseMs = isSoak ? 1000 : 150;
const CLIENTS = 4;

const sds = (name: string) =>
  `{ name: ${name}, sds_config: { ads: {}, resource_api_version: V3 } }`;
const context = `require_client_certificate: true,
  session_ticket_keys_sds_secret_config: ${sds('tickets')},
  common_tls_context: {
    tls_certificate_sds_secret_configs: [${sds('leaf')}],
    validation_context_sds_secret_config: ${sds('roots')} }`;

const bootstrap = (adsPort: number, applicationPort: number) => `
node: { id: server, cluster: test }
dynamic_resources:
  ads_config:
    api_type: DELTA_GRPC
    transport_api_version: V3
    grpc_services: [{ envoy_grpc: { cluster_name: ads } }]
static_resources:
  listeners:
    - name: secure
      stat_prefix: secure
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
      filter_chains: [${httpChain(downstreamSocket(context)).replaceAll('\n', ' ').replace('access_log: [ACCESS_LOG],', '')}]
  clusters:
    - name: backend
      type: STATIC
      load_assignment: { cluster_name: backend, endpoints: [{ lb_endpoints: [{ endpoint: {
        address: { socket_address: { address: 127.0.0.1, port_value: ${applicationPort} } } } }] }] }
    - name: ads
      type: STATIC
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: { http2_protocol_options: {} }
      load_assignment: { cluster_name: ads, endpoints: [{ lb_endpoints: [{ endpoint: {
        address: { socket_address: { address: 127.0.0.1, port_value: ${adsPort} } } } }] }] }
`;

describe('rotation under load', () => {
  let ads: AdsHarness;
  let application: http.Server;
  let server: Sidecar;
  let clientCa: TestCa;
  let serverCa: TestCa;
  let client: TestCertificate;
  let keyFill = 0;

  before(async () => {
    application = http.createServer((request, response) => {
      request.resume();
      response.end('served');
    });
    await new Promise<void>((resolve) => application.listen(0, '127.0.0.1', resolve));
    ads = await startAds();
    clientCa = await TestCa.create('clients 0');
    serverCa = await TestCa.create('servers');
    client = await clientCa.issue({ uri: ['spiffe://a.test/client'] });
    await publish([clientCa]);
    server = await startSidecar(bootstrap(ads.port, portOf(application)));
  });
  after(async () => {
    await server?.stop();
    ads?.close();
    application?.closeAllConnections();
    application?.close();
  });

  /** A new leaf and a new ticket key, and these roots of clients. */
  async function publish(roots: readonly TestCa[]): Promise<void> {
    const leaf = await serverCa.issue({ dns: ['a.test'] });
    const inline = (text: string) => ({ inline_string: text });
    const key = Buffer.alloc(80, ++keyFill);
    ads.publish(
      'server',
      resourceOf('secret', 'leaf', {
        name: 'leaf',
        tls_certificate: {
          certificate_chain: inline(leaf.certificatePem),
          private_key: inline(leaf.privateKeyPem),
        },
      }),
      resourceOf('secret', 'roots', {
        name: 'roots',
        validation_context: {
          trusted_ca: inline(roots.map(({ certificatePem }) => certificatePem).join('\n')),
        },
      }),
      resourceOf('secret', 'tickets', {
        name: 'tickets',
        session_ticket_keys: { keys: [{ inline_bytes: key }] },
      }),
    );
  }

  interface Connection {
    readonly socket: tls.TLSSocket;
    /** Body of one request, or why there was none. */
    get(): Promise<string>;
  }

  function open(session: Buffer | null, onSession: (session: Buffer) => void): Connection {
    const socket = tls.connect({
      port: server.port('secure'),
      host: '127.0.0.1',
      servername: 'a.test',
      ca: serverCa.certificatePem,
      cert: client.certificatePem,
      key: client.privateKeyPem,
      ...(session === null ? {} : { session }),
    });
    socket.on('session', onSession);
    socket.on('error', () => {});
    const get = () =>
      new Promise<string>((resolve) => {
        const onEnd = (error: unknown) => resolve(`failed: ${String(error ?? 'closed')}`);
        const onData = (chunk: Buffer) => {
          socket.off('close', onEnd);
          socket.off('error', onEnd);
          resolve(String(chunk).includes('served') ? 'served' : String(chunk));
        };
        socket.once('data', onData);
        socket.once('close', onEnd);
        socket.once('error', onEnd);
        socket.write('GET / HTTP/1.1\r\nhost: a.test\r\n\r\n');
      });
    return { socket, get };
  }

  test(`${rotations} times: no handshake fails, kept connections are kept`, async () => {
    let stop = false;
    let handshakes = 0;
    let resumed = 0;
    const failures: string[] = [];
    const serials = new Set<string>();
    const newcomer = async () => {
      let session: Buffer | null = null;
      while (!stop) {
        const { socket, get } = open(session, (made) => {
          session = made;
        });
        const answer = await get();
        if (answer !== 'served') failures.push(answer);
        handshakes++;
        if (socket.isSessionReused()) resumed++;
        else serials.add(socket.getPeerX509Certificate?.()?.serialNumber ?? '');
        socket.destroy();
        await delay(5);
      }
    };
    const kept = Array.from({ length: CLIENTS }, () => open(null, () => {}));
    for (const connection of kept) assert.equal(await connection.get(), 'served');
    const loops = Array.from({ length: CLIENTS }, newcomer);
    const regular = (async () => {
      while (!stop) {
        for (const connection of kept) {
          const answer = await connection.get();
          if (answer !== 'served') failures.push(`kept: ${answer}`);
        }
        await delay(20);
      }
    })();
    for (let turn = 1; turn <= rotations; turn++) {
      // Every third turn the clients move to another root: both, new certificate, the new one alone.
      if (turn % 3 === 1) {
        const former = clientCa;
        clientCa = await TestCa.create(`clients ${turn}`);
        await publish([former, clientCa]);
      } else if (turn % 3 === 2) {
        client = await clientCa.issue({ uri: ['spiffe://a.test/client'] });
        await publish([clientCa]);
      } else await publish([clientCa]);
      await delay(pauseMs);
    }
    stop = true;
    await Promise.all([...loops, regular]);
    for (const { socket } of kept) socket.destroy();
    assert.deepEqual(failures, []);
    assert.ok(serials.size >= rotations / 2, `${serials.size} certificates were seen`);
    assert.ok(resumed > 0 && resumed < handshakes, `${resumed} of ${handshakes} resumed`);
    const stats = await server.admin('/stats?filter=listener.secure.*ssl');
    for (const name of ['connection_error', 'fail_verify_error', 'fail_verify_no_cert']) {
      assert.match(stats, new RegExp(`ssl\\.${name}: 0$`, 'm'));
    }
    if (isSoak) {
      console.log(`${rotations} rotations: ${handshakes} handshakes, ${resumed} resumed, 0 failed`);
    }
  });

  test('control: the same client fails once its root is gone, ticket or not', async () => {
    let session: Buffer | null = null;
    const first = open(null, (made) => {
      session = made;
    });
    assert.equal(await first.get(), 'served');
    await publish([await TestCa.create('strangers')]);
    const end = performance.now() + 10_000;
    let answer = 'served';
    while (answer === 'served' && performance.now() < end) {
      const { socket, get } = open(session, () => {});
      answer = await get();
      socket.destroy();
    }
    assert.match(answer, /failed/);
    assert.equal(await first.get(), 'served', 'what stands is not touched');
    first.socket.destroy();
  });
});
