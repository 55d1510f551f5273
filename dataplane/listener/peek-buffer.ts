// What listener filters have been shown of a connection and not consumed. Grows by doubling, so that a peer
// that sends byte by byte costs no more than one that sends at once.

import type { PeekedBytes } from '../api/listener-filter.ts';

const FIRST_BYTES = 1024;

export class PeekBuffer implements PeekedBytes {
  #buffer: Buffer = Buffer.alloc(0);
  #start = 0;
  #end = 0;

  get data(): Buffer {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  /** `bytes` <= data.length. */
  consume(bytes: number): void {
    if (bytes > this.#end - this.#start) throw new Error('a listener filter consumed too much');
    this.#start += bytes;
  }

  append(chunk: Buffer): void {
    if (this.#end === this.#start) {
      // The usual case: one chunk is all there ever is.
      this.#buffer = chunk;
      this.#start = 0;
      this.#end = chunk.length;
      return;
    }
    const length = this.#end - this.#start;
    const needed = length + chunk.length;
    if (this.#end + chunk.length > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, 2 * needed));
      this.#buffer.copy(grown, 0, this.#start, this.#end);
      this.#buffer = grown;
      this.#start = 0;
      this.#end = length;
    }
    chunk.copy(this.#buffer, this.#end);
    this.#end += chunk.length;
  }
}
