// Node's http2 and http on both ends: HTTP/2 as it is, and turned into HTTP/1.1 and back.

import assert from 'node:assert/strict';
import http from 'node:http';
import http2 from 'node:http2';
import { after, before, describe, test } from 'node:test';
import { type Hops, makeHopPki, startHops, ways } from '../hops.ts';
import { skipWithout } from '../peers.ts';
import { type Backend, startBackend } from './backend.ts';

const BODY = Buffer.alloc(2 * 1024 * 1024, 'x');
const PARALLEL = 300;

interface Answer {
  readonly status: number;
  readonly headers: http2.IncomingHttpHeaders;
  /** Status and link of each. */
  readonly hints: readonly (readonly [number | undefined, string | string[] | undefined])[];
  readonly trailers: http2.IncomingHttpHeaders;
  readonly body: Buffer;
}

interface Asking {
  ask(
    path: string,
    options?: {
      readonly headers?: http2.OutgoingHttpHeaders;
      readonly body?: Buffer;
      readonly trailers?: Readonly<Record<string, string>>;
    },
  ): Promise<Answer>;
  close(): void;
}

function http2Client(port: number): Asking {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  return {
    ask: (path, { headers = {}, body, trailers } = {}) =>
      new Promise((resolve, reject) => {
        const method = body === undefined ? 'GET' : 'POST';
        const stream = session.request(
          { ':method': method, ':path': path, ...headers },
          { endStream: body === undefined, waitForTrailers: trailers !== undefined },
        );
        const chunks: Buffer[] = [];
        const hints: [number | undefined, string | string[] | undefined][] = [];
        let head: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader = {};
        let last: http2.IncomingHttpHeaders = {};
        stream.on('wantTrailers', () => stream.sendTrailers(trailers ?? {}));
        stream.on('headers', (hint) => hints.push([hint[':status'], hint['link']]));
        stream.on('response', (received) => {
          head = received;
        });
        stream.on('trailers', (received) => {
          last = received;
        });
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('error', reject);
        stream.on('end', () =>
          resolve({
            status: head[':status'] ?? 0,
            headers: head,
            hints,
            trailers: last,
            body: Buffer.concat(chunks),
          }),
        );
        if (body !== undefined) stream.end(body);
      }),
    close: () => session.close(),
  };
}

function http1Client(port: number): Asking {
  const agent = new http.Agent({ keepAlive: true });
  return {
    ask: (path, { headers = {}, body, trailers } = {}) =>
      new Promise((resolve, reject) => {
        const request = http.request({
          ...{ port, host: '127.0.0.1', path, agent },
          method: body === undefined ? 'GET' : 'POST',
          headers: { ...headers, ...(trailers === undefined ? {} : { trailer: 'x-sent' }) },
        });
        const hints: [number | undefined, string | string[] | undefined][] = [];
        request.on('information', (hint) => hints.push([hint.statusCode, hint.headers['link']]));
        request.on('error', reject);
        request.on('response', (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              hints,
              trailers: response.trailers,
              body: Buffer.concat(chunks),
            }),
          );
        });
        if (body !== undefined) request.write(body);
        if (trailers !== undefined) request.addTrailers(trailers);
        request.end();
      }),
    close: () => agent.destroy(),
  };
}

const translations = [
  { client: 'http2', backend: 'http2' },
  { client: 'http1', backend: 'http2' },
  { client: 'http2', backend: 'http1' },
] as const;

describe("Node's http2", { skip: skipWithout('envoy') }, () => {
  for (const { name, kinds } of ways) {
    for (const { client: spoken, backend: kind } of translations) {
      describe(`${spoken} to ${kind} through ${name}`, () => {
        let backend: Backend;
        let hops: Hops;
        let client: Asking;
        before(async () => {
          backend = await startBackend(kind, null);
          hops = await startHops(await makeHopPki(), {
            kinds,
            backendPort: backend.port,
            backend: kind,
          });
          client = spoken === 'http2' ? http2Client(hops.port) : http1Client(hops.port);
        });
        after(async () => {
          client?.close();
          await hops?.stop();
          backend?.stop();
        });

        test('the server sees the request as its protocol writes it', async () => {
          const own = { cookie: spoken === 'http2' ? ['a=1', 'b=2'] : 'a=1; b=2', te: 'trailers' };
          const { status, headers, body } = await client.ask('/seen?q=1', { headers: own });
          assert.equal(status, 200);
          assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2']);
          const seen = JSON.parse(body.toString());
          assert.equal(seen.method, 'GET');
          assert.equal(seen.headers.cookie, 'a=1; b=2');
          assert.equal(seen.headers['x-forwarded-proto'], 'http');
          const authority = `127.0.0.1:${hops.port}`;
          if (kind === 'http2') {
            assert.equal(seen.headers[':authority'], authority);
            assert.equal(seen.headers[':path'], '/seen?q=1');
            assert.equal(seen.headers.connection, undefined);
          } else {
            assert.equal(seen.headers.host, authority);
            assert.equal(seen.httpVersion, '1.1');
          }
        });

        test('a body of 2 MiB comes back', async () => {
          const { status, body } = await client.ask('/echo', { body: BODY });
          assert.equal(status, 200);
          assert.ok(body.equals(BODY));
        });

        test('an answer without a body', async () => {
          const { status, body } = await client.ask('/bytes?size=0');
          assert.equal(status, 200);
          assert.equal(body.length, 0);
        });

        test('many requests at once', async () => {
          const sizes = Array.from({ length: PARALLEL }, (_, i) => i * 10);
          const answers = await Promise.all(sizes.map((size) => client.ask(`/bytes?size=${size}`)));
          assert.deepEqual(
            answers.map(({ body }) => body.length),
            sizes,
          );
        });

        test('a server that breaks off becomes an error, and the next request works', async () => {
          assert.equal((await client.ask('/reset')).status, 503);
          assert.equal((await client.ask('/bytes?size=1')).status, 200);
        });

        // HTTP/1 trailers need enable_trailers, which these hops leave off, as is the default.
        if (spoken === 'http2' && kind === 'http2') {
          test('trailers both ways', async () => {
            const trailers = { 'x-sent': 'at the end' };
            const answer = await client.ask('/echo', { body: Buffer.from('body'), trailers });
            assert.equal(answer.body.toString(), 'body');
            assert.equal(answer.trailers['x-last'], 'at the end');
          });
        }

        test('hints before the answer arrive', async () => {
          const { hints, status, body } = await client.ask('/hints');
          assert.equal(status, 200);
          assert.equal(body.toString(), 'after hints');
          assert.deepEqual(hints, [[103, '</style.css>; rel=preload']]);
        });
      });
    }
  }
});
