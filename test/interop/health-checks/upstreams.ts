// Upstreams that answer health checks by a script: the i-th check gets the i-th answer, whenever it comes. They
// write down when each check came, so that two proxies can be compared check by check.

import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { listen } from '../../fakes/checked-host.ts';

/** What an upstream does with one check. */
export type Answer =
  | 'ok'
  | 'hang'
  | 'reset'
  /** HTTP */
  | 'unavailable'
  | 'too-many'
  | 'exclude'
  | 'degraded'
  | 'other-service'
  | 'other-body'
  /** TCP */
  | 'other-bytes'
  | 'close-later'
  /** gRPC */
  | 'not-serving'
  | 'unimplemented'
  | 'no-grpc'
  /** HTTP/2, and then it is well, or nothing follows. */
  | 'goaway'
  | 'goaway-error';

export interface ScriptedUpstream {
  readonly port: number;
  /** Of each check, performance.now. */
  readonly times: readonly number[];
  close(): void;
}

/** After the script all is well. */
class Script {
  readonly times: number[] = [];
  readonly #answers: readonly Answer[];
  readonly #onCheck: (count: number) => void;

  constructor(answers: readonly Answer[], onCheck: (count: number) => void) {
    this.#answers = answers;
    this.#onCheck = onCheck;
  }

  next(): Answer {
    this.times.push(performance.now());
    const count = this.times.length;
    // Once the answer is under way.
    setTimeout(() => this.#onCheck(count), 20);
    return this.#answers[count - 1] ?? 'ok';
  }
}

/** Path /health is a check; /refuse is traffic that asks for no more of it; any other is traffic. */
export async function httpUpstream(
  answers: readonly Answer[],
  onCheck: (count: number) => void,
): Promise<ScriptedUpstream> {
  const script = new Script(answers, onCheck);
  const server = http.createServer((request, response) => {
    if (request.url !== '/health') {
      if (request.url === '/refuse') {
        response.setHeader('x-envoy-immediate-health-check-fail', 'true');
      }
      response.end('traffic');
      return;
    }
    const answer = script.next();
    response.setHeader('x-envoy-upstream-healthchecked-cluster', 'orders');
    switch (answer) {
      case 'hang':
        return;
      case 'reset':
        request.socket.destroy();
        return;
      case 'unavailable':
        response.statusCode = 503;
        break;
      case 'too-many':
        response.statusCode = 429;
        break;
      case 'exclude':
        response.statusCode = 503;
        response.setHeader('x-envoy-immediate-health-check-fail', 'true');
        break;
      case 'degraded':
        response.setHeader('x-envoy-degraded', 'true');
        break;
      case 'other-service':
        response.setHeader('x-envoy-upstream-healthchecked-cluster', 'payments');
        break;
      default:
    }
    response.end(answer === 'other-body' ? 'no such words' : 'all is well');
  });
  const port = await listen(server);
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { port, times: script.times, close };
}

export async function tcpUpstream(answers: readonly Answer[]): Promise<ScriptedUpstream> {
  const script = new Script(answers, () => {});
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    socket.on('data', () => {
      const answer = script.next();
      if (answer === 'reset') socket.destroy();
      else if (answer === 'other-bytes') socket.write('nothing');
      else if (answer !== 'hang') socket.write('..hel..lo');
      if (answer === 'close-later') setTimeout(() => socket.end(), 100);
    });
  });
  const port = await listen(server);
  const close = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { port, times: script.times, close };
}

/** On every stream, by the script. */
async function streamUpstream(
  answers: readonly Answer[],
  respond: (stream: http2.ServerHttp2Stream, answer: Answer) => void,
): Promise<ScriptedUpstream> {
  const script = new Script(answers, () => {});
  const sessions = new Set<http2.ServerHttp2Session>();
  const server = http2.createServer();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => {});
  });
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    stream.resume();
    const answer = script.next();
    if (answer === 'goaway') stream.session?.goaway();
    if (answer === 'goaway-error') {
      stream.session?.goaway(http2.constants.NGHTTP2_INTERNAL_ERROR);
      return;
    }
    if (answer === 'reset') stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    else if (answer !== 'hang') respond(stream, answer);
  });
  const port = await listen(server);
  const close = () => {
    server.close();
    for (const session of sessions) session.destroy();
  };
  return { port, times: script.times, close };
}

/** HTTP over HTTP/2. */
export function http2Upstream(answers: readonly Answer[]): Promise<ScriptedUpstream> {
  return streamUpstream(answers, (stream, answer) => {
    stream.respond({ ':status': answer === 'unavailable' ? 503 : 200 });
    stream.end('all is well');
  });
}

export function grpcUpstream(answers: readonly Answer[]): Promise<ScriptedUpstream> {
  return streamUpstream(answers, (stream, answer) => {
    const headers = { ':status': 200, 'content-type': 'application/grpc' };
    if (answer === 'unimplemented') {
      stream.respond({ ...headers, 'grpc-status': '12' }, { endStream: true });
    } else if (answer === 'no-grpc') {
      stream.respond({ ':status': 200, 'content-type': 'text/html' });
      stream.end('<html>');
    } else {
      stream.respond(headers, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.from([0, 0, 0, 0, 2, 8, answer === 'not-serving' ? 2 : 1]));
    }
  });
}
