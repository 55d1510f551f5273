// All kinds of slow clients at once on one sidecar, and what the good requests beside them notice of it:
// heads byte by byte, bodies byte by byte, and readers that never read.
//
//   node test/soak/slow-clients.ts --clients 5000 --seconds 40
//
// test/hostile/sl-slow-and-many.test.ts has each kind alone, with its counters.

import { readFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { parseArgs } from 'node:util';
import { IdentifiedClient } from './identified-client.ts';
import { IdentifiedUpstream } from './identified-upstream.ts';
import type { ClientReport } from './open-loop.ts';
import { proxyBootstrap, SidecarProcess } from './sidecar-process.ts';

export interface SlowClientsOptions {
  /** One in ten of them is a reader (the kernel keeps some megabytes for each); the others are heads and bodies. */
  readonly clients: number;
  readonly seconds: number;
  /** Good requests per second. */
  readonly rate: number;
}

export interface SlowClientsReport {
  readonly slowClients: number;
  /** Connections of the listener while the good requests ran. */
  readonly connectionsActive: number;
  /** Good requests alone, then beside the slow clients. */
  readonly alone: ClientReport;
  readonly beside: ClientReport;
  readonly rssAloneMb: number;
  readonly maxRssMb: number;
  readonly rssGrowthMb: number;
}

const kinds = [
  ...(['head', 'body', 'head', 'body', 'head', 'body', 'head', 'body', 'head'] as const),
  'reader',
] as const;
/** Until the buffers between the peers of the readers are full. */
const SETTLE_MS = 4000;
const PAGE_BYTES = 4096;
const ALONE_MS = 5000;
/** Each slow client sends one byte so often. */
const BYTE_MS = 2000;
const CONNECTING_AT_ONCE = 200;
const BIG_BYTES = 16 * 1024 * 1024;
const CHUNK = Buffer.alloc(64 * 1024, 'x');

/** See the file head. */
export async function slowClients(options: SlowClientsOptions): Promise<SlowClientsReport> {
  const upstream = new IdentifiedUpstream({ delayMs: () => 0 });
  const upstreamPort = await upstream.listen();
  const big = http.createServer((request, response) => {
    request.resume();
    if (request.method === 'GET') sendBig(response);
    else request.on('end', () => response.end());
  });
  await new Promise<void>((resolve) => big.listen(0, '127.0.0.1', resolve));
  const { port: bigPort } = big.address() as net.AddressInfo; // a TCP server has one
  const limit = { per_connection_buffer_limit_bytes: 32 * 1024 };
  const sidecar = new SidecarProcess({
    bootstrap: (port) =>
      withSlowCluster(
        proxyBootstrap(port, upstreamPort, {
          listener: limit,
          cluster: limit,
          hcm: { route_config: routes },
        }),
        bigPort,
      ),
    flags: ['--log-level', 'warning'],
  });
  const sockets: net.Socket[] = [];
  let ticker: NodeJS.Timeout | null = null;
  try {
    await sidecar.start();
    const good = (durationMs: number) =>
      new IdentifiedClient({
        ports: () => [sidecar.port],
        ...{ ratePerSecond: options.rate, durationMs, postEvery: 4 },
        ...{ streams: 0, streamMs: 0, webSockets: 0, maxConnections: 20 },
      }).run();
    const alone = await good(ALONE_MS);
    const rssAloneMb = rssMb(sidecar.pid);
    for (let begun = 0; begun < options.clients; begun += CONNECTING_AT_ONCE) {
      const count = Math.min(CONNECTING_AT_ONCE, options.clients - begun);
      sockets.push(
        ...(await Promise.all(
          Array.from({ length: count }, (_, i) =>
            begin(sidecar.port, kinds[(begun + i) % kinds.length]!),
          ),
        )),
      );
    }
    ticker = drip(sockets.filter((_, i) => kinds[i % kinds.length] !== 'reader'));
    let maxRssMb = 0;
    const sampler = setInterval(() => {
      maxRssMb = Math.max(maxRssMb, rssMb(sidecar.pid));
    }, 200);
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    const beside = await good(options.seconds * 1000);
    clearInterval(sampler);
    const connectionsActive = await activeConnections(sidecar);
    return {
      slowClients: sockets.length,
      connectionsActive,
      alone,
      beside,
      rssAloneMb,
      maxRssMb,
      rssGrowthMb: maxRssMb - rssAloneMb,
    };
  } finally {
    if (ticker !== null) clearInterval(ticker);
    for (const socket of sockets) socket.destroy();
    await sidecar[Symbol.asyncDispose]();
    upstream.close();
    big.closeAllConnections();
    big.close();
  }
}

const routes = {
  virtual_hosts: [
    {
      name: 'all',
      domains: ['*'],
      routes: [
        { match: { prefix: '/slow' }, route: { cluster: 'slow', timeout: '0s' } },
        { match: { prefix: '/' }, route: { cluster: 'backend', timeout: '0s' } },
      ],
    },
  ],
};

/** A cluster of its own: its circuit breaker must not be what the good requests meet. */
function withSlowCluster(
  bootstrap: Readonly<Record<string, unknown>>,
  port: number,
): Readonly<Record<string, unknown>> {
  // As proxyBootstrap makes it.
  const resources = bootstrap['static_resources'] as { listeners: unknown[]; clusters: unknown[] };
  const most = { max_connections: 10_000, max_requests: 10_000, max_pending_requests: 10_000 };
  const endpoint = { address: { socket_address: { address: '127.0.0.1', port_value: port } } };
  const slow = {
    name: 'slow',
    type: 'STATIC',
    connect_timeout: '5s',
    per_connection_buffer_limit_bytes: 32 * 1024,
    circuit_breakers: { thresholds: [most] },
    load_assignment: { cluster_name: 'slow', endpoints: [{ lb_endpoints: [{ endpoint }] }] },
  };
  return {
    ...bootstrap,
    static_resources: { ...resources, clusters: [...resources.clusters, slow] },
  };
}

/** Connects and sends the beginning; resolves when it is written. */
function begin(port: number, kind: (typeof kinds)[number]): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      socket.on('error', () => {});
      socket.pause();
      const head = 'HTTP/1.1\r\nhost: soak\r\n';
      if (kind === 'head') socket.write(`GET /slow ${head}x-slow: `);
      else if (kind === 'body') socket.write(`POST /slow ${head}content-length: 1000000\r\n\r\n`);
      else socket.write(`GET /slow ${head}\r\n`);
      resolve(socket);
    });
  });
}

/** One byte to each within BYTE_MS, spread evenly. */
function drip(sockets: readonly net.Socket[]): NodeJS.Timeout {
  const TICK_MS = 20;
  const share = Math.ceil((sockets.length * TICK_MS) / BYTE_MS);
  let next = 0;
  return setInterval(() => {
    for (let i = 0; i < share; i++) {
      const socket = sockets[next++ % sockets.length];
      if (socket?.writable) socket.write('x');
    }
  }, TICK_MS);
}

function sendBig(response: http.ServerResponse): void {
  response.setHeader('content-length', BIG_BYTES);
  let sent = 0;
  const push = (): void => {
    while (sent < BIG_BYTES && !response.destroyed) {
      sent += CHUNK.length;
      if (!response.write(CHUNK)) {
        response.once('drain', push);
        return;
      }
    }
    response.end();
  };
  push();
}

async function activeConnections(sidecar: SidecarProcess): Promise<number> {
  const lines = (await sidecar.admin('/stats')).split('\n');
  const line = lines.find((text) => text.startsWith('http.ingress.downstream_cx_active: '));
  return Number(line?.split(': ')[1]);
}

function rssMb(pid: number): number {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  return Math.round((pages * PAGE_BYTES) / 1e6);
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      clients: { type: 'string', default: '5000' },
      seconds: { type: 'string', default: '30' },
      rate: { type: 'string', default: '100' },
    },
  });
  const report = await slowClients({
    clients: Number(values.clients),
    seconds: Number(values.seconds),
    rate: Number(values.rate),
  });
  console.log(JSON.stringify(report, null, 2));
  const { lost, crossed, truncated } = report.beside;
  const isHeld = report.connectionsActive >= report.slowClients;
  process.exitCode = isHeld && lost + crossed + truncated === 0 ? 0 : 1;
}
