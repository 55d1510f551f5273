// Policies by which one hash goes to one host (RING_HASH, MAGLEV). The hash also decides the priority, so that a client
// stays where it is while nothing changes. Envoy: ThreadAwareLoadBalancerBase; unlike the other policies' it heeds no
// retry_priority and gives nothing to degraded hosts outside of panic.

import { moduloWords, splitBigint, type Words } from '../../../../common/uint64.ts';
import type { HashingData } from '../../../api/config/load-balancing.ts';
import type { LoadBalancerContext, PriorityLoad } from '../../../api/load-balancing.ts';
import type { RequestHasher } from '../../../api/request-hasher.ts';
import { compileHashPolicy } from '../../../matcher/hash-policy.ts';
import type { UpstreamHost } from '../../host.ts';
import { finish, type Steps } from '../../steps.ts';
import { type PrioritySet, priorityLoad } from '../host-set.ts';
import type { LoadBalancer, LoadBalancerParts } from '../load-balancer.ts';
import { BoundedLoad } from './bounded-load.ts';
import type { HashTable, TableSize } from './hash-table.ts';
import type { HashTables } from './hash-tables.ts';
import { weighHosts } from './host-weights.ts';

const TWO_TO_32 = 0x1_0000_0000;

/** See the file head. */
export class ThreadAwareBalancer implements LoadBalancer {
  readonly #data: HashingData;
  readonly #hosts: PrioritySet;
  readonly #parts: LoadBalancerParts;
  readonly #tableCache: HashTables;
  readonly #load: PriorityLoad;
  /** The policy's own, else null: then the context tells the hash. */
  readonly #hashPolicy: RequestHasher | null;
  /** By priority; made when they are first needed. */
  readonly #tables: (HashTable | undefined)[];
  /** Of the request that is asked for: all its attempts have one hash. */
  readonly #hash: Words = new Uint32Array(2);
  /** Index = priority; of the tables that are there. */
  readonly #sizes: TableSize[] = [];

  /** `tables`: of the cluster; they outlive this policy. */
  constructor(data: HashingData, hosts: PrioritySet, parts: LoadBalancerParts, tables: HashTables) {
    this.#tableCache = tables;
    this.#data = data;
    this.#hosts = hosts;
    this.#parts = parts;
    this.#load = priorityLoad(hosts.priorities, hosts, parts.panicThresholdPercent);
    this.#hashPolicy = compileHashPolicy(data.hashPolicy);
    this.#tables = new Array<HashTable | undefined>(hosts.priorities.length).fill(undefined);
  }

  *prepare(): Steps {
    for (let priority = 0; priority < this.#tables.length; priority++) {
      const { healthy, degraded } = this.#load;
      if (healthy[priority]! > 0 || degraded[priority]! > 0) yield* this.#makeTable(priority);
    }
  }

  /** Who comes next is not known before the request. */
  peek(): null {
    return null;
  }

  choose(context: LoadBalancerContext, attempt: number): UpstreamHost | null {
    const words = this.#hash;
    if (attempt === 0) this.#readHash(context, words);
    const low = words[0]!;
    const high = words[1]!;
    const priority = this.#choosePriority(low, high);
    if (attempt === 0 && this.#load.panic[priority]!) this.#parts.stats.lbHealthyPanic++;
    this.#tables[priority] ??= finish(this.#makeTable(priority));
    return this.#tables[priority].choose(low, high, attempt);
  }

  /** Of the last priority that has hosts (Envoy: each table overwrites the gauges); null = none has. */
  tableSize(): { readonly kind: HashingData['kind']; readonly size: TableSize | null } {
    for (let priority = 0; priority < this.#tables.length; priority++) {
      this.#tables[priority] ??= finish(this.#makeTable(priority));
    }
    const size = this.#sizes.findLast((made) => made.maxPerHost > 0) ?? null;
    return { kind: this.#data.kind, size };
  }

  /** Without a hash a request goes anywhere. */
  #readHash(context: LoadBalancerContext, words: Words): void {
    const hash =
      this.#hashPolicy === null
        ? context.hashKey()
        : this.#hashPolicy.hash(context.requestHeaders, context.streamInfo, null);
    if (hash !== null) {
      splitBigint(hash, words);
      return;
    }
    words[0] = this.#parts.random() * TWO_TO_32;
    words[1] = this.#parts.random() * TWO_TO_32;
  }

  #choosePriority(low: number, high: number): number {
    const { healthy, degraded } = this.#load;
    if (healthy[0] === 100) return 0;
    const percent = moduloWords(low, high, 100) + 1;
    let cumulative = 0;
    for (let priority = 0; priority < healthy.length; priority++) {
      cumulative += healthy[priority]!;
      if (percent <= cumulative) return priority;
    }
    for (let priority = 0; priority < degraded.length; priority++) {
      cumulative += degraded[priority]!;
      if (percent <= cumulative) return priority;
    }
    return 0; // loads add up to 100
  }

  *#makeTable(priority: number): Steps<HashTable> {
    const data = this.#data;
    const isInPanic = this.#load.panic[priority]!;
    const hosts = this.#hosts.priorities[priority]!;
    const weighed = yield* weighHosts(hosts, isInPanic, data.localityWeighted);
    const table = yield* this.#tableCache.steps(data, priority, weighed);
    this.#sizes[priority] = table;
    this.#tables[priority] =
      data.balanceFactor === null
        ? table
        : new BoundedLoad(table, weighed, data.balanceFactor, this.#parts);
    return this.#tables[priority];
  }
}
