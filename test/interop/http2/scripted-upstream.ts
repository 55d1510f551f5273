// An HTTP/2 server that says, frame by frame, what a test wants to have said: for what no library would send. It
// understands as much as it takes to see a request begin and end.

import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';

const PREFACE_BYTES = 24;
const HEADER_BYTES = 9;

export const Frame = {
  Data: 0,
  Headers: 1,
  RstStream: 3,
  Settings: 4,
  PushPromise: 5,
  Ping: 6,
  Goaway: 7,
  WindowUpdate: 8,
  Continuation: 9,
} as const;

export const Flag = { EndStream: 1, EndHeaders: 4 } as const;

/** Frame header and payload. */
export function frame(type: number, flags: number, id: number, payload: Buffer | number[]): Buffer {
  const body = Buffer.from(payload);
  const head = Buffer.alloc(HEADER_BYTES);
  head.writeUIntBE(body.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, body]);
}

/** A number of four bytes. */
export function uint32(value: number): number[] {
  return [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

function lengthBytes(length: number): number[] {
  if (length < 127) return [length];
  const bytes = [127];
  let left = length - 127;
  for (; left > 127; left >>= 7) bytes.push((left & 127) | 128);
  return [...bytes, left];
}

/** A header block without tables: each field literal and not indexed. */
export function block(fields: readonly (readonly [string, string])[]): Buffer {
  const parts = fields.flatMap(([name, value]) => [
    Buffer.from([0, ...lengthBytes(name.length)]),
    Buffer.from(name, 'latin1'),
    Buffer.from(lengthBytes(value.length)),
    Buffer.from(value, 'latin1'),
  ]);
  return Buffer.concat(parts);
}

/** What a script answers a request with; `id` is its stream, `nth` counts the requests of all connections from 0. */
export type Script = (socket: net.Socket, id: number, nth: number) => void;

/** Runs `script` for each request head (`when` 'head') or when it has come whole. */
export async function scriptedUpstream(
  script: Script,
  when: 'head' | 'whole' = 'whole',
): Promise<net.Server> {
  let requests = 0;
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.write(frame(Frame.Settings, 0, 0, []));
    let bytes = Buffer.alloc(0);
    let skips = PREFACE_BYTES;
    socket.on('data', (data: Buffer) => {
      bytes = Buffer.concat([bytes, data]);
      for (;;) {
        if (skips > 0) {
          if (bytes.length < skips) return;
          bytes = bytes.subarray(skips);
          skips = 0;
        }
        if (bytes.length < HEADER_BYTES) return;
        const length = bytes.readUIntBE(0, 3);
        if (bytes.length < HEADER_BYTES + length) return;
        const [type, flags, id] = [bytes[3]!, bytes[4]!, bytes.readUInt32BE(5)];
        bytes = bytes.subarray(HEADER_BYTES + length);
        if (type === Frame.Settings && (flags & 1) === 0) {
          socket.write(frame(Frame.Settings, 1, 0, []));
        }
        const ends = (flags & Flag.EndStream) !== 0;
        const isRequest = when === 'head' ? type === Frame.Headers : ends;
        if (isRequest && type <= Frame.Headers) script(socket, id, requests++);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

export function portOf(server: net.Server): number {
  return (server.address() as AddressInfo).port; // it listens on TCP
}
