// A token bucket that all workers draw from. Tokens flow in steadily, tokens_per_fill in each fill_interval, as in
// Envoy since 1.31; there is no timer. The whole state is one 64-bit word: the moment (machine time, ns) at which
// the bucket was empty, had it then been left alone. Taking a token moves it on by what a token takes to flow in;
// a compare-and-swap makes that exact over all threads.
//
//   empty moment          now
//        |<-- tokens x nsPerToken -->|        tokens = (now - empty moment) / nsPerToken, at most maxTokens

import type { Clock } from '../../../../common/clock.ts';
import type { TokenBucketData } from './data.ts';

const NS_PER_MS = 1e6;
/** Never touched: the bucket is full. */
const UNTOUCHED = 0n;
/** What rounding to whole nanoseconds may take from a whole token. */
const ROUNDING = 1e-6;

export class TokenBucket {
  readonly #state: BigInt64Array;
  readonly #maxTokens: number;
  readonly #nsPerToken: number;
  readonly #clock: Clock;

  constructor(data: TokenBucketData, clock: Clock) {
    this.#state = new BigInt64Array(data.state);
    this.#maxTokens = data.maxTokens;
    this.#nsPerToken = (data.fillIntervalMs * NS_PER_MS) / data.tokensPerFill;
    this.#clock = clock;
  }

  /** False = there is none, nothing changed. */
  tryTake(): boolean {
    const nowNs = this.#clock.machineMs() * NS_PER_MS;
    let state = Atomics.load(this.#state, 0);
    for (;;) {
      const left = this.#tokensAt(nowNs, state) - 1;
      if (left < -ROUNDING) return false;
      const emptyNs = Math.floor(nowNs - Math.max(0, left) * this.#nsPerToken);
      // 0 would read as untouched.
      const next = emptyNs === 0 ? 1n : BigInt(emptyNs);
      const seen = Atomics.compareExchange(this.#state, 0, state, next);
      if (seen === state) return true;
      state = seen;
    }
  }

  #tokensAt(nowNs: number, state: bigint): number {
    if (state === UNTOUCHED) return this.#maxTokens;
    return Math.min(this.#maxTokens, (nowNs - Number(state)) / this.#nsPerToken);
  }
}
