// Upgrades and CONNECT through a whole sidecar: real sockets, Node's WebSocket client, half-close, timeouts, logs.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type net from 'node:net';
import { afterEach, test } from 'node:test';
import { SocketReader, TunnelScene, type TunnelSceneOptions } from './tunnel-scene.ts';

let scene: TunnelScene | null = null;

async function start(options: TunnelSceneOptions = {}): Promise<TunnelScene> {
  scene = await TunnelScene.start(options);
  return scene;
}

afterEach(async () => {
  await scene?.stop();
  scene = null;
});

const upgrade = (type: string, more = '') =>
  `GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: ${type}\r\n${more}\r\n`;
const webSocket = upgrade(
  'websocket',
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n',
);
const SWITCHING =
  'HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n';

/** Accepts every WebSocket, echoes its frames and answers pings; see RFC 6455 5.2 for the frame. */
function echoWebSocket(socket: net.Socket, head: string): void {
  const key = /sec-websocket-key: (\S+)/i.exec(head)?.[1] ?? '';
  const accept = createHash('sha1')
    .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  let received = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    for (;;) {
      if (received.length < 2) return;
      const short = received[1]! & 0x7f;
      const lengthBytes = short === 126 ? 2 : 0;
      const length = lengthBytes === 0 ? short : received.readUInt16BE(2);
      const start = 2 + lengthBytes + 4;
      if (received.length < start + length) return;
      const mask = received.subarray(start - 4, start);
      const payload = Buffer.from(received.subarray(start, start + length));
      for (let i = 0; i < length; i++) payload[i]! ^= mask[i % 4]!;
      const opcode = received[0]! & 0x0f;
      const header = Buffer.from(received.subarray(0, 2 + lengthBytes));
      header[1]! &= 0x7f;
      // Ping becomes pong; close is echoed, and is the end.
      if (opcode === 9) header[0] = 0x8a;
      socket.write(Buffer.concat([header, payload]));
      if (opcode === 8) socket.end();
      received = received.subarray(start + length);
    }
  });
}

test('a WebSocket goes both ways, with pings, and ends with its close frame', async () => {
  const current = await start();
  current.onHead = echoWebSocket;
  const client = new WebSocket(`ws://127.0.0.1:${current.port}/chat`);
  const messages: string[] = [];
  await new Promise<void>((resolve, reject) => {
    client.onopen = () => client.send('hello');
    client.onerror = () => reject(new Error('the WebSocket failed'));
    client.onmessage = ({ data }) => {
      messages.push(String(data));
      if (messages.length === 1) client.send('x'.repeat(60_000));
      else client.close(1000);
    };
    client.onclose = ({ code }) => {
      assert.equal(code, 1000);
      resolve();
    };
  });
  assert.deepEqual(messages, ['hello', 'x'.repeat(60_000)]);
  const [line] = await current.logs(1);
  assert.equal(line?.code, 101);
  assert.ok(line !== undefined && line.received > 60_000 && line.sent > 60_000);
  assert.equal(await current.stat('http.ingress.downstream_cx_upgrades_total'), 1);
  await current.sidecar.untilStat('http.ingress.downstream_cx_upgrades_active', (n) => n === 0);
  await current.sidecar.untilStat('cluster.upstream.upstream_rq_active', (n) => n === 0);
  assert.equal(await current.stat('cluster.upstream.upstream_rq_101'), 1);
});

test('the upstream sees the upgrade as it was asked for, without framing', async () => {
  const current = await start({ upgrades: '[{ upgrade_type: Foo }]' });
  current.onHead = (socket) => {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\nfirst',
    );
    socket.on('data', (chunk: Buffer) => socket.write(`got ${chunk.toString('latin1')}`));
    socket.on('end', () => socket.end());
  };
  const client = current.connect();
  const reader = new SocketReader(client);
  client.write(upgrade('fOO'));
  await reader.until(({ text }) => text.endsWith('first'));
  assert.match(reader.text, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
  assert.match(reader.text, /\r\nconnection: upgrade\r\nupgrade: foo\r\n/i);
  assert.doesNotMatch(reader.text, /content-length|transfer-encoding|connection: close/);
  assert.match(current.heads[0] ?? '', /\r\nconnection: Upgrade\r\nupgrade: fOO\r\n/);
  assert.doesNotMatch(current.heads[0] ?? '', /content-length|transfer-encoding/);
  client.write('raw');
  await reader.until(({ text }) => text.endsWith('got raw'));
  client.destroy();
  await current.sidecar.untilStat('http.ingress.downstream_rq_active', (n) => n === 0);
  await current.sidecar.untilStat('cluster.upstream.upstream_cx_active', (n) => n === 0);
});

test('what comes before the 101 waits for it, more than the buffer of the codec too', async () => {
  const current = await start();
  let upstream: net.Socket | null = null;
  current.onHead = (socket, _head, rest) => {
    upstream = socket;
    assert.equal(rest.length, 0);
  };
  const client = current.connect();
  const reader = new SocketReader(client);
  const early = `GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n${'e'.repeat(300_000)}`;
  client.write(webSocket + early);
  while (upstream === null) await new Promise((resolve) => setTimeout(resolve, 5));
  const socket: net.Socket = upstream;
  const got = new SocketReader(socket);
  // A request of its own: by now the early bytes would be there.
  await current.stat('http.ingress.downstream_rq_total');
  assert.equal(got.text, '');
  socket.write(SWITCHING);
  await got.until(({ text }) => text.length >= early.length);
  assert.equal(got.text, early);
  await reader.until(({ text }) => text.includes('101'));
  assert.equal(current.heads.length, 1);
  assert.equal(await current.stat('http.ingress.downstream_rq_total'), 1);
  client.destroy();
});

test('half-close: each end says when it is done, and the other may go on', async () => {
  const current = await start();
  for (const first of ['client', 'upstream'] as const) {
    const ends = await openTunnel(current);
    const [a, b] = first === 'client' ? ends : [ends[1], ends[0]];
    a.socket.end('last of a');
    await b.reader.until(({ text, ended }) => text.endsWith('last of a') && ended);
    b.socket.write('still here');
    await a.reader.until(({ text }) => text.endsWith('still here'));
    b.socket.end('and done');
    await a.reader.until(({ text, ended }) => text.endsWith('and done') && ended);
    await a.reader.until(({ closed }) => closed);
    await b.reader.until(({ closed }) => closed);
  }
  const lines = await current.logs(2);
  assert.deepEqual(
    lines.map(({ code, flags, details }) => ({ code, flags, details })),
    [0, 1].map(() => ({ code: 101, flags: '-', details: 'via_upstream' })),
  );
  assert.equal(await current.stat('http.ingress.downstream_rq_active'), 0);
  await current.sidecar.untilStat('cluster.upstream.upstream_cx_active', (n) => n === 0);
});

interface End {
  readonly socket: net.Socket;
  readonly reader: SocketReader;
}

/** A WebSocket that is accepted: the client's end and the upstream's. */
async function openTunnel(current: TunnelScene, request = webSocket): Promise<[End, End]> {
  const accepted = new Promise<End>((resolve) => {
    current.onHead = (socket) => {
      socket.write(request.startsWith('CONNECT') ? 'HTTP/1.1 200 OK\r\n\r\n' : SWITCHING);
      resolve({ socket, reader: new SocketReader(socket) });
    };
  });
  const socket = current.connect();
  const reader = new SocketReader(socket);
  socket.write(request);
  const upstream = await accepted;
  await reader.until(({ text }) => text.includes('\r\n\r\n'));
  return [{ socket, reader }, upstream];
}

test('an upstream that declines is answered for as always, and the connection ends', async () => {
  const current = await start();
  current.onHead = (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nplain');
  const client = current.connect();
  const reader = new SocketReader(client);
  client.write(webSocket);
  await reader.until(({ ended }) => ended);
  assert.match(reader.text, /^HTTP\/1\.1 200 OK\r\n.*connection: close\r\n\r\nplain$/s);
  client.destroy();
  await current.sidecar.untilStat('http.ingress.downstream_cx_upgrades_active', (n) => n === 0);
});

test('an upstream that breaks ends the client abruptly, whoever had ended before', async () => {
  const current = await start();
  for (const halfClosed of [false, true]) {
    const [client, upstream] = await openTunnel(current);
    if (halfClosed) {
      client.socket.end();
      await upstream.reader.until(({ ended }) => ended);
    }
    upstream.socket.resetAndDestroy();
    await client.reader.until(({ ended, closed }) => ended || closed);
    client.socket.destroy();
  }
  const lines = await current.logs(2);
  assert.deepEqual(
    lines.map(({ code, flags }) => ({ code, flags })),
    [0, 1].map(() => ({ code: 101, flags: 'UC' })),
  );
});

test('idle timeouts hold for tunnels, the route timeout does not', async () => {
  const routes =
    '[{ match: { prefix: /chat }, route: { cluster: upstream, timeout: 0.2s, idle_timeout: 0.6s } }]';
  const current = await start({ routes });
  const [client, upstream] = await openTunnel(current);
  // Longer than the route's timeout, with no gap as long as idle_timeout.
  for (let i = 0; i < 5; i++) {
    client.socket.write('x');
    await upstream.reader.until(({ text }) => text.length === i + 1);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await client.reader.until(({ ended, closed }) => ended || closed);
  const [line] = await current.logs(1);
  assert.equal(line?.flags, 'SI');
  assert.equal(line?.details, 'stream_idle_timeout');
  assert.equal(line?.received, 5);
  client.socket.destroy();
});

test('the route timeout answers an upgrade that nobody answers', async () => {
  const routes = '[{ match: { prefix: / }, route: { cluster: upstream, timeout: 0.3s } }]';
  const current = await start({ routes });
  current.onHead = () => {};
  const client = current.connect();
  const reader = new SocketReader(client);
  client.write(webSocket);
  await reader.until(({ ended }) => ended);
  assert.match(reader.text, /^HTTP\/1\.1 504 /);
  const [line] = await current.logs(1);
  assert.equal(line?.details, 'response_timeout');
  client.destroy();
});

const busyTunnels: readonly [string, TunnelSceneOptions][] = [
  [
    'the connection manager',
    { hcm: ['common_http_protocol_options: { max_stream_duration: 0.5s }'] },
  ],
  [
    'the route',
    {
      hcm: ['common_http_protocol_options: { max_stream_duration: 60s }'],
      routes:
        '[{ match: { prefix: / }, route: { cluster: upstream, max_stream_duration: { max_stream_duration: 0.5s } } }]',
    },
  ],
];

for (const [whose, options] of busyTunnels) {
  test(`max_stream_duration of ${whose} ends a tunnel that is busy`, async () => {
    const current = await start(options);
    const [client, upstream] = await openTunnel(current);
    const ticker = setInterval(() => client.socket.write('x'), 50);
    await client.reader.until(({ ended, closed }) => ended || closed);
    await upstream.reader.until(({ ended, closed }) => ended || closed);
    clearInterval(ticker);
    const [line] = await current.logs(1);
    assert.equal(line?.details, 'max_duration_timeout');
    client.socket.destroy();
  });
}

test('a drain leaves tunnels alone until its end', async () => {
  const current = await start();
  const [client, upstream] = await openTunnel(current);
  await current.sidecar.admin('/drain_listeners?graceful', 'POST');
  client.socket.write('after the drain began');
  await upstream.reader.until(({ text }) => text === 'after the drain began');
  upstream.socket.write('and back');
  await client.reader.until(({ text }) => text.endsWith('and back'));
  client.socket.destroy();
});

test('the route may switch an upgrade off, or on where the connection manager says nothing', async () => {
  const routes =
    '[{ match: { prefix: /off }, route: { cluster: upstream, upgrade_configs: [{ upgrade_type: WebSocket, enabled: false }] } },' +
    ' { match: { prefix: /foo }, route: { cluster: upstream, upgrade_configs: [{ upgrade_type: foo }] } },' +
    ' { match: { prefix: / }, route: { cluster: upstream } }]';
  const current = await start({
    routes,
    upgrades: '[{ upgrade_type: websocket }, { upgrade_type: bar, enabled: false }]',
  });
  current.onHead = (socket) => socket.write(SWITCHING);
  const table: [string, string, number][] = [
    ['/chat', 'websocket', 101],
    ['/off', 'websocket', 403],
    ['/chat', 'foo', 403],
    ['/foo', 'foo', 101],
    ['/chat', 'bar', 403],
  ];
  for (const [path, type, status] of table) {
    const client = current.connect();
    const reader = new SocketReader(client);
    client.write(
      `GET ${path} HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: ${type}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    );
    await reader.until(({ text }) => text.includes('\r\n\r\n'));
    assert.match(reader.text, new RegExp(`^HTTP/1\\.1 ${status} `), `${path} ${type}`);
    client.destroy();
  }
});

test('an upgrade runs through filters of its own', async () => {
  const router =
    '{ name: router, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } }';
  const mutation =
    '{ name: m, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation, mutations: { request_mutations: [{ append: { header: { key: x-upgraded, value: "yes" } } }] } } }';
  const current = await start({
    upgrades: `[{ upgrade_type: websocket, filters: [${mutation}, ${router}] }]`,
  });
  const [client] = await openTunnel(current);
  assert.match(current.heads[0] ?? '', /\r\nx-upgraded: yes\r\n/);
  client.socket.destroy();
  current.onHead = (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
  const plain = current.connect();
  const reader = new SocketReader(plain);
  plain.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
  await reader.until(({ text }) => text.includes('200 OK'));
  assert.doesNotMatch(current.heads[1] ?? '', /x-upgraded/);
  plain.destroy();
});

test('CONNECT is forwarded as CONNECT, and becomes a tunnel with the 2xx', async () => {
  const current = await start();
  const [client, upstream] = await openTunnel(
    current,
    'CONNECT target.test:443 HTTP/1.1\r\nHost: target.test:443\r\n\r\n',
  );
  assert.match(
    current.heads[0] ?? '',
    /^CONNECT target\.test:443 HTTP\/1\.1\r\nhost: target\.test:443\r\n/,
  );
  assert.doesNotMatch(current.heads[0] ?? '', /content-length|transfer-encoding|upgrade/);
  assert.match(client.reader.text, /^HTTP\/1\.1 200 OK\r\n/);
  assert.doesNotMatch(client.reader.text, /content-length|transfer-encoding|connection: close/);
  client.socket.write('up');
  await upstream.reader.until(({ text }) => text === 'up');
  upstream.socket.end('down');
  await client.reader.until(({ text, ended }) => text.endsWith('down') && ended);
  client.socket.end();
  await client.reader.until(({ closed }) => closed);
  const [line] = await current.logs(1);
  assert.deepEqual({ received: line?.received, sent: line?.sent }, { received: 2, sent: 4 });
});

test('a proxy that refuses a CONNECT is heard by the client', async () => {
  const current = await start();
  current.onHead = (socket) =>
    socket.write('HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 2\r\n\r\nno');
  const client = current.connect();
  const reader = new SocketReader(client);
  client.write(
    'CONNECT t:443 HTTP/1.1\r\nHost: t:443\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n',
  );
  await reader.until(({ ended }) => ended);
  assert.match(reader.text, /^HTTP\/1\.1 407 .*\r\n\r\nno$/s);
  assert.equal(current.heads.length, 1);
  client.destroy();
});

test('connect_config: the CONNECT ends here and its bytes go to the host', async () => {
  const routes =
    '[{ match: { connect_matcher: {} }, route: { cluster: upstream, upgrade_configs: [{ upgrade_type: CONNECT, connect_config: {} }] } }]';
  const current = await start({ routes, upgrades: '[{ upgrade_type: connect }]' });
  // The host speaks HTTP to nobody: what it gets first is what the client sent behind its CONNECT.
  current.onHead = (socket, head) => socket.end(`you said ${head.length}`);
  const client = current.connect();
  const reader = new SocketReader(client);
  client.write('CONNECT t:443 HTTP/1.1\r\nHost: t:443\r\n\r\n');
  await reader.until(({ text }) => text.includes('\r\n\r\n'));
  assert.match(reader.text, /^HTTP\/1\.1 200 OK\r\n/);
  client.end('raw bytes\r\n\r\n');
  await reader.until(({ text, ended }) => text.endsWith('you said 13') && ended);
  assert.deepEqual(current.heads, ['raw bytes\r\n\r\n']);
  const [line] = await current.logs(1);
  assert.deepEqual(
    { code: line?.code, received: line?.received, sent: line?.sent },
    { code: 200, received: 13, sent: 11 },
  );
  await current.sidecar.untilStat('cluster.upstream.upstream_cx_active', (n) => n === 0);
});

test('connect_config with a PROXY header and with POST', async () => {
  const routes =
    '[{ match: { prefix: / }, route: { cluster: upstream, upgrade_configs: [{ upgrade_type: CONNECT, connect_config: { allow_post: true, proxy_protocol_config: { version: V1 } } }] } }]';
  const current = await start({ routes });
  current.onHead = (socket) => socket.end('raw answer');
  const client = current.connect();
  const reader = new SocketReader(client);
  client.write('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\nbody\r\n\r\n');
  await reader.until(({ text }) => text.includes('raw answer'));
  assert.match(reader.text, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(
    current.heads[0] ?? '',
    /^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+\r\nbody\r\n\r\n$/,
  );
  client.destroy();
});

test('connect_config: a host that is not there is a 503, as for every request', async () => {
  const routes =
    '[{ match: { connect_matcher: {} }, route: { cluster: gone, upgrade_configs: [{ upgrade_type: CONNECT, connect_config: {} }] } }]';
  const clusters = `
    - name: gone
      type: STATIC
      connect_timeout: 1s
      load_assignment: { cluster_name: gone, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 1 } } } }] }] }
`;
  const current = await start({ routes, clusters });
  const client = current.connect();
  const reader = new SocketReader(client);
  client.write('CONNECT t:443 HTTP/1.1\r\nHost: t:443\r\n\r\n');
  await reader.until(({ ended }) => ended);
  assert.match(reader.text, /^HTTP\/1\.1 503 /);
  const [line] = await current.logs(1);
  assert.equal(line?.flags, 'UF');
  client.destroy();
});
