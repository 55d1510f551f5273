// Upgrades and CONNECT side by side with Envoy: the same bytes to both, before and after the tunnel is open. What
// the client gets, what the upstream gets and what the access log says must be the same, but for the differences
// that carry the name of their entry in docs/differences.md.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SocketReader } from '../../integration/tunnel-scene.ts';
import { findPeer, skipWithout } from '../peers.ts';
import { type RunningProxy, startProxy } from '../proxies.ts';

const here = fileURLToPath(new URL('.', import.meta.url));

const bootstrap = (listen: number, admin: number, upstream: number, log: string) => `
admin: { address: { socket_address: { address: 127.0.0.1, port_value: ${admin} } } }
static_resources:
  listeners:
    - name: ingress
      address: { socket_address: { address: 127.0.0.1, port_value: ${listen} } }
      filter_chains:
        - filters:
            - name: hcm
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: ingress
                upgrade_configs: [{ upgrade_type: websocket }, { upgrade_type: CONNECT }, { upgrade_type: "off", enabled: false }]
                access_log: [{ name: f, typed_config: { "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: ${log}, log_format: { text_format_source: { inline_string: "%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_CLUSTER%\\n" } } } }]
                http_filters: [{ name: router, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } }]
                route_config:
                  virtual_hosts:
                    - name: ended
                      domains: ["ended.test:443"]
                      routes: [{ match: { connect_matcher: {} }, route: { cluster: upstream, upgrade_configs: [{ upgrade_type: CONNECT, connect_config: {} }] } }]
                    - name: proxied
                      domains: ["proxied.test:443"]
                      routes: [{ match: { connect_matcher: {} }, route: { cluster: upstream, upgrade_configs: [{ upgrade_type: CONNECT, connect_config: { proxy_protocol_config: { version: V1 } } }] } }]
                    - name: refused
                      domains: ["refused.test:443"]
                      routes: [{ match: { connect_matcher: {} }, route: { cluster: upstream, upgrade_configs: [{ upgrade_type: CONNECT, enabled: false }] } }]
                    - name: pathed
                      domains: ["pathed.test:443"]
                      routes: [{ match: { prefix: / }, route: { cluster: upstream } }]
                    - name: rest
                      domains: ["*"]
                      routes:
                        - match: { prefix: /disabled }
                          route: { cluster: upstream, upgrade_configs: [{ upgrade_type: websocket, enabled: false }] }
                        - match: { prefix: /foo }
                          route: { cluster: upstream, upgrade_configs: [{ upgrade_type: foo }] }
                        - match: { prefix: /post }
                          route: { cluster: upstream, upgrade_configs: [{ upgrade_type: CONNECT, connect_config: { allow_post: true } }] }
                        - match: { prefix: /slow }
                          route: { cluster: upstream, timeout: 0.3s }
                        - match: { connect_matcher: {} }
                          route: { cluster: upstream }
                        - match: { prefix: / }
                          route: { cluster: upstream }
  clusters:
    - name: upstream
      type: STATIC
      connect_timeout: 1s
      load_assignment: { cluster_name: upstream, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${upstream} } } } }] }] }
`;

interface Case {
  readonly name: string;
  readonly bytes: string;
  /** The upstream's first answer; '' = none. Default: 101 to an upgrade, 200 to CONNECT. */
  readonly answer?: string;
  /** The client sends this when it has a head, and the upstream echoes it. */
  readonly payload?: string;
  readonly difference?: string;
}

const ws = (path: string, more = '', type = 'websocket', method = 'GET') =>
  `${method} ${path} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: ${type}\r\n${more}\r\n`;
const version = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';
const connect = (target: string, more = '') =>
  `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${more}\r\n`;
const switching = (more = '') =>
  `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${more}\r\n`;

const cases: readonly Case[] = [
  { name: 'a WebSocket', bytes: ws('/a', version), payload: 'frames' },
  {
    name: 'Connection with other tokens',
    bytes: `GET /a HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n${version}\r\n`,
    payload: 'frames',
  },
  {
    name: 'a WebSocket answered 426',
    bytes: ws('/a', version),
    answer: 'HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nno',
  },
  {
    name: 'a WebSocket answered 200',
    bytes: ws('/a', version),
    answer: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain',
    difference: '**Declined WebSockets**',
  },
  {
    name: 'a WebSocket answered 302',
    bytes: ws('/a', version),
    answer: 'HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n',
  },
  {
    name: 'a WebSocket answered 503',
    bytes: ws('/a', version),
    answer: 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n',
  },
  { name: 'a WebSocket that nobody answers in time', bytes: ws('/slow', version), answer: '' },
  { name: 'a WebSocket where the route has it off', bytes: ws('/disabled', version) },
  {
    name: 'a protocol that only the route allows',
    bytes: ws('/foo', '', 'FOO'),
    answer: 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n',
    payload: 'foo bytes',
  },
  { name: 'a protocol that nobody allows', bytes: ws('/a', '', 'foo') },
  { name: 'a protocol that is switched off', bytes: ws('/a', '', 'off') },
  {
    name: 'Upgrade without Connection',
    bytes: `GET /a HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n${version}\r\n`,
    answer: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  },
  { name: 'CONNECT forwarded', bytes: connect('any.test:443'), payload: 'tunnel' },
  {
    name: 'CONNECT forwarded and refused',
    bytes: connect('any.test:443'),
    answer: 'HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno',
  },
  { name: 'CONNECT ended here', bytes: connect('ended.test:443'), answer: '', payload: 'raw' },
  {
    name: 'CONNECT ended here with a PROXY header',
    bytes: connect('proxied.test:443'),
    answer: '',
    payload: 'raw',
  },
  { name: 'CONNECT where the route has it off', bytes: connect('refused.test:443') },
  { name: 'CONNECT to a host with path routes only', bytes: connect('pathed.test:443') },
  { name: 'CONNECT with content', bytes: connect('any.test:443', 'Content-Length: 3\r\n') },
  { name: 'CONNECT in chunks', bytes: connect('any.test:443', 'Transfer-Encoding: chunked\r\n') },
  {
    name: 'CONNECT with an empty content',
    bytes: connect('any.test:443', 'Content-Length: 0\r\n'),
    payload: 'tunnel',
  },
  {
    name: 'POST for a CONNECT',
    bytes: 'POST /post HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
    answer: 'raw answer',
  },
  {
    name: 'a 101 that nobody asked for',
    bytes: 'GET /a HTTP/1.1\r\nHost: h\r\n\r\n',
    answer: switching(),
    difference: '**Unsolicited 101**',
  },
  {
    name: 'a WebSocket by POST',
    bytes: ws('/a', version, 'websocket', 'POST'),
    difference: '**WebSockets begin**',
  },
  {
    name: 'a WebSocket of version 7',
    bytes: ws('/a', 'Sec-WebSocket-Version: 7\r\n'),
    difference: '**WebSockets begin**',
  },
];

interface Observed {
  client: string;
  clientEnded: boolean;
  upstream: string;
}

const GENERATED = /^(date|x-request-id|x-envoy-upstream-service-time|x-forwarded-proto): .*$/gim;

/** Heads with sorted lines and without what is made up. */
function masked(text: string): string {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return withoutPorts(text);
  const [first, ...lines] = text.slice(0, end).replace(GENERATED, '$1: *').split('\r\n');
  const body = text.slice(end + 4);
  return [
    first,
    ...lines.map((line) => line.replace(/^[^:]+/, (name) => name.toLowerCase())).sort(),
    '',
    body,
  ].join('\n');
}

const withoutPorts = (text: string) => text.replace(/(PROXY TCP4 \S+ \S+) \d+ \d+/, '$1 * *');

describe('upgrades side by side with Envoy', { skip: skipWithout('envoy') }, () => {
  const proxies: Record<'envoy' | 'remora', RunningProxy | null> = { envoy: null, remora: null };
  let upstreamPort = 0;
  let answer = '';
  let upstream = '';
  let sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {}); // the other end may go at any time
    let head = false;
    socket.on('data', (chunk: Buffer) => {
      upstream += chunk.toString('latin1');
      if (!head) {
        head = true;
        if (answer !== '') socket.write(answer);
        else socket.write(chunk.toString('latin1').startsWith('GET') ? '' : 'echo ');
      } else if (answer !== '') socket.write(chunk);
    });
    socket.on('end', () => socket.end());
  });

  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    upstreamPort = (server.address() as net.AddressInfo).port; // it listens on TCP
    for (const kind of ['envoy', 'remora'] as const) {
      proxies[kind] = await startProxy(kind, findPeer('envoy') ?? 'envoy', (ports, directory) =>
        bootstrap(ports.listen, ports.admin, upstreamPort, join(directory, 'access.log')),
      );
    }
  });

  after(async () => {
    await proxies.envoy?.stop();
    await proxies.remora?.stop();
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  async function observe(kind: 'envoy' | 'remora', one: Case): Promise<Observed> {
    const proxy = proxies[kind];
    assert.ok(proxy !== null);
    for (const socket of sockets) socket.destroy();
    sockets = new Set();
    upstream = '';
    answer =
      one.answer ??
      (one.bytes.startsWith('CONNECT')
        ? 'HTTP/1.1 200 OK\r\nX-Up: 1\r\n\r\n'
        : switching('X-Up: 1\r\n'));
    const socket = net.connect(proxy.ports.listen, '127.0.0.1');
    socket.on('error', () => {}); // seen as the end
    const reader = new SocketReader(socket);
    socket.write(one.bytes);
    await reader.until(({ text, ended }) => text.includes('\r\n\r\n') || ended);
    if (one.payload !== undefined) {
      socket.write(one.payload);
      const { payload } = one;
      const sign = answer === '' ? 'echo ' : payload;
      await reader.until(({ text, ended }) => text.endsWith(sign) || ended);
      while (!upstream.endsWith(payload) && !reader.ended) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    } else {
      // A refused one is the last of its connection: Envoy waits for delayed_close_timeout, 1 s.
      const deadline = performance.now() + 1500;
      while (!reader.ended && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    const observed = {
      client: masked(reader.text),
      clientEnded: reader.ended,
      upstream: masked(upstream),
    };
    socket.destroy();
    const deadline = performance.now() + 5000;
    while (sockets.size > 0 && performance.now() < deadline) {
      for (const open of sockets) if (open.destroyed) sockets.delete(open);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return observed;
  }

  for (const one of cases) {
    test(one.name, async () => {
      const envoy = await observe('envoy', one);
      const remora = await observe('remora', one);
      if (one.difference === undefined) {
        assert.deepEqual(remora, envoy);
        return;
      }
      const differences = readFileSync(join(here, '../../../docs/differences.md'), 'utf8');
      assert.ok(differences.includes(one.difference), `not in differences.md: ${one.difference}`);
      assert.notDeepEqual(remora, envoy, 'no longer differs: take the mark off the case');
    });
  }

  test('the access log says the same', async () => {
    const read = async (kind: 'envoy' | 'remora') => {
      await proxies[kind]?.stop();
      const text = readFileSync(join(proxies[kind]?.directory ?? '', 'access.log'), 'utf8');
      // A tunnel whose client goes away is half-closed here and ends in order; see differences.md, Half-close.
      return text
        .trimEnd()
        .split('\n')
        .filter((_, i) => cases[i]?.difference === undefined && cases[i]?.payload === undefined);
    };
    assert.deepEqual(await read('remora'), await read('envoy'));
  });
});
