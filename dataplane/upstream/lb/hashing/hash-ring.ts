// Ketama's ring (RING_HASH): each host stands at as many places as its weight says, a hash belongs to the next place
// at or above it. How many places, and where, is Envoy's (ring_hash_lb); how they lie in memory is ours:
//
//   #starts[b] .. #starts[b + 1]   places whose hash begins with the bits b; the ring has about as many such
//                                  buckets as places, so that a pick looks at one or two of them
//   #high[i], #low[i], #owner[i]   place i: words of its hash, index of its host; in ascending order of the hash

import type { RingHashData } from '../../../api/config/load-balancing.ts';
import type { UpstreamHost } from '../../host.ts';
import { HOSTS_PER_STEP, type Steps } from '../../steps.ts';
import type { HashTable, TableSize } from './hash-table.ts';
import type { HostKey } from './host-keys.ts';
import type { HostWeights } from './host-weights.ts';

type RingOptions = Pick<RingHashData, 'minimumRingSize' | 'maximumRingSize' | 'hashFunction'>;

const MAX_BUCKET_BITS = 23;
const BUCKETS_PER_STEP = 1024;

/** See the file head. */
export class HashRing implements HashTable, TableSize {
  readonly size: number;
  readonly minPerHost: number;
  readonly maxPerHost: number;
  readonly #hosts: readonly UpstreamHost[];
  readonly #low: Uint32Array;
  readonly #high: Uint32Array;
  readonly #owner: Uint32Array;
  readonly #starts: Uint32Array;
  readonly #shift: number;

  /** `keys`: of the hosts, index by index. */
  static *make(
    weighed: HostWeights,
    keys: readonly HostKey[],
    options: RingOptions,
  ): Steps<HashRing> {
    const { counts, size } = yield* countPlaces(weighed, options);
    const ring = new HashRing(weighed.hosts, counts, size);
    yield* ring.#fill(counts, keys, options.hashFunction === 'MURMUR_HASH_2');
    return ring;
  }

  private constructor(hosts: readonly UpstreamHost[], counts: Uint32Array, size: number) {
    let total = 0;
    let min = size;
    let max = 0;
    for (const count of counts) {
      total += count;
      if (count < min) min = count;
      if (count > max) max = count;
    }
    this.size = size;
    this.minPerHost = min;
    this.maxPerHost = max;
    this.#hosts = hosts;
    this.#low = new Uint32Array(total);
    this.#high = new Uint32Array(total);
    this.#owner = new Uint32Array(total);
    const bits = Math.min(MAX_BUCKET_BITS, Math.max(1, 32 - Math.clz32(total)));
    this.#shift = 32 - bits;
    this.#starts = new Uint32Array(2 ** bits + 1);
  }

  choose(low: number, high: number, attempt: number): UpstreamHost | null {
    const total = this.#owner.length;
    if (total === 0) return null;
    const bucket = high >>> this.#shift;
    let from = this.#starts[bucket]!;
    let to = this.#starts[bucket + 1]!;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const placeHigh = this.#high[middle]!;
      if (placeHigh < high || (placeHigh === high && this.#low[middle]! < low)) from = middle + 1;
      else to = middle;
    }
    return this.#hosts[this.#owner[(from + attempt) % total]!]!;
  }

  *#fill(counts: Uint32Array, keys: readonly HostKey[], isMurmur: boolean): Steps {
    const starts = this.#starts;
    const shift = this.#shift;
    for (let owner = 0; owner < keys.length; owner++) {
      const places = keys[owner]!.places(counts[owner]!, isMurmur);
      const end = counts[owner]! * 2;
      for (let i = 1; i < end; i += 2) starts[(places[i]! >>> shift) + 1]!++;
      if (owner % HOSTS_PER_STEP === 0) yield;
    }
    for (let i = 1; i < starts.length; i++) {
      starts[i]! += starts[i - 1]!;
      if (i % BUCKETS_PER_STEP === 0) yield;
    }
    const next = starts.slice();
    for (let owner = 0; owner < keys.length; owner++) {
      const places = keys[owner]!.places(counts[owner]!, isMurmur);
      const end = counts[owner]! * 2;
      for (let i = 0; i < end; i += 2) {
        const high = places[i + 1]!;
        const place = next[high >>> shift]!++;
        this.#low[place] = places[i]!;
        this.#high[place] = high;
        this.#owner[place] = owner;
      }
      if (owner % HOSTS_PER_STEP === 0) yield;
    }
    for (let bucket = 0; bucket + 1 < starts.length; bucket++) {
      this.#sortBucket(starts[bucket]!, starts[bucket + 1]!);
      if (bucket % BUCKETS_PER_STEP === 0) yield;
    }
  }

  /** By insertion: a bucket holds one or two places. Those of one hash, which one hash_key for many hosts makes, stay. */
  #sortBucket(from: number, to: number): void {
    const low = this.#low;
    const high = this.#high;
    const owner = this.#owner;
    for (let i = from + 1; i < to; i++) {
      const placeLow = low[i]!;
      const placeHigh = high[i]!;
      const placeOwner = owner[i]!;
      let at = i;
      while (at > from) {
        const beforeHigh = high[at - 1]!;
        if (beforeHigh < placeHigh || (beforeHigh === placeHigh && low[at - 1]! <= placeLow)) break;
        low[at] = low[at - 1]!;
        high[at] = beforeHigh;
        owner[at] = owner[at - 1]!;
        at--;
      }
      low[at] = placeLow;
      high[at] = placeHigh;
      owner[at] = placeOwner;
    }
  }
}

/** The lightest host gets a whole number of places; running sums spread what the others' fractions leave. */
function* countPlaces(
  { hosts, weights, minWeight }: HostWeights,
  { minimumRingSize, maximumRingSize }: RingOptions,
): Steps<{ counts: Uint32Array; size: number }> {
  const counts = new Uint32Array(hosts.length);
  if (hosts.length === 0) return { counts, size: 0 };
  const scale = Math.min(Math.ceil(minWeight * minimumRingSize) / minWeight, maximumRingSize);
  let current = 0;
  let target = 0;
  for (let i = 0; i < hosts.length; i++) {
    target += scale * weights[i]!;
    while (current < target) {
      counts[i]!++;
      current++;
    }
    if (i % HOSTS_PER_STEP === 0) yield;
  }
  return { counts, size: Math.ceil(scale) };
}
