// The hash tables of one cluster in one worker, as far as they outlive the policy that asked for them: a policy is made
// anew whenever any host's health changes, most tables then hold the same hosts as before. Part of lb/host-index.

import type { HashingData } from '../../../api/config/load-balancing.ts';
import type { UpstreamHost } from '../../host.ts';
import { finish, type Steps } from '../../steps.ts';
import { HashRing } from './hash-ring.ts';
import type { HashTable, TableSize } from './hash-table.ts';
import { type HostKey, HostKeys } from './host-keys.ts';
import type { HostWeights } from './host-weights.ts';
import { MaglevTable } from './maglev-table.ts';

interface Made {
  readonly keys: readonly HostKey[];
  readonly weights: Float64Array;
  readonly table: HashTable & TableSize;
}

/** See the file head. */
export class HashTables {
  #data: HashingData | null = null;
  #keys: HostKeys | null = null;
  /** Index = priority: the last one of each. */
  #made: Made[] = [];

  /** `hosts`: all of the cluster, after a change. What is known of others is forgotten. */
  *retain(hosts: readonly UpstreamHost[]): Steps {
    if (this.#keys === null) return;
    yield* this.#keys.retain(hosts);
    let priorities = 0;
    for (const { placed } of hosts) priorities = Math.max(priorities, placed.priority + 1);
    if (this.#made.length > priorities) this.#made.length = priorities;
  }

  /** The table over these hosts; the last one of that priority if it was over the same. */
  of(data: HashingData, priority: number, weighed: HostWeights): HashTable & TableSize {
    return finish(this.steps(data, priority, weighed));
  }

  /** The same. */
  *steps(data: HashingData, priority: number, weighed: HostWeights): Steps<HashTable & TableSize> {
    if (this.#data !== data || this.#keys === null) {
      this.#data = data;
      this.#keys = new HostKeys(data);
      this.#made = [];
    }
    const keys = yield* this.#keys.of(weighed.hosts);
    const former = this.#made[priority];
    if (former !== undefined && isSame(former, keys, weighed.weights)) return former.table;
    yield;
    const table =
      data.kind === 'RING_HASH'
        ? yield* HashRing.make(weighed, keys, data)
        : yield* MaglevTable.make(weighed, keys, yield* this.#keys.rank(), data.tableSize);
    this.#made[priority] = { keys, weights: weighed.weights, table };
    return table;
  }
}

/** A key belongs to one host: the same keys are the same hosts. */
function isSame(former: Made, keys: readonly HostKey[], weights: Float64Array): boolean {
  if (former.keys.length !== keys.length) return false;
  for (let i = 0; i < keys.length; i++) {
    if (former.keys[i] !== keys[i] || former.weights[i] !== weights[i]) return false;
  }
  return true;
}
