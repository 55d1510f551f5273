// What a server of the garden says about a request that it saw: method, target, length and checksum of the body, in
// one header of an empty response. Two parties agree on boundaries when their echoes of a stream are the same.

import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { crc32 } from 'node:zlib';

export function echoOf(method: string, target: string, body: Buffer): string {
  return `${method} ${target} ${body.length} ${crc32(body).toString(16)}`;
}

/** Stands behind every stream: who has not found the end of the last request does not answer it. */
export const SENTINEL = 'GET /~sentinel HTTP/1.1\r\nHost: sentinel\r\nConnection: close\r\n\r\n';
export const SENTINEL_ECHO = echoOf('GET', '/~sentinel', Buffer.alloc(0));

export interface EchoServer {
  readonly port: number;
  /** Echoes of whole requests since the last call, in the order seen. */
  take(): string[];
  close(): Promise<void>;
}

/** The back end of the peers that are proxies, and the peer `node` itself. */
export async function startEchoServer(): Promise<EchoServer> {
  let seen: string[] = [];
  const server = http.createServer(
    { maxHeaderSize: 256 * 1024, keepAliveTimeout: 60_000 },
    (request, response) => {
      const chunks: Buffer[] = [];
      request.on('error', () => {}); // cut short: no whole request, no echo
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const echo = echoOf(request.method ?? '', request.url ?? '', Buffer.concat(chunks));
        seen.push(echo);
        response.writeHead(200, { 'x-echo': echo, 'content-length': '0' });
        response.end();
      });
    },
  );
  server.maxHeadersCount = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port, // of a TCP server it is one
    take: () => {
      const taken = seen;
      seen = [];
      return taken;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
