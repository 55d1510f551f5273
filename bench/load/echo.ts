// `echo.ts TCP_PORT WEBSOCKET_PORT`: the backend that sends back what it gets, as bytes and as WebSocket messages.

import net from 'node:net';
import { acceptHead, echoFrame } from './websocket.ts';

const [tcpPort, websocketPort] = process.argv.slice(2);

const tcp = net.createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  socket.pipe(socket);
});

const websocket = net.createServer({ noDelay: true }, (socket) => {
  let received: Buffer = Buffer.alloc(0);
  let isUpgraded = false;
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    if (!isUpgraded) {
      const end = received.indexOf('\r\n\r\n');
      if (end === -1) return;
      isUpgraded = true;
      socket.write(acceptHead(received.toString('latin1', 0, end)));
      received = received.subarray(end + 4);
    }
    for (let echo = echoFrame(received); echo !== null; echo = echoFrame(received)) {
      socket.write(echo.reply);
      received = received.subarray(echo.usedBytes);
    }
  });
});

tcp.listen(Number(tcpPort), '127.0.0.1', 4096);
websocket.listen(Number(websocketPort), '127.0.0.1', 4096);
