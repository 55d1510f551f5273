// Maglev's table (Eisenbud et al., NSDI 2016, listing 1): each host fills free slots in an order of its own, turn by
// turn, until none is free; a hash belongs to the slot hash % size. Weights as Envoy's maglev_lb has them.

import { moduloWords } from '../../../../common/uint64.ts';
import type { UpstreamHost } from '../../host.ts';
import { HOSTS_PER_STEP, type Steps } from '../../steps.ts';
import type { HashTable, TableSize } from './hash-table.ts';
import type { HostKey } from './host-keys.ts';
import type { HostWeights } from './host-weights.ts';

const LOOKS_PER_STEP = 2048;

/** See the file head. */
export class MaglevTable implements HashTable, TableSize {
  readonly size: number;
  readonly minPerHost: number;
  readonly maxPerHost: number;
  readonly #hosts: readonly UpstreamHost[];
  /** By slot: index of its host. */
  readonly #slots: Int32Array;

  /** `keys`: of the hosts, index by index; their ranks are below `ranks`. `tableSize` is a prime. */
  static *make(
    weighed: HostWeights,
    keys: readonly HostKey[],
    ranks: number,
    tableSize: number,
  ): Steps<MaglevTable> {
    const { hosts } = weighed;
    // First: while this waits, others may rank the keys anew.
    const order = turnOrder(keys, ranks);
    const slots = new Int32Array(hosts.length === 0 ? 0 : tableSize).fill(-1);
    yield;
    const turns = yield* turnsOf(keys, tableSize);
    const counts = yield* fillSlots(slots, turns, order, weighed);
    return new MaglevTable(hosts, slots, counts, tableSize);
  }

  private constructor(
    hosts: readonly UpstreamHost[],
    slots: Int32Array,
    counts: Uint32Array,
    tableSize: number,
  ) {
    this.size = tableSize;
    this.#hosts = hosts;
    this.#slots = slots;
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
interface Turns {
  readonly next: Int32Array;
  readonly skip: Int32Array;
}

function* turnsOf(keys: readonly HostKey[], tableSize: number): Steps<Turns> {
  const next = new Int32Array(keys.length);
  const skip = new Int32Array(keys.length);
  for (let i = 0; i < keys.length; i++) {
    const seeds = keys[i]!.seeds();
    next[i] = moduloWords(seeds[0]!, seeds[1]!, tableSize);
    skip[i] = moduloWords(seeds[2]!, seeds[3]!, tableSize - 1) + 1;
    if (i % HOSTS_PER_STEP === HOSTS_PER_STEP - 1) yield;
  }
  return { next, skip };
}

/** Hosts take turns in the order of their keys, so that the order of endpoints does not matter. */
function turnOrder(keys: readonly HostKey[], ranks: number): Uint32Array {
  const byRank = new Int32Array(ranks).fill(-1);
  for (let i = 0; i < keys.length; i++) byRank[keys[i]!.rank] = i;
  return Uint32Array.from(byRank.filter((i) => i !== -1));
}

/** Returns how many slots each host has. */
function* fillSlots(
  slots: Int32Array,
  { next, skip }: Turns,
  order: Uint32Array,
  { weights, maxWeight }: HostWeights,
): Steps<Uint32Array> {
  const hostCount = weights.length;
  const { length } = slots;
  const counts = new Uint32Array(hostCount);
  const targets = new Float64Array(hostCount);
  let filled = 0;
  let looks = 0;
  for (let round = 1; filled < length; round++) {
    for (let turn = 0; turn < hostCount && filled < length; turn++) {
      const i = order[turn]!;
      // A host of a third of the heaviest one's weight has a turn in every third round.
      if (round * weights[i]! < targets[i]!) continue;
      targets[i]! += maxWeight;
      const step = skip[i]!;
      let slot = next[i]!;
      while (slots[slot] !== -1) {
        looks++;
        slot += step;
        if (slot >= length) slot -= length;
      }
      slots[slot] = i;
      slot += step;
      next[i] = slot >= length ? slot - length : slot;
      counts[i]!++;
      filled++;
      // The last free slots take very long to find.
      if (++looks < LOOKS_PER_STEP) continue;
      looks = 0;
      yield;
    }
  }
  return counts;
}
