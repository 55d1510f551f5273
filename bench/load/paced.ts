// `paced.ts PORT CONNECTIONS STREAMS RATE SECONDS`: GETs over HTTP/2 at a fixed rate, evenly over the connections, each
// request a write of its own. h2load can keep a rate too, but sends what is due every 10 ms in one go.

import { once } from 'node:events';
import net from 'node:net';
import {
  ACK,
  END_HEADERS,
  END_STREAM,
  FrameReader,
  FrameType,
  frame,
  openingFrames,
  PREFACE,
  windowUpdate,
} from './frames.ts';
import { LoadReport } from './report.ts';

const [port, connections, streams, rate, seconds] = process.argv.slice(2).map(Number) as [
  number,
  number,
  number,
  number,
  number,
];
const TICK_MS = 1;
/** Time for the last answers. */
const GRACE_MS = 250;
/** Share of the rate that must be reached for the run to count. */
const REACHED = 0.98;
const CREDIT_STEP = 1 << 24;

const GET_HTTP_ROOT = [0x82, 0x86, 0x84];
const AUTHORITY_BENCH = [0x41, 5, ...Buffer.from('bench')];
const USER_AGENT_PACED = [0x7a, 5, ...Buffer.from('paced')];
const firstBlock = Buffer.from([...GET_HTTP_ROOT, ...AUTHORITY_BENCH, ...USER_AGENT_PACED]);
/** The two fields above, from the dynamic table. */
const nextBlock = Buffer.from([...GET_HTTP_ROOT, 0xbf, 0xbe]);
const STATUS_200 = 0x88;
const SIZE_UPDATE_MASK = 0xe0;
const SIZE_UPDATE = 0x20;

const report = new LoadReport();

/** Skips dynamic table size updates, which may come before the first field. */
function isStatus200(block: Buffer): boolean {
  let at = 0;
  while ((block[at]! & SIZE_UPDATE_MASK) === SIZE_UPDATE) {
    const isLong = (block[at++]! & 0x1f) === 0x1f;
    while (isLong && (block[at++]! & 0x80) !== 0);
  }
  return block[at] === STATUS_200;
}

class Client {
  readonly #socket: net.Socket;
  readonly #startedMs = new Map<number, number>();
  #nextId = 1;
  #uncredited = 0;

  constructor(socket: net.Socket) {
    this.#socket = socket;
    const reader = new FrameReader((type, flags, id, payload) =>
      this.#onFrame(type, flags, id, payload),
    );
    socket.on('error', () => {
      report.errors++;
    });
    socket.on('data', (chunk: Buffer) => reader.push(chunk));
    socket.write(Buffer.concat([PREFACE, openingFrames()]));
  }

  /** False: all its streams are in use. */
  send(): boolean {
    if (this.#startedMs.size >= streams || this.#socket.destroyed) return false;
    const id = this.#nextId;
    this.#nextId += 2;
    this.#startedMs.set(id, performance.now());
    const block = id === 1 ? firstBlock : nextBlock;
    this.#socket.write(frame(FrameType.Headers, END_HEADERS | END_STREAM, id, block));
    return true;
  }

  close(): void {
    report.errors += this.#startedMs.size;
    this.#socket.destroy();
  }

  #onFrame(type: number, flags: number, id: number, payload: Buffer): void {
    switch (type) {
      case FrameType.Headers:
        if (!isStatus200(payload)) report.errors++;
        if ((flags & END_STREAM) !== 0) this.#onEnd(id);
        break;
      case FrameType.Data:
        this.#uncredited += payload.length;
        if (this.#uncredited >= CREDIT_STEP) {
          this.#socket.write(windowUpdate(0, this.#uncredited));
          this.#uncredited = 0;
        }
        if ((flags & END_STREAM) !== 0) this.#onEnd(id);
        break;
      case FrameType.RstStream:
        report.errors++;
        this.#startedMs.delete(id);
        break;
      case FrameType.Settings:
      case FrameType.Ping:
        if ((flags & ACK) === 0) this.#socket.write(frame(type, ACK, 0, ackPayload(type, payload)));
        break;
      case FrameType.GoAway:
        report.errors++;
        break;
    }
  }

  #onEnd(id: number): void {
    const startedMs = this.#startedMs.get(id);
    if (startedMs === undefined) return;
    this.#startedMs.delete(id);
    report.add(startedMs);
  }
}

function ackPayload(type: number, payload: Buffer): Buffer {
  return type === FrameType.Ping ? payload : Buffer.alloc(0);
}

const clients = await Promise.all(
  Array.from({ length: connections }, async () => {
    const socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
    await once(socket, 'connect');
    return new Client(socket);
  }),
);
const startMs = performance.now();
let sent = 0;
let turn = 0;

function tick(): void {
  const elapsedMs = performance.now() - startMs;
  if (elapsedMs >= seconds * 1000) {
    setTimeout(end, GRACE_MS);
    return;
  }
  let refused = 0;
  for (let due = Math.floor((elapsedMs * rate) / 1000) - sent; due > 0 && refused < connections; ) {
    if (clients[turn++ % connections]!.send()) {
      sent++;
      due--;
      refused = 0;
    } else {
      refused++;
    }
  }
  setTimeout(tick, TICK_MS);
}

function end(): void {
  for (const client of clients) client.close();
  if (sent < rate * seconds * REACHED) report.errors += Math.round(rate * seconds) - sent;
  report.print(seconds);
}

tick();
