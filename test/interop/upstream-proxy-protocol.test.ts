// upstream_proxy_protocol: the same header as Envoy sends, and one that nginx and HAProxy understand.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import os from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Sidecar, startSidecar } from '../integration/sidecar.ts';
import { findPeer, skipWithout } from './peers.ts';
import { freePort, type RunningProxy, startProxy } from './proxies.ts';

const type = 'type.googleapis.com/envoy.extensions';
const request = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

/** Every way a header can come about; the listener of that name goes to the cluster of that name. */
const variants = {
  v1: 'config: {version: V1}',
  v2: 'config: {version: V2}',
  all: 'config: {version: V2, pass_through_tlvs: {}}',
  some: 'config: {version: V2, pass_through_tlvs: {match_type: INCLUDE, tlv_type: [2]}}',
  added:
    'config: {version: V2, pass_through_tlvs: {}, added_tlvs: [{type: 2, value: "bWluZQ=="}, {type: 241, value: "eA=="}]}',
} as const;
type Variant = keyof typeof variants;
const names = Object.keys(variants) as Variant[]; // of the object above

const socket = (fields: string): string => `
    transport_socket:
      name: envoy.transport_sockets.upstream_proxy_protocol
      typed_config:
        "@type": ${type}.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport
        ${fields}
        transport_socket: { name: envoy.transport_sockets.raw_buffer, typed_config: { "@type": ${type}.transport_sockets.raw_buffer.v3.RawBuffer } }`;

const cluster = (name: string, port: number, fields: string): string => `
  - name: ${name}
    type: STATIC
    connect_timeout: 2s
    load_assignment: { cluster_name: ${name}, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }] }] }${socket(fields)}`;

const listener = (name: string, port: number, filter: string): string => `
  - name: ${name}
    address: { socket_address: { address: 127.0.0.1, port_value: ${port} } }
    listener_filters: [{ name: p, typed_config: { "@type": ${type}.filters.listener.proxy_protocol.v3.ProxyProtocol, allow_requests_without_proxy_protocol: true, pass_through_tlvs: {} } }]
    filter_chains: [{ filters: [${filter}] }]`;

const tcp = (name: string): string =>
  `{ name: t, typed_config: { "@type": ${type}.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: ${name}, cluster: ${name} } }`;
const http = (name: string): string =>
  `{ name: h, typed_config: { "@type": ${type}.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: ${name}, route_config: { virtual_hosts: [{ name: a, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: ${name} } }] }] }, http_filters: [{ name: r, typed_config: { "@type": ${type}.filters.http.router.v3.Router } }] } }`;

function bootstrap(ports: readonly number[], backendPort: number, peers: Peers): string {
  const listeners = names.flatMap((name, i) => [
    listener(`tcp_${name}`, ports[2 * i]!, tcp(name)),
    listener(`http_${name}`, ports[2 * i + 1]!, http(name)),
  ]);
  const toPeers = Object.entries(peers).map(([peer], i) =>
    listener(peer, ports[2 * names.length + i]!, http(peer)),
  );
  return `static_resources:
  listeners:${[...listeners, ...toPeers].join('')}
  clusters:${names.map((name) => cluster(name, backendPort, variants[name])).join('')}${Object.entries(
    peers,
  )
    .map(([peer, port]) => cluster(peer, port, variants.v2))
    .join('')}
`;
}

/** Ports of the servers that understand PROXY headers. */
interface Peers {
  readonly nginx: number;
  readonly haproxy: number;
}

/** Answers each request; keeps the bytes in front of it, hexadecimal. */
class Recorder {
  readonly headers: string[] = [];
  readonly #server = net.createServer((connection) => {
    let received = Buffer.alloc(0);
    connection.on('error', () => {});
    connection.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const at = received.indexOf('GET /');
      if (at === -1 || !received.includes('\r\n\r\n', at)) return;
      if (at > 0) this.headers.push(received.toString('hex', 0, at));
      received = Buffer.alloc(0);
      connection.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi');
    });
  });

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
  }
}

/** One answer, then the connection is closed. `local` = the client's own end. */
function ask(port: number, payload: Buffer | string): Promise<{ answer: string; local: string }> {
  return new Promise((resolve) => {
    const connection = net.connect(port, '127.0.0.1');
    let answer = '';
    let local = '';
    connection.on('connect', () => {
      local = `${connection.localPort}`;
      connection.write(payload);
    });
    connection.on('data', (chunk: Buffer) => {
      answer += chunk.toString('latin1');
      if (answer.includes('\r\n\r\n')) connection.destroy();
    });
    connection.on('error', () => {});
    connection.on('close', () => resolve({ answer, local }));
  });
}

/** Connections of equal addresses are shared, so each case has a port of its own. */
function v2Header(port: number, tlvs: readonly (readonly [number, string])[]): Buffer {
  const body = Buffer.concat([
    Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, port >> 8, port & 0xff, 0x20, 0x00]),
    ...tlvs.map(([id, text]) =>
      Buffer.concat([Buffer.from([id, 0, text.length]), Buffer.from(text)]),
    ),
  ]);
  const head = Buffer.from('0d0a0d0a000d0a515549540a21110000', 'hex');
  head.writeUInt16BE(body.length, 14);
  return Buffer.concat([head, body]);
}

const incoming: Readonly<Record<string, Buffer | string>> = {
  'no header': '',
  'a v1 header': 'PROXY TCP4 1.2.3.4 5.6.7.8 4096 8192\r\n',
  'a v1 header for IPv6': 'PROXY TCP6 fd00::1 fd00::2 4096 8192\r\n',
  'a v1 header that says UNKNOWN': 'PROXY UNKNOWN\r\n',
  'a v2 header': v2Header(5001, []),
  'a v2 header with TLVs': v2Header(5002, [
    [2, 'example.com'],
    [0xe2, 'mine'],
    [2, 'again'],
  ]),
};

/** The binary header: signature, version and command, family, length, addresses, ports, TLVs. */
const V2_SIGNATURE_HEX = '0d0a0d0a000d0a515549540a';
const V2_FAMILY_AT = 13;
const V2_ADDRESSES_AT = 16;
const TCP6 = 0x21;

const missing = skipWithout('envoy') || skipWithout('nginx') || skipWithout('haproxy');

describe('upstream PROXY protocol', { skip: missing }, () => {
  const directory = mkdtempSync(join(os.tmpdir(), 'remora-proxy-'));
  const recorder = new Recorder();
  const servers: ChildProcess[] = [];
  let envoy: RunningProxy;
  let remora: Sidecar;
  let envoyPorts: number[];
  const order = [...names.flatMap((name) => [`tcp_${name}`, `http_${name}`]), 'nginx', 'haproxy'];

  before(async () => {
    const binary = findPeer('envoy');
    assert.ok(binary !== null);
    const backendPort = await recorder.listen();
    const peers = { nginx: await freePort(), haproxy: await freePort() };
    startNginx(peers.nginx);
    startHaproxy(peers.haproxy);
    envoyPorts = await Promise.all(order.map(() => freePort()));
    envoy = await startProxy(
      'envoy',
      binary,
      ({ admin }) =>
        `admin: { address: { socket_address: { address: 127.0.0.1, port_value: ${admin} } } }\n${bootstrap(envoyPorts, backendPort, peers)}`,
    );
    remora = await startSidecar(
      bootstrap(
        order.map(() => 0),
        backendPort,
        peers,
      ),
    );
  });

  after(async () => {
    await Promise.all([envoy.stop(), remora.stop()]);
    for (const server of servers) server.kill('SIGTERM');
    recorder.close();
    rmSync(directory, { recursive: true, force: true });
  });

  function startNginx(port: number): void {
    const file = join(directory, 'nginx.conf');
    writeFileSync(
      file,
      `daemon off; master_process off; pid ${directory}/nginx.pid; error_log ${directory}/nginx.err;
events {}
http { access_log off; client_body_temp_path ${directory}; proxy_temp_path ${directory}; fastcgi_temp_path ${directory}; uwsgi_temp_path ${directory}; scgi_temp_path ${directory};
  server { listen 127.0.0.1:${port} proxy_protocol; location / { return 200 "$proxy_protocol_addr:$proxy_protocol_port $proxy_protocol_server_addr:$proxy_protocol_server_port"; } } }`,
    );
    servers.push(
      spawn(findPeer('nginx') ?? '', ['-c', file, '-p', directory], { stdio: 'ignore' }),
    );
  }

  function startHaproxy(port: number): void {
    const file = join(directory, 'haproxy.cfg');
    writeFileSync(
      file,
      `defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
frontend f
  bind 127.0.0.1:${port} accept-proxy
  http-request return status 200 content-type text/plain lf-string "%[src]:%[src_port] %[dst]:%[dst_port]"
`,
    );
    servers.push(spawn(findPeer('haproxy') ?? '', ['-f', file], { stdio: 'ignore' }));
  }

  const portOf = (proxy: 'envoy' | 'remora', name: string): number =>
    proxy === 'remora' ? remora.port(name) : envoyPorts[order.indexOf(name)]!;

  /** The header that the backend saw; ends that differ from run to run are called by name. */
  async function headerOf(
    proxy: 'envoy' | 'remora',
    name: string,
    header: Buffer | string,
  ): Promise<string> {
    const port = portOf(proxy, name);
    const { answer, local } = await ask(
      port,
      Buffer.concat([Buffer.from(header), Buffer.from(request)]),
    );
    assert.match(answer, /^HTTP\/1.1 200/);
    const seen = recorder.headers.splice(0);
    assert.equal(seen.length, 1);
    const ends = [
      [Number(local), '<client>'],
      [port, '<listener>'],
    ] as const;
    return namedEnds(seen[0]!, new Map(ends));
  }

  for (const name of names) {
    for (const [what, header] of Object.entries(incoming)) {
      for (const protocol of ['tcp', 'http']) {
        test(`${name} over ${protocol} after ${what}`, async () => {
          const theirs = await headerOf('envoy', `${protocol}_${name}`, header);
          assert.equal(await headerOf('remora', `${protocol}_${name}`, header), theirs);
        });
      }
    }
  }

  test('connections are shared by requests of one client only', async () => {
    const connectionsAfter = async (proxy: 'envoy' | 'remora'): Promise<number> => {
      const connection = net.connect(portOf(proxy, 'http_v2'), '127.0.0.1');
      for (let i = 0; i < 3; i++) {
        connection.write(request);
        await new Promise((resolve) => connection.once('data', resolve));
      }
      connection.destroy();
      await ask(portOf(proxy, 'http_v2'), request);
      return recorder.headers.splice(0).length;
    };
    assert.equal(await connectionsAfter('envoy'), 2);
    assert.equal(await connectionsAfter('remora'), 2);
  });

  for (const peer of ['nginx', 'haproxy'] as const) {
    test(`${peer} reads the addresses`, async () => {
      const deadline = performance.now() + 10_000;
      let answer = '';
      while (!answer.startsWith('HTTP/1.1 200') && performance.now() < deadline) {
        const header = 'PROXY TCP4 1.2.3.4 5.6.7.8 4096 8192\r\n';
        ({ answer } = await ask(remora.port(peer), header + request));
      }
      assert.match(answer, /1\.2\.3\.4:4096 5\.6\.7\.8:8192/);
    });
  }
});

/** Ports by the name of their end; only where ports stand, as other bytes may look like one. */
function namedEnds(headerHex: string, names: ReadonlyMap<number, string>): string {
  const bytes = Buffer.from(headerHex, 'hex');
  if (!headerHex.startsWith(V2_SIGNATURE_HEX)) {
    const named = (digits: string) => names.get(Number(digits)) ?? digits;
    const text = bytes.toString('latin1').replace(/\d+(?=( \d+)?\r\n)/g, named);
    return text;
  }
  const portsAt = V2_ADDRESSES_AT + 2 * (bytes[V2_FAMILY_AT] === TCP6 ? 16 : 4);
  const named = (at: number) =>
    names.get(bytes.readUInt16BE(at)) ?? bytes.toString('hex', at, at + 2);
  return (
    bytes.toString('hex', 0, portsAt) +
    named(portsAt) +
    named(portsAt + 2) +
    bytes.toString('hex', portsAt + 4)
  );
}
