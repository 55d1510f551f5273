// The upstream of the side-by-side test: records what it was sent and answers by path.

import http from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request as the upstream saw it. Headers sorted by name, in the order of equal names kept. */
export interface SeenRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}

export interface RecordingBackend {
  readonly port: number;
  /** Everything seen since the last call. */
  take(): SeenRequest[];
  close(): Promise<void>;
}

function pairs(raw: readonly string[]): (readonly [string, string])[] {
  const list: (readonly [string, string])[] = [];
  for (let i = 0; i < raw.length; i += 2)
    list.push([raw[i]?.toLowerCase() ?? '', raw[i + 1] ?? '']);
  return list.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

/** Answers: by the last path segments, see the switch. */
export async function startBackend(): Promise<RecordingBackend> {
  let seen: SeenRequest[] = [];
  const failures = new Map<string, number>();
  const server = http.createServer(
    { insecureHTTPParser: false, keepAliveTimeout: 60_000 },
    (request, response) => {
      const chunks: Buffer[] = [];
      request.on('error', () => {});
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const target = request.url ?? '';
        seen.push({
          method: request.method ?? '',
          target,
          headers: pairs(request.rawHeaders),
          body: Buffer.concat(chunks).toString('latin1'),
        });
        answer(target, request, response);
      });
    },
  );

  function answer(
    target: string,
    request: http.IncomingMessage,
    response: http.ServerResponse,
  ): void {
    response.sendDate = false;
    const path = target.split('?')[0] ?? '';
    const status = /\/status\/(\d+)$/.exec(path)?.[1];
    if (status !== undefined) {
      response.writeHead(Number(status), { 'content-type': 'text/plain' });
      response.end(
        Number(status) === 204 || Number(status) === 304 ? undefined : `status ${status}\n`,
      );
    } else if (path.endsWith('/chunked')) {
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.write('first ');
      response.end('second');
    } else if (path.endsWith('/big')) {
      response.end(Buffer.alloc(100_000, 'b'));
    } else if (path.endsWith('/silent')) {
      // Never answers.
    } else if (path.endsWith('/close')) {
      request.socket.destroy();
    } else if (path.endsWith('/half')) {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('only this');
      setImmediate(() => request.socket.destroy());
    } else if (path.endsWith('/fail-once') || path.endsWith('/fail-thrice')) {
      const limit = path.endsWith('/fail-once') ? 1 : 3;
      const count = (failures.get(path) ?? 0) + 1;
      failures.set(path, count > limit ? 1 : count);
      if (count <= limit) {
        response.writeHead(503);
        response.end('not yet\n');
      } else response.end('at last\n');
    } else if (path.endsWith('/hidden')) {
      response.writeHead(200, [
        ['x-hide', 'a'],
        ['x-remove-me', 'b'],
        ['x-keep', 'c'],
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
        ['server', 'backend'],
      ]);
      response.end('ok');
    } else if (path.endsWith('/repeated')) {
      response.writeHead(200, [
        ...['vary', 'a', 'vary', 'b', 'set-cookie', 'a=1', 'set-cookie', 'b=2'],
        ...['x-odd', 'a', 'cache-control', 'no-store', 'x-odd', 'b', 'cache-control', 'private'],
        ...['x-bytes', '\x80\xc3\xff', 'content-length', '2'],
      ]);
      response.end('ok');
    } else if (path.endsWith('/connection-close')) {
      response.writeHead(200, { connection: 'close' });
      response.end('bye');
    } else {
      response.writeHead(200, { 'content-type': 'text/plain', 'content-length': '6' });
      response.end(request.method === 'HEAD' ? undefined : 'hello\n');
    }
  }

  server.on('clientError', (_error, socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    take: () => {
      const taken = seen;
      seen = [];
      failures.clear();
      return taken;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
