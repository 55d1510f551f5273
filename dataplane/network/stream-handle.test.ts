import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';
import { AcceptedHandle } from './accepted-handle.ts';
import { acceptHandles, handleOf } from './stream-handle.ts';

async function acceptOne(connect: (port: number) => net.Socket): Promise<AcceptedHandle> {
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = new Promise<AcceptedHandle>((resolve, reject) => {
    acceptHandles(
      server,
      (handle) => resolve(new AcceptedHandle(handle)),
      (errno) => reject(new Error(`accept: ${errno}`)),
    );
  });
  const socket = connect((server.address() as net.AddressInfo).port);
  if (socket.connecting) await once(socket, 'connect');
  const handle = await accepted;
  server.close();
  return handle;
}

test('this Node has handles for plain and TLS sockets', async () => {
  const accepted = await acceptOne((port) => net.connect(port, '127.0.0.1'));
  const socket = accepted.toSocket();
  assert.notEqual(handleOf(socket), null);
  const secured = new tls.TLSSocket(socket);
  assert.notEqual(handleOf(secured), null);
  secured.destroy();
  assert.equal(handleOf(new net.Socket()), null);
});

test('an accepted handle knows its addresses', async () => {
  let peer = new net.Socket();
  const accepted = await acceptOne((port) => {
    peer = net.connect(port, '127.0.0.1');
    return peer;
  });
  assert.deepEqual(accepted.remoteAddress(), { ip: '127.0.0.1', port: peer.localPort });
  assert.deepEqual(accepted.localAddress(), { ip: '127.0.0.1', port: peer.remotePort });
  accepted.close();
  assert.equal(accepted.handle(), null);
  peer.resume();
  await once(peer, 'close');
});

for (const form of ['handle', 'socket'] as const) {
  test(`an accepted connection that is closed as a ${form} says so once`, async () => {
    const accepted = await acceptOne((port) => net.connect(port, '127.0.0.1').resume());
    let closed = 0;
    const told = new Promise<void>((resolve) =>
      accepted.whenClosed(() => {
        closed++;
        resolve();
      }),
    );
    if (form === 'socket') accepted.toSocket();
    accepted.close();
    accepted.close();
    await told;
    assert.equal(closed, 1);
  });
}

test('a reset reaches the peer as an error', async () => {
  let peer = new net.Socket();
  const accepted = await acceptOne((port) => {
    peer = net.connect(port, '127.0.0.1').resume();
    return peer;
  });
  const failed = once(peer, 'error') as Promise<[NodeJS.ErrnoException]>;
  accepted.reset();
  const [error] = await failed;
  assert.equal(error.code, 'ECONNRESET');
});
