// Jittered exponential back-off, as Envoy's JitteredExponentialBackOffStrategy.

import type { Random } from './clock.ts';

/** Waits drawn uniformly from [0, min(baseMs * 2^n, maxMs)), n = calls since reset; about maxMs / 2 the ceiling jumps to it. */
export class JitteredBackoff {
  readonly #baseMs: number;
  readonly #maxMs: number;
  readonly #random: Random;
  #ceilingMs: number;

  constructor(baseMs: number, maxMs: number, random: Random) {
    this.#baseMs = baseMs;
    this.#maxMs = maxMs;
    this.#random = random;
    this.#ceilingMs = baseMs;
  }

  nextMs(): number {
    const ceilingMs = Math.min(this.#ceilingMs, this.#maxMs);
    // Envoy: what could not double again goes to the maximum at once.
    const canDouble = this.#ceilingMs < Math.trunc(this.#maxMs / 2);
    this.#ceilingMs = canDouble ? this.#ceilingMs * 2 : this.#maxMs;
    return this.#random() * ceilingMs;
  }

  reset(): void {
    this.#ceilingMs = this.#baseMs;
  }
}
