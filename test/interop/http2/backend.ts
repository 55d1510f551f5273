// A server on node:http or node:http2 that says what it got: the head of the request as JSON at /seen, its body at /echo
// with trailers, `size` bytes at /bytes, a hint before the answer at /hints.

import http from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import type { HopPki } from '../hops.ts';

export interface Backend {
  readonly port: number;
  stop(): void;
}

type Request = http.IncomingMessage | http2.Http2ServerRequest;
type Response = http.ServerResponse | http2.Http2ServerResponse;

function answer(request: Request, response: Response): void {
  // node:http's and node:http2's compatible responses have the same methods, with types that do not overlap.
  const out = response as http.ServerResponse;
  const url = new URL(request.url ?? '/', 'http://interop.test');
  switch (url.pathname) {
    case '/seen': {
      const { method = '', headers, httpVersion } = request;
      out.setHeader('set-cookie', ['a=1', 'b=2']);
      out.end(JSON.stringify({ method, headers, httpVersion }));
      break;
    }
    case '/echo':
      out.setHeader('trailer', 'x-last');
      request.on('data', (chunk: Buffer) => {
        if (!out.write(chunk)) {
          request.pause();
          out.once('drain', () => request.resume());
        }
      });
      request.on('end', () => {
        out.addTrailers({ 'x-last': request.trailers['x-sent'] ?? 'none' });
        out.end();
      });
      break;
    case '/bytes':
      out.end(Buffer.alloc(Number(url.searchParams.get('size')), 'b'));
      break;
    case '/hints':
      out.writeEarlyHints({ link: '</style.css>; rel=preload' });
      out.end('after hints');
      break;
    case '/reset':
      request.socket.destroy();
      break;
    default:
      out.statusCode = 404;
      out.end();
  }
}

/** `pki`: TLS with ALPN; null = cleartext. */
export function startBackend(kind: 'http1' | 'http2', pki: HopPki | null): Promise<Backend> {
  const tls = pki === null ? null : { cert: pki.leaf.certificatePem, key: pki.leaf.privateKeyPem };
  const sessions = new Set<http2.ServerHttp2Session>();
  let server: Server;
  if (kind === 'http1') {
    server = http.createServer(answer);
  } else {
    const own =
      tls === null ? http2.createServer(answer) : http2.createSecureServer({ ...tls }, answer);
    own.on('session', (session) => {
      sessions.add(session);
      session.on('close', () => sessions.delete(session));
    });
    server = own;
  }
  const stop = () => {
    for (const session of sessions) session.destroy();
    if (server instanceof http.Server) server.closeAllConnections();
    server.close();
  };
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      // It listens on TCP.
      resolve({ port: (server.address() as AddressInfo).port, stop });
    });
  });
}
