// tcp_proxy and the network filters side by side with Envoy: one bootstrap, the same clients. What a client gets,
// how its connection ends, what the access log says and what is counted must be the same.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import os from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { type Sidecar, startSidecar } from '../integration/sidecar.ts';
import { findPeer, skipWithout } from './peers.ts';
import { freePort, type RunningProxy, startProxy } from './proxies.ts';

const network = 'type.googleapis.com/envoy.extensions.filters.network';
const inspector =
  'listener_filters: [{ name: f, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector } }]';
const anyone = '{ p q: { permissions: [{ any: true }], principals: [{ any: true }] } }';
const tlvs = 'proxy_protocol_tlvs: [{ type: 226, value: YWJj }, { type: 227, value: eA== }]';
const proxyListener =
  'listener_filters: [{ name: f, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol, pass_through_tlvs: {} } }]';
const proxyHeaders =
  'transport_socket: { name: envoy.transport_sockets.upstream_proxy_protocol, typed_config: { "@type": type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport, config: { version: V2, pass_through_tlvs: {} }, transport_socket: { name: envoy.transport_sockets.raw_buffer, typed_config: { "@type": type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer } } } }';
const LOG_TIMEOUT_MS = 10_000;

interface Ports {
  readonly echo: number;
  readonly resets: number;
  readonly dead: number;
  /** Answers CONNECT and POST; `deny` in the target: with 403. */
  readonly tunnels: number;
  /** Tells the client the TLVs of its PROXY header. */
  readonly tlvs: number;
  /** Where this proxy ends tunnels of CONNECT, and where the other one does. */
  readonly terminator: number;
  readonly otherTerminator: number;
}

const filter = (type: string, body = ''): string =>
  `{ name: ${type.split('.')[0]}, typed_config: { "@type": ${network}.${type}${body === '' ? '' : `, ${body}`} } }`;

function bootstrap(ports: Ports, log: string): string {
  const format =
    '%FILTER_CHAIN_NAME% %ACCESS_LOG_TYPE% [%RESPONSE_FLAGS%] rx=%BYTES_RECEIVED% tx=%BYTES_SENT% %CONNECTION_TERMINATION_DETAILS% %DOWNSTREAM_LOCAL_CLOSE_REASON% %RESPONSE_CODE_DETAILS% cluster=%UPSTREAM_CLUSTER% attempts=%UPSTREAM_REQUEST_ATTEMPT_COUNT% %UPSTREAM_TRANSPORT_FAILURE_REASON% sni=%REQUESTED_SERVER_NAME% %DYNAMIC_METADATA(envoy.filters.network.rbac)%';
  const accessLog = `access_log: [{ name: f, typed_config: { "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: ${log}, log_format: { text_format_source: { inline_string: "${format}\\n" } } } }]`;
  const listener = (name: string, more: string, ...filters: readonly string[]): string => `
    - name: ${name}
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
      # With it the kernel may give two listeners the same port.
      enable_reuse_port: false
      ${more}
      filter_chains: [{ name: ${name}, filters: [${filters.join(', ')}] }]`;
  const proxy = (name: string, to: string, more = ''): string =>
    filter(
      'tcp_proxy.v3.TcpProxy',
      `stat_prefix: ${name}, cluster: ${to}, ${accessLog}${more === '' ? '' : `, ${more}`}`,
    );
  const cluster = (name: string, port: number | null, more = ''): string => `
    - name: ${name}
      type: STATIC
      ${more}
      load_assignment:
        cluster_name: ${name}
        endpoints: [${port === null ? '' : `{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }] }`}]`;
  return `
static_resources:
  listeners:${[
    listener('plain', '', proxy('plain', 'echo')),
    listener('idle', '', proxy('idle', 'echo', 'idle_timeout: 0.3s')),
    listener('aged', '', proxy('aged', 'echo', 'max_downstream_connection_duration: 0.3s')),
    listener('resets', '', proxy('resets', 'resets')),
    listener('dead', '', proxy('dead', 'dead', 'max_connect_attempts: 3')),
    listener('empty', '', proxy('empty', 'empty')),
    listener('full', '', proxy('full', 'full')),
    listener('echo', accessLog, filter('echo.v3.Echo')),
    listener(
      'direct',
      accessLog,
      filter('direct_response.v3.Config', 'response: { inline_string: hello }'),
    ),
    listener(
      'limited',
      '',
      filter('connection_limit.v3.ConnectionLimit', 'stat_prefix: cl, max_connections: 1'),
      proxy('limited', 'echo'),
    ),
    listener(
      'rated',
      '',
      filter(
        'local_ratelimit.v3.LocalRateLimit',
        'stat_prefix: rl, token_bucket: { max_tokens: 1, fill_interval: 3600s }',
      ),
      proxy('rated', 'echo'),
    ),
    listener(
      'denied',
      accessLog,
      filter(
        'rbac.v3.RBAC',
        `stat_prefix: rb., rules: { action: DENY, policies: ${anyone} }, shadow_rules_stat_prefix: sh_, shadow_rules: { policies: ${anyone} }`,
      ),
      proxy('denied', 'echo'),
    ),
    listener(
      'delayed',
      '',
      filter('rbac.v3.RBAC', 'stat_prefix: rbd, delay_deny: 0.2s, rules: {}'),
      proxy('delayed', 'echo'),
    ),
    listener(
      'judged',
      '',
      filter(
        'rbac.v3.RBAC',
        `stat_prefix: rbc, enforcement_type: CONTINUOUS, rules: { policies: ${anyone} }`,
      ),
      proxy('judged', 'echo'),
    ),
    listener('sni', inspector, filter('sni_cluster.v3.SniCluster'), proxy('sni', 'echo')),
    listener(
      'connect',
      '',
      proxy(
        'connect',
        'tunnels',
        'tunneling_config: { hostname: "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%:443", headers_to_add: [{ header: { key: x-a, value: "%PROTOCOL%b" } }] }',
      ),
    ),
    listener(
      'post',
      '',
      proxy(
        'post',
        'tunnels',
        'tunneling_config: { hostname: "inner:443", use_post: true, post_path: /in }',
      ),
    ),
    listener(
      'deny',
      '',
      proxy(
        'deny',
        'tunnels',
        'tunneling_config: { hostname: "deny:443" }, max_connect_attempts: 2',
      ),
    ),
    listener('tlvs', '', proxy('tlvs', 'tlvs', tlvs)),
    listener('kept', proxyListener, proxy('kept', 'tlvs', tlvs)),
    listener('via', '', proxy('via', 'other', 'tunneling_config: { hostname: "any:443" }')),
    listener(
      'logs',
      '',
      proxy(
        'logs',
        'echo',
        'access_log_options: { flush_access_log_on_start: true, flush_access_log_on_connected: true }',
      ),
    ),
  ].join('')}${terminator(ports.terminator)}
  clusters:${[
    cluster('echo', ports.echo),
    cluster('resets', ports.resets),
    cluster('dead', ports.dead),
    cluster('tunnels', ports.tunnels),
    cluster('other', ports.otherTerminator),
    cluster('tlvs', ports.tlvs, proxyHeaders),
    cluster('empty', null),
    cluster('full', ports.echo, 'circuit_breakers: { thresholds: [{ max_connections: 0 }] }'),
  ].join('')}
`;
}

/** A connection manager that ends tunnels: what comes out goes to `echo`. */
function terminator(port: number): string {
  return `
    - name: terminator
      address: { socket_address: { address: 127.0.0.1, port_value: ${port} } }
      filter_chains:
        - filters:
            - name: hcm
              typed_config:
                "@type": ${network}.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: terminator
                upgrade_configs: [{ upgrade_type: CONNECT }]
                route_config:
                  name: local
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - match: { connect_matcher: {} }
                          route: { cluster: echo, upgrade_configs: [{ upgrade_type: CONNECT, connect_config: {} }] }
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }`;
}

interface Seen {
  readonly received: string;
  /** `end`: FIN. Else the error's code. */
  readonly ended: string;
}

/** Says its piece; `half`: and ends its side once that has come back. Resolves when the proxy ends the connection. */
function talk(port: number, text: string, half = false): Promise<Seen> {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    let received = '';
    let ended = '';
    if (text !== '') socket.write(text);
    socket.on('data', (chunk) => {
      received += String(chunk);
      if (half && received.length === text.length) socket.end();
    });
    socket.on('end', () => {
      ended = 'end';
      socket.end();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      ended = error.code ?? error.message;
    });
    socket.on('close', () => resolve({ received, ended }));
  });
}

/** Requests for tunnels, heads and whatever came behind them. */
const tunnelRequests: string[] = [];

function answerTunnel(socket: net.Socket): void {
  let text = '';
  let isOpen = false;
  socket.on('end', () => socket.end());
  socket.on('data', (chunk) => {
    if (isOpen) {
      // Chunks of a POST are chunks of its answer too.
      if (String(chunk).includes('reset')) socket.resetAndDestroy();
      else socket.write(chunk);
      return;
    }
    text += String(chunk);
    const end = text.indexOf('\r\n\r\n') + 4;
    if (end < 4) return;
    tunnelRequests.push(text.slice(0, end));
    if (text.includes('deny')) {
      socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno');
      return;
    }
    isOpen = true;
    const chunked = text.startsWith('POST') ? 'transfer-encoding: chunked\r\n' : '';
    socket.write(`HTTP/1.1 200 OK\r\n${chunked}\r\n${text.slice(end)}`);
  });
}

/** A TLS client whose handshake comes to nothing. */
function knockTls(port: number, servername: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = tls.connect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false });
    socket.on('error', () => {});
    socket.on('close', () => resolve());
  });
}

interface Proxy {
  port(listener: string): number;
  admin(path: string): Promise<string>;
  readonly log: string;
  stop(): Promise<void>;
}

/** Lines of one filter chain, once there are `count` of them: loggers flush at intervals. */
async function logLines({ log }: Proxy, chain: string, count: number): Promise<string[]> {
  const end = performance.now() + LOG_TIMEOUT_MS;
  for (;;) {
    const lines = readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith(`${chain} `));
    if (lines.length >= count) return lines.sort();
    assert.ok(performance.now() < end, `${chain}: ${lines.length} of ${count} lines`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

/** Counters that are not 0, of names that match. */
async function statsOf({ admin }: Proxy, pattern: RegExp): Promise<string[]> {
  const text = await admin('/stats');
  return text
    .split('\n')
    .filter((line) => pattern.test(line) && !line.endsWith(': 0') && !line.includes('_ms: '))
    .sort();
}

describe('tcp_proxy and network filters as Envoy has them', { skip: skipWithout('envoy') }, () => {
  const directory = mkdtempSync(join(os.tmpdir(), 'remora-test-tcp-'));
  const servers: net.Server[] = [];
  let envoy: Proxy;
  let remora: Proxy;

  async function serve(onSocket: (socket: net.Socket) => void): Promise<number> {
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => {});
      onSocket(socket);
    });
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port; // a TCP server has one
  }

  before(async () => {
    const ports = {
      echo: await serve((socket) => socket.pipe(socket)),
      resets: await serve((socket) => socket.on('data', () => socket.resetAndDestroy())),
      dead: await freePort(),
      tunnels: await serve(answerTunnel),
      tlvs: await serve((socket) =>
        socket.on('data', (chunk: Buffer) => {
          // Signature, head and two IPv4 ends are 28 bytes.
          const end = 16 + chunk.readUInt16BE(14);
          socket.end(`${chunk.length} ${chunk.toString('hex', 28, end)}`);
        }),
      ),
    };
    const logOf = (name: string) => join(directory, `${name}.log`);
    const [one, other] = [await freePort(), await freePort()];
    const ofEnvoy: Ports = { ...ports, terminator: one, otherTerminator: other };
    const ofRemora: Ports = { ...ports, terminator: other, otherTerminator: one };
    envoy = await startEnvoy(bootstrap(ofEnvoy, logOf('envoy')), logOf('envoy'));
    remora = await startRemora(bootstrap(ofRemora, logOf('remora')), logOf('remora'));
  });

  after(async () => {
    await envoy?.stop();
    await remora?.stop();
    for (const server of servers) server.close();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Does the same to both; `logged` lines of the chain and the stats that match must be equal too. */
  function same(
    title: string,
    chain: string,
    logged: number,
    stats: RegExp,
    act: (port: number) => Promise<unknown>,
  ): void {
    test(title, async () => {
      const observed = [];
      for (const proxy of [envoy, remora]) {
        const client = await act(proxy.port(chain));
        const lines = await logLines(proxy, chain, logged);
        observed.push({ client, lines, stats: await statsOf(proxy, stats) });
      }
      assert.deepEqual(observed[1], observed[0]);
    });
  }

  same('bytes and both ends', 'plain', 1, /^tcp\.plain\./, (port) => talk(port, 'abc', true));
  same('idle_timeout', 'idle', 1, /^tcp\.idle\./, (port) => talk(port, 'abc'));
  same('max_downstream_connection_duration', 'aged', 1, /^tcp\.aged\./, (port) =>
    talk(port, 'abc'),
  );
  same('a host that resets', 'resets', 1, /^tcp\.resets\./, (port) => talk(port, 'abc'));
  same(
    'a host that refuses',
    'dead',
    1,
    /^(tcp\.dead|cluster\.dead\.upstream_(cx|rq)_(connect|pending_failure|total|overflow))/,
    (port) => talk(port, ''),
  );
  same('no host', 'empty', 1, /^(tcp\.empty|cluster\.empty\.upstream_cx_none)/, (port) =>
    talk(port, ''),
  );
  same(
    'no connection left',
    'full',
    1,
    /^(tcp\.full|cluster\.full\.upstream_cx_overflow)/,
    (port) => talk(port, ''),
  );
  same('echo', 'echo', 1, /^none/, (port) => talk(port, 'abc', true));
  same('direct_response', 'direct', 1, /^none/, (port) => talk(port, ''));
  same('connection_limit', 'limited', 2, /^connection_limit\./, async (port) => {
    const first = net.connect(port, '127.0.0.1');
    first.write('x');
    await once(first, 'data');
    const second = await talk(port, '');
    first.end();
    await once(first, 'close');
    return second;
  });
  same('local_ratelimit', 'rated', 2, /^local_rate_limit\./, async (port) => [
    await talk(port, 'abc', true),
    await talk(port, ''),
  ]);
  same('rbac, with shadow rules', 'denied', 2, /^rb\./, (port) => talk(port, 'abc'));
  same('rbac, delayed', 'delayed', 1, /^rbd\./, (port) => talk(port, 'abc'));
  same('rbac, continuous', 'judged', 1, /^rbc\./, (port) => talk(port, 'abc', true));
  same('sni_cluster, a name without cluster', 'sni', 1, /^tcp\.sni\./, (port) =>
    knockTls(port, 'nobody.example'),
  );
  /** What the tunnel's end was asked since the last time. */
  const asked = () => tunnelRequests.splice(0);
  same('tunnelling by CONNECT', 'connect', 1, /^tcp\.connect\./, async (port) => [
    await talk(port, 'abc', true),
    asked(),
  ]);
  test('a tunnel that breaks off is a reset here, a clean end there (docs/differences.md)', async () => {
    const seen = [];
    for (const proxy of [envoy, remora]) {
      const { ended } = await talk(proxy.port('connect'), 'reset');
      const lines = await logLines(proxy, 'connect', 2);
      seen.push([ended, lines.some((line) => line.includes(' [UR] '))]);
    }
    asked();
    assert.deepEqual(seen, [
      ['end', false],
      ['ECONNRESET', true],
    ]);
  });
  same('tunnelling by POST', 'post', 1, /^tcp\.post\./, async (port) => [
    await talk(port, 'abc', true),
    asked(),
  ]);
  same(
    'a tunnel that is refused',
    'deny',
    1,
    /^(tcp\.deny\.|cluster\.tunnels\.upstream_cx_connect_attempts)/,
    async (port) => [await talk(port, ''), asked()],
  );
  same('TLVs of tcp_proxy in the PROXY header', 'tlvs', 1, /^tcp\.tlvs\./, async (port) => {
    const seen = await talk(port, '');
    assert.match(seen.received, / e20003616263e3000178$/);
    return seen;
  });
  same('TLVs beside a PROXY header of the client', 'kept', 1, /^tcp\.kept\./, (port) =>
    talk(port, 'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n'),
  );
  same('through a tunnel that the other of the two ends', 'via', 1, /^tcp\.via\./, (port) =>
    talk(port, 'x'.repeat(300_000), true),
  );
  same('log lines at start and when connected', 'logs', 3, /^tcp\.logs\./, (port) =>
    talk(port, 'abc', true),
  );
});

async function startEnvoy(yaml: string, log: string): Promise<Proxy> {
  const proxy: RunningProxy = await startProxy(
    'envoy',
    findPeer('envoy') ?? 'envoy',
    ({ admin }) =>
      `admin: { address: { socket_address: { address: 127.0.0.1, port_value: ${admin} } } }${yaml}`,
  );
  const ports = new Map<string, number>();
  for (const line of (await proxy.admin('/listeners')).trim().split('\n')) {
    const [name = '', address = ''] = line.split('::');
    ports.set(name, Number(address.split(':').at(-1)));
  }
  return {
    port: (listener) => ports.get(listener) ?? 0,
    admin: (path) => proxy.admin(path),
    log,
    stop: () => proxy.stop(),
  };
}

async function startRemora(yaml: string, log: string): Promise<Proxy> {
  const sidecar: Sidecar = await startSidecar(yaml);
  return {
    port: (listener) => sidecar.port(listener),
    admin: (path) => sidecar.admin(path),
    log,
    stop: () => sidecar.stop(),
  };
}
