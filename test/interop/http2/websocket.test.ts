// WebSockets over HTTP/2 (RFC 8441) with Node's http2 on either side, and turned into HTTP/1.1 upgrades and back.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import type { Duplex } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import {
  acceptHead,
  clientFrame,
  echoFrame,
  serverFrameBytes,
} from '../../../bench/load/websocket.ts';
import { type Hops, makeHopPki, startHops, ways } from '../hops.ts';
import { skipWithout } from '../peers.ts';

const MESSAGES = 50;
const message = Buffer.alloc(2000, 'w');
const CLOSE = 0x88;
const closeFrame = Buffer.from([CLOSE, 0x80, 1, 2, 3, 4]);

/** Echoes the messages that arrive on an accepted WebSocket; a close frame ends it. */
function echo(stream: Duplex): void {
  let received: Buffer = Buffer.alloc(0);
  const next = () => (received[0] === CLOSE ? null : echoFrame(received));
  stream.on('error', () => stream.destroy());
  stream.on('end', () => stream.end());
  stream.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    for (let one = next(); one !== null; one = next()) {
      stream.write(one.reply);
      received = received.subarray(one.usedBytes);
    }
    if (received[0] === CLOSE) stream.end();
  });
}

function http1Server(): Server {
  const server = http.createServer((_request, response) => response.end('plain'));
  server.on('upgrade', (request, socket) => {
    const key = `sec-websocket-key: ${request.headers['sec-websocket-key']}`;
    socket.write(acceptHead(key));
    echo(socket);
  });
  return server;
}

function http2Server(): Server {
  const server = http2.createServer({ settings: { enableConnectProtocol: true } });
  server.on('stream', (stream, headers) => {
    if (headers[':method'] !== 'CONNECT') {
      stream.respond();
      stream.end('plain');
    } else if (headers[':protocol'] !== 'websocket' || headers[':path'] !== '/chat') {
      stream.respond({ ':status': 400 }, { endStream: true });
    } else {
      stream.respond({ ':status': 200 });
      echo(stream);
    }
  });
  return server;
}

/** Sends the messages, waits for their echoes and says goodbye; resolves when the other side has ended. */
async function exchange(stream: Duplex): Promise<number> {
  const awaited = MESSAGES * serverFrameBytes(message.length);
  let received = 0;
  stream.on('data', (chunk: Buffer) => {
    received += chunk.length;
    if (received === awaited) stream.write(closeFrame);
  });
  for (let i = 0; i < MESSAGES; i++) stream.write(clientFrame(message));
  // Envoy resets the stream when a server over HTTP/1 closes.
  await new Promise<void>((resolve) => {
    stream.once('end', resolve);
    stream.once('error', () => resolve());
  });
  stream.destroy();
  return received / serverFrameBytes(message.length);
}

async function overHttp2(port: number): Promise<number> {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  await once(session, 'remoteSettings');
  assert.equal(session.remoteSettings.enableConnectProtocol, true);
  const stream = session.request(
    {
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':path': '/chat',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    },
    { endStream: false },
  );
  const [head] = await once(stream, 'response');
  assert.equal(head[':status'], 200);
  const messages = await exchange(stream);
  session.close();
  return messages;
}

async function overHttp1(port: number): Promise<number> {
  const request = http.request({
    ...{ port, host: '127.0.0.1', path: '/chat' },
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    },
  });
  request.end();
  const [response, socket] = await once(request, 'upgrade');
  assert.equal(response.statusCode, 101);
  return exchange(socket);
}

describe('WebSockets over HTTP/2', { skip: skipWithout('envoy') }, () => {
  const servers = { http1: http1Server, http2: http2Server };
  const clients = { http1: overHttp1, http2: overHttp2 };
  for (const { name, kinds } of ways) {
    for (const backend of ['http1', 'http2'] as const) {
      describe(`to ${backend} through ${name}`, () => {
        let server: Server;
        let hops: Hops;
        before(async () => {
          server = servers[backend]();
          server.listen(0, '127.0.0.1');
          await once(server, 'listening');
          hops = await startHops(await makeHopPki(), {
            ...{ kinds, backend, http2: { allow_connect: true } },
            // It listens on TCP.
            backendPort: (server.address() as AddressInfo).port,
          });
        });
        after(async () => {
          await hops?.stop();
          server?.close();
        });
        for (const client of ['http1', 'http2'] as const) {
          test(`from ${client}`, async () => {
            assert.equal(await clients[client](hops.port), MESSAGES);
          });
        }
      });
    }
  }
});
