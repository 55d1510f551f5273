// A dynamic forward proxy over TLS in a whole sidecar with two workers: each name is resolved once for both, its server
// is verified by that name, and what waits for one name holds up nobody else.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { FakeDnsServer } from '../fakes/dns-server.ts';
import { TestCa } from '../fakes/pki.ts';
import { type Sidecar, startSidecar } from './sidecar.ts';

const types = 'type.googleapis.com/envoy.extensions';
const HCM = `${types}.filters.network.http_connection_manager.v3.HttpConnectionManager`;
const FILTER = `${types}.filters.http.dynamic_forward_proxy.v3.FilterConfig`;
const CLUSTER = `${types}.clusters.dynamic_forward_proxy.v3.ClusterConfig`;
const ROUTER = `${types}.filters.http.router.v3.Router`;
const TLS = `${types}.transport_sockets.tls.v3.UpstreamTlsContext`;

function bootstrap(dns: FakeDnsServer, ca: TestCa): string {
  const cache = `{name: names, dns_lookup_family: V4_ONLY, typed_dns_resolver_config: ${dns.resolverConfig}}`;
  const roots = JSON.stringify(ca.certificatePem);
  return `
static_resources:
  clusters:
  - name: proxied
    lb_policy: CLUSTER_PROVIDED
    cluster_type: {name: envoy.clusters.dynamic_forward_proxy, typed_config: {"@type": ${CLUSTER}, dns_cache_config: ${cache}}}
    transport_socket: {name: tls, typed_config: {"@type": ${TLS}, common_tls_context: {validation_context: {trusted_ca: {inline_string: ${roots}}}}}}
  listeners:
  - name: http
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains: [{filters: [{name: h, typed_config: {"@type": ${HCM}, stat_prefix: h, route_config: {name: r, virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: "/"}, route: {cluster: proxied}}]}]}, http_filters: [{name: d, typed_config: {"@type": ${FILTER}, dns_cache_config: ${cache}}}, {name: r, typed_config: {"@type": ${ROUTER}}}]}}]}]
`;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

describe('a dynamic forward proxy', () => {
  let dns: FakeDnsServer;
  let server: https.Server;
  let sidecar: Sidecar;
  let port = 0;

  before(async () => {
    const ca = await TestCa.create();
    const leaf = await ca.issue({ dns: ['one.test', 'two.test'] });
    dns = await FakeDnsServer.start();
    server = https.createServer(
      { cert: leaf.certificatePem, key: leaf.privateKeyPem },
      (request, response) => {
        let bytes = 0;
        request.on('data', (data: Buffer) => {
          bytes += data.length;
        });
        // A TLSSocket of a server has the name that the client asked for.
        const { servername } = request.socket as unknown as { readonly servername: string };
        request.on('end', () => response.end(`${servername} ${request.headers.host} ${bytes}`));
      },
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
    sidecar = await startSidecar(bootstrap(dns, ca), { concurrency: 2 });
  });
  after(async () => {
    await sidecar?.stop();
    server?.closeAllConnections();
    server?.close();
    await dns?.[Symbol.asyncDispose]();
  });

  /** On a connection of its own, so that any worker may get it. */
  const ask = (name: string, body = ''): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const request = http.request(
        {
          ...{ host: '127.0.0.1', port: sidecar.port('http'), method: 'POST', agent: false },
          headers: { host: `${name}:${port}` },
        },
        (response) => {
          let text = '';
          response.on('data', (data: Buffer) => {
            text += data.toString();
          });
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
        },
      );
      request.on('error', reject);
      request.end(body);
    });

  test('resolves each name once for all workers, and verifies its server by it', async () => {
    dns.set('one.test', ['127.0.0.1'], 600);
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => ask('one.test', 'x'.repeat(100_000))),
    );
    for (const answer of answers) {
      assert.deepEqual(answer, { status: 200, body: `one.test one.test:${port} 100000` });
    }
    assert.equal((await ask('two.test')).status, 503, 'not known to the name server');
    assert.equal(dns.asked('one.test'), 1);
    await sidecar.untilStat('dns_cache.names.num_hosts', (value) => value === 2);
  });

  test('refuses a server that has another name', async () => {
    dns.set('other.test', ['127.0.0.1'], 600);
    assert.equal((await ask('other.test')).status, 503);
    await sidecar.untilStat('cluster.proxied.ssl.fail_verify_san', (value) => value === 1);
  });

  test('what waits for a name server holds up nobody else', async () => {
    dns.answers.set('mute.test', { kind: 'silence' });
    let isAnswered = false;
    const waiting = ask('mute.test').then((answer) => {
      isAnswered = true;
      return answer;
    });
    await sidecar.untilStat('dns_cache.names.num_hosts', (value) => value === 4);
    for (let i = 0; i < 10; i++) assert.equal((await ask('one.test')).status, 200);
    assert.equal(isAnswered, false);
    // dns_query_timeout is not waited for: the name server finds its tongue.
    dns.set('mute.test', ['127.0.0.1'], 600);
    assert.equal((await waiting).status, 503, 'no server has that name');
  });
});
