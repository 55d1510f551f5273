// Bytes that wait for the rest of their message: in at the end, out at the front, always in one piece. However
// small the pieces of a peer are, what is kept costs no more than twice its bytes.

import { keepBytes } from '../../../network/read-slab.ts';

const NO_BYTES = Buffer.alloc(0);
const MIN_BYTES = 1024;

export class ByteQueue {
  #buffer: Buffer = NO_BYTES;
  #start = 0;
  #end = 0;
  /** The buffer is ours, so that bytes may be put behind what it holds. */
  #isOwn = false;

  get length(): number {
    return this.#end - this.#start;
  }

  push(data: Buffer): void {
    if (data.length === 0) return;
    if (this.length === 0) {
      this.#buffer = keepBytes(data);
      this.#isOwn = false;
      this.#start = 0;
      this.#end = data.length;
      return;
    }
    const needed = this.length + data.length;
    if (!this.#isOwn || this.#end + data.length > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(MIN_BYTES, needed * 2));
      larger.set(this.#buffer.subarray(this.#start, this.#end));
      this.#end = this.length;
      this.#start = 0;
      this.#buffer = larger;
      this.#isOwn = true;
    }
    this.#buffer.set(data, this.#end);
    this.#end += data.length;
  }

  /** The first `count` bytes, which must be there. Nobody writes over them later. */
  take(count: number): Buffer {
    const taken = this.#buffer.subarray(this.#start, this.#start + count);
    this.#start += count;
    if (this.length === 0) this.#buffer = NO_BYTES;
    return taken;
  }

  takeAll(): Buffer {
    return this.take(this.length);
  }
}
