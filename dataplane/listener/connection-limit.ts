// A ceiling of open connections that holds over all workers: one word of shared memory, changed by Atomics.
// Main makes the memory, each worker a ConnectionLimit over it.

import type { RuntimeNumber } from '../api/runtime.ts';
import { RuntimeValue } from '../matcher/runtime-value.ts';

/** Memory for one count. */
export function connectionCountMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
}

export class ConnectionLimit {
  readonly #words: Int32Array;
  readonly #limit: RuntimeValue;

  constructor(memory: SharedArrayBuffer, limit: RuntimeNumber) {
    this.#words = new Int32Array(memory);
    this.#limit = new RuntimeValue(limit);
  }

  /** False = the ceiling is reached. Never lets more in, whatever other workers do at the same time. */
  tryAcquire(): boolean {
    for (;;) {
      const open = Atomics.load(this.#words, 0);
      if (open >= this.#limit.number()) return false;
      if (Atomics.compareExchange(this.#words, 0, open, open + 1) === open) return true;
    }
  }

  /** Once per successful tryAcquire. */
  release(): void {
    Atomics.sub(this.#words, 0, 1);
  }
}
