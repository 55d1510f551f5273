// Network filters and tcp_proxy in a whole sidecar with two workers: limits that are exact over both, TLS passed
// through by server name, and what the access log says of each refusal.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import os from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { TestCa } from '../fakes/pki.ts';
import { type Sidecar, startSidecar } from './sidecar.ts';

const MAX_CONNECTIONS = 7;
const TOKENS = 9;
const TRIES = 40;

const type = (name: string): string =>
  `"@type": type.googleapis.com/envoy.extensions.filters.network.${name}`;

function listener(name: string, chains: string, more = ''): string {
  return `
    - name: ${name}
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
      ${more}
      filter_chains: [${chains}]`;
}

const chain = (...filters: readonly string[]): string => `{ filters: [${filters.join(', ')}] }`;
const filter = (name: string, body: string): string =>
  `{ name: f, typed_config: { ${type(name)}, ${body} } }`;

function cluster(name: string, port: number): string {
  const endpoint = `{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }`;
  return `
    - name: ${name}
      type: STATIC
      load_assignment: { cluster_name: ${name}, endpoints: [{ lb_endpoints: [${endpoint}] }] }`;
}

interface Outcome {
  /** 'in': it answered. 'out': closed before it did. */
  readonly side: 'in' | 'out';
  readonly socket: net.Socket;
}

/** Connects and says a word; resolves when it is echoed or the connection is gone. */
function knock(port: number): Promise<Outcome> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write('x');
    socket.once('data', () => resolve({ side: 'in', socket }));
    socket.once('close', () => resolve({ side: 'out', socket }));
  });
}

async function knockMany(port: number): Promise<Outcome[]> {
  return Promise.all(Array.from({ length: TRIES }, () => knock(port)));
}

const count = (outcomes: readonly Outcome[]): number =>
  outcomes.filter(({ side }) => side === 'in').length;

describe('network filters in a sidecar with two workers', () => {
  const directory = mkdtempSync(join(os.tmpdir(), 'remora-test-tcp-'));
  const log = join(directory, 'access.log');
  const servers: net.Server[] = [];
  let ca: TestCa;
  let sidecar: Sidecar;

  async function serve(server: net.Server): Promise<number> {
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port; // a TCP server has one
  }

  /** A TLS server that greets with its own name. */
  async function serveTls(name: string): Promise<number> {
    const { certificatePem, privateKeyPem } = await ca.issue({ dns: [name] });
    return serve(
      tls.createServer({ cert: certificatePem, key: privateKeyPem }, (socket) => {
        socket.on('error', () => {});
        socket.end(`I am ${name}`);
      }),
    );
  }

  before(async () => {
    ca = await TestCa.create('test');
    const accessLog = `access_log: [{ name: f, typed_config: { "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: ${log}, log_format: { text_format_source: { inline_string: "%ACCESS_LOG_TYPE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %CONNECTION_TERMINATION_DETAILS% %DOWNSTREAM_LOCAL_CLOSE_REASON% %UPSTREAM_CLUSTER%\\n" } } } }]`;
    const proxyTo = (name: string, more = '') =>
      filter('tcp_proxy.v3.TcpProxy', `stat_prefix: t, cluster: ${name}${more}`);
    const sniChain = (name: string, to: string) =>
      `{ filter_chain_match: { server_names: [${name}] }, filters: [${proxyTo(to)}] }`;
    const deny =
      'rules: { action: DENY, policies: { "no one": { permissions: [{ any: true }], principals: [{ any: true }] } } }';
    const echoPort = await serve(
      net.createServer((socket) => {
        socket.on('error', () => {});
        socket.pipe(socket);
      }),
    );
    sidecar = await startSidecar(
      `
static_resources:
  listeners:${listener(
    'limited',
    chain(
      filter(
        'connection_limit.v3.ConnectionLimit',
        `stat_prefix: cl, max_connections: ${MAX_CONNECTIONS}`,
      ),
      proxyTo('echo'),
    ),
  )}${listener(
    'rated',
    chain(
      filter(
        'local_ratelimit.v3.LocalRateLimit',
        `stat_prefix: rl, token_bucket: { max_tokens: ${TOKENS}, fill_interval: 3600s }`,
      ),
      proxyTo('echo'),
    ),
  )}${listener(
    'denied',
    chain(filter('rbac.v3.RBAC', `stat_prefix: rb, ${deny}`), proxyTo('echo', `, ${accessLog}`)),
  )}${listener('echo', chain(`{ name: f, typed_config: { ${type('echo.v3.Echo')} } }`), accessLog)}${listener(
    'passthrough',
    `${sniChain('one.example', 'one')}, ${sniChain('"*.two.example"', 'two')}`,
  )}${listener(
    'sni',
    chain(`{ name: f, typed_config: { ${type('sni_cluster.v3.SniCluster')} } }`, proxyTo('echo')),
    'listener_filters: [{ name: f, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector } }]',
  )}
  clusters:${cluster('echo', echoPort)}${cluster('one', await serveTls('one.example'))}${cluster('two', await serveTls('a.two.example'))}
`,
      { concurrency: 2 },
    );
  });

  after(async () => {
    await sidecar.stop();
    for (const server of servers) server.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test('connection_limit lets exactly max_connections in, whichever workers they meet', async () => {
    const port = sidecar.port('limited');
    const outcomes = await knockMany(port);
    assert.equal(count(outcomes), MAX_CONNECTIONS);
    await sidecar.untilStat(
      'connection_limit.cl.limited_connections',
      (value) => value === TRIES - MAX_CONNECTIONS,
    );
    await sidecar.untilStat(
      'connection_limit.cl.active_connections',
      (value) => value === MAX_CONNECTIONS,
    );
    for (const { socket } of outcomes) socket.destroy();
    await sidecar.untilStat('connection_limit.cl.active_connections', (value) => value === 0);
    const again = await knockMany(port);
    assert.equal(count(again), MAX_CONNECTIONS, 'every place was given back');
    for (const { socket } of again) socket.destroy();
  });

  test('local_ratelimit gives exactly its tokens, whichever workers ask', async () => {
    const outcomes = await knockMany(sidecar.port('rated'));
    assert.equal(count(outcomes), TOKENS);
    for (const { socket } of outcomes) socket.destroy();
    await sidecar.untilStat(
      'local_rate_limit.rl.rate_limited',
      (value) => value === TRIES - TOKENS,
    );
  });

  test('rbac denies with its policy in the access log', async () => {
    const { side } = await knock(sidecar.port('denied'));
    assert.equal(side, 'out');
    await sidecar.untilStat('rb.rbac.denied', (value) => value === 1);
    await logLine(
      'TcpConnectionEnd - 1 0 rbac_access_denied_matched_policy[no_one] rbac_deny_close echo',
    );
  });

  test("echo answers, and its connection is in the listener's access log", async () => {
    const { side, socket } = await knock(sidecar.port('echo'));
    assert.equal(side, 'in');
    socket.end();
    await logLine('NotSet - 1 1 - - -');
  });

  /** Waits until the access log, which is flushed at intervals, has the line. */
  async function logLine(expected: string): Promise<void> {
    const end = performance.now() + 10_000;
    for (;;) {
      const lines = readFileSync(log, 'utf8').trim().split('\n');
      if (lines.includes(expected)) return;
      assert.ok(performance.now() < end, `not in the log: ${expected}\n${lines.join('\n')}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** What the server behind the sidecar says, verified by its own certificate: nobody ended TLS on the way. */
  function greeting(port: number, servername: string): Promise<string> {
    return new Promise((resolve) => {
      let text = '';
      const socket = tls.connect({ port, host: '127.0.0.1', servername, ca: ca.certificatePem });
      socket.on('data', (chunk) => {
        text += String(chunk);
      });
      socket.on('error', () => resolve(text));
      socket.on('end', () => resolve(text));
    });
  }

  test('TLS is passed through to the cluster of the chain that its server name matches', async () => {
    const port = sidecar.port('passthrough');
    assert.equal(await greeting(port, 'one.example'), 'I am one.example');
    assert.equal(await greeting(port, 'a.two.example'), 'I am a.two.example');
    assert.equal(await greeting(port, 'three.example'), '');
  });

  test('sni_cluster sends to the cluster of that name, and to none when there is none', async () => {
    const port = sidecar.port('sni');
    // Clusters are named `one` and `two`; the certificates are for other names.
    const socket = tls.connect({
      port,
      host: '127.0.0.1',
      servername: 'one',
      rejectUnauthorized: false,
    });
    const [chunk] = (await once(socket, 'data')) as [Buffer]; // what sockets give
    assert.equal(String(chunk), 'I am one.example');
    socket.destroy();
    assert.equal(await greeting(port, 'nobody'), '');
    await sidecar.untilStat('tcp.t.downstream_cx_no_route', (value) => value === 1);
  });
});
