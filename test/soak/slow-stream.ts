// What the soaks with much data share: a pattern that shows lost and repeated pieces, writers that wait for
// their socket, readers that rest.

import { readFileSync } from 'node:fs';
import type net from 'node:net';
import { parseArgs } from 'node:util';

const CHUNK_BYTES = 64 * 1024;
/** A reader rests after so much. */
const READ_BYTES = 4 * 1024 * 1024;
const PAGE_BYTES = 4096;
/** No power of two, so that a lost or repeated piece of a body shows. */
const PERIOD = 251;
const pattern = Buffer.from(Array.from({ length: CHUNK_BYTES + PERIOD }, (_, i) => i % PERIOD));

export const MIB = 1024 * 1024;
/** What one stream may make the sidecar grow by. */
const MAX_GROWTH_MB = 5;

export interface SlowStreamOptions {
  /** Each way, of each stream. */
  readonly bytes: number;
  readonly streams: number;
  /** per_connection_buffer_limit_bytes of listener and cluster; 0 = none. */
  readonly bufferLimitBytes: number;
  /** A reader rests so long after each 4 MiB. */
  readonly pauseMs: number;
}

/** Runs a soak with the options of the command line, prints its report and exits with 1 when it does not hold. */
export async function runSlowStreams(
  defaultBytes: number,
  run: (
    options: SlowStreamOptions,
  ) => Promise<{ readonly growthPerStreamMb: number; readonly broken: number }>,
): Promise<void> {
  const { values } = parseArgs({
    options: {
      bytes: { type: 'string', default: String(defaultBytes) },
      streams: { type: 'string', default: '1' },
      'buffer-limit': { type: 'string', default: String(MIB) },
      'pause-ms': { type: 'string', default: '10' },
    },
  });
  const report = await run({
    bytes: Number(values.bytes),
    streams: Number(values.streams),
    bufferLimitBytes: Number(values['buffer-limit']),
    pauseMs: Number(values['pause-ms']),
  });
  console.log(JSON.stringify(report, null, 2));
  process.exitCode = report.growthPerStreamMb < MAX_GROWTH_MB && report.broken === 0 ? 0 : 1;
}

/** Resident memory of a process. */
export function rssBytes(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE_BYTES;
}

/** Calls back once, with the head and what came behind it. */
export function readHead(socket: net.Socket, onHead: (head: string, rest: Buffer) => void): void {
  let seen = Buffer.alloc(0);
  const onData = (chunk: Buffer): void => {
    seen = Buffer.concat([seen, chunk]);
    const end = seen.indexOf('\r\n\r\n');
    if (end === -1) return;
    socket.off('data', onData);
    onHead(seen.toString('latin1', 0, end), seen.subarray(end + 4));
  };
  socket.on('data', onData);
  socket.on('close', () => socket.off('data', onData));
}

/** Writes `size` bytes of the pattern as fast as the socket takes them. */
export function pump(socket: net.Socket, size: number, onSent: () => void = () => {}): void {
  let sent = 0;
  const push = (): void => {
    while (sent < size && !socket.destroyed) {
      const start = sent % PERIOD;
      const length = Math.min(CHUNK_BYTES, size - sent);
      sent += length;
      if (!socket.write(pattern.subarray(start, start + length))) {
        socket.once('drain', push);
        return;
      }
    }
    onSent();
  };
  push();
}

/** Reads `size` bytes with rests; whether they are the pattern. A stream that ends early never calls back. */
export function receive(
  socket: net.Socket,
  rest: Buffer,
  size: number,
  pauseMs: number,
  onEnd: (isWhole: boolean) => void,
): void {
  let received = 0;
  let restAt = READ_BYTES;
  let isWhole = true;
  const onData = (chunk: Buffer): void => {
    // The ends of a chunk tell a shifted body as well as all of it would.
    const ends = [0, chunk.length - 1];
    for (const at of ends) if (chunk[at] !== (received + at) % PERIOD) isWhole = false;
    received += chunk.length;
    if (received >= size) {
      socket.off('data', onData);
      onEnd(isWhole && received === size);
    } else if (received >= restAt) {
      restAt += READ_BYTES;
      socket.pause();
      setTimeout(() => socket.resume(), pauseMs);
    }
  };
  socket.on('data', onData);
  if (rest.length > 0) onData(rest);
}
