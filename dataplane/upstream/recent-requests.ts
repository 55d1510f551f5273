// How many requests began in the last time, over all workers: what a retry budget with budget_interval is a share of.
// Used by resource-manager.ts. The memory comes with the cluster's config (common/shared-memory.ts).
//
//   one word per tenth of the interval:  | 12 bits: which tenth, modulo 4096 | 20 bits: requests in it |
//
// A word of another tenth than it should be is old, and counts for nothing. (One that nobody wrote to for exactly 4096
// tenths is taken for new, which costs nothing but a few retries more for one interval.)

import type { Clock } from '../../common/clock.ts';

const COUNT_BITS = 20;
const MAX_COUNT = (1 << COUNT_BITS) - 1;
const TAG_MASK = 0xfff;

/** See the file head. */
export class RecentRequests {
  /** One per tenth: Envoy counts in tenths, too. */
  readonly #words: Int32Array;
  readonly #partMs: number;
  readonly #clock: Clock;

  /** `intervalMs` > 0. */
  constructor(memory: SharedArrayBuffer, intervalMs: number, clock: Clock) {
    this.#words = new Int32Array(memory);
    this.#partMs = intervalMs / this.#words.length;
    this.#clock = clock;
  }

  add(): void {
    const part = this.#part();
    const tag = part & TAG_MASK;
    const words = this.#words;
    const at = part % words.length;
    let word = Atomics.load(words, at);
    for (;;) {
      const isOld = word >>> COUNT_BITS !== tag;
      if (!isOld && (word & MAX_COUNT) === MAX_COUNT) return;
      const next = isOld ? (tag << COUNT_BITS) | 1 : word + 1;
      const seen = Atomics.compareExchange(words, at, word, next);
      if (seen === word) return;
      word = seen;
    }
  }

  /** Takes back what add() of this thread counted just now. */
  remove(): void {
    const part = this.#part();
    const words = this.#words;
    const at = part % words.length;
    const word = Atomics.load(words, at);
    // A new tenth has begun between the two: then it is counted, and leaves with the old one.
    if (word >>> COUNT_BITS !== (part & TAG_MASK) || (word & MAX_COUNT) === 0) return;
    Atomics.sub(words, at, 1);
  }

  /** Of this tenth and the nine before it. */
  count(): number {
    const part = this.#part();
    const words = this.#words;
    let sum = 0;
    for (let back = 0; back < words.length && back <= part; back++) {
      const word = Atomics.load(words, (part - back) % words.length);
      if (word >>> COUNT_BITS === ((part - back) & TAG_MASK)) sum += word & MAX_COUNT;
    }
    return sum;
  }

  #part(): number {
    return Math.floor(this.#clock.machineMs() / this.#partMs);
  }
}
