// A whole sidecar between a real client and a real upstream: forwarding, backpressure, drain, admin, bad peers.

import assert from 'node:assert/strict';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { type Sidecar, simpleBootstrap, startSidecar } from './sidecar.ts';

interface Reply {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

function get(port: number, path: string, agent: http.Agent | false = false): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: '127.0.0.1', port, path, agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      );
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

const CHUNK = Buffer.alloc(64 * 1024, 'x');
const BIG_BYTES = 200 * 1024 * 1024;

describe('a sidecar', () => {
  let backend: http.Server;
  let backendPort: number;
  let sidecar: Sidecar;
  /** Bytes that /big has handed to its socket. */
  let produced = 0;

  before(async () => {
    backend = http.createServer((request, response) => {
      if (request.url === '/big') {
        response.writeHead(200, { 'content-length': String(BIG_BYTES) });
        const produce = () => {
          while (produced < BIG_BYTES) {
            produced += CHUNK.length;
            if (!response.write(CHUNK)) {
              response.once('drain', produce);
              return;
            }
          }
          response.end();
        };
        produce();
        return;
      }
      request.resume();
      request.on('end', () => response.end(`${request.method} ${request.url}`));
    });
    await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
    backendPort = (backend.address() as AddressInfo).port;
    sidecar = await startSidecar(simpleBootstrap(backendPort));
  });

  after(async () => {
    await sidecar.stop();
    backend.close();
    backend.closeAllConnections();
  });

  test('forwards, adds Envoy’s headers and counts under Envoy’s names', async () => {
    const reply = await get(sidecar.port('ingress'), '/hello');
    assert.equal(reply.status, 200);
    assert.equal(reply.body, 'GET /hello');
    assert.equal(reply.headers['server'], 'envoy');
    assert.match(reply.headers['x-envoy-upstream-service-time'] as string, /^\d+$/);
    await sidecar.untilStat('cluster.backend.upstream_rq_200', (value) => value >= 1);
    await sidecar.untilStat('http.ingress.downstream_rq_2xx', (value) => value >= 1);
    assert.match(
      await sidecar.admin('/stats'),
      /^listener\.127\.0\.0\.1_\d+\.http\.ingress\.downstream_rq_2xx: [1-9]/m,
    );
    const prometheus = await sidecar.admin('/stats/prometheus');
    assert.match(
      prometheus,
      /envoy_cluster_upstream_rq_total\{envoy_cluster_name="backend"\} [1-9]/,
    );
  });

  test('a client that does not read stops the upstream, whatever the body’s size', async () => {
    produced = 0;
    const socket = net.connect(sidecar.port('ingress'), '127.0.0.1');
    socket.pause();
    socket.write('GET /big HTTP/1.1\r\nHost: a\r\n\r\n');
    // Stalls once the buffers along the way are full: it stays the same over a while.
    let before = -1;
    while (produced === 0 || before !== produced) {
      before = produced;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    assert.ok(
      produced < BIG_BYTES / 4,
      `${produced} bytes were produced for a client that read none`,
    );
    let received = 0;
    await new Promise<void>((resolve) => {
      socket.on('data', (chunk: Buffer) => {
        received += chunk.length;
        if (received >= BIG_BYTES) resolve();
      });
      socket.resume();
    });
    socket.destroy();
  });

  test('bytes that are no HTTP end that connection only, with a counter', async () => {
    const socket = net.connect(sidecar.port('ingress'), '127.0.0.1');
    const answer = await new Promise<string>((resolve) => {
      let text = '';
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      socket.on('close', () => resolve(text));
      socket.write('\x16\x03\x01 this is not http\r\n\r\n');
    });
    assert.match(answer, /^HTTP\/1\.1 400 /);
    await sidecar.untilStat('http.ingress.downstream_cx_protocol_error', (value) => value >= 1);
    assert.equal((await get(sidecar.port('ingress'), '/still-there')).status, 200);
  });

  test('the admin interface shows clusters, listeners and the config, and refuses GET on a mutation', async () => {
    assert.match(
      await sidecar.admin('/clusters'),
      new RegExp(`backend::127\\.0\\.0\\.1:${backendPort}::health_flags::healthy`),
    );
    assert.match(await sidecar.admin('/listeners'), /^ingress::127\.0\.0\.1:\d+$/m);
    assert.match(await sidecar.admin('/config_dump'), /"stat_prefix": "ingress"/);
    assert.match(await sidecar.admin('/quitquitquit'), /Method GET not allowed/);
    assert.match(await sidecar.admin('/nosuch'), /^invalid path/);
    assert.match(await sidecar.admin('/logging?level=off', 'POST'), /remora: off/);
  });
});

describe('shutdown', () => {
  test('under traffic loses no request, and ends with 0', async () => {
    const backend = http.createServer((request, response) => {
      request.resume();
      setTimeout(() => response.end('done'), 20);
    });
    await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
    const sidecar = await startSidecar(simpleBootstrap((backend.address() as AddressInfo).port));
    const port = sidecar.port('ingress');
    const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
    let stopped = false;
    let answered = 0;
    const failures: string[] = [];
    const client = async () => {
      while (!stopped) {
        try {
          const reply = await get(port, '/', agent);
          if (reply.status === 200) answered++;
          else failures.push(`status ${reply.status}`);
        } catch (thrown) {
          // The listener is closed (or was while we waited in its queue): nobody took that request.
          if ((thrown as NodeJS.ErrnoException).syscall === 'connect') return;
          failures.push(String(thrown));
        }
      }
    };
    const clients = Array.from({ length: 8 }, client);
    while (answered < 50) await new Promise((resolve) => setTimeout(resolve, 5));
    sidecar.shutdown();
    await Promise.all(clients);
    stopped = true;
    assert.deepEqual(failures, []);
    assert.equal(await sidecar.finished, 0);
    agent.destroy();
    backend.close();
    backend.closeAllConnections();
  });
});

describe('circuit breakers', () => {
  test('are exact over two workers', async () => {
    const waiting: http.ServerResponse[] = [];
    const backend = http.createServer((request, response) => {
      request.resume();
      waiting.push(response);
    });
    await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
    const breakers =
      '      circuit_breakers: { thresholds: [{ max_requests: 5, max_pending_requests: 100 }] }';
    const sidecar = await startSidecar(
      simpleBootstrap((backend.address() as AddressInfo).port, breakers),
      { concurrency: 2 },
    );
    // New connections, so that both workers get some.
    const replies = Array.from({ length: 40 }, () => get(sidecar.port('ingress'), '/'));
    const overflowed = await Promise.all(
      replies.map((reply) => Promise.race([reply.then(({ status }) => status), settled(waiting)])),
    );
    assert.equal(waiting.length, 5);
    assert.equal(overflowed.filter((status) => status === 503).length, 35);
    for (const response of waiting) response.end('ok');
    const statuses = (await Promise.all(replies)).map(({ status }) => status);
    assert.equal(statuses.filter((status) => status === 200).length, 5);
    await sidecar.stop();
    backend.close();
    backend.closeAllConnections();
  });
});

/** Resolves with 0 once five requests have reached the upstream and no more have come for a while. */
async function settled(waiting: readonly unknown[]): Promise<number> {
  let before = -1;
  while (waiting.length < 5 || before !== waiting.length) {
    before = waiting.length;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  return 0;
}
