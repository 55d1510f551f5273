// Bulk transfers through two connections, as a proxy does it: what comes in on one is written to the other, whose
// peer is slow at first. Run with test/poison-slabs.ts, so that memory used again too early shows.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { describe, test } from 'node:test';
import tls from 'node:tls';
import { TestCa } from '../../test/fakes/pki.ts';
import { FakeTimers } from '../../test/fakes/timers.ts';
import { type ConnectionCallbacks, ConnectionCloseType } from '../api/connection.ts';
import { SocketConnection } from './connection.ts';

const timers = new FakeTimers();
const LIMIT_BYTES = 1024 * 1024;
let nextId = 1;

type Wire = 'plain' | 'TLS';

/** Our end as a connection, the peer's as a socket. */
async function wire(kind: Wire, ca: TestCa): Promise<[SocketConnection, net.Socket]> {
  const leaf = await ca.issue({ dns: ['a.test'] });
  const options = { key: leaf.privateKeyPem, cert: leaf.certificatePem, allowHalfOpen: true };
  const server =
    kind === 'plain'
      ? net.createServer({ allowHalfOpen: true, pauseOnConnect: true })
      : tls.createServer(options);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const event = kind === 'plain' ? 'connection' : 'secureConnection';
  const accepted = new Promise<net.Socket>((resolve) =>
    (server as net.Server).once(event, resolve),
  );
  // As every TCP option, allowHalfOpen is for the socket below.
  const below = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const peer = kind === 'plain' ? below : tls.connect({ socket: below, rejectUnauthorized: false });
  const socket = await accepted;
  if (below.connecting) await once(below, 'connect');
  server.close();
  const connection = new SocketConnection(socket, {
    id: nextId++,
    timers,
    bufferLimitBytes: LIMIT_BYTES,
  });
  connection.enableHalfClose(true);
  return [connection, peer];
}

/** `from` is read no faster than `to` takes it. */
function relay(from: SocketConnection, to: SocketConnection): { paused: number } {
  const seen = { paused: 0 };
  const pause: ConnectionCallbacks = {
    onEvent: () => {},
    onAboveWriteBufferHighWatermark: () => {
      seen.paused++;
      from.readDisable(true);
    },
    onBelowWriteBufferLowWatermark: () => from.readDisable(false),
  };
  to.addConnectionCallbacks(pause);
  from.setReadSink({
    onData: (data, endStream) => {
      to.write(data);
      if (endStream) to.endWrite();
    },
  });
  return seen;
}

const sha256 = (parts: readonly Buffer[]) =>
  createHash('sha256').update(Buffer.concat(parts)).digest('hex');

describe('a bulk transfer arrives as it was sent', async () => {
  const ca = await TestCa.create();
  for (const [from, to] of [
    ['plain', 'plain'],
    ['plain', 'TLS'],
    ['TLS', 'plain'],
    ['TLS', 'TLS'],
  ] as const) {
    test(`from ${from} to ${to}, with a peer that does not read at first`, async () => {
      const [source, sender] = await wire(from, ca);
      const [target, receiver] = await wire(to, ca);
      const seen = relay(source, target);
      const sent: Buffer[] = [];
      // More than the kernel buffers; small, around the sizes of copies, records and slabs, and bulk, in turn.
      for (const size of [1, 100, 16_384, 16_385, 65_536, 40_000_000, 5, 262_144, 700_000, 7]) {
        sent.push(randomBytes(size));
      }
      const received: Buffer[] = [];
      receiver.pause();
      const all = (async () => {
        for (const data of sent) {
          if (!sender.write(data)) await once(sender, 'drain');
        }
        sender.end();
      })();
      while (seen.paused === 0) await new Promise((resolve) => setImmediate(resolve));
      receiver.on('data', (chunk: Buffer) => received.push(chunk)).resume();
      await all;
      await once(receiver, 'end');
      assert.equal(sha256(received), sha256(sent));
      for (const connection of [source, target]) connection.close(ConnectionCloseType.NoFlush);
      sender.destroy();
      receiver.destroy();
    });
  }
});
