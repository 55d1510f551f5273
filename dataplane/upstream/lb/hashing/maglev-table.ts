// Maglev's table (Eisenbud et al., NSDI 2016, listing 1): each host fills free slots in an order of its own, turn by
// turn, until none is free; a hash belongs to the slot hash % size. Weights as Envoy's maglev_lb has them.

import { moduloWords, type Words } from '../../../../common/uint64.ts';
import { xxhash64Words } from '../../../../common/xxhash64.ts';
import type { MaglevData } from '../../../api/config/load-balancing.ts';
import type { UpstreamHost } from '../../host.ts';
import { type HashTable, hashKeyOf, type TableSize } from './hash-table.ts';
import type { HostWeights } from './host-weights.ts';

/** See the file head. */
export class MaglevTable implements HashTable, TableSize {
  readonly size: number;
  readonly minPerHost: number;
  readonly maxPerHost: number;
  readonly #hosts: readonly UpstreamHost[];
  /** By slot: index of its host. */
  readonly #slots: Int32Array;

  constructor(
    weighed: HostWeights,
    { tableSize, useHostnameForHashing }: Pick<MaglevData, 'tableSize' | 'useHostnameForHashing'>,
  ) {
    const { hosts, weights, keys } = sortByKey(weighed, useHostnameForHashing);
    this.size = tableSize;
    this.#hosts = hosts;
    this.#slots = new Int32Array(hosts.length === 0 ? 0 : tableSize).fill(-1);
    const turns = new Turns(keys, tableSize);
    const counts = fillSlots(this.#slots, turns, weights, weighed.maxWeight);
    let min = tableSize;
    let max = 0;
    for (const count of counts) {
      if (count < min) min = count;
      if (count > max) max = count;
    }
    this.minPerHost = min;
    this.maxPerHost = max;
  }

  choose(low: number, high: number, attempt: number): UpstreamHost | null {
    const slots = this.#slots;
    if (slots.length === 0) return null;
    // Envoy: hash ^ (~0 - attempt + 1), of which most bits are set.
    const slot =
      attempt === 0
        ? moduloWords(low, high, slots.length)
        : moduloWords((low ^ -attempt) >>> 0, ~high >>> 0, slots.length);
    return this.#hosts[slots[slot]!]!;
  }
}

/** Hosts take turns in the order of their keys, so that the order of endpoints does not matter. */
function sortByKey(
  { hosts, weights }: HostWeights,
  useHostname: boolean,
): { hosts: UpstreamHost[]; weights: Float64Array; keys: string[] } {
  const entries = hosts.map((host, i) => ({
    host,
    weight: weights[i]!,
    key: hashKeyOf(host, useHostname),
  }));
  entries.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return {
    hosts: entries.map(({ host }) => host),
    weights: Float64Array.from(entries, ({ weight }) => weight),
    keys: entries.map(({ key }) => key),
  };
}

/** By host: where it looks next, and how far it goes then. */
class Turns {
  readonly next: Int32Array;
  readonly skip: Int32Array;

  constructor(keys: readonly string[], tableSize: number) {
    this.next = new Int32Array(keys.length);
    this.skip = new Int32Array(keys.length);
    const words: Words = new Uint32Array(2);
    let bytes = Buffer.alloc(256);
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!;
      if (key.length > bytes.length) bytes = Buffer.alloc(key.length);
      bytes.write(key, 'latin1');
      words[0] = 0;
      words[1] = 0;
      xxhash64Words(bytes, key.length, words);
      this.next[i] = moduloWords(words[0], words[1], tableSize);
      words[0] = 1;
      words[1] = 0;
      xxhash64Words(bytes, key.length, words);
      this.skip[i] = moduloWords(words[0], words[1], tableSize - 1) + 1;
    }
  }
}

/** Returns how many slots each host has. */
function fillSlots(
  slots: Int32Array,
  { next, skip }: Turns,
  weights: Float64Array,
  maxWeight: number,
): Uint32Array {
  const hostCount = weights.length;
  const { length } = slots;
  const counts = new Uint32Array(hostCount);
  const targets = new Float64Array(hostCount);
  let filled = 0;
  for (let round = 1; filled < length; round++) {
    for (let i = 0; i < hostCount && filled < length; i++) {
      // A host of a third of the heaviest one's weight has a turn in every third round.
      if (round * weights[i]! < targets[i]!) continue;
      targets[i]! += maxWeight;
      const step = skip[i]!;
      let slot = next[i]!;
      while (slots[slot] !== -1) {
        slot += step;
        if (slot >= length) slot -= length;
      }
      slots[slot] = i;
      slot += step;
      next[i] = slot >= length ? slot - length : slot;
      counts[i]!++;
      filled++;
    }
  }
  return counts;
}
