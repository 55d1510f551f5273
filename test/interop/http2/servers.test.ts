// NGINX and HAProxy over HTTP/2 behind proxies, and NGINX's gRPC client before them. NGINX ends a connection with GOAWAY
// every hundred requests: none may be lost.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import grpc from '@grpc/grpc-js';
import { JsClient } from '../grpc/js-client.ts';
import { startJsServer } from '../grpc/js-server.ts';
import { type HopsOptions, makeHopPki, startHops, ways } from '../hops.ts';
import { runPeer, startPeerServer } from '../peer-process.ts';
import { findPeer, skipWithout } from '../peers.ts';
import { freePort } from '../proxies.ts';
import { startBackend } from './backend.ts';

const REQUESTS = 3000;
const retries = {
  retry_policy: { retry_on: 'reset,refused-stream,connect-failure', num_retries: 20 },
};

/** One worker, all its files below `directory`; `http` is what stands in the http block. */
function nginxConf(directory: string, http: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `worker_processes 1;
daemon off;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log;
events { worker_connections 1024; }
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${directory}/${name};`).join('\n  ')}
  ${http}
}
`;
}

const haproxyConf = (listen: number, backend: number) => `global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend ingress
  bind 127.0.0.1:${listen} proto h2
  default_backend backend
backend backend
  http-reuse always
  server s1 127.0.0.1:${backend}
`;

const skip = skipWithout('envoy') || skipWithout('nginx') || skipWithout('h2load');

describe('servers of others', { skip }, () => {
  const directory = mkdtempSync(join(os.tmpdir(), 'remora-http2-servers-'));
  const startNginx = async (t: TestContext, name: string, port: number, http: string) => {
    const file = join(directory, `${name}.conf`);
    writeFileSync(file, nginxConf(directory, http));
    const args = ['-c', file, '-p', directory];
    const nginx = await startPeerServer(findPeer('nginx') ?? '', args, port);
    t.after(() => nginx.stop());
  };
  const h2load = async (port: number) => {
    const { stdout, stderr } = await runPeer(findPeer('h2load') ?? '', [
      ...['-c', '4', '-m', '20', '-n', String(REQUESTS), `http://127.0.0.1:${port}/bytes?size=500`],
    ]);
    assert.ok(stdout.includes(`status codes: ${REQUESTS} 2xx`), `${stdout}${stderr}`);
  };
  after(() => rmSync(directory, { recursive: true, force: true }));

  for (const { name, kinds } of ways) {
    describe(`through ${name}`, () => {
      const startWay = async (t: TestContext, options: Omit<HopsOptions, 'kinds'>) => {
        const hops = await startHops(await makeHopPki(), { kinds, ...options });
        t.after(() => hops.stop());
        return hops.port;
      };

      test('NGINX sends GOAWAY every hundred requests, and no request is lost', async (t) => {
        const port = await freePort();
        await startNginx(
          t,
          'server',
          port,
          `keepalive_requests 100;
  server { listen 127.0.0.1:${port} http2; location / { return 200 "small"; } }`,
        );
        await h2load(await startWay(t, { backendPort: port, route: retries }));
      });

      test('HAProxy', { skip: skipWithout('haproxy') }, async (t) => {
        const backend = await startBackend('http1', null);
        t.after(() => backend.stop());
        const port = await freePort();
        const file = join(directory, 'haproxy.cfg');
        writeFileSync(file, haproxyConf(port, backend.port));
        const haproxy = await startPeerServer(findPeer('haproxy') ?? '', ['-db', '-f', file], port);
        t.after(() => haproxy.stop());
        await h2load(await startWay(t, { backendPort: port }));
      });

      test("NGINX's gRPC client before it", async (t) => {
        const backend = await startJsServer();
        t.after(() => backend.stop());
        const next = await startWay(t, { backendPort: backend.port });
        const port = await freePort();
        await startNginx(
          t,
          'client',
          port,
          `client_max_body_size 0;
  upstream next { server 127.0.0.1:${next}; keepalive 10; }
  server { listen 127.0.0.1:${port} http2; location / { grpc_pass grpc://next; } }`,
        );
        const client = new JsClient(port);
        t.after(() => client.close());
        const calls = Array.from({ length: 100 }, (_, i) =>
          client.unary({ response_size: i * 100 }),
        );
        for (const [i, { messages, status }] of (await Promise.all(calls)).entries()) {
          assert.equal(status.code, grpc.status.OK, status.details);
          assert.equal(messages[0]?.payload?.body.length, i * 100);
        }
        const failed = await client.unary({ response_status: { code: 5, message: 'none' } });
        assert.equal(failed.status.code, grpc.status.NOT_FOUND);
        assert.equal(failed.status.details, 'none');
      });
    });
  }
});
