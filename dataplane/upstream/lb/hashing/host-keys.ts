// What stands for each host in a cluster's hash tables, with the hashes of it that tables needed so far: a table that is
// made anew, because some host came, left or fell ill, hashes nothing but what is new. One per cluster and worker.

import { byteString } from '../../../../common/byte-string.ts';
import { murmur2Words } from '../../../../common/murmur2.ts';
import type { Words } from '../../../../common/uint64.ts';
import { xxhash64Words } from '../../../../common/xxhash64.ts';
import type { HashingData } from '../../../api/config/load-balancing.ts';
import type { UpstreamHost } from '../../host.ts';
import { HOSTS_PER_STEP, type Steps } from '../../steps.ts';

/** Digits of the number of the largest ring's last place. */
const MAX_DIGITS = 7;
const DIGIT_0 = 0x30;
const noWords = new Uint32Array(0);
const words: Words = new Uint32Array(2);
let scratch = Buffer.alloc(256);

/** The key of one host. Its text never changes: another text is another key. */
export class HostKey {
  /** UTF-8 as latin1. */
  readonly text: string;
  /** Its position in the order of all keys; see HostKeys.rank. */
  rank = 0;
  /** [low, high, low, high, ...] */
  #places: Uint32Array = noWords;
  #placeCount = 0;
  #seeds: Uint32Array = noWords;

  constructor(text: string) {
    this.text = text;
  }

  /** Words of the hashes of `<text>_0`, `<text>_1`, ...: low, high, low, high, ...; at least `count` pairs. */
  places(count: number, isMurmur: boolean): Uint32Array {
    if (count <= this.#placeCount) return this.#places;
    const places = new Uint32Array(count * 2);
    places.set(this.#places);
    const prefix = writeText(`${this.text}_`, MAX_DIGITS);
    for (let n = this.#placeCount; n < count; n++) {
      const length = writeNumber(scratch, prefix, n);
      if (isMurmur) murmur2Words(scratch, length, words);
      else hashWithSeed(length, 0);
      places[n * 2] = words[0]!;
      places[n * 2 + 1] = words[1]!;
    }
    this.#places = places;
    this.#placeCount = count;
    return places;
  }

  /** Words of xxHash64 of the text with seeds 0 and 1: low, high, low, high. */
  seeds(): Uint32Array {
    if (this.#seeds.length === 0) {
      const length = writeText(this.text, 0);
      const seeds = new Uint32Array(4);
      hashWithSeed(length, 0);
      seeds.set(words);
      hashWithSeed(length, 1);
      seeds.set(words, 2);
      this.#seeds = seeds;
    }
    return this.#seeds;
  }
}

/** See the file head. */
export class HostKeys {
  readonly #useHostname: boolean;
  readonly #keys = new Map<UpstreamHost, HostKey>();
  /** How often keys came or went. */
  #changes = 0;
  /** When all keys were ranked last, by #changes. */
  #rankedAt = 0;

  constructor({ useHostnameForHashing }: Pick<HashingData, 'useHostnameForHashing'>) {
    this.#useHostname = useHostnameForHashing;
  }

  /** In the order of `hosts`. */
  *of(hosts: readonly UpstreamHost[]): Steps<HostKey[]> {
    const keys = this.#keys;
    const all: HostKey[] = [];
    for (const host of hosts) {
      const text = hashKeyOf(host, this.#useHostname);
      let key = keys.get(host);
      if (key === undefined || key.text !== text) {
        key = new HostKey(text);
        keys.set(host, key);
        this.#changes++;
      }
      all.push(key);
      if (all.length % HOSTS_PER_STEP === 0) yield;
    }
    return all;
  }

  /** Sees to the ranks of all keys; returns how many ranks there are. */
  *rank(): Steps<number> {
    while (this.#rankedAt !== this.#changes) {
      const changes = this.#changes;
      const sorted = yield* sortedByText([...this.#keys.values()]);
      // Somebody else may have come between.
      if (changes !== this.#changes) continue;
      for (let i = 0; i < sorted.length; i++) sorted[i]!.rank = i;
      this.#rankedAt = changes;
    }
    return this.#keys.size;
  }

  /** Forgets hosts that are not among `hosts`, once they are more than a few. */
  *retain(hosts: readonly UpstreamHost[]): Steps {
    if (this.#keys.size <= hosts.length * 1.25 + 16) return;
    const staying = new Set<UpstreamHost>();
    for (const host of hosts) {
      staying.add(host);
      if (staying.size % HOSTS_PER_STEP === 0) yield;
    }
    let looked = 0;
    for (const host of this.#keys.keys()) {
      if (!staying.has(host)) {
        this.#keys.delete(host);
        this.#changes++;
      }
      if (++looked % HOSTS_PER_STEP === 0) yield;
    }
  }
}

/** Envoy: hashKey of thread_aware_lb_impl. */
function hashKeyOf(host: UpstreamHost, useHostname: boolean): string {
  const key = host.placed.metadata?.['envoy.lb']?.['hash_key'];
  if (typeof key === 'string' && key !== '') return byteString(key);
  return useHostname ? byteString(host.hostname) : host.addressText;
}

/** By merging runs. */
function* sortedByText(keys: readonly HostKey[]): Steps<readonly HostKey[]> {
  let runs: HostKey[][] = [];
  for (let at = 0; at < keys.length; at += HOSTS_PER_STEP) {
    runs.push(keys.slice(at, at + HOSTS_PER_STEP).sort(byText));
    yield;
  }
  while (runs.length > 1) {
    const merged: HostKey[][] = [];
    for (let i = 0; i < runs.length; i += 2) {
      merged.push(yield* mergedRuns(runs[i]!, runs[i + 1] ?? []));
    }
    runs = merged;
  }
  return runs[0] ?? [];
}

function* mergedRuns(a: readonly HostKey[], b: readonly HostKey[]): Steps<HostKey[]> {
  const merged: HostKey[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const takesA = j === b.length || (i < a.length && byText(a[i]!, b[j]!) <= 0);
    merged.push(takesA ? a[i++]! : b[j++]!);
    if (merged.length % HOSTS_PER_STEP === 0) yield;
  }
  return merged;
}

function byText(a: HostKey, b: HostKey): number {
  return a.text < b.text ? -1 : a.text > b.text ? 1 : 0;
}

function hashWithSeed(length: number, seed: number): void {
  words[0] = seed;
  words[1] = 0;
  xxhash64Words(scratch, length, words);
}

/** Into `scratch`, with room for `more` bytes behind it. */
function writeText(text: string, more: number): number {
  if (text.length + more > scratch.length) scratch = Buffer.alloc(2 * (text.length + more));
  return scratch.write(text, 'latin1');
}

/** Decimal digits from `at` on; returns their end. */
function writeNumber(bytes: Buffer, at: number, value: number): number {
  let digits = 1;
  for (let rest = value; rest >= 10; rest = (rest / 10) | 0) digits++;
  let rest = value;
  for (let i = at + digits - 1; i >= at; i--) {
    bytes[i] = DIGIT_0 + (rest % 10);
    rest = (rest / 10) | 0;
  }
  return at + digits;
}
