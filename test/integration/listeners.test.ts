// Listeners of a whole sidecar with two workers: where they listen, how many connections they take, what they
// do with those that say nothing, and handing over by restored destination.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { TestCa } from '../fakes/pki.ts';
import { type Sidecar, startSidecar } from './sidecar.ts';

const type = 'type.googleapis.com/envoy.extensions';
const request = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const directory = mkdtempSync(join(os.tmpdir(), 'remora-listeners-'));
const pipe = join(directory, 'listener.sock');
const MAX_OF_LIMITED = 5;
const MAX_OF_PROCESS = 12;

/** Answers with its name and keeps the connection. */
const http = (name: string): string =>
  `{ name: h, typed_config: { "@type": ${type}.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: ${name}, http_filters: [{ name: r, typed_config: { "@type": ${type}.filters.http.router.v3.Router } }], route_config: { virtual_hosts: [{ name: a, domains: ["*"], routes: [{ match: { prefix: / }, direct_response: { status: 200, body: { inline_string: ${name} } } }] }] } } }`;
const proxyProtocol = `{ name: p, typed_config: { "@type": ${type}.filters.listener.proxy_protocol.v3.ProxyProtocol } }`;
const httpInspector = `{ name: i, typed_config: { "@type": ${type}.filters.listener.http_inspector.v3.HttpInspector } }`;
const listener = (name: string, address: string, fields = ''): string => `
  - { name: ${name}, stat_prefix: ${name}, address: ${address}, filter_chains: [{ filters: [${http(name)}] }]${fields} }`;
const ip = (address: string, port = 0, more = ''): string =>
  `{ socket_address: { address: "${address}", port_value: ${port}${more} } }`;

const bootstrap = `
layered_runtime: { layers: [{ name: s, static_layer: { envoy.resource_limits.listener.limited.connection_limit: ${MAX_OF_LIMITED} } }] }
overload_manager: { resource_monitors: [{ name: c, typed_config: { "@type": ${type}.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig, max_active_downstream_connections: ${MAX_OF_PROCESS} } }] }
static_resources:
  listeners:${[
    listener(
      'many',
      ip('127.0.0.1'),
      `, ignore_global_conn_limit: true, additional_addresses: [{ address: ${ip('127.0.0.2')} }, { address: { pipe: { path: "${pipe}", mode: 384 } } }, { address: { pipe: { path: "@${pipe}" } } }]`,
    ),
    listener('dual', ip('::', 0, ', ipv4_compat: true'), ', ignore_global_conn_limit: true'),
    listener('six', ip('::'), ', ignore_global_conn_limit: true'),
    listener(
      'alone',
      ip('127.0.0.1'),
      ', enable_reuse_port: false, ignore_global_conn_limit: true',
    ),
    listener('limited', ip('127.0.0.1'), ', ignore_global_conn_limit: true'),
    listener('open', ip('127.0.0.1')),
    listener(
      'strict',
      ip('127.0.0.1'),
      `, listener_filters_timeout: 0.2s, ignore_global_conn_limit: true, listener_filters: [${httpInspector}]`,
    ),
    listener(
      'patient',
      ip('127.0.0.1'),
      `, listener_filters_timeout: 0.2s, continue_on_listener_filters_timeout: true, ignore_global_conn_limit: true, listener_filters: [${httpInspector}]`,
    ),
    listener(
      'entry',
      ip('127.0.0.1'),
      `, use_original_dst: true, ignore_global_conn_limit: true, listener_filters: [${proxyProtocol}]`,
    ),
    listener('virtual', ip('5.6.7.8', 8192), ', bind_to_port: false'),
    listener('wild', ip('0.0.0.0', 777), ', bind_to_port: false'),
    listener(
      'partly',
      ip('127.0.0.1'),
      `, ignore_global_conn_limit: true, listener_filters: [{ name: p, filter_disabled: { not_match: { destination_port_range: { start: 1, end: 2 } } }, typed_config: { "@type": ${type}.filters.listener.proxy_protocol.v3.ProxyProtocol } }]`,
    ),
  ].join('')}
`;

describe('listeners of two workers', () => {
  let sidecar: Sidecar;
  const open: net.Socket[] = [];

  before(async () => {
    sidecar = await startSidecar(bootstrap, { concurrency: 2 });
  });

  after(async () => {
    for (const socket of open) socket.destroy();
    await sidecar.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  /** The body of an answer; '' = the connection was closed without one. The connection stays open. */
  function ask(options: net.NetConnectOpts, text = request): Promise<string> {
    return new Promise((resolve) => {
      const socket = net.connect(options);
      open.push(socket);
      socket.on('error', () => {});
      socket.on('connect', () => socket.write(text));
      socket.on('data', (chunk: Buffer) => resolve(chunk.toString().split('\r\n\r\n')[1] ?? ''));
      socket.on('close', () => resolve(''));
    });
  }

  const addresses = async (name: string): Promise<string[]> =>
    (await sidecar.admin('/listeners'))
      .split('\n')
      .filter((line) => line.startsWith(`${name}::`))
      .map((line) => line.slice(name.length + 2));

  async function stat(name: string): Promise<number> {
    const line = (await sidecar.admin('/stats'))
      .split('\n')
      .find((entry) => entry.startsWith(`${name}: `));
    return Number(line?.slice(name.length + 2));
  }

  test('one listens on several addresses, Unix sockets among them', async () => {
    const [first = '', second = '', third, fourth] = await addresses('many');
    assert.match(first, /^127\.0\.0\.1:\d+$/);
    assert.match(second, /^127\.0\.0\.2:\d+$/);
    assert.deepEqual([third, fourth], [pipe, `@${pipe}`]);
    assert.equal(await ask({ host: '127.0.0.1', port: Number(first.split(':')[1]) }), 'many');
    assert.equal(await ask({ host: '127.0.0.2', port: Number(second.split(':')[1]) }), 'many');
    assert.equal(await ask({ path: pipe }), 'many');
    assert.equal(await ask({ path: `\0${pipe}` }), 'many');
    assert.equal(statSync(pipe).mode & 0o777, 0o600);
  });

  test('an IPv6 wildcard takes IPv4 only with ipv4_compat', async () => {
    assert.equal(await ask({ host: '::1', port: sidecar.port('dual') }), 'dual');
    assert.equal(await ask({ host: '127.0.0.1', port: sidecar.port('dual') }), 'dual');
    assert.equal(await ask({ host: '::1', port: sidecar.port('six') }), 'six');
    assert.equal(await ask({ host: '127.0.0.1', port: sidecar.port('six') }), '');
  });

  test('without SO_REUSEPORT one worker accepts for all', async () => {
    for (let i = 0; i < 8; i++) assert.equal(await ask({ port: sidecar.port('alone') }), 'alone');
    assert.equal(await stat('listener.alone.worker_0.downstream_cx_total'), 8);
    assert.equal(await stat('listener.alone.worker_1.downstream_cx_total'), 0);
  });

  test('a connection limit is exact over both workers', async () => {
    const port = sidecar.port('limited');
    const answers = await Promise.all(Array.from({ length: 40 }, () => ask({ port })));
    assert.equal(answers.filter((answer) => answer === 'limited').length, MAX_OF_LIMITED);
    assert.equal(await stat('listener.limited.downstream_cx_overflow'), 40 - MAX_OF_LIMITED);
    // Both workers have taken some, or the count over both would prove nothing.
    for (const socket of open.splice(0)) socket.destroy();
    await sidecar.untilStat('listener.limited.downstream_cx_active', (value) => value === 0);
    assert.equal(await ask({ port }), 'limited');
  });

  test('the limit of the process is exact, and spares who ignores it', async () => {
    for (const socket of open.splice(0)) socket.destroy();
    const port = sidecar.port('open');
    const answers = await Promise.all(Array.from({ length: 40 }, () => ask({ port })));
    assert.equal(answers.filter((answer) => answer === 'open').length, MAX_OF_PROCESS);
    assert.equal(await stat('listener.open.downstream_global_cx_overflow'), 40 - MAX_OF_PROCESS);
    assert.equal(await ask({ port: sidecar.port('alone') }), 'alone');
    for (const socket of open.splice(0)) socket.destroy();
    await sidecar.untilStat('listener.open.downstream_cx_active', (value) => value === 0);
    assert.equal(await ask({ port }), 'open');
  });

  test('who says nothing is closed when listener_filters_timeout is over, or goes on', async () => {
    const started = performance.now();
    assert.equal(await ask({ port: sidecar.port('strict') }, 'GE'), '');
    assert.ok(performance.now() - started >= 190);
    assert.equal(await stat('listener.strict.downstream_pre_cx_timeout'), 1);
    assert.equal(await stat('listener.strict.downstream_pre_cx_active'), 0);
    const socket = net.connect(sidecar.port('patient'));
    open.push(socket);
    socket.write('GE');
    await sidecar.untilStat('listener.patient.downstream_cx_total', (value) => value === 1);
    socket.write(request.slice(2));
    const answer = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
    assert.match(answer.toString(), /^HTTP\/1\.1 200/);
  });

  test('a restored destination leads to the listener of that address', async () => {
    const port = sidecar.port('entry');
    const to = (destination: string) =>
      ask({ port }, `PROXY TCP4 1.2.3.4 ${destination}\r\n${request}`);
    assert.equal(await to('5.6.7.8 4096 8192'), 'virtual');
    assert.equal(await to('9.9.9.9 4096 777'), 'wild');
    assert.equal(await to('9.9.9.9 4096 778'), 'entry');
    assert.equal(await stat('listener.virtual.downstream_cx_total'), 1);
    assert.equal(await stat('listener.entry.downstream_cx_total'), 1);
    assert.equal(await stat('listener.entry.downstream_pre_cx_active'), 0);
  });

  test('filter_disabled keeps a listener filter from running', async () => {
    assert.equal(await ask({ port: sidecar.port('partly') }), 'partly');
  });
});

describe('a listener with TLS', () => {
  test('counts a handshake that never ends, and gives its place in the limit back', async () => {
    const ca = await TestCa.create();
    const leaf = await ca.issue({ dns: ['l.test'] });
    const log = join(mkdtempSync(join(os.tmpdir(), 'remora-tls-')), 'log');
    const pem = (text: string) => `{ inline_string: ${JSON.stringify(text)} }`;
    const sidecar = await startSidecar(`
layered_runtime: { layers: [{ name: s, static_layer: { envoy.resource_limits.listener.l.connection_limit: 2 } }] }
static_resources:
  listeners:
  - name: l
    stat_prefix: l
    address: ${ip('127.0.0.1')}
    access_log: [{ name: a, typed_config: { "@type": ${type}.access_loggers.file.v3.FileAccessLog, path: ${log}, log_format: { text_format_source: { inline_string: "%FILTER_CHAIN_NAME% %CONNECTION_TERMINATION_DETAILS%\\n" } } } }]
    filter_chains:
    - name: secure
      transport_socket_connect_timeout: 0.2s
      transport_socket: { name: s, typed_config: { "@type": ${type}.transport_sockets.tls.v3.DownstreamTlsContext, common_tls_context: { tls_certificates: [{ certificate_chain: ${pem(leaf.certificatePem)}, private_key: ${pem(leaf.privateKeyPem)} }] } } }
      filters: [${http('l')}]
`);
    const port = sidecar.port('l');
    const connected = (): Promise<tls.TLSSocket> =>
      new Promise((resolve, reject) => {
        const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () =>
          resolve(socket),
        );
        socket.once('error', reject);
      });
    const silent = net.connect(port, '127.0.0.1');
    silent.on('error', () => {});
    const served = await connected();
    await assert.rejects(connected(), 'two are as many as there may be');
    await new Promise((resolve) => silent.once('close', resolve).resume());
    const timeouts = 'listener.l.downstream_cx_transport_socket_connect_timeout';
    await sidecar.untilStat(timeouts, (value) => value === 1);
    const next = await connected();
    served.destroy();
    next.destroy();
    await sidecar.untilStat('listener.l.downstream_cx_active', (value) => value === 0);
    for (let i = 0; i < 6; i++) {
      const again = await connected();
      await new Promise((resolve) => again.end().once('close', resolve).resume());
      await sidecar.untilStat('listener.l.downstream_cx_active', (value) => value === 0);
    }
    await sidecar.stop();
    const lines = readFileSync(log, 'utf8').trim().split('\n');
    assert.equal(lines[0], 'secure transport socket timeout was reached');
    rmSync(dirname(log), { recursive: true });
  });
});

describe('an upstream PROXY header', () => {
  test('stands in front of the TLS handshake', async () => {
    const ca = await TestCa.create();
    const leaf = await ca.issue({ dns: ['backend.test'] });
    const secureContext = tls.createSecureContext({
      cert: leaf.certificatePem,
      key: leaf.privateKeyPem,
    });
    const seen: string[] = [];
    const backend = net.createServer({ pauseOnConnect: true }, (raw) => {
      raw.on('error', () => {});
      raw.once('readable', () => {
        const head = (raw.read() as Buffer | null) ?? Buffer.alloc(0);
        const end = head.indexOf('\r\n') + 2;
        seen.push(head.toString('latin1', 0, end));
        if (head.length > end) raw.unshift(head.subarray(end));
        const secure = new tls.TLSSocket(raw, { isServer: true, secureContext });
        secure.on('error', () => {});
        secure.on('data', () => secure.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi'));
      });
    });
    await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
    const backendPort = (backend.address() as net.AddressInfo).port;
    const sidecar = await startSidecar(`
static_resources:
  listeners:
  - { name: l, address: ${ip('127.0.0.1')}, filter_chains: [{ filters: [{ name: t, typed_config: { "@type": ${type}.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: c } }] }] }
  clusters:
  - name: c
    type: STATIC
    load_assignment: { cluster_name: c, endpoints: [{ lb_endpoints: [{ endpoint: { address: ${ip('127.0.0.1', backendPort)} } }] }] }
    upstream_bind_config: { source_address: { address: "::1", port_value: 0 }, additional_source_addresses: [{ address: 127.0.0.3, port_value: 0 }] }
    transport_socket:
      name: p
      typed_config:
        "@type": ${type}.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport
        config: { version: V1 }
        transport_socket: { name: s, typed_config: { "@type": ${type}.transport_sockets.tls.v3.UpstreamTlsContext, common_tls_context: { validation_context: { trusted_ca: { inline_string: ${JSON.stringify(ca.certificatePem)} } } } } }
`);
    const sources: string[] = [];
    backend.on('connection', (socket) => sources.push(socket.remoteAddress ?? ''));
    const client = net.connect(sidecar.port('l'));
    client.write(request);
    const answer = await new Promise<Buffer>((resolve) => client.once('data', resolve));
    assert.match(answer.toString(), /hi$/);
    const ends = `127.0.0.1 127.0.0.1 ${client.localPort} ${sidecar.port('l')}`;
    assert.deepEqual(seen, [`PROXY TCP4 ${ends}\r\n`]);
    assert.deepEqual(sources, ['127.0.0.3']);
    client.destroy();
    await sidecar.stop();
    backend.close();
  });
});
