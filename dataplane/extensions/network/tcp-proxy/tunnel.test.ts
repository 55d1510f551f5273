import assert from 'node:assert/strict';
import { once } from 'node:events';
import type net from 'node:net';
import { test } from 'node:test';
import { FakeStreamInfo } from '../../../../test/fakes/stream-info.ts';
import { listen, manyTurns, proxy, readAll } from '../../../../test/fakes/tcp-proxy.ts';
import { ResponseFlag } from '../../../api/stream-info.ts';
import type { TunnelingData } from './data.ts';
import { TunnelRequest } from './tunnel-request.ts';

const tunneling: TunnelingData = {
  hostname: 'inner.example:443',
  usePost: false,
  postPath: '/',
  headersToAdd: [],
};

/** A proxy that answers the head of a CONNECT and then hands over the socket with what came behind the head. */
function tunnelEnd(
  answer: string,
  onTunnel: (socket: net.Socket, rest: string) => void,
): Promise<{ readonly port: number; readonly heads: string[] }> {
  const heads: string[] = [];
  return listen((socket) => {
    let text = '';
    const onData = (chunk: Buffer) => {
      text += String(chunk);
      const end = text.indexOf('\r\n\r\n');
      if (end < 0) return;
      socket.off('data', onData);
      socket.pause();
      heads.push(text.slice(0, end + 4));
      socket.write(answer);
      onTunnel(socket, text.slice(end + 4));
      socket.resume();
    };
    socket.on('data', onData);
  }).then((port) => ({ port, heads }));
}

const echo = (socket: net.Socket, rest: string) => {
  if (rest !== '') socket.write(rest);
  socket.on('data', (chunk) => socket.write(chunk));
  socket.on('end', () => socket.end('[end]'));
};

test('a CONNECT opens the tunnel: bytes both ways, and the end of each side by itself', async () => {
  const { port, heads } = await tunnelEnd('HTTP/1.1 200 OK\r\nx-a: b\r\n\r\n', echo);
  const { connect, log, stat } = await proxy({
    hostPort: port,
    data: {
      tunneling: {
        ...tunneling,
        headersToAdd: [
          {
            name: 'x-port',
            value: '%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%',
            action: 'APPEND_IF_EXISTS_OR_ADD',
            keepEmptyValue: false,
          },
        ],
      },
    },
  });
  const client = await connect();
  client.write('hello');
  const [first] = (await once(client, 'data')) as [Buffer]; // what sockets give
  assert.equal(String(first), 'hello');
  client.end();
  assert.equal(await readAll(client), '[end]', 'the client had ended, the host had not');
  assert.deepEqual(heads, [
    'CONNECT inner.example:443 HTTP/1.1\r\nhost: inner.example:443\r\nx-port: 127.0.0.1\r\n\r\n',
  ]);
  const info = await log();
  assert.deepEqual([info.bytesReceived, info.bytesSent, info.responseFlags], [5, 10, 0]);
  assert.equal(info.upstreamHost?.port, port);
  assert.notEqual(info.upstreamLocalAddress, null);
  while (stat('cluster.orders.upstream_rq_active') !== 0) await manyTurns();
  assert.equal(stat('cluster.orders.upstream_cx_http1_total'), 1);
});

test('bytes behind the head of the answer belong to the tunnel', async () => {
  const { port } = await tunnelEnd('HTTP/1.1 200 OK\r\n\r\nwelcome', () => {});
  const { connect } = await proxy({ hostPort: port, data: { tunneling } });
  const client = await connect();
  const [first] = (await once(client, 'data')) as [Buffer]; // as above
  assert.equal(String(first), 'welcome');
});

test('another answer than 2xx is a failed attempt: UF, and URX at the last', async () => {
  const { port, heads } = await tunnelEnd(
    'HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno',
    () => {},
  );
  const { connect, log, stat } = await proxy({
    hostPort: port,
    data: { tunneling, maxConnectAttempts: 2 },
  });
  const client = await connect();
  assert.equal(await readAll(client).catch(() => ''), '');
  const info = await log();
  assert.equal(heads.length, 2);
  assert.equal(
    info.responseFlags,
    ResponseFlag.UpstreamConnectionFailure | ResponseFlag.UpstreamRetryLimitExceeded,
  );
  assert.equal(info.upstreamRequestAttemptCount, 2);
  assert.equal(info.upstreamTransportFailureReason, 'tunnel_response:403');
  assert.equal(info.downstreamLocalCloseReason, 'tcp_initializion_failure:0');
  assert.equal(stat('cluster.orders.upstream_cx_connect_attempts_exceeded'), 1);
  assert.equal(stat('tcp.db.downstream_cx_tx_bytes_total'), 0, 'nothing of the answer went down');
});

test('use_post: the bytes are the bodies of a POST and of its answer', async () => {
  const { port, heads } = await tunnelEnd(
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n',
    (socket, rest) => {
      let text = rest;
      const check = () => {
        if (!text.endsWith('0\r\n\r\n')) return;
        assert.equal(text, '3\r\nabc\r\n0\r\n\r\n');
        socket.write('4\r\ndone\r\n0\r\n\r\n');
      };
      check();
      socket.on('data', (chunk) => {
        text += String(chunk);
        check();
      });
    },
  );
  const { connect, log } = await proxy({
    hostPort: port,
    data: { tunneling: { ...tunneling, usePost: true, postPath: '/in' } },
  });
  const client = await connect();
  client.end('abc');
  assert.equal(await readAll(client), 'done');
  assert.equal((await log()).responseFlags, 0);
  assert.match(heads[0] ?? '', /^POST \/in HTTP\/1\.1\r\nhost: inner\.example:443\r\n/);
});

test('a tunnel that breaks off reaches the client as a reset: UR', async () => {
  const { port } = await tunnelEnd('HTTP/1.1 200 OK\r\n\r\n', (socket) => {
    socket.on('data', () => socket.resetAndDestroy());
  });
  const { connect, log } = await proxy({ hostPort: port, data: { tunneling } });
  const client = await connect();
  const failed = once(client, 'error') as Promise<[NodeJS.ErrnoException]>; // what sockets fail with
  client.write('x');
  assert.equal((await failed)[0].code, 'ECONNRESET');
  assert.equal((await log()).responseFlags, ResponseFlag.UpstreamRemoteReset);
});

test('a client that resets ends the tunnel', async () => {
  const closed = Promise.withResolvers<void>();
  const { port } = await tunnelEnd('HTTP/1.1 200 OK\r\n\r\n', (socket) => {
    socket.on('data', () => socket.write('y'));
    socket.on('close', () => closed.resolve());
    socket.on('end', () => socket.end());
  });
  const { connect, log } = await proxy({ hostPort: port, data: { tunneling } });
  const client = await connect();
  client.write('x');
  await once(client, 'data');
  client.resetAndDestroy();
  await closed.promise;
  await log();
});

test('an answer that never comes is idleness', async () => {
  const asked = Promise.withResolvers<void>();
  const hostPort = await listen((socket) => socket.once('data', () => asked.resolve()));
  const { timers, connect, log, stat } = await proxy({
    hostPort,
    data: { tunneling, idleTimeoutMs: 4_000 },
  });
  await connect();
  await asked.promise;
  timers.advance(4_000);
  assert.equal((await log()).downstreamLocalCloseReason, 'tcp_session_idle_timeout');
  assert.equal(stat('tcp.db.idle_timeout'), 1);
});

test('a slow client stops the tunnel, a slow tunnel stops the client', async () => {
  const size = 16 * 1024 * 1024;
  const { port } = await tunnelEnd('HTTP/1.1 200 OK\r\n\r\n', (socket) =>
    socket.end(Buffer.alloc(size)),
  );
  const { connect, stat } = await proxy({ hostPort: port, data: { tunneling } });
  const client = await connect();
  client.pause();
  const paused = 'cluster.orders.upstream_flow_control_paused_reading_total';
  while (stat(paused) === 0) await new Promise((resolve) => setImmediate(resolve));
  await manyTurns();
  const taken = Number(stat('cluster.orders.upstream_cx_rx_bytes_total'));
  assert.ok(taken < size / 2, `${taken} bytes were read for a client that takes none`);
  let received = 0;
  for await (const chunk of client) received += (chunk as Buffer).length;
  assert.equal(received, size);
});

test('what a peer says cannot break out of the head: no request then', () => {
  const request = new TunnelRequest({ ...tunneling, hostname: '%UPSTREAM_CLUSTER%:443' });
  const info = new FakeStreamInfo();
  for (const [name, isGood] of [
    ['a.example', true],
    ['a b', false],
    ['a\r\nx: y', false],
    ['ä', false],
  ] as const) {
    info.upstreamCluster = name;
    assert.equal(request.headers(info) !== null, isGood, JSON.stringify(name));
  }
});
