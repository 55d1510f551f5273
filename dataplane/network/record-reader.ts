// Reads a TLS handle, which gives at most one record (16 KiB) at a time. Full records, behind which there are mostly
// more, are laid one behind the other into a slab and go on together: one write instead of one per record.
// Used by SocketConnection only.

import { flushLeftover, isInReadEvent } from './flush-queue.ts';
import { ReadSlab } from './read-slab.ts';
import { StreamReader } from './stream-reader.ts';

/** The largest TLS plaintext, and what Node reads at a time. */
const RECORD_BYTES = 16 * 1024;

/** See the head comment. */
export class RecordReader extends StreamReader {
  #usedBytes = 0;

  override dispose(): void {
    // Records of our slab may not have been flushed yet.
    if (this.slab !== null) flushLeftover();
    super.dispose();
  }

  protected override onBytes(bytes: number): Buffer | undefined {
    if (this.slab !== null) return this.#onBulk(this.slab, bytes);
    if (bytes < RECORD_BYTES) {
      this.deliverShared(bytes);
      return undefined;
    }
    const slab = ReadSlab.take(this.shared.length);
    this.shared.copy(slab.memory, 0, 0, bytes);
    this.slab = slab;
    this.#usedBytes = 0;
    return this.#onBulk(slab, bytes);
  }

  #onBulk(slab: ReadSlab, bytes: number): Buffer | undefined {
    const start = this.#usedBytes;
    const end = start + bytes;
    this.#usedBytes = end;
    const data = slab.memory.subarray(start, end);
    const isLast = bytes < RECORD_BYTES;
    if (!isLast && slab.memory.length - end >= RECORD_BYTES) {
      this.deliverEarly(data);
      if (!this.isDisposed) return slab.memory.subarray(end);
    } else this.deliver(data);
    return this.#nextSlab(slab, isLast);
  }

  /** All of the slab was delivered and flushed, or the connection is gone. */
  #nextSlab(slab: ReadSlab, isLast: boolean): Buffer {
    // Within another read event nothing was flushed yet: then the slab is left to the collector.
    const isNested = isInReadEvent();
    this.slab = null;
    this.#usedBytes = 0;
    if (isLast || this.isDisposed) {
      flushLeftover();
      if (!isNested) slab.release();
      return this.shared;
    }
    this.slab = slab;
    if (slab.isShared || isNested) {
      this.slab = ReadSlab.take(this.shared.length);
      if (!isNested) slab.release();
    }
    return this.slab.memory;
  }
}
