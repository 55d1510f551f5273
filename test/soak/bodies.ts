// Large bodies both ways through a sidecar whose peers read slowly, and how much memory it takes for them
// (buffers between the peers are the only place where a slow reader can hurt).
//
//   node test/soak/bodies.ts --bytes 10737418240 --streams 1       10 GiB each way
//   node test/soak/bodies.ts --bytes 268435456 --streams 4
//   node test/soak/bodies.ts --bytes 268435456 --buffer-limit 0    the control: no limit, must grow
//
// test/integration/flow.test.ts runs a short form.

import net from 'node:net';
import { proxyBootstrap, SidecarProcess } from './sidecar-process.ts';
import {
  MIB,
  pump,
  readHead,
  receive,
  rssBytes,
  runSlowStreams,
  type SlowStreamOptions,
} from './slow-stream.ts';

export interface BodiesReport {
  readonly bytesEachWay: number;
  readonly streamsEachWay: number;
  readonly seconds: number;
  readonly baselineRssMb: number;
  readonly maxRssMb: number;
  readonly growthPerStreamMb: number;
  /** Streams whose body did not arrive whole and in order. */
  readonly broken: number;
}

const SAMPLE_MS = 50;
const WARM_UP_BYTES = 16 * 1024 * 1024;
/** See the file head. */
export async function bodies(options: SlowStreamOptions): Promise<BodiesReport> {
  const { bytes, streams, bufferLimitBytes, pauseMs } = options;
  const upstream = net.createServer((socket) => serve(socket, pauseMs));
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const { port: upstreamPort } = upstream.address() as net.AddressInfo; // a TCP server has one
  const limit = { per_connection_buffer_limit_bytes: bufferLimitBytes };
  const sidecar = new SidecarProcess({
    bootstrap: (port) => proxyBootstrap(port, upstreamPort, { listener: limit, cluster: limit }),
    flags: ['--log-level', 'warning'],
  });
  let maxRss = 0;
  let broken = 0;
  const sample = () => {
    maxRss = Math.max(maxRss, rssBytes(sidecar.pid));
  };
  const exchange = async (count: number, size: number): Promise<void> => {
    const all = Array.from({ length: count }, () => [
      download(sidecar.port, size, pauseMs),
      upload(sidecar.port, size),
    ]).flat();
    for (const isWhole of await Promise.all(all)) if (!isWhole) broken++;
  };
  try {
    await sidecar.start();
    await exchange(1, WARM_UP_BYTES);
    const baseline = rssBytes(sidecar.pid);
    const timer = setInterval(sample, SAMPLE_MS);
    const startMs = performance.now();
    await exchange(streams, bytes);
    clearInterval(timer);
    sample();
    const inMb = (value: number) => Math.round((value / 1e6) * 10) / 10;
    return {
      bytesEachWay: bytes,
      streamsEachWay: streams,
      seconds: Math.round((performance.now() - startMs) / 100) / 10,
      baselineRssMb: inMb(baseline),
      maxRssMb: inMb(maxRss),
      growthPerStreamMb: inMb(Math.max(0, maxRss - baseline) / (2 * streams)),
      broken,
    };
  } finally {
    await sidecar[Symbol.asyncDispose]();
    upstream.close();
  }
}

/** The application: `/download?N` sends N bytes, `/upload?N` reads as many, slowly. One request per connection. */
function serve(socket: net.Socket, pauseMs: number): void {
  socket.on('error', () => {});
  readHead(socket, (head, rest) => {
    const [, what = '', size = '0'] = /^\w+ \/(\w+)\?(\d+)/.exec(head) ?? [];
    if (what === 'download') {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\nconnection: close\r\n\r\n`);
      pump(socket, Number(size));
      return;
    }
    receive(socket, rest, Number(size), pauseMs, (isWhole) => {
      const status = isWhole ? '200 OK' : '500 Broken';
      socket.end(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`);
    });
  });
}

function download(port: number, size: number, pauseMs: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', reject);
    socket.write(`GET /download?${size} HTTP/1.1\r\nhost: soak\r\n\r\n`);
    readHead(socket, (_head, rest) =>
      receive(socket, rest, size, pauseMs, (isWhole) => {
        socket.destroy();
        resolve(isWhole);
      }),
    );
  });
}

function upload(port: number, size: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', reject);
    socket.write(`PUT /upload?${size} HTTP/1.1\r\nhost: soak\r\ncontent-length: ${size}\r\n\r\n`);
    pump(socket, size);
    readHead(socket, (head) => {
      socket.destroy();
      resolve(head.startsWith('HTTP/1.1 200 '));
    });
  });
}

if (import.meta.main) await runSlowStreams(256 * MIB, bodies);
