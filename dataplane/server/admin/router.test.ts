import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type Socket } from 'node:net';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { silentLogger } from '../../../common/logger.ts';
import { AdminServer, text } from './router.ts';

describe('the admin server', () => {
  let admin: AdminServer;
  let port: number;
  let http2: Socket[];
  beforeEach(async () => {
    http2 = [];
    const page = {
      path: '/echo',
      method: 'POST' as const,
      help: '',
      params: [],
      takesBody: true,
      handle: (_query: URLSearchParams, body = '') => text(body),
    };
    admin = new AdminServer([page], silentLogger(), (socket) => http2.push(socket));
    port = (await admin.listen({ ip: '127.0.0.1', port: 0 })).port;
  });
  afterEach(() => admin.close());

  const connect = async (): Promise<Socket> => {
    const socket = net.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return socket;
  };

  it('gives pages the body, up to its limit', async () => {
    const post = (body: string) => fetch(`http://127.0.0.1:${port}/echo`, { method: 'POST', body });
    assert.equal(await (await post('grüße')).text(), 'grüße');
    assert.equal((await post('x'.repeat(65_536))).status, 200);
    assert.equal((await post('x'.repeat(65_537))).status, 413);
  });

  it('hands over who begins as HTTP/2 does, with all that was sent', async () => {
    const socket = await connect();
    for (const piece of ['P', 'R', 'I * HTTP/2.0\r\n\r\nSM\r\n\r\n']) {
      await new Promise<void>((resolve) => socket.write(piece, () => resolve()));
    }
    while (http2.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const [taken] = http2;
    const data = once(taken!, 'data'); // there is one
    taken!.resume();
    const [first] = (await data) as [Buffer];
    assert.equal(first.subarray(0, 3).toString(), 'PRI');
  });

  it('answers requests that begin like a preface and are none', async () => {
    const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'PROPFIND' });
    assert.match(await response.text(), /admin commands/);
    assert.equal(http2.length, 0);
  });

  it('closes all connections when it ends, whatever they were doing', async () => {
    const silent = await connect();
    const waiting = await connect();
    waiting.write('GET / HTTP/1.1\r\nhost: x\r\n');
    const grpc = await connect();
    grpc.write('PRI * HTTP/2.0\r\n');
    const idle = await connect();
    idle.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    await once(idle, 'data');
    while (http2.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const ends = [silent, waiting, grpc, idle].map((socket) => {
      socket.on('error', () => {
        // a reset is an end, too
      });
      return once(socket, 'close');
    });
    for (const socket of [silent, waiting, grpc, idle]) socket.resume();
    admin.close();
    await Promise.all(ends);
  });
});
