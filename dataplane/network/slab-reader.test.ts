import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import tls from 'node:tls';
import { SlabReader } from './slab-reader.ts';

async function sockets(): Promise<{ accepted: net.Socket; connected: net.Socket }> {
  const server = net.createServer({ pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const connected = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [net.Socket];
  if (connected.connecting) await once(connected, 'connect');
  server.close();
  return { accepted, connected };
}

test('this Node lets plain sockets of both kinds be read through the slab', async () => {
  const { accepted, connected } = await sockets();
  assert.equal(new SlabReader(() => {}).adopt(accepted), true);
  assert.equal(new SlabReader(() => {}).adopt(connected), true);
  assert.equal(new SlabReader(() => {}).adopt(connected), false, 'not twice');
  accepted.destroy();
  connected.destroy();
});

test('TLS sockets and sockets without a handle are left alone', () => {
  const plain = new net.Socket();
  assert.equal(new SlabReader(() => {}).adopt(plain), false);
  assert.equal(new SlabReader(() => {}).adopt(new tls.TLSSocket(plain)), false);
});

test('what was delivered stays as it was when the slab is read into again', async () => {
  const { accepted, connected } = await sockets();
  const received: Buffer[] = [];
  let bytes = 0;
  let wake = () => {};
  const until = async (total: number) => {
    while (bytes < total)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };
  assert.ok(
    new SlabReader((data) => {
      received.push(data);
      bytes += data.length;
      wake();
    }).adopt(accepted),
  );
  accepted.resume();
  const sent: Buffer[] = [];
  let total = 0;
  // Small, at the border of copying, and bulk, in turn.
  for (const size of [1, 100, 16 * 1024, 16 * 1024 + 1, 64 * 1024, 3_000_000, 5, 200_000, 7]) {
    const data = randomBytes(size);
    sent.push(data);
    total += size;
    connected.write(data);
    await until(total);
  }
  const digest = (parts: Buffer[]) =>
    createHash('sha256').update(Buffer.concat(parts)).digest('hex');
  assert.equal(digest(received), digest(sent));
  connected.end();
  await once(accepted, 'end');
  accepted.destroy();
});
