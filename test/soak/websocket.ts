// One WebSocket (or several) that carries much both ways at once, at peers that read slowly, and how much memory
// the sidecar takes for it.
//
//   node test/soak/websocket.ts --bytes 1073741824 --streams 1
//   node test/soak/websocket.ts --bytes 268435456 --buffer-limit 0   the control: no limit, must grow
//
// The sidecar carries what follows the 101 as raw bytes, so no frames are made here. test/soak/bodies.ts does the
// same with plain requests.

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

export interface WebSocketReport {
  readonly bytesEachWay: number;
  readonly streams: number;
  readonly seconds: number;
  readonly baselineRssMb: number;
  readonly maxRssMb: number;
  readonly growthPerStreamMb: number;
  /** Directions whose bytes did not arrive whole and in order. */
  readonly broken: number;
}

const WARM_UP_BYTES = 64 * MIB;
const SAMPLE_MS = 50;

/** See the file head. */
export async function webSocket(options: SlowStreamOptions): Promise<WebSocketReport> {
  const { bytes, streams, bufferLimitBytes, pauseMs } = options;
  let broken = 0;
  const note = (isWhole: boolean): void => {
    if (!isWhole) broken++;
  };
  const upstream = net.createServer((socket) => {
    socket.on('error', () => {});
    readHead(socket, (head, rest) => {
      const size = Number(/\?(\d+) /.exec(head)?.[1]);
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
      );
      exchangeBoth(socket, rest, size, pauseMs, note);
    });
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const { port: upstreamPort } = upstream.address() as net.AddressInfo; // a TCP server has one
  const limit = { per_connection_buffer_limit_bytes: bufferLimitBytes };
  const sidecar = new SidecarProcess({
    bootstrap: (port) =>
      proxyBootstrap(port, upstreamPort, {
        hcm: { upgrade_configs: [{ upgrade_type: 'websocket' }] },
        ...{ listener: limit, cluster: limit },
      }),
    flags: ['--log-level', 'warning'],
  });
  const exchange = (count: number, size: number) =>
    Promise.all(Array.from({ length: count }, () => carry(sidecar.port, size, pauseMs).then(note)));
  let maxRss = 0;
  const sample = (): void => {
    maxRss = Math.max(maxRss, rssBytes(sidecar.pid));
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
      streams,
      seconds: Math.round((performance.now() - startMs) / 100) / 10,
      baselineRssMb: inMb(baseline),
      maxRssMb: inMb(maxRss),
      growthPerStreamMb: inMb(Math.max(0, maxRss - baseline) / streams),
      broken,
    };
  } finally {
    await sidecar[Symbol.asyncDispose]();
    upstream.close();
  }
}

/** One tunnel, both ways at once; whether all came. Resolves when the upstream has read everything, too. */
function carry(port: number, size: number, pauseMs: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', reject);
    socket.write(
      `GET /?${size} HTTP/1.1\r\nhost: soak\r\nconnection: upgrade\r\nupgrade: websocket\r\n` +
        'sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    readHead(socket, (head, rest) => {
      if (!head.startsWith('HTTP/1.1 101 ')) {
        reject(new Error(head));
        return;
      }
      exchangeBoth(socket, rest, size, pauseMs, (isWhole) => {
        socket.once('close', () => resolve(isWhole));
      });
    });
  });
}

/** Writes and reads at once; ends its side when both are done, so the tunnel closes when both peers are. */
function exchangeBoth(
  socket: net.Socket,
  rest: Buffer,
  size: number,
  pauseMs: number,
  onReceived: (isWhole: boolean) => void,
): void {
  let open = 2;
  const onDone = (): void => {
    open--;
    if (open === 0) socket.end();
  };
  pump(socket, size, onDone);
  receive(socket, rest, size, pauseMs, (isWhole) => {
    onReceived(isWhole);
    socket.resume();
    onDone();
  });
}

if (import.meta.main) await runSlowStreams(1024 * MIB, webSocket);
