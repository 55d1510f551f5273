// One upstream host that acts by a script, over HTTP/1 or HTTP/2 without TLS. Scenes start two sets of them, one for each
// proxy; an address of its own per proxy keeps a port that refuses from being taken by somebody else.

import http from 'node:http';
import http2 from 'node:http2';
import type net from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { type Action, type Answer, type HostScript, ok, type SeenRequest } from './scripts.ts';

/** One request as the host saw it. */
export interface Try extends SeenRequest {
  readonly host: string;
  /** Connections that this host had accepted until then. */
  readonly connections: number;
}

export interface ScriptedHost {
  readonly label: string;
  readonly address: string;
  readonly port: number;
  /** Closes the listening socket and all connections: who connects is refused. */
  refuse(): Promise<void>;
  /** Listens again. */
  accept(): Promise<void>;
  /** Answers those that hang, and goes on hanging for later ones. */
  release(answer: Answer): void;
  /** Health checks get this from now on. */
  setHealth(action: Action): void;
  /** Counts begin anew, and `onTry` hears of each request that is no health check. */
  begin(onTry: (seen: Try) => void): void;
  close(): Promise<void>;
}

type AnyRequest = http.IncomingMessage | http2.Http2ServerRequest;
type AnyResponse = http.ServerResponse | http2.Http2ServerResponse;

const HEALTH_SERVICE = '/grpc.health.v1.Health/Check';
/** gRPC frame of HealthCheckResponse{status: SERVING}. */
const SERVING = Buffer.from([0, 0, 0, 0, 2, 8, 1]);

/** Listens at `address`, port 0, unless the script refuses. */
export async function startHost(
  label: string,
  address: string,
  script: HostScript,
): Promise<ScriptedHost> {
  let onTry: (seen: Try) => void = () => {};
  let count = 0;
  let checks = 0;
  let connections = 0;
  let health: Action | null = null;
  const held = new Set<AnyResponse>();
  const sockets = new Set<Socket>();

  const onRequest = (request: AnyRequest, response: AnyResponse) => {
    const chunks: Buffer[] = [];
    request.on('error', () => {});
    response.on('error', () => {});
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const seen: SeenRequest = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks).toString('latin1'),
      };
      if (String(request.headers['user-agent']).startsWith('Envoy/HC')) {
        act(health ?? script.health?.(checks++, seen) ?? ok, request, response);
      } else if (seen.path === HEALTH_SERVICE) {
        writeHead(response, 200, { 'content-type': 'application/grpc' });
        if (response instanceof http2.Http2ServerResponse) {
          response.addTrailers({ 'grpc-status': '0' });
          response.end(SERVING);
        }
      } else {
        onTry({ ...seen, host: label, connections });
        act(script.script(count++, seen), request, response);
      }
    });
  };

  function act(action: Action, request: AnyRequest, response: AnyResponse): void {
    if ('status' in action) {
      if (action.afterMs === undefined) answer(action, response);
      else setTimeout(() => answer(action, response), action.afterMs);
    } else if ('hang' in action) {
      held.add(response);
      response.once('close', () => held.delete(response));
    } else if ('resetStream' in action) {
      if (!(response instanceof http2.Http2ServerResponse)) throw new Error('no HTTP/2 host');
      const { stream } = response;
      if (action.afterHeaders !== true) stream.close(action.resetStream);
      else beginBody(response, () => stream.close(action.resetStream));
    } else {
      const socket = connectionOf(request);
      const end = () => ('reset' in action ? socket.resetAndDestroy() : socket.destroy());
      const when = 'reset' in action ? action.reset : action.close;
      if (when === 'before headers') end();
      else beginBody(response, end);
    }
  }

  function answer(one: Answer, response: AnyResponse): void {
    if (response.destroyed || response.writableEnded) return;
    const body = one.body ?? '';
    response.sendDate = false;
    writeHead(response, one.status, { ...one.headers });
    if (one.trailers !== undefined) response.addTrailers({ ...one.trailers });
    if (response instanceof http.ServerResponse) response.end(body);
    else response.end(body);
  }

  const server =
    script.kind === 'http2'
      ? http2.createServer(onRequest)
      : http.createServer({ keepAliveTimeout: 120_000, requestTimeout: 0 }, onRequest);
  server.on('connection', (socket: Socket) => {
    connections++;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('sessionError', () => {});
  server.on('clientError', (_error, socket: Socket) => socket.destroy());

  const listen = (port: number) =>
    new Promise<number>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port, host: address }, () => {
        server.off('error', reject);
        resolve((server.address() as AddressInfo).port);
      });
    });
  const stop = () =>
    new Promise<void>((resolve) => {
      for (const socket of sockets) socket.destroy();
      if (!server.listening) resolve();
      else server.close(() => resolve());
    });
  const port = await listen(0);
  if (script.refuses === true) await stop();

  return {
    label,
    address,
    port,
    refuse: stop,
    accept: async () => {
      await listen(port);
    },
    release: (one) => {
      for (const response of held) answer(one, response);
      held.clear();
    },
    setHealth: (action) => {
      health = action;
    },
    begin: (listener) => {
      onTry = listener;
      count = 0;
      connections = 0;
      health = null;
    },
    close: stop,
  };
}

/** Headers and ten bytes of a body of a hundred, then `then`. */
function beginBody(response: AnyResponse, then: () => void): void {
  response.sendDate = false;
  writeHead(response, 200, { 'content-length': '100' });
  const written = () => setImmediate(then);
  if (response instanceof http.ServerResponse) response.write('0123456789', written);
  else response.write('0123456789', 'latin1', written);
}

/** The two kinds have overloads that do not fit together. */
function writeHead(response: AnyResponse, status: number, headers: Record<string, string>): void {
  if (response instanceof http.ServerResponse) response.writeHead(status, headers);
  else response.writeHead(status, headers);
}

function connectionOf(request: AnyRequest): net.Socket {
  const socket = 'stream' in request ? request.stream.session?.socket : request.socket;
  // The session's socket is a proxy object that forbids destroy; its handle is what a scenario wants to break.
  if (socket === undefined) throw new Error('the connection is gone');
  return socket as net.Socket;
}
