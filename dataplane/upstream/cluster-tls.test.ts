import assert from 'node:assert/strict';
import { once } from 'node:events';
import type net from 'node:net';
import { afterEach, test } from 'node:test';
import tls from 'node:tls';
import { systemClock } from '../../common/clock.ts';
import { TimerWheel } from '../../common/timer.ts';
import { assignmentPolicy, clusterConfig, placedHost } from '../../test/fakes/cluster-config.ts';
import { TestCa } from '../../test/fakes/pki.ts';
import { upstreamTls, validationData } from '../../test/fakes/tls.ts';
import { ConnectionUse } from '../api/cluster.ts';
import { type RequestEncoder, StreamResetReason } from '../api/codec.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';
import { RequestHeaders } from '../api/headers.ts';
import { anyHost } from '../api/load-balancing.ts';
import { takeSnapshot } from '../stats/snapshot.ts';
import { HolderStore } from '../stats/store.ts';
import { SecretStore } from '../tls/secret-store.ts';
import { WorkerClusterManager } from './cluster-manager.ts';
import { createClusterTls } from './cluster-tls.ts';
import { SharedChunks } from './shared-state.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** Answers every request with the server name that the client asked for. */
async function backend(ca: TestCa, dns: string): Promise<number> {
  const { certificatePem, privateKeyPem } = await ca.issue({ dns: [dns] });
  const server = tls.createServer({ cert: certificatePem, key: privateKeyPem }, (socket) => {
    cleanups.push(() => socket.destroy());
    socket.on('error', () => {});
    socket.on('data', () => {
      const name = String(socket.servername || 'none');
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${name.length}\r\n\r\n${name}`);
    });
  });
  server.listen(0, '127.0.0.1');
  cleanups.push(() => server.close());
  await once(server, 'listening');
  return (server.address() as net.AddressInfo).port; // a TCP server has one
}

function setUp(port: number, given: Partial<ClusterConfig>, hostname = '') {
  const chunks = new SharedChunks();
  chunks.create();
  const stats = new HolderStore();
  const secrets = new SecretStore();
  let id = 0;
  const manager = new WorkerClusterManager(
    {
      clock: systemClock,
      timers: new TimerWheel(),
      random: () => 0,
      chunks,
      localLocality: null,
      localClusterName: '',
      nextConnectionId: () => ++id,
      reportOutlier() {},
      reportImmediateHealthCheckFail() {},
      dnsCacheOf: () => assert.fail('no DNS cache here'),
      createTls: (config) => createClusterTls(config, secrets, stats),
    },
    stats,
  );
  manager.addOrUpdate(clusterConfig(given), { chunk: 0, slot: 0 });
  cleanups.push(() => manager.closeAll());
  const hosts = [placedHost('127.0.0.1', 1, { port, hostname })];
  manager.applyAssignment({ clusterName: 'orders', ...assignmentPolicy, hosts });
  /** Body of the answer, or the failure. */
  const get = (authority: string): Promise<string> =>
    new Promise((resolve) => {
      const cluster = manager.getCluster('orders')!;
      const host = cluster.chooseHost(anyHost)!;
      const send = (encoder: RequestEncoder) =>
        encoder.encodeHeaders(new RequestHeaders('GET', '/', authority, 'https', []), true);
      cluster.httpPool(host, 0, authority)!.newStream(
        {
          decode1xxHeaders() {},
          decodeHeaders() {},
          decodeData: (data) => resolve(data.toString()),
          decodeTrailers() {},
        },
        {
          onPoolReady: send,
          onPoolFailure: (reason, text) => {
            assert.equal(reason, StreamResetReason.RemoteConnectionFailure);
            resolve(text);
          },
        },
        ConnectionUse.Any,
      );
    });
  const stat = (name: string) =>
    takeSnapshot(stats).find((entry) => entry.name === `cluster.orders.${name}`)?.value;
  return { get, stat, secrets, manager };
}

test('without its SDS secret a cluster fails connections, says why, and works once it came', async () => {
  const ca = await TestCa.create();
  const port = await backend(ca, 'orders.test');
  const { get, stat, secrets } = setUp(port, {
    tls: upstreamTls({ sni: 'orders.test', validation: { base: null, sdsName: 'roots' } }),
  });
  assert.equal(await get('a'), 'TLS_error:Secret is not supplied by SDS');
  assert.equal(stat('upstream_cx_connect_fail'), 1);
  assert.equal(stat('client_ssl_socket_factory.upstream_context_secrets_not_ready'), 1);
  secrets.set({
    kind: 'validation_context',
    name: 'roots',
    validation: validationData({ trustedCaPem: ca.certificatePem }),
  });
  assert.equal(await get('a'), 'orders.test');
  assert.equal(stat('ssl.handshake'), 1);
});

test('auto_sni keeps a connection per name, auto_san_validation checks the certificate for it', async () => {
  const port = await backend(await TestCa.create(), 'orders.test');
  const http = { ...clusterConfig().http, autoSni: true, autoSanValidation: true };
  const { get, stat } = setUp(port, { tls: upstreamTls({}), http });
  assert.equal(await get('Orders.test:8443'), 'orders.test');
  assert.equal(await get('orders.test'), 'orders.test');
  assert.equal(stat('upstream_cx_total'), 1);
  const refused = await get('payments.test');
  assert.match(refused, /^TLS_error:CERTIFICATE_VERIFY_FAILED:/);
  assert.equal(stat('upstream_cx_total'), 2, 'never over the connection of another name');
  assert.equal(stat('ssl.fail_verify_san'), 1);
});

test('auto_host_sni asks for the hostname of the endpoint', async () => {
  const port = await backend(await TestCa.create(), 'orders.test');
  const given = { tls: upstreamTls({ sni: 'fixed.test', autoHostSni: true }) };
  assert.equal(await setUp(port, given, 'host.test').get('a'), 'host.test');
  assert.equal(await setUp(port, given).get('a'), 'fixed.test', 'an endpoint without hostname');
});

test('a removed cluster takes its TLS stats along', async () => {
  const port = await backend(await TestCa.create(), 'orders.test');
  const { get, stat, manager } = setUp(port, { tls: upstreamTls({ sni: 'orders.test' }) });
  await get('a');
  assert.equal(stat('ssl.handshake'), 1);
  manager.remove('orders');
  assert.equal(stat('ssl.handshake'), undefined);
});
