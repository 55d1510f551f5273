// Reads a plain handle. Small reads are handed up as they lie in the shared slab; a read that fills its buffer starts a
// bulk transfer, which has a slab of its own and copies nothing. Used by SocketConnection only.

import { isInReadEvent } from './flush-queue.ts';
import { ReadSlab, SMALL_READ_BYTES } from './read-slab.ts';
import { StreamReader } from './stream-reader.ts';

/** See the head comment. */
export class HandleReader extends StreamReader {
  protected override onBytes(bytes: number): Buffer | undefined {
    if (this.slab !== null) {
      this.deliver(this.slab.memory.subarray(0, bytes));
      return this.#afterDelivery(this.slab, bytes > SMALL_READ_BYTES) ?? this.shared;
    }
    if (bytes <= SMALL_READ_BYTES) {
      this.deliverShared(bytes);
      return undefined;
    }
    const slab = ReadSlab.take(bytes);
    this.shared.copy(slab.memory, 0, 0, bytes);
    this.deliver(slab.memory.subarray(0, bytes));
    // A full buffer: more is waiting, which can go straight into a slab of our own.
    return this.#afterDelivery(slab, bytes === this.shared.length);
  }

  /** What the next read fills; undefined = the shared slab. */
  #afterDelivery(slab: ReadSlab, isBulk: boolean): Buffer | undefined {
    // Within another read event nothing was flushed yet: then the slab is left to the collector.
    const isNested = isInReadEvent();
    if (!isBulk || this.isDisposed) {
      this.slab = null;
      if (!isNested) slab.release();
      return undefined;
    }
    const limit = this.shared.length;
    this.slab = slab;
    if (slab.isShared || isNested) {
      this.slab = ReadSlab.take(limit);
      if (!isNested) slab.release();
    }
    const { memory } = this.slab;
    return memory.length > limit ? memory.subarray(0, limit) : memory;
  }
}
