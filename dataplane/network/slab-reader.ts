// Reads a plain socket through one buffer that all connections of the thread share, instead of letting
// Node allocate 64 KiB for every read, shrink it and run it through the Readable machinery.
// Used by SocketConnection only; TLS sockets and unknown Nodes fall back to 'data' events.
//
// Measured (Node 24.21, bench/micro/h1-relay.ts, 1 KiB keep-alive, 64 connections, CPU us per request):
// 'data' events 25.5-28.9, shared slab 21.0-26.0 in the same runs, 10 to 18 % less.
//
// Node documents this as the `onread` option of net.connect. Accepted sockets have no such option, but
// they carry the same three fields; `adopt` fills those in. All knowledge of that is in this file, it
// is checked at run time, and slab-reader.test.ts fails when a new Node changes it.

import type { Socket } from 'node:net';

const SLAB_BYTES = 64 * 1024;
/** Reads up to this size are copied out of the slab; larger ones get buffers of their own. */
const COPY_BYTES = 16 * 1024;

const sharedSlab = Buffer.allocUnsafeSlow(SLAB_BYTES);

/** Node's names for the fields behind `onread`. */
interface OnreadSymbols {
  readonly buffer: symbol;
  readonly callback: symbol;
  readonly generator: symbol;
}

/** The parts of a net.Socket that Node's types leave out. */
interface RawSocket {
  readonly _handle?: { useUserBuffer?: (buffer: Buffer) => void } | null;
  [field: symbol]: unknown;
}

/** Undefined = not looked for yet, null = this Node has none. */
let onreadSymbols: OnreadSymbols | null | undefined;

/**
 * Hands what a socket receives to `deliver`, as buffers that may be kept. A bulk transfer (reads that
 * fill the slab) moves to private buffers that are handed on without a copy.
 */
export class SlabReader {
  readonly #deliver: (data: Buffer) => void;
  #buffer: Buffer = sharedSlab;

  constructor(deliver: (data: Buffer) => void) {
    this.#deliver = deliver;
  }

  /** False: this socket cannot be read so; use 'data' events. Nothing was changed then. */
  adopt(socket: Socket): boolean {
    if ('encrypted' in socket) return false;
    // A plain view on the fields that only the running Node knows; each is checked before it is used.
    const raw = socket as unknown as RawSocket;
    const handle = raw._handle;
    if (typeof handle?.useUserBuffer !== 'function') return false;
    if (onreadSymbols === undefined) onreadSymbols = findSymbols(socket);
    const symbols = onreadSymbols;
    if (symbols === null || raw[symbols.buffer] !== null) return false;
    raw[symbols.buffer] = sharedSlab;
    raw[symbols.callback] = (bytes: number, buffer: Buffer) => this.#onRead(bytes, buffer);
    raw[symbols.generator] = () => this.#buffer;
    handle.useUserBuffer(sharedSlab);
    return true;
  }

  /** Node: `bytes` were read into `buffer`; it asks the generator for the next one afterwards. */
  #onRead(bytes: number, buffer: Buffer): boolean {
    if (bytes <= COPY_BYTES) {
      this.#buffer = sharedSlab;
      this.#deliver(copied(buffer, bytes));
    } else {
      // The next read is likely to be as large: give it a buffer that can be handed on.
      this.#buffer = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#deliver(buffer === sharedSlab ? copied(buffer, bytes) : buffer.subarray(0, bytes));
    }
    return true;
  }
}

function copied(buffer: Buffer, bytes: number): Buffer {
  const copy = Buffer.allocUnsafe(bytes);
  buffer.copy(copy, 0, 0, bytes);
  return copy;
}

function findSymbols(socket: Socket): OnreadSymbols | null {
  const own = Object.getOwnPropertySymbols(socket);
  const find = (name: string) => own.find((symbol) => symbol.description === name);
  const buffer = find('kBuffer');
  const callback = find('kBufferCb');
  const generator = find('kBufferGen');
  if (buffer === undefined || callback === undefined || generator === undefined) return null;
  return { buffer, callback, generator };
}
