// The random numbers of fuzzing and of the garden: small, and the same for a seed on every machine, so that a
// printed seed is enough to play a run again.

export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 <= x < `bound`, an integer. */
  below(bound: number): number {
    // mulberry32: 32 bits of state, good enough to pick mutations with.
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let x = this.#state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) % bound;
  }

  /** `list` must not be empty. */
  pick<T>(list: readonly T[]): T {
    // Checked by the caller: an empty list has nothing to pick.
    return list[this.below(list.length)] as T;
  }

  /** True once in `n` times. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }
}
