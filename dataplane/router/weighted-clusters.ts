// Which of a route's weighted clusters a request takes: the first whose cumulative weight is above
// `value % total`, where value is the stream's random number, a header's or the hash of the route's hash policy.

import type { RequestHeaders } from '../api/headers.ts';
import type { RequestHasher } from '../api/request-hasher.ts';
import type { StreamInfo } from '../api/stream-info.ts';
import type { RuntimeValue } from '../matcher/runtime-value.ts';
import type { RouteEntry } from './route-entry.ts';

const DIGITS = /^[0-9]{1,20}$/;
const EXACT_DIGITS = 15;

/** One per route that has some. */
export class WeightedClusters {
  readonly #entries: readonly RouteEntry[];
  /** Cumulative; the last is the total. Of weights that runtime changes as they were when last looked at. */
  readonly #ends: number[];
  /** Null = the weights are what they are. */
  readonly #live: readonly RuntimeValue[] | null;
  readonly #headerName: string;
  readonly #hashPolicy: RequestHasher | null;

  /**
   * `headerName` '' and `hashPolicy` null = by chance. At least one weight is above 0 (config checked it). `live`: what runtime
   * says of each weight, if it does.
   */
  constructor(
    entries: readonly RouteEntry[],
    weights: readonly number[],
    headerName: string,
    hashPolicy: RequestHasher | null,
    live: readonly RuntimeValue[] | null = null,
  ) {
    let end = 0;
    this.#ends = weights.map((weight) => {
      end += weight;
      return end;
    });
    this.#live = live;
    this.#entries = entries;
    this.#headerName = headerName;
    this.#hashPolicy = hashPolicy;
  }

  /** Null = runtime has set all weights to 0: there is no route. */
  choose(
    headers: RequestHeaders,
    random: number,
    streamInfo: StreamInfo | null,
  ): RouteEntry | null {
    if (this.#live !== null) this.#sum(this.#live);
    const ends = this.#ends;
    const total = ends[ends.length - 1]!;
    if (total === 0) return null;
    let value = random % total;
    if (this.#headerName !== '') value = headerValue(headers, this.#headerName, total) ?? value;
    if (this.#hashPolicy !== null) {
      const hash = this.#hashPolicy.hash(headers, streamInfo, null);
      if (hash !== null) value = Number(hash % BigInt(total));
    }
    for (let i = 0; i < ends.length; i++) if (value < ends[i]!) return this.#entries[i]!;
    return this.#entries[ends.length - 1]!;
  }

  #sum(live: readonly RuntimeValue[]): void {
    let end = 0;
    for (let i = 0; i < live.length; i++) {
      end += live[i]!.number();
      this.#ends[i] = end;
    }
  }
}

/** An unsigned 64-bit number modulo `total`; null when the header holds none. */
function headerValue(headers: RequestHeaders, name: string, total: number): number | null {
  const text = headers.get(name);
  if (text === null || !DIGITS.test(text)) return null;
  return text.length <= EXACT_DIGITS ? Number(text) % total : Number(BigInt(text) % BigInt(total));
}
