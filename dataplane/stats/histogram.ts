// A fixed-bucket histogram that hot code can afford: one compare loop over 20 bounds, two additions.

import { type Histogram, type HistogramData, histogramBounds } from '../api/stats.ts';

/** Index of the bucket of a value below 2048 (ms) by its integer part: turns the search into a load. */
const LOOKUP_SIZE = 2048;
const lookup = new Uint8Array(LOOKUP_SIZE);
for (let value = 0; value < LOOKUP_SIZE; value++) lookup[value] = firstBucketFrom(value);

function firstBucketFrom(value: number): number {
  let bucket = 0;
  while (bucket < histogramBounds.length && value > histogramBounds[bucket]!) bucket++;
  return bucket;
}

/** Buckets are allocated at the first record, so an idle cluster pays nothing for its histograms. */
export class BucketHistogram implements Histogram {
  #buckets: Float64Array | null = null;
  #count = 0;
  #sum = 0;

  /** `value` >= 0, milliseconds (or bytes, or a count). */
  record(value: number): void {
    let buckets = this.#buckets;
    if (buckets === null) {
      buckets = new Float64Array(histogramBounds.length + 1);
      this.#buckets = buckets;
    }
    let bucket = value < LOOKUP_SIZE ? lookup[value | 0]! : firstBucketFrom(value);
    // The table knows integers; a fraction may lie just past its bound.
    while (bucket < histogramBounds.length && value > histogramBounds[bucket]!) bucket++;
    buckets[bucket] = buckets[bucket]! + 1;
    this.#count++;
    this.#sum += value;
  }

  /** Cumulative data for a collection; null while nothing was recorded. */
  data(): HistogramData | null {
    if (this.#buckets === null) return null;
    const buckets: number[] = [];
    let running = 0;
    for (const inBucket of this.#buckets) {
      running += inBucket;
      buckets.push(running);
    }
    return { count: this.#count, sum: this.#sum, buckets };
  }
}
