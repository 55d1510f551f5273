// Gauges `ring_hash_lb.*` and `maglev_lb.*` of one cluster in one worker: the shape of its table. Tables are made when a
// request needs one; a scrape makes those that are missing, for it tells of the hosts as they are.

import type { LoadBalancingData } from '../../../api/config/load-balancing.ts';
import type { CollectsMore, StatField, StatScope, StatSink } from '../../../api/stats.ts';
import type { LoadBalancer } from '../load-balancer.ts';
import { ThreadAwareBalancer } from './thread-aware-balancer.ts';

/** Whether a cluster of this data has such gauges. */
export function isHashing({ kind }: LoadBalancingData): boolean {
  return kind === 'RING_HASH' || kind === 'MAGLEV';
}

/** See the file head. */
export class HashTableStats implements CollectsMore {
  static readonly stats: readonly StatField[] = [];
  readonly #current: () => LoadBalancer;

  /** `current`: the cluster's policy over its hosts now. */
  constructor(current: () => LoadBalancer) {
    this.#current = current;
  }

  collectMore(scope: StatScope, sink: StatSink): void {
    const policy = this.#current();
    if (!(policy instanceof ThreadAwareBalancer)) return;
    const { kind, size } = policy.tableSize();
    const gauge = (name: string, value: number) => sink.value(scope, name, 'gauge-max', value);
    if (kind === 'RING_HASH') {
      gauge('ring_hash_lb.size', size?.size ?? 0);
      gauge('ring_hash_lb.min_hashes_per_host', size?.minPerHost ?? 0);
      gauge('ring_hash_lb.max_hashes_per_host', size?.maxPerHost ?? 0);
    } else {
      gauge('maglev_lb.min_entries_per_host', size?.minPerHost ?? 0);
      gauge('maglev_lb.max_entries_per_host', size?.maxPerHost ?? 0);
    }
  }
}
