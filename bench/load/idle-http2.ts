// `idle-http2.ts JSON` (see IdleHttp2): opens so many HTTP/2 connections with so many requests on each and holds them.
// It is the backend, too: one that never answers, or one that takes a single stream per connection and answers when
// all have come, which leaves the proxy with as many idle connections. Prints `open` when all is as it should be.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';

export interface IdleHttp2 {
  readonly port: number;
  readonly connections: number;
  /** Open on each. 0 = one request that is answered. */
  readonly streams: number;
  readonly tls: boolean;
  /** none: what the proxy says by itself is the answer. */
  readonly backend: 'none' | 'silent' | 'one-stream';
  readonly backendPort: number;
  readonly backendTls: boolean;
  readonly caFile: string;
  readonly certificateFile: string;
  readonly keyFile: string;
}

const AT_A_TIME = 32;
const POLL_MS = 20;

async function run(options: IdleHttp2): Promise<void> {
  const { port, connections, streams, backend } = options;
  const files = {
    ca: readFileSync(options.caFile),
    cert: readFileSync(options.certificateFile),
    key: readFileSync(options.keyFile),
  };
  const waiting: http2.ServerHttp2Stream[] = [];
  let onArrival = () => {};
  if (backend !== 'none') {
    const settings = backend === 'one-stream' ? { maxConcurrentStreams: 1 } : {};
    const server = options.backendTls
      ? http2.createSecureServer({ ...files, settings, requestCert: true })
      : http2.createServer({ settings });
    server.on('stream', (stream) => {
      stream.on('error', () => {});
      waiting.push(stream);
      onArrival();
    });
    server.listen(options.backendPort, '127.0.0.1');
    await once(server, 'listening');
  }
  const sessions: http2.ClientHttp2Session[] = [];
  const ended: Promise<unknown>[] = [];
  const open = async (): Promise<void> => {
    const session = options.tls
      ? http2.connect(`https://127.0.0.1:${port}`, {
          ...files,
          servername: 'peer.bench.test',
          // The certificate names a SPIFFE id; its chain is verified all the same.
          checkServerIdentity: () => undefined,
        })
      : http2.connect(`http://127.0.0.1:${port}`);
    sessions.push(session);
    await once(session, 'connect');
    for (let i = 0; i < Math.max(1, streams); i++) {
      // Without an end where the backend is silent: an open stream.
      const method = backend === 'silent' ? 'POST' : 'GET';
      const stream = session.request({ ':method': method, ':path': '/' });
      stream.resume();
      // One by one: a pool that has not seen the settings yet would put more streams on a connection.
      if (backend === 'one-stream') {
        await new Promise<void>((resolve) => {
          onArrival = resolve;
          // Refused all the same now and then: one connection fewer.
          stream.once('close', resolve);
        });
      }
      if (backend !== 'silent') ended.push(once(stream, 'close'));
    }
    if (backend === 'none') await ended.at(-1);
  };
  let begun = 0;
  await Promise.all(
    Array.from({ length: backend === 'one-stream' ? 1 : AT_A_TIME }, async () => {
      while (begun < connections) {
        begun++;
        await open();
      }
    }),
  );
  if (backend === 'silent') {
    while (waiting.length < connections * streams) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
  if (backend === 'one-stream')
    for (const stream of waiting) stream.respond({ ':status': 200 }, { endStream: true });
  await Promise.all(ended);
  process.stdout.write('open\n');
}

// The caller is memory.ts, which writes it from an IdleHttp2.
await run(JSON.parse(process.argv[2]!) as IdleHttp2);
