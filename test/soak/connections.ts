// Connections that come and go in every way, and what is left of them: file descriptors, connections in the
// stats, memory.
//
//   node test/soak/connections.ts --connections 10000
//
// test/integration/flow.test.ts runs a short form.

import { readdirSync, readFileSync } from 'node:fs';
import net from 'node:net';
import { parseArgs } from 'node:util';
import { IdentifiedUpstream } from './identified-upstream.ts';
import { proxyBootstrap, SidecarProcess } from './sidecar-process.ts';

export interface ConnectionsReport {
  readonly connections: number;
  readonly descriptorsBefore: number;
  readonly descriptorsAfter: number;
  /** Of the listener. */
  readonly activeAfter: number;
  readonly requestsActiveAfter: number;
  readonly rssBeforeMb: number;
  readonly rssAfterMb: number;
}

const AT_ONCE = 100;
const SETTLE_MS = 10_000;
const PAGE_BYTES = 4096;
const WARM_UP = 1000;

/** How a connection ends; each in turn. */
const ways = [
  'close',
  'answered',
  'reset-in-head',
  'reset-in-body',
  'silent',
  'half-head',
] as const;

/** See the file head. */
export async function connections(count: number): Promise<ConnectionsReport> {
  const upstream = new IdentifiedUpstream({ delayMs: () => 5 });
  const upstreamPort = await upstream.listen();
  const sidecar = new SidecarProcess({
    bootstrap: (port) =>
      proxyBootstrap(port, upstreamPort, {
        // The pool's own connections go, too, so that the baseline is the same.
        cluster: { common_http_protocol_options: { idle_timeout: '0.5s' } },
      }),
    flags: ['--log-level', 'warning'],
  });
  const descriptors = () => readdirSync(`/proc/${sidecar.pid}/fd`).length;
  const rssMb = () =>
    Math.round(
      (Number(readFileSync(`/proc/${sidecar.pid}/statm`, 'utf8').split(' ')[1]) * PAGE_BYTES) / 1e6,
    );
  const stat = async (name: string) => {
    const lines = (await sidecar.admin('/stats')).split('\n');
    const line = lines.find((text) => text.startsWith(name) && text.includes('active: '));
    return Number(line?.split(': ')[1]);
  };
  const settle = async (wanted: number): Promise<void> => {
    const end = performance.now() + SETTLE_MS;
    while (descriptors() > wanted && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  try {
    await sidecar.start();
    const idle = descriptors();
    await run(sidecar.port, WARM_UP);
    await settle(idle);
    const descriptorsBefore = descriptors();
    const rssBeforeMb = rssMb();
    await run(sidecar.port, count);
    await settle(descriptorsBefore);
    return {
      connections: count,
      descriptorsBefore,
      descriptorsAfter: descriptors(),
      activeAfter: await stat('http.ingress.downstream_cx_active'),
      requestsActiveAfter: await stat('http.ingress.downstream_rq_active'),
      rssBeforeMb,
      rssAfterMb: rssMb(),
    };
  } finally {
    await sidecar[Symbol.asyncDispose]();
    upstream.close();
  }
}

async function run(port: number, count: number): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      const id = ++next;
      await once(port, id, ways[id % ways.length]!);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}

function once(port: number, id: number, way: (typeof ways)[number]): Promise<void> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    const head = (connection: string) =>
      `GET /?id=${id} HTTP/1.1\r\nhost: soak\r\nconnection: ${connection}\r\n\r\n`;
    // Whatever the end is like, it is the end.
    socket.on('error', () => {});
    socket.on('close', () => resolve());
    socket.on('connect', () => {
      switch (way) {
        case 'close':
          socket.write(head('close'));
          socket.resume();
          return;
        case 'answered':
          socket.write(head('keep-alive'));
          socket.once('data', () => socket.end());
          socket.resume();
          return;
        case 'reset-in-head':
          socket.write(head('keep-alive'), () => socket.resetAndDestroy());
          return;
        case 'reset-in-body':
          socket.write('POST /?id=1 HTTP/1.1\r\nhost: soak\r\ncontent-length: 99\r\n\r\nx', () =>
            socket.resetAndDestroy(),
          );
          return;
        case 'silent':
          socket.destroy();
          return;
        case 'half-head':
          socket.write('GET / HT', () => socket.destroy());
          return;
        default:
          way satisfies never;
      }
    });
  });
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { connections: { type: 'string', default: '10000' } },
  });
  const report = await connections(Number(values.connections));
  console.log(JSON.stringify(report, null, 2));
  const isBaseline = report.descriptorsAfter <= report.descriptorsBefore;
  process.exitCode = isBaseline && report.activeAfter === 0 ? 0 : 1;
}
