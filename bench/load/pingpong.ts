// `pingpong.ts PORT CONNECTIONS SECONDS tcp|websocket BYTES`: each connection sends a message, waits for its
// echo, and sends the next.

import { once } from 'node:events';
import net from 'node:net';
import { LoadReport } from './report.ts';
import { clientFrame, serverFrameBytes } from './websocket.ts';

const [port, connections, seconds, mode, bytes] = process.argv.slice(2);
const payload = Buffer.alloc(Number(bytes), 'a');
const isWebSocket = mode === 'websocket';
const message = isWebSocket ? clientFrame(payload) : payload;
const replyBytes = isWebSocket ? serverFrameBytes(payload.length) : payload.length;
const handshake =
  'GET /echo HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

async function open(): Promise<net.Socket> {
  const socket = net.connect({ host: '127.0.0.1', port: Number(port), noDelay: true });
  await once(socket, 'connect');
  if (!isWebSocket) return socket;
  socket.write(handshake);
  let head = '';
  while (!head.endsWith('\r\n\r\n')) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    head += chunk.toString('latin1');
  }
  if (!head.startsWith('HTTP/1.1 101 ')) throw new Error(`not upgraded: ${head}`);
  return socket;
}

const sockets = await Promise.all(Array.from({ length: Number(connections) }, open));
const report = new LoadReport();
const endMs = performance.now() + Number(seconds) * 1000;

await Promise.all(
  sockets.map(
    (socket) =>
      new Promise<void>((resolve) => {
        let received = 0;
        let startedMs = performance.now();
        socket.on('error', () => {
          report.errors++;
        });
        socket.on('close', resolve);
        socket.on('data', (chunk: Buffer) => {
          received += chunk.length;
          if (received < replyBytes) return;
          if (received > replyBytes) report.errors++;
          received = 0;
          report.add(startedMs);
          startedMs = performance.now();
          if (startedMs > endMs) socket.destroy();
          else socket.write(message);
        });
        socket.write(message);
      }),
  ),
);
report.print();
