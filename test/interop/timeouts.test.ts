// Timeouts of connections and streams side by side with Envoy: one bootstrap, the same bytes. What the client gets,
// how its connection ends, what the access log says and which counters move must be the same.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import os from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Sidecar, startSidecar } from '../integration/sidecar.ts';
import { findPeer, skipWithout } from './peers.ts';
import { type RunningProxy, startProxy } from './proxies.ts';

const types = 'type.googleapis.com/envoy.extensions';
const hcmType = `${types}.filters.network.http_connection_manager.v3.HttpConnectionManager`;
const upstreamType = `${types}.upstreams.http.v3.HttpProtocolOptions`;
const LOG_TIMEOUT_MS = 10_000;

const GET = 'GET /silent HTTP/1.1\r\nhost: a\r\n\r\n';
const HALF_POST = 'POST /silent HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc';
const QUICK = 'GET /quick HTTP/1.1\r\nhost: a\r\n\r\n';

interface Case {
  readonly name: string;
  /** Fields of the connection manager. */
  readonly hcm?: string;
  /** Fields of the route action. */
  readonly route?: string;
  readonly cluster?: 'backend' | 'aged';
  /** Bytes in turn; a number waits so many ms. */
  readonly send: readonly (string | number)[];
  /** After Connection: close Envoy leaves the connection open until drain_timeout; we do not. */
  readonly closesSooner?: boolean;
  /** Counters below `http.<name>.` that must have moved alike. */
  readonly stats: readonly string[];
}

const short = '0.3s';
const cases: readonly Case[] = [
  {
    name: 'idle_complete',
    hcm: `stream_idle_timeout: ${short}`,
    send: [GET],
    stats: ['downstream_rq_idle_timeout', 'downstream_rq_5xx'],
  },
  {
    name: 'idle_incomplete',
    hcm: `stream_idle_timeout: ${short}`,
    send: [HALF_POST],
    stats: ['downstream_rq_idle_timeout', 'downstream_rq_4xx'],
  },
  {
    name: 'idle_in_response',
    hcm: `stream_idle_timeout: ${short}`,
    send: ['GET /stuck HTTP/1.1\r\nhost: a\r\n\r\n'],
    stats: ['downstream_rq_idle_timeout', 'downstream_rq_tx_reset'],
  },
  {
    name: 'route_idle',
    route: `idle_timeout: ${short}`,
    send: [GET],
    stats: ['downstream_rq_idle_timeout'],
  },
  {
    name: 'route_idle_off',
    hcm: `stream_idle_timeout: 0.1s`,
    route: 'idle_timeout: 0s, timeout: 0.5s',
    send: [GET],
    stats: ['downstream_rq_idle_timeout', 'downstream_rq_5xx'],
  },
  {
    name: 'request',
    hcm: `request_timeout: ${short}`,
    send: [HALF_POST],
    stats: ['downstream_rq_timeout', 'downstream_rq_4xx'],
  },
  {
    name: 'headers',
    hcm: `request_headers_timeout: ${short}`,
    send: ['GET / HTTP/1.1\r\nhos'],
    stats: ['downstream_rq_header_timeout', 'downstream_rq_4xx'],
  },
  {
    name: 'max_complete',
    hcm: `common_http_protocol_options: { max_stream_duration: ${short} }`,
    send: [GET],
    stats: ['downstream_rq_max_duration_reached', 'downstream_rq_5xx'],
  },
  {
    name: 'max_incomplete',
    hcm: `common_http_protocol_options: { max_stream_duration: ${short} }`,
    send: [HALF_POST],
    stats: ['downstream_rq_max_duration_reached', 'downstream_rq_4xx'],
  },
  {
    name: 'route_max',
    hcm: 'common_http_protocol_options: { max_stream_duration: 60s }',
    route: `max_stream_duration: { max_stream_duration: ${short} }`,
    send: [GET],
    stats: ['downstream_rq_max_duration_reached'],
  },
  {
    name: 'route_max_off',
    hcm: 'common_http_protocol_options: { max_stream_duration: 0.1s }',
    route: 'max_stream_duration: { max_stream_duration: 0s }, timeout: 0.5s',
    send: [GET],
    stats: ['downstream_rq_max_duration_reached', 'downstream_rq_5xx'],
  },
  { name: 'cluster_max', cluster: 'aged', send: [GET], stats: ['downstream_rq_5xx'] },
  {
    name: 'cluster_max_incomplete',
    cluster: 'aged',
    send: [HALF_POST],
    stats: ['downstream_rq_4xx'],
  },
  {
    name: 'connection_never_spoke',
    hcm: `common_http_protocol_options: { idle_timeout: ${short} }`,
    send: [],
    stats: ['downstream_cx_idle_timeout', 'downstream_cx_destroy_local'],
  },
  {
    name: 'connection_idle',
    hcm: `drain_timeout: 0.1s, common_http_protocol_options: { idle_timeout: ${short} }`,
    send: [QUICK],
    stats: ['downstream_cx_idle_timeout', 'downstream_cx_destroy_local'],
  },
  {
    name: 'connection_idle_used_in_drain',
    closesSooner: true,
    hcm: `drain_timeout: 60s, common_http_protocol_options: { idle_timeout: ${short} }`,
    send: [QUICK, 700, QUICK],
    stats: ['downstream_rq_total'],
  },
  {
    name: 'connection_aged',
    closesSooner: true,
    hcm: `drain_timeout: 60s, common_http_protocol_options: { max_connection_duration: ${short} }`,
    send: [QUICK, 700, QUICK],
    stats: ['downstream_cx_max_duration_reached', 'downstream_rq_total'],
  },
  {
    name: 'connection_aged_idle',
    hcm: `drain_timeout: 0.2s, common_http_protocol_options: { max_connection_duration: ${short} }`,
    send: [QUICK],
    stats: ['downstream_cx_max_duration_reached'],
  },
  {
    name: 'connection_requests',
    hcm: 'common_http_protocol_options: { max_requests_per_connection: 2 }',
    send: [QUICK, 200, QUICK],
    stats: ['downstream_cx_max_requests_reached'],
  },
];

function bootstrap(backendPort: number, log: string): string {
  const format = '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%';
  const listener = ({ name, hcm = '', route = '', cluster = 'backend' }: Case): string => `
    - name: ${name}
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
      # With it the kernel may give two listeners of Envoy the same port.
      enable_reuse_port: false
      filter_chains:
        - filters:
            - name: h
              typed_config:
                "@type": ${hcmType}
                stat_prefix: ${name}
                ${hcm.replaceAll(/, (?=\w+:)(?![^{]*\})/g, '\n                ')}
                route_config: { virtual_hosts: [{ name: v, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: ${cluster}${route === '' ? '' : `, ${route}`} } }] }] }
                http_filters: [{ name: envoy.filters.http.router, typed_config: { "@type": ${types}.filters.http.router.v3.Router } }]
                access_log: [{ name: f, typed_config: { "@type": ${types}.access_loggers.file.v3.FileAccessLog, path: ${log}, log_format: { text_format_source: { inline_string: "${name} ${format}\\n" } } } }]`;
  const cluster = (name: string, more: string): string => `
    - name: ${name}
      type: STATIC
      ${more}
      load_assignment: { cluster_name: ${name}, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${backendPort} } } } }] }] }`;
  const aged = `typed_extension_protocol_options: { envoy.extensions.upstreams.http.v3.HttpProtocolOptions: { "@type": ${upstreamType}, common_http_protocol_options: { max_stream_duration: ${short} }, explicit_http_config: { http_protocol_options: {} } } }`;
  return `
static_resources:
  listeners:${cases.map(listener).join('')}
  clusters:${cluster('backend', '')}${cluster('aged', aged)}
`;
}

/** All that came until the connection ended, or until nothing was left to wait for; without dates and times. */
function exchange(port: number, send: readonly (string | number)[]): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    let seen = '';
    const finish = (end: string): void => {
      socket.destroy();
      clearTimeout(timer);
      resolve(
        `${seen
          .replaceAll(/^date: .*\r\n/gm, '')
          .replaceAll(/^x-envoy-upstream-service-time: .*\r\n/gm, '')} <${end}>`,
      );
    };
    const timer = setTimeout(() => finish('open'), 2500);
    socket.on('data', (chunk: Buffer) => {
      seen += chunk.toString('latin1');
    });
    socket.on('end', () => finish('end'));
    socket.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? 'error'));
    void (async () => {
      for (const step of send) {
        if (typeof step === 'string') socket.write(step);
        else await new Promise((resume) => setTimeout(resume, step));
      }
    })();
  });
}

describe('timeouts as Envoy has them', { skip: skipWithout('envoy') }, () => {
  const directory = mkdtempSync(join(os.tmpdir(), 'remora-timeouts-'));
  const logs = { envoy: join(directory, 'envoy.log'), remora: join(directory, 'remora.log') };
  let envoy: RunningProxy;
  let sidecar: Sidecar;
  const envoyPorts = new Map<string, number>();
  const backend = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1');
      if (text.includes('/quick')) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
      if (text.includes('/stuck')) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok');
    });
  });

  before(async () => {
    backend.listen(0, '127.0.0.1');
    await once(backend, 'listening');
    const { port } = backend.address() as AddressInfo; // a TCP server has one
    envoy = await startProxy('envoy', findPeer('envoy') ?? '', ({ admin }) => {
      const text = `admin: { address: { socket_address: { address: 127.0.0.1, port_value: ${admin} } } }\n`;
      return text + bootstrap(port, logs.envoy);
    });
    sidecar = await startSidecar(bootstrap(port, logs.remora));
    for (const line of (await envoy.admin('/listeners')).trim().split('\n')) {
      const [name = '', address = ''] = line.split('::');
      envoyPorts.set(name, Number(address.split(':').at(-1)));
    }
  });
  after(async () => {
    await envoy?.stop();
    await sidecar?.stop();
    backend.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function logged(file: string, name: string, count: number): Promise<string[]> {
    const end = performance.now() + LOG_TIMEOUT_MS;
    for (;;) {
      const lines = readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line.startsWith(`${name} `));
      if (lines.length >= count || performance.now() > end) return lines;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  const counters = (text: string, { name, stats }: Case): string[] =>
    text
      .split('\n')
      .filter((line) => stats.some((stat) => line.startsWith(`http.${name}.${stat}: `)));

  for (const one of cases) {
    test(one.name, async () => {
      const { name, send } = one;
      const [theirs, ours] = await Promise.all([
        exchange(envoyPorts.get(name) ?? 0, send),
        exchange(sidecar.port(name), send),
      ]);
      if (one.closesSooner === true) {
        // docs/differences.md: Connection: close.
        assert.match(theirs, /connection: close\r\n\r\nok <open>$/);
        assert.equal(ours, theirs.replace('<open>', '<end>'));
      } else assert.equal(ours, theirs);
      const requests = send.filter((step) => typeof step === 'string').length;
      const expected = await logged(logs.envoy, name, requests);
      assert.deepEqual(await logged(logs.remora, name, expected.length), expected);
      assert.deepEqual(
        counters(await sidecar.admin('/stats'), one),
        counters(await envoy.admin('/stats'), one),
      );
    });
  }
});
