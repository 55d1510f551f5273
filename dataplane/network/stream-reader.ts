// What the readers of plain and of TLS handles have in common. Used by handle-reader.ts and record-reader.ts.

import { enterReadEvent, leaveReadEvent, leaveReadEventEarly } from './flush-queue.ts';
import {
  LARGE_SLAB_BYTES,
  POISON,
  poisons,
  type ReadSlab,
  SMALL_READ_BYTES,
  sharedReadSlab,
} from './read-slab.ts';
import { endOfStream, lastReadBytes, type StreamHandle } from './stream-handle.ts';

/** Gets what a reader reads. Called within a read event: what is written meanwhile is flushed at its end. */
export interface ReadOwner {
  /** `data` is the owner's until it returns (see read-slab.ts). */
  onRead(data: Buffer): void;
  onReadEnd(): void;
  /** `errno` is negative (ECONNRESET ...). */
  onReadError(errno: number): void;
}

/** The shared slab, cut to what one read may take. Few sizes: those of configured buffer limits. */
const sharedViews = new Map<number, Buffer>();

function sharedView(bytes: number): Buffer {
  let view = sharedViews.get(bytes);
  if (view === undefined) {
    view = sharedReadSlab.memory.subarray(0, bytes);
    sharedViews.set(bytes, view);
  }
  return view;
}

/** See the head comment. */
export abstract class StreamReader {
  /** The shared slab as far as this connection may fill it. */
  protected readonly shared: Buffer;
  /** Of a bulk transfer; null = reading into the shared slab. */
  protected slab: ReadSlab | null = null;
  protected isDisposed = false;
  readonly #handle: StreamHandle;
  readonly #owner: ReadOwner;
  #isReading = false;
  #isDelivering = false;

  /** `limitBytes`: the most that one read may take, 0 = no limit. */
  constructor(handle: StreamHandle, owner: ReadOwner, limitBytes: number) {
    this.#handle = handle;
    this.#owner = owner;
    const bytes =
      limitBytes === 0
        ? LARGE_SLAB_BYTES
        : Math.min(LARGE_SLAB_BYTES, Math.max(SMALL_READ_BYTES, limitBytes));
    this.shared = sharedView(bytes);
    handle.onread = () => this.#onRead();
    handle.useUserBuffer(this.shared);
  }

  /** `bytes` > 0 were read into the buffer chosen last; returns the next one when it is another. */
  protected abstract onBytes(bytes: number): Buffer | undefined;

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
    this.isDisposed = true;
    this.#isReading = false;
    this.#handle.onread = ignoreRead;
    if (this.#isDelivering) return;
    this.slab?.release();
    this.slab = null;
  }

  /** As it lies in the shared slab. */
  protected deliverShared(bytes: number): void {
    this.deliver(this.shared.subarray(0, bytes));
    if (poisons) this.shared.fill(POISON, 0, bytes);
  }

  /** What the owner writes meanwhile is flushed when this returns (or at the end of the outer event). */
  protected deliver(data: Buffer): void {
    this.#isDelivering = true;
    enterReadEvent();
    try {
      this.#owner.onRead(data);
    } finally {
      leaveReadEvent();
      this.#isDelivering = false;
    }
  }

  /** More is at hand behind `data`: what the owner writes is flushed after that. */
  protected deliverEarly(data: Buffer): void {
    this.#isDelivering = true;
    enterReadEvent();
    try {
      this.#owner.onRead(data);
    } finally {
      leaveReadEventEarly();
      this.#isDelivering = false;
    }
  }

  #onRead(): Buffer | undefined {
    const bytes = lastReadBytes();
    if (bytes > 0) return this.onBytes(bytes);
    if (bytes < 0) this.#onEnd(bytes);
    return undefined;
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

/** Node wants a function there as long as the handle lives. */
function ignoreRead(): undefined {
  return undefined;
}
