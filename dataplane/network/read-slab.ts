// Memory that sockets are read into and that is used again: for small reads one shared slab, for large ones
// slabs from a pool, newest first, so that they stay in the processor's cache. Fresh memory per read costs more
// in page faults than the copy that it saves. Used by handle-reader.ts, which reads, and write-queue.ts, which
// holds a slab while bytes of it wait to be written.
//
// Who gets bytes of a read has them until the call returns. Whoever keeps them copies (keepBytes); only
// SocketConnection.write may be given them as they are.

/** Reads up to this size are handed up as they lie in the shared slab. */
export const SMALL_READ_BYTES = 16 * 1024;
const SMALL_SLAB_BYTES = 64 * 1024;
/** The most that one read takes; measured best of 64, 128 and 256 KiB (docs/performance.md). */
export const LARGE_SLAB_BYTES = 256 * 1024;
/**
 * Measured: with copies an upload of 1 MiB under a retry policy costs 1,064-1,470 us, without 554-685 (Envoy 768-940 in
 * the same runs).
 */
const KEPT_SHARE = 4;
/** Free slabs kept per size: bounds what a burst leaves behind, 16 MiB + 4 MiB. */
const KEPT_SLABS = 64;

/** A piece of memory that is read into; counted, back in the pool when nobody has it any more. */
export class ReadSlab {
  readonly memory: Buffer;
  #holds = 1;

  constructor(bytes: number) {
    this.memory = Buffer.allocUnsafeSlow(bytes);
    slabs.set(this.memory.buffer, this);
  }

  /** Somebody beside the reader waits for its bytes to be written. */
  get isShared(): boolean {
    return this.#holds > 1;
  }

  /** A small slab for a few bytes: there may be as many of them as there are frames. Large ones are shared by many. */
  isWastedOn(bytes: number): boolean {
    return this.memory.length === SMALL_SLAB_BYTES && bytes < SMALL_SLAB_BYTES / KEPT_SHARE;
  }

  hold(): void {
    this.#holds++;
  }

  release(): void {
    if (--this.#holds > 0) return;
    if (poisons) this.memory.fill(POISON);
    const free = this.memory.length === SMALL_SLAB_BYTES ? freeSmall : freeLarge;
    if (free.length < KEPT_SLABS) free.push(this);
  }

  /** From the pool, the most recently used first, held once. `bytes` <= LARGE_SLAB_BYTES. */
  static take(bytes: number): ReadSlab {
    const isSmall = bytes <= SMALL_SLAB_BYTES;
    const slab = (isSmall ? freeSmall : freeLarge).pop();
    if (slab === undefined) return new ReadSlab(isSmall ? SMALL_SLAB_BYTES : LARGE_SLAB_BYTES);
    slab.#holds = 1;
    return slab;
  }
}

const slabs = new WeakMap<ArrayBufferLike, ReadSlab>();
const freeSmall: ReadSlab[] = [];
const freeLarge: ReadSlab[] = [];

/** Small reads of all connections of the thread go here. Never in the pool, never waited for: write copies. */
export const sharedReadSlab = new ReadSlab(LARGE_SLAB_BYTES);
const sharedMemory = sharedReadSlab.memory.buffer;

/** `data` lies where the next small read of any connection goes. */
export function liesInSharedSlab(data: Buffer): boolean {
  return data.buffer === sharedMemory;
}

/** The slab that `data` lies in; null = it is memory of its own. */
export function slabOf(data: Buffer): ReadSlab | null {
  return slabs.get(data.buffer) ?? null;
}

/**
 * `data` in memory that stays as it is: a copy, or, where it fills a quarter of its slab or more (as every large read
 * does), itself, and the slab is not read into meanwhile. letGo gives the slab back earlier than the collector does.
 * So up to four times as much memory is held as bytes are kept.
 */
export function keepBytes(data: Buffer): Buffer {
  const slab = slabs.get(data.buffer);
  if (slab === undefined) return data;
  if (slab === sharedReadSlab || data.length < slab.memory.length / KEPT_SHARE) {
    return Buffer.from(data);
  }
  slab.hold();
  return data;
}

/** What keepBytes returned is not needed any more. Once; nothing may read it afterwards. */
export function letGo(kept: Buffer): void {
  slabs.get(kept.buffer)?.release();
}

/** JS-11: tests overwrite what was given back, so that bytes kept without keepBytes are seen. */
export const poisons =
  (globalThis as { readonly remoraPoisonsSlabs?: boolean }).remoraPoisonsSlabs === true;
export const POISON = 0xdb;
