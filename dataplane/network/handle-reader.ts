// Reads one stream handle. Small reads go into a slab that all connections of the thread share and are
// copied out; a read that fills its buffer starts a bulk transfer, which has a slab of its own and copies nothing.
// Used by SocketConnection only.

import { enterReadEvent, isInReadEvent, leaveReadEvent } from './flush-queue.ts';
import { LARGE_SLAB_BYTES, ReadSlab, SMALL_READ_BYTES } from './read-slab.ts';
import { endOfStream, lastReadBytes, type StreamHandle } from './stream-handle.ts';

/** Gets what a reader reads. Called within a read event: what is written meanwhile is flushed at its end. */
export interface ReadOwner {
  /** `data` is the owner's until it returns (see read-slab.ts). */
  onRead(data: Buffer): void;
  onReadEnd(): void;
  /** `errno` is negative (ECONNRESET ...). */
  onReadError(errno: number): void;
}

const shared = new ReadSlab(LARGE_SLAB_BYTES);

/** The shared slab, cut to what one read may take. Few sizes: those of configured buffer limits. */
const sharedViews = new Map<number, Buffer>();

function sharedView(bytes: number): Buffer {
  let view = sharedViews.get(bytes);
  if (view === undefined) {
    view = shared.memory.subarray(0, bytes);
    sharedViews.set(bytes, view);
  }
  return view;
}

/** See the head comment. */
export class HandleReader {
  readonly #handle: StreamHandle;
  readonly #owner: ReadOwner;
  readonly #shared: Buffer;
  /** Null = reading into the shared slab. */
  #slab: ReadSlab | null = null;
  #isReading = false;
  #isDelivering = false;
  #isDisposed = false;

  /** `limitBytes`: the most that one read may take, 0 = no limit. */
  constructor(handle: StreamHandle, owner: ReadOwner, limitBytes: number) {
    this.#handle = handle;
    this.#owner = owner;
    const bytes =
      limitBytes === 0
        ? LARGE_SLAB_BYTES
        : Math.min(LARGE_SLAB_BYTES, Math.max(SMALL_READ_BYTES, limitBytes));
    this.#shared = sharedView(bytes);
    handle.onread = () => this.#onRead();
    handle.useUserBuffer(this.#shared);
  }

  start(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    this.#handle.readStart();
  }

  stop(): void {
    if (!this.#isReading) return;
    this.#isReading = false;
    this.#handle.readStop();
  }

  /** The connection is gone; nothing is delivered any more. */
  dispose(): void {
    this.#isDisposed = true;
    this.#isReading = false;
    this.#handle.onread = () => undefined;
    if (this.#isDelivering) return;
    this.#slab?.release();
    this.#slab = null;
  }

  /** Node: a read is done. Returns the buffer for the next one when it is another. */
  #onRead(): Buffer | undefined {
    const bytes = lastReadBytes();
    if (bytes <= 0) {
      if (bytes < 0) this.#onEnd(bytes);
      return undefined;
    }
    if (this.#slab !== null) return this.#onBulkRead(this.#slab, bytes);
    if (bytes <= SMALL_READ_BYTES) {
      const data = Buffer.allocUnsafe(bytes);
      this.#shared.copy(data, 0, 0, bytes);
      this.#deliver(data);
      return undefined;
    }
    const slab = ReadSlab.take(bytes);
    this.#shared.copy(slab.memory, 0, 0, bytes);
    // A full buffer: more is waiting, which can go straight into a slab of our own.
    const isBulk = bytes === this.#shared.length;
    this.#deliver(slab.memory.subarray(0, bytes));
    return this.#afterDelivery(slab, isBulk);
  }

  #onBulkRead(slab: ReadSlab, bytes: number): Buffer | undefined {
    this.#deliver(slab.memory.subarray(0, bytes));
    return this.#afterDelivery(slab, bytes > SMALL_READ_BYTES) ?? this.#shared;
  }

  /** What the next read fills; undefined = the shared slab. */
  #afterDelivery(slab: ReadSlab, isBulk: boolean): Buffer | undefined {
    // Within another read event nothing was flushed yet: then the slab is left to the collector.
    const isNested = isInReadEvent();
    if (!isBulk || this.#isDisposed) {
      this.#slab = null;
      if (!isNested) slab.release();
      return undefined;
    }
    const limit = this.#shared.length;
    this.#slab = slab;
    if (slab.isShared || isNested) {
      this.#slab = ReadSlab.take(limit);
      if (!isNested) slab.release();
    }
    const { memory } = this.#slab;
    return memory.length > limit ? memory.subarray(0, limit) : memory;
  }

  #deliver(data: Buffer): void {
    this.#isDelivering = true;
    enterReadEvent();
    try {
      this.#owner.onRead(data);
    } finally {
      leaveReadEvent();
      this.#isDelivering = false;
    }
  }

  #onEnd(status: number): void {
    this.stop();
    enterReadEvent();
    try {
      if (status === endOfStream) this.#owner.onReadEnd();
      else this.#owner.onReadError(status);
    } finally {
      leaveReadEvent();
    }
  }
}
