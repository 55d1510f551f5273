// Gathers the frames of one connection and hands them over once per turn: small frames and small payloads are put
// together in one piece of memory, large payloads go as they lie. Used by outbound.ts and header-block.ts.
//
//   slab: | handed over | gathered ...... | free |
//                       start             end

import type { Connection } from '../../api/connection.ts';
import { scheduleFlush } from '../../network/flush-queue.ts';
import { ReadSlab } from '../../network/read-slab.ts';
import { FRAME_HEADER_BYTES, writeFrameHeader } from './frames.ts';

const SLAB_BYTES = 64 * 1024;
/** The most that `reserve` gives. */
export const MAX_RESERVE_BYTES = 16 * 1024;
/** A payload up to this size is copied: one more piece in a gathered write costs more. */
const COPY_BYTES = 2048;
const NO_MEMORY = Buffer.alloc(0);

export class FrameWriter {
  /** Where reserved bytes are written. */
  memory: Buffer;
  /** Bytes and frames since the start. */
  bytes: number;
  frames: number;
  readonly #connection: Connection;
  #slab: ReadSlab | null;
  #start: number;
  #end: number;
  #isScheduled: boolean;

  constructor(connection: Connection) {
    this.memory = NO_MEMORY;
    this.bytes = 0;
    this.frames = 0;
    this.#connection = connection;
    this.#slab = null;
    this.#start = 0;
    this.#end = 0;
    this.#isScheduled = false;
  }

  /** Room for `bytes`, at most MAX_RESERVE_BYTES + a frame header: the position in `memory`; then commit(). */
  reserve(bytes: number): number {
    if (this.#end + bytes > this.memory.length) this.#newSlab();
    return this.#end;
  }

  /** One frame was written from the reserved position up to `end`. */
  commit(end: number): void {
    this.bytes += end - this.#end;
    this.frames++;
    this.#end = end;
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      scheduleFlush(this);
    }
  }

  /** A frame whose payload lies somewhere else; `payload` is the caller's again when this returns. */
  frame(type: number, flags: number, streamId: number, payload: Buffer): void {
    const { length } = payload;
    const isCopied = length <= COPY_BYTES;
    const at = this.reserve(FRAME_HEADER_BYTES + (isCopied ? length : 0));
    const end = writeFrameHeader(this.memory, at, length, type, flags, streamId);
    if (isCopied) {
      copyBytes(payload, this.memory, end);
      this.commit(end + length);
      return;
    }
    this.commit(end);
    this.#handOver();
    this.bytes += length;
    this.#connection.write(payload);
  }

  /** Gathered and not handed over to the connection. */
  gatheredBytes(): number {
    return this.#end - this.#start;
  }

  /** The flush queue's, and before the connection is closed. */
  flush(): void {
    this.#isScheduled = false;
    this.#handOver();
    this.#letGo();
  }

  #handOver(): void {
    if (this.#end === this.#start) return;
    // The connection holds the slab for as long as it needs these bytes.
    this.#connection.write(this.memory.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }

  #newSlab(): void {
    this.#handOver();
    this.#letGo();
    this.#slab = ReadSlab.take(SLAB_BYTES);
    this.memory = this.#slab.memory;
  }

  #letGo(): void {
    this.#slab?.release();
    this.#slab = null;
    this.memory = NO_MEMORY;
    this.#start = 0;
    this.#end = 0;
  }
}

/** Buffer.copy crosses into native code, which a few bytes do not pay for. */
function copyBytes(from: Buffer, to: Buffer, at: number): void {
  const { length } = from;
  if (length > 32) {
    from.copy(to, at);
    return;
  }
  for (let i = 0; i < length; i++) to[at + i] = from[i]!;
}
