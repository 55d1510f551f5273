// Maglev's table (Eisenbud et al., NSDI 2016, listing 1): each host fills free slots in an order of its own, turn by
// turn, until none is free; a hash belongs to the slot hash % size. Weights as Envoy's maglev_lb has them.

import { moduloWords } from '../../../../common/uint64.ts';
import type { UpstreamHost } from '../../host.ts';
import type { HashTable, TableSize } from './hash-table.ts';
import type { HostKey } from './host-keys.ts';
import type { HostWeights } from './host-weights.ts';

/** See the file head. */
export class MaglevTable implements HashTable, TableSize {
  readonly size: number;
  readonly minPerHost: number;
  readonly maxPerHost: number;
  readonly #hosts: readonly UpstreamHost[];
  /** By slot: index of its host. */
  readonly #slots: Int32Array;

  /** `keys`: of the hosts, index by index; their ranks are below `ranks`. `tableSize` is a prime. */
  constructor(weighed: HostWeights, keys: readonly HostKey[], ranks: number, tableSize: number) {
    const { hosts } = weighed;
    this.size = tableSize;
    this.#hosts = hosts;
    this.#slots = new Int32Array(hosts.length === 0 ? 0 : tableSize).fill(-1);
    const turns = new Turns(keys, tableSize);
    const counts = fillSlots(this.#slots, turns, turnOrder(keys, ranks), weighed);
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

/** By host: where it looks next, and how far it goes then. */
class Turns {
  readonly next: Int32Array;
  readonly skip: Int32Array;

  constructor(keys: readonly HostKey[], tableSize: number) {
    this.next = new Int32Array(keys.length);
    this.skip = new Int32Array(keys.length);
    for (let i = 0; i < keys.length; i++) {
      const seeds = keys[i]!.seeds();
      this.next[i] = moduloWords(seeds[0]!, seeds[1]!, tableSize);
      this.skip[i] = moduloWords(seeds[2]!, seeds[3]!, tableSize - 1) + 1;
    }
  }
}

/** Hosts take turns in the order of their keys, so that the order of endpoints does not matter. */
function turnOrder(keys: readonly HostKey[], ranks: number): Uint32Array {
  const byRank = new Int32Array(ranks).fill(-1);
  for (let i = 0; i < keys.length; i++) byRank[keys[i]!.rank] = i;
  return Uint32Array.from(byRank.filter((i) => i !== -1));
}

/** Returns how many slots each host has. */
function fillSlots(
  slots: Int32Array,
  { next, skip }: Turns,
  order: Uint32Array,
  { weights, maxWeight }: HostWeights,
): Uint32Array {
  const hostCount = weights.length;
  const { length } = slots;
  const counts = new Uint32Array(hostCount);
  const targets = new Float64Array(hostCount);
  let filled = 0;
  for (let round = 1; filled < length; round++) {
    for (let turn = 0; turn < hostCount && filled < length; turn++) {
      const i = order[turn]!;
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
