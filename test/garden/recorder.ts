// The upstream that keeps the proxy's output byte by byte. It answers each request that the strict parser finds, so it
// sees what a server without any tolerance sees, and has what the other servers are then asked about.

import net, { type AddressInfo } from 'node:net';
import { echoOf } from './echo.ts';
import { parseRequest } from './strict-parser.ts';

/** What came over one upstream connection during one payload. */
export interface Recorded {
  readonly bytes: Buffer;
  /** Echoes of the requests in it. */
  readonly echoes: readonly string[];
  /** What stands behind the last whole request; 'malformed' is an output that no proxy may emit. */
  readonly rest: 'nothing' | 'incomplete' | 'malformed';
  readonly reason: string;
}

/** How long the proxy may take to give up an upstream connection whose request was cut short. */
const RESET_TIMEOUT_MS = 3000;

interface Stream {
  readonly socket: net.Socket;
  bytes: Buffer;
  /** Behind the last whole request. */
  position: number;
  echoes: string[];
  reason: string;
}

export interface Recorder {
  readonly port: number;
  /**
   * Streams with anything in them since the last call, in the order of their first byte. Waits for the end of those
   * that stopped in the middle of a request: what the proxy wrote last may still be on its way.
   */
  take(): Promise<Recorded[]>;
  close(): Promise<void>;
}

async function untilWhole(stream: Stream): Promise<void> {
  if (stream.position === stream.bytes.length || stream.socket.closed) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => {
      stream.reason = 'stays open in the middle of a request';
      resolve();
    }, RESET_TIMEOUT_MS);
    stream.socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

export async function startRecorder(): Promise<Recorder> {
  let streams: Stream[] = [];
  const sockets = new Map<net.Socket, Stream>();
  const open = new Set<net.Socket>();

  function answer(stream: Stream): void {
    const { socket } = stream;
    while (stream.reason === '' && stream.position < stream.bytes.length) {
      const outcome = parseRequest(stream.bytes, stream.position);
      if (outcome.kind === 'incomplete') return;
      if (outcome.kind === 'malformed') {
        stream.reason = outcome.reason;
        socket.destroy();
        return;
      }
      const { request } = outcome;
      const echo = echoOf(request.method, request.target, request.body);
      stream.position = request.end;
      stream.echoes.push(echo);
      socket.write(`HTTP/1.1 200 OK\r\nx-echo: ${echo}\r\ncontent-length: 0\r\n\r\n`);
    }
  }

  const server = net.createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => {}); // the proxy resets what a payload broke
    open.add(socket);
    socket.on('close', () => {
      open.delete(socket);
      sockets.delete(socket);
    });
    socket.on('data', (data) => {
      let stream = sockets.get(socket);
      if (stream === undefined) {
        stream = { socket, bytes: Buffer.alloc(0), position: 0, echoes: [], reason: '' };
        sockets.set(socket, stream);
        streams.push(stream);
      }
      stream.bytes = Buffer.concat([stream.bytes, data]);
      answer(stream);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port, // of a TCP server it is one
    take: async () => {
      const taken = streams;
      await Promise.all(taken.map(untilWhole));
      streams = [];
      // What comes next on a connection belongs to the next payload.
      sockets.clear();
      return taken.map(({ bytes, position, echoes, reason }) => ({
        bytes,
        echoes,
        rest: reason !== '' ? 'malformed' : position < bytes.length ? 'incomplete' : 'nothing',
        reason,
      }));
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}
