import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import tls from 'node:tls';
import { TestCa } from '../../test/fakes/pki.ts';
import { FakeTimers } from '../../test/fakes/timers.ts';
import { ConnectionCloseType, ConnectionEvent, type TlsInfo } from '../api/connection.ts';
import {
  type ConnectOptions,
  type ConnectorTls,
  connect,
  type UpstreamConnection,
} from './connector.ts';

const servers: net.Server[] = [];
const sockets: { destroy(): void }[] = [];
after(() => {
  for (const server of servers) server.close();
  for (const socket of sockets) socket.destroy();
});

async function listen(onConnection: (socket: net.Socket) => void): Promise<number> {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    sockets.push(socket);
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  servers.push(server);
  return (server.address() as net.AddressInfo).port;
}

interface Attempt {
  readonly connection: UpstreamConnection;
  readonly timers: FakeTimers;
  /** Events in order; resolves at the first. */
  readonly first: Promise<ConnectionEvent>;
}

function attempt(port: number, options: Partial<ConnectOptions> = {}): Attempt {
  const timers = new FakeTimers();
  const connection = connect({
    id: 1,
    timers,
    address: { ip: '127.0.0.1', port },
    tls: null,
    connectTimeoutMs: 1000,
    ...options,
  });
  sockets.push({ destroy: () => connection.close(ConnectionCloseType.NoFlush) });
  const first = new Promise<ConnectionEvent>((resolve) => {
    connection.addConnectionCallbacks({
      onEvent: resolve,
      onAboveWriteBufferHighWatermark() {},
      onBelowWriteBufferLowWatermark() {},
    });
  });
  return { connection, timers, first };
}

/** TLS that trusts anybody unless told otherwise. */
function clientTls(reason = '', seen: string[] = []): ConnectorTls {
  return {
    wrap: (socket) =>
      tls.connect({ socket, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] }),
    verify: (socket) => {
      seen.push(String(socket.getProtocol()));
      return { reason, tlsInfo: { version: socket.getProtocol() } as TlsInfo };
    },
  };
}

test('a connection comes up with its addresses, and its timer is stopped', async () => {
  const port = await listen((socket) => socket.end('hello'));
  const { connection, timers, first } = attempt(port, { localIp: '127.0.0.1', keepaliveS: 30 });
  assert.equal(connection.isOpen(), true);
  assert.equal(await first, ConnectionEvent.Connected);
  assert.deepEqual(connection.remoteAddress, { ip: '127.0.0.1', port });
  assert.notEqual(connection.localAddress.port, 0);
  assert.equal(timers.armedCount(), 0);
});

test('a refused connection is a RemoteClose with the reason in Envoy words', async () => {
  const port = await listen(() => {});
  const gone = servers.pop()!;
  gone.close();
  await once(gone, 'close');
  const { connection, timers, first } = attempt(port);
  assert.equal(await first, ConnectionEvent.RemoteClose);
  assert.equal(connection.transportFailureReason, 'delayed connect error: Connection refused');
  assert.equal(connection.connectTimedOut, false);
  assert.equal(timers.armedCount(), 0);
});

test('a handshake that does not end is a timeout', async () => {
  const port = await listen(() => {});
  const { connection, timers, first } = attempt(port, { tls: clientTls() });
  timers.advance(1000);
  assert.equal(await first, ConnectionEvent.LocalClose);
  assert.equal(connection.connectTimedOut, true);
  assert.equal(connection.transportFailureReason, '');
});

test('a peer that ends the handshake leaves no reason, one that does not speak TLS leaves one', async () => {
  const ends = await listen((socket) => socket.end());
  const ended = attempt(ends, { tls: clientTls() });
  assert.equal(await ended.first, ConnectionEvent.RemoteClose);
  assert.equal(ended.connection.transportFailureReason, '');
  const plain = await listen((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  const spoken = attempt(plain, { tls: clientTls() });
  assert.equal(await spoken.first, ConnectionEvent.RemoteClose);
  assert.match(spoken.connection.transportFailureReason, /^TLS_error:/);
});

test('TLS comes up once the peer is verified, and is described; a refusal keeps its reason', async () => {
  const ca = await TestCa.create();
  const { certificatePem, privateKeyPem } = await ca.issue({ dns: ['a'] });
  const server = tls.createServer(
    { cert: certificatePem, key: privateKeyPem, ALPNProtocols: ['http/1.1'] },
    (socket) => {
      socket.on('error', () => {});
      sockets.push(socket);
      socket.write('hello');
    },
  );
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  servers.push(server);
  const { port } = server.address() as net.AddressInfo;

  const good = attempt(port, { tls: clientTls() });
  const received = new Promise<string>((resolve) => {
    good.connection.setReadSink({ onData: (data) => resolve(data.toString()) });
  });
  assert.equal(await good.first, ConnectionEvent.Connected);
  assert.equal(good.connection.tls?.version, 'TLSv1.3');
  assert.equal(good.connection.nextProtocol, 'http/1.1');
  assert.equal(await received, 'hello');

  const bad = attempt(port, { tls: clientTls('TLS_error:verify SAN list') });
  assert.equal(await bad.first, ConnectionEvent.RemoteClose);
  assert.equal(bad.connection.transportFailureReason, 'TLS_error:verify SAN list');
  assert.equal(bad.timers.armedCount(), 0);
});

test('a wrap that throws is a failure with its text', async () => {
  const port = await listen(() => {});
  const { connection, first } = attempt(port, {
    tls: {
      ...clientTls(),
      wrap: () => {
        throw new Error('TLS_error:Secret is not supplied by SDS');
      },
    },
  });
  assert.equal(await first, ConnectionEvent.RemoteClose);
  assert.equal(connection.transportFailureReason, 'TLS_error:Secret is not supplied by SDS');
});

test('a Unix socket is connected by its path', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'remora-'));
  try {
    const path = join(folder, 's');
    const server = net.createServer((socket) => socket.end());
    server.listen(path);
    await once(server, 'listening');
    servers.push(server);
    const { connection, first } = attempt(0, { address: { ip: path, port: 0 } });
    assert.equal(await first, ConnectionEvent.Connected);
    assert.deepEqual(connection.remoteAddress, { ip: path, port: 0 });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
