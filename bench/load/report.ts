// What our own load clients print at their end: one line of JSON, a LoadResult.

import type { LoadResult } from './result.ts';

/** Counts operations and their times while a load runs. */
export class LoadReport {
  readonly #startMs = performance.now();
  readonly #timesMs: number[] = [];
  errors = 0;

  add(startedMs: number): void {
    this.#timesMs.push(performance.now() - startedMs);
  }

  /** `seconds`: how long operations were begun, where that is shorter than the report is old. */
  print(seconds = (performance.now() - this.#startMs) / 1000): void {
    const sorted = this.#timesMs.sort((a, b) => a - b);
    const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? 0;
    const result: LoadResult = {
      operations: sorted.length,
      operationsPerSecond: sorted.length / seconds,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      errors: this.errors,
    };
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }
}
