// The application of the soaks: answers each request with its own id and a body whose length and content follow
// from the id, and remembers how often each id arrived. A request that comes twice cannot hide here.

import http from 'node:http';
import type { AddressInfo } from 'node:net';

const SECOND_MS = 1000;
/** Bodies are 64 B to 8 KiB. */
const BODY_STEP = 64;
const BODY_STEPS = 128;

/** What is sent back for `id`. */
export function expectedBody(id: number): string {
  const text = `${id};`;
  const length = BODY_STEP * (1 + (id % BODY_STEPS));
  return text.repeat(Math.ceil(length / text.length)).slice(0, length);
}

export interface UpstreamOptions {
  /** How long an answer takes, ms, by id. */
  delayMs(id: number): number;
  /** Node's keepAliveTimeout; default one minute. */
  readonly keepAliveTimeoutMs?: number;
  /** Keep-Alive: timeout=N on responses, as Node does by itself. Default true. */
  readonly announcesTimeout?: boolean;
}

/** See the file head. Answers `/?id=N`; `/stream?id=N&ms=M` sends the body in pieces over M ms. */
export class IdentifiedUpstream {
  readonly #server: http.Server;
  readonly #arrivals = new Map<number, number>();
  readonly #options: UpstreamOptions;

  constructor(options: UpstreamOptions) {
    this.#options = options;
    this.#server = http.createServer((request, response) => this.#onRequest(request, response));
    // What a tunnel carries is the tunnel's matter: bytes come back as they went.
    this.#server.on('upgrade', (_request, socket, head) => {
      socket.on('error', () => {});
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
      );
      socket.write(head);
      socket.pipe(socket);
    });
    this.#server.keepAliveTimeout = options.keepAliveTimeoutMs ?? 60 * SECOND_MS;
    // Node 24 waits a second longer than it says unless told otherwise.
    Object.assign(this.#server, { keepAliveTimeoutBuffer: 0 });
  }

  /** Resolves with the port. */
  listen(): Promise<number> {
    return new Promise((resolve) => {
      this.#server.listen(0, '127.0.0.1', () => {
        // A TCP server's address is always an AddressInfo.
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }

  /** How often a request of that id arrived. */
  arrivals(id: number): number {
    return this.#arrivals.get(id) ?? 0;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #onRequest(request: http.IncomingMessage, response: http.ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://upstream');
    const id = Number(url.searchParams.get('id'));
    this.#arrivals.set(id, this.arrivals(id) + 1);
    let received = '';
    request.setEncoding('latin1');
    request.on('data', (chunk: string) => {
      received += chunk;
    });
    request.on('end', () => {
      if (request.method === 'POST' && received !== expectedBody(id)) {
        response.writeHead(400).end('the body is not what was sent');
        return;
      }
      const pieceMs = Number(url.searchParams.get('ms') ?? 0);
      if (pieceMs > 0) this.#stream(response, id, pieceMs);
      else setTimeout(() => this.#answer(response, id), this.#options.delayMs(id));
    });
  }

  #answer(response: http.ServerResponse, id: number): void {
    const body = expectedBody(id);
    if (this.#options.announcesTimeout === false) response.setHeader('connection', 'keep-alive');
    response.writeHead(200, { 'content-length': body.length, 'x-id': id });
    response.end(body);
  }

  #stream(response: http.ServerResponse, id: number, totalMs: number): void {
    const body = expectedBody(id);
    const pieces = Math.max(2, Math.round(totalMs / 100));
    const pieceLength = Math.ceil(body.length / pieces);
    // Chunked: the end of the body is where the last chunk says it is.
    response.writeHead(200, { 'x-id': id });
    let at = 0;
    const timer = setInterval(() => {
      response.write(body.slice(at, at + pieceLength));
      at += pieceLength;
      if (at < body.length) return;
      clearInterval(timer);
      response.end();
    }, totalMs / pieces);
    response.on('close', () => clearInterval(timer));
  }
}
