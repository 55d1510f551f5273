// The admin interface: paths, methods, help and the HTTP server itself. One table; the pages are in the
// files beside this one. Answers as Envoy's do, headers included, because scripts and dashboards parse them.

import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { errorText } from '../../../common/coded-error.ts';
import type { Logger } from '../../../common/logger.ts';
import type { SocketAddress } from '../../api/connection.ts';

const MAX_BODY_BYTES = 65_536;
const noBody = Buffer.alloc(0);
/** Of those who say nothing at first. */
const FIRST_BYTES_TIMEOUT_MS = 10_000;
const HTTP2_PREFACE = Buffer.from('PRI');

/** A page's answer. */
export interface AdminReply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

export interface AdminPage {
  readonly path: string;
  /** Mutations want POST; anything else gets 405 and nothing happens. */
  readonly method: 'GET' | 'POST';
  readonly help: string;
  readonly params: readonly { readonly name: string; readonly help: string }[];
  /** Without a query the body is taken for one. */
  readonly takesForm?: boolean;
  /** `handle` is given the body. */
  readonly takesBody?: boolean;
  handle(query: URLSearchParams, body?: string): AdminReply | Promise<AdminReply>;
}

export function text(body: string, status = 200): AdminReply {
  return { status, contentType: 'text/plain; charset=UTF-8', body };
}

export function json(value: unknown): AdminReply {
  return {
    status: 200,
    contentType: 'application/json',
    body: `${JSON.stringify(value, null, 1)}\n`,
  };
}

/** Serves `pages` (and /, /help) on one address. */
export class AdminServer {
  readonly #pages = new Map<string, AdminPage>();
  readonly #server: http.Server;
  /** What the server does with a connection of HTTP/1. */
  readonly #serve: (socket: Socket) => void;
  /** Connections that are not the server's: of those who said nothing yet, and of gRPC. */
  readonly #sockets = new Set<Socket>();
  readonly #onHttp2: (socket: Socket) => void;
  readonly #logger: Logger;

  /** `onHttp2` is given connections that begin with the HTTP/2 preface, which is still to be read. */
  constructor(
    pages: readonly AdminPage[],
    logger: Logger,
    onHttp2: (socket: Socket) => void = (socket) => socket.destroy(),
  ) {
    this.#logger = logger;
    this.#onHttp2 = onHttp2;
    for (const page of pages) this.#pages.set(page.path, page);
    this.#server = http.createServer((request, response) => {
      void this.#answer(request, response);
    });
    // It listens itself, so that its timeouts hold; but first bytes are looked at before it has them.
    const [serve] = this.#server.listeners('connection');
    this.#serve = (socket) => serve?.call(this.#server, socket);
    this.#server.removeAllListeners('connection');
    this.#server.on('connection', (socket: Socket) => this.#accept(socket));
  }

  /** Resolves with the bound address; rejects when it cannot be bound. */
  listen(address: SocketAddress): Promise<SocketAddress> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(address.port, address.ip, () => {
        this.#server.removeListener('error', reject);
        // A TCP server's address is always an AddressInfo.
        resolve({ ip: address.ip, port: (this.#server.address() as AddressInfo).port });
      });
    });
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Looks at the first bytes, and passes them on unread. */
  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    const drop = () => socket.destroy();
    socket.setTimeout(FIRST_BYTES_TIMEOUT_MS, drop);
    socket.on('error', drop);
    let first = noBody;
    const look = (piece: Buffer): void => {
      first = Buffer.concat([first, piece]);
      const seen = first.subarray(0, HTTP2_PREFACE.length);
      const isPreface = seen.equals(HTTP2_PREFACE.subarray(0, seen.length));
      if (isPreface && seen.length < HTTP2_PREFACE.length) return;
      socket.off('data', look);
      socket.setTimeout(0);
      socket.off('timeout', drop);
      socket.pause();
      socket.unshift(first);
      if (isPreface) {
        this.#onHttp2(socket);
        return;
      }
      socket.off('error', drop);
      this.#sockets.delete(socket);
      this.#serve(socket);
      socket.resume();
    };
    socket.on('data', look);
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const reply = await this.#reply(request).catch((thrown: unknown) => {
      this.#logger.error({ err: thrown, url: request.url }, 'admin page failed');
      return text(`internal error: ${errorText(thrown)}\n`, 500);
    });
    request.resume();
    response.writeHead(reply.status, {
      'content-type': reply.contentType,
      'cache-control': 'no-cache, max-age=0',
      'x-content-type-options': 'nosniff',
      server: 'envoy',
      'content-length': Buffer.byteLength(reply.body),
    });
    response.end(request.method === 'HEAD' ? undefined : reply.body);
  }

  async #reply(request: http.IncomingMessage): Promise<AdminReply> {
    const target = request.url ?? '/';
    const mark = target.indexOf('?');
    const path = mark === -1 ? target : target.slice(0, mark);
    let query = new URLSearchParams(mark === -1 ? '' : target.slice(mark + 1));
    if (path === '/' || path === '/help') return text(this.#help());
    const page = this.#pages.get(path);
    if (page === undefined) return text(`invalid path. ${this.#help()}`, 404);
    const method = request.method === 'HEAD' ? 'GET' : (request.method ?? 'GET');
    if (page.method === 'POST' && method !== 'POST') {
      return text(`Method ${method} not allowed, POST required.`, 405);
    }
    if (page.takesForm === true && query.size === 0) {
      const form = await readBody(request);
      if (form === null) return text('the form is too large\n', 413);
      query = new URLSearchParams(form.toString('latin1'));
    }
    const body = page.takesBody === true ? await readBody(request) : noBody;
    return body === null ? text('the body is too large\n', 413) : page.handle(query, String(body));
  }

  #help(): string {
    const lines = ['admin commands are:', '  /: Admin home page'];
    const all = [...this.#pages.values(), helpPage].sort((a, b) => (a.path < b.path ? -1 : 1));
    for (const { path, method, help, params } of all) {
      lines.push(`  ${path}${method === 'POST' ? ' (POST)' : ''}: ${help}`);
      for (const param of params) lines.push(`      ${param.name}: ${param.help}`);
    }
    return `${lines.join('\n')}\n`;
  }
}

/** Null = it is too large. */
async function readBody(request: http.IncomingMessage): Promise<Buffer | null> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request) {
    pieces.push(piece as Buffer); // no encoding is set
    bytes += pieces.at(-1)!.length;
    if (bytes > MAX_BODY_BYTES) return null;
  }
  return Buffer.concat(pieces);
}

const helpPage: Pick<AdminPage, 'path' | 'method' | 'help' | 'params'> = {
  path: '/help',
  method: 'GET',
  help: 'print out list of admin commands',
  params: [],
};
