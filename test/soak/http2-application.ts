// The application of the HTTP/2 soaks: gRPC methods and plain POSTs whose answers follow from the request's id, and a
// memory of how often each id arrived. Restarts as a good server does (GOAWAY, then the end of its streams) or, for
// the control, as a bad one.
//
//   /soak/Echo    checks the body and sends it back after delayMs(id)
//   /soak/Watch   sends the body in pieces over x-ms milliseconds
//   /soak/Chat    sends back what comes, piece by piece

import { once } from 'node:events';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { frameHeader } from '../../dataplane/extensions/_shared/grpc/frame-scanner.ts';
import { expectedBody } from './identified-upstream.ts';

const PIECE_MS = 100;
const NOTICE_MS = 200;
const NO_ERROR = http2.constants.NGHTTP2_NO_ERROR;
const MAX_STREAM_ID = 2 ** 31 - 1;

/** What `/soak/Echo` wants and gives; the message of a gRPC call has its length in front. */
export function echoBody(id: number, isGrpc: boolean): Buffer {
  const body = Buffer.from(expectedBody(id), 'latin1');
  return isGrpc ? Buffer.concat([frameHeader(0, body.length), body]) : body;
}

/** See the file head. start() and stop() in turn. */
export class Http2Application {
  /** 0 before the first start. */
  port = 0;
  /** Shared by all instances of the application. */
  readonly #arrivals: Map<number, number>;
  readonly #delayMs: (id: number) => number;
  readonly #sessions = new Set<http2.ServerHttp2Session>();
  #server: http2.Http2Server | null = null;

  constructor(arrivals: Map<number, number>, delayMs: (id: number) => number) {
    this.#arrivals = arrivals;
    this.#delayMs = delayMs;
  }

  /** Resolves when it listens: on a port of the kernel's choice first, then on the same. */
  async start(): Promise<void> {
    const server = http2.createServer();
    this.#server = server;
    server.on('session', (session) => {
      this.#sessions.add(session);
      session.on('close', () => this.#sessions.delete(session));
      session.on('error', () => {});
    });
    server.on('stream', (stream, headers) => this.#onStream(stream, headers));
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    this.port = (server.address() as AddressInfo).port; // a TCP server has one
  }

  /**
   * No longer listens; two GOAWAYs on all connections, which end with their last stream. `abrupt`: all ends at once.
   * Resolves when it takes no more requests.
   */
  async stop(abrupt: boolean): Promise<void> {
    const server = this.#server;
    const sessions = [...this.#sessions];
    if (abrupt) {
      server?.close();
      for (const session of sessions) session.destroy();
      return;
    }
    // RFC 9113 6.8: a notice first, for the requests that are on their way.
    for (const session of sessions) session.goaway(NO_ERROR, MAX_STREAM_ID);
    await new Promise((resolve) => setTimeout(resolve, NOTICE_MS));
    server?.close();
    for (const session of this.#sessions) session.close();
  }

  #onStream(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void {
    const id = Number(headers['x-id']);
    this.#arrivals.set(id, (this.#arrivals.get(id) ?? 0) + 1);
    const isGrpc = headers['content-type'] === 'application/grpc';
    stream.on('error', () => {});
    const begin = () => {
      const type = isGrpc ? 'application/grpc' : 'text/plain';
      stream.respond(
        { ':status': 200, 'content-type': type, 'x-id': String(id) },
        { waitForTrailers: isGrpc },
      );
      if (isGrpc) stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    };
    if (headers[':path'] === '/soak/Chat') {
      begin();
      stream.pipe(stream);
      return;
    }
    const pieces: Buffer[] = [];
    stream.on('data', (piece: Buffer) => pieces.push(piece));
    stream.on('end', () => {
      const answer = echoBody(id, isGrpc);
      if (stream.destroyed) return;
      if (headers[':path'] === '/soak/Watch') {
        begin();
        this.#watch(stream, answer, Number(headers['x-ms']));
      } else if (!Buffer.concat(pieces).equals(answer)) {
        stream.respond({ ':status': 400 });
        stream.end('the body is not what was sent');
      } else {
        setTimeout(() => {
          if (stream.destroyed) return;
          begin();
          stream.end(answer);
        }, this.#delayMs(id));
      }
    });
  }

  #watch(stream: http2.ServerHttp2Stream, answer: Buffer, totalMs: number): void {
    const pieces = Math.max(2, Math.round(totalMs / PIECE_MS));
    const length = Math.ceil(answer.length / pieces);
    let at = 0;
    const timer = setInterval(() => {
      stream.write(answer.subarray(at, at + length));
      at += length;
      if (at < answer.length) return;
      clearInterval(timer);
      stream.end();
    }, totalMs / pieces);
    stream.on('close', () => clearInterval(timer));
  }
}
