import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ListeningSocket } from './listening-socket.ts';

test('of many listeners on any port no two share one', async () => {
  const nobody = { onAccepted: () => {}, onAcceptError: () => {} };
  const anyPort = { ip: '127.0.0.1', port: 0, ipv4Compat: false, keepaliveS: null, mode: 0 };
  const sockets: ListeningSocket[] = [];
  try {
    for (let i = 0; i < 150; i++) {
      const socket = new ListeningSocket(anyPort, nobody);
      sockets.push(socket);
      await socket.listen({ backlog: 16, reusePort: true });
    }
    assert.equal(new Set(sockets.map(({ address }) => address.port)).size, sockets.length);
  } finally {
    for (const socket of sockets) socket.closeNow();
  }
});
