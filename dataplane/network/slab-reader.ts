// Reads a plain socket through one buffer that all connections of the thread share, instead of letting
// Node allocate 64 KiB for every read, shrink it and run it through the Readable machinery.
// Used by SocketConnection only; TLS sockets and unknown Nodes fall back to 'data' events.
//
// Measured (Node 24.21, bench/micro/h1-relay.ts, 1 KiB keep-alive, 64 connections, CPU us per request):
// 'data' events 25.5-28.9, shared slab 21.0-26.0 in the same runs, 10 to 18 % less; 64 KiB bodies
// 57.7-62.2 -> 48.6-55.2 with arenas of 256 KiB (of 64 KiB: no gain, each costs its zeroing).
//
// Node documents this as the `onread` option of net.connect. Accepted sockets have no such option, but
// they carry the same three fields; `adopt` fills those in. All knowledge of that is in this file, it
// is checked at run time, and slab-reader.test.ts fails when a new Node changes it.

import type { Socket } from 'node:net';

const SLAB_BYTES = 64 * 1024;
/** A read larger than this begins a bulk transfer. */
const BULK_BYTES = 16 * 1024;
/** A bulk transfer's own memory, filled from front to back and never reused. */
const ARENA_BYTES = 256 * 1024;
/** Less room than this is not worth a read. */
const MIN_ROOM_BYTES = 8 * 1024;
/** So many small reads in a row end a bulk transfer. */
const SMALL_READS = 32;

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
 * Hands what a socket receives to `deliver`, as buffers that may be kept: copies of what is in the slab,
 * or, in a bulk transfer, slices of the connection's own arena, without a copy.
 */
export class SlabReader {
  readonly #deliver: (data: Buffer) => void;
  /** Null: the shared slab is read into. */
  #arena: Buffer | null = null;
  #arenaUsed = 0;
  #smallReads = 0;
  /** What the next read fills. */
  #next: Buffer = sharedSlab;

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
    raw[symbols.generator] = () => this.#next;
    handle.useUserBuffer(sharedSlab);
    return true;
  }

  /** Node: `bytes` were read into `buffer`; it asks the generator for the next one afterwards. */
  #onRead(bytes: number, buffer: Buffer): boolean {
    if (this.#arena === null) {
      const data = Buffer.allocUnsafe(bytes);
      buffer.copy(data, 0, 0, bytes);
      if (bytes > BULK_BYTES) this.#newArena();
      this.#deliver(data);
      return true;
    }
    this.#arenaUsed += bytes;
    if (bytes > BULK_BYTES) this.#smallReads = 0;
    else this.#smallReads++;
    if (this.#smallReads > SMALL_READS) {
      this.#arena = null;
      this.#next = sharedSlab;
    } else if (ARENA_BYTES - this.#arenaUsed < MIN_ROOM_BYTES) this.#newArena();
    else this.#next = this.#arena.subarray(this.#arenaUsed);
    this.#deliver(bytes === buffer.length ? buffer : buffer.subarray(0, bytes));
    return true;
  }

  #newArena(): void {
    this.#arena = Buffer.allocUnsafeSlow(ARENA_BYTES);
    this.#arenaUsed = 0;
    this.#smallReads = 0;
    this.#next = this.#arena;
  }
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
