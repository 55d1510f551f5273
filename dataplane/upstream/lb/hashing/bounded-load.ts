// hash_balance_factor: no host takes more than so many percent of the mean load; who is above is passed over, for the
// first host in an order that the hash alone decides. Envoy: BoundedLoadHashingLoadBalancer, after arXiv 1608.01350 and
// 1908.08762. Costs nothing but two counters while the host of the hash has room.

import type { UpstreamHost } from '../../host.ts';
import type { LoadBalancerParts } from '../load-balancer.ts';
import type { HashTable } from './hash-table.ts';
import type { HostWeights } from './host-weights.ts';
import { Mt19937 } from './mt19937.ts';

type ClusterLoad = Pick<LoadBalancerParts, 'rqActive'>;

const TWO_TO_32 = 0x1_0000_0000;
const shuffler = new Mt19937();

/** See the file head. */
export class BoundedLoad implements HashTable {
  readonly #table: HashTable;
  readonly #weighed: HostWeights;
  readonly #weightOf: ReadonlyMap<UpstreamHost, number>;
  readonly #factor: number;
  readonly #cluster: ClusterLoad;
  /** Scratch: a permutation of the hosts' indices. */
  readonly #order: Uint32Array;

  /** `factor` in percent, >= 100. */
  constructor(table: HashTable, weighed: HostWeights, factor: number, cluster: ClusterLoad) {
    this.#table = table;
    this.#weighed = weighed;
    this.#weightOf = new Map(weighed.hosts.map((host, i) => [host, weighed.weights[i]!]));
    this.#factor = factor;
    this.#cluster = cluster;
    this.#order = new Uint32Array(weighed.hosts.length);
  }

  choose(low: number, high: number, attempt: number): UpstreamHost | null {
    const host = this.#table.choose(low, high, attempt);
    if (host === null) return null;
    const slots = Math.floor(((this.#cluster.rqActive() + 1) * this.#factor + 99) / 100);
    const load = loadOf(host, slots, this.#weightOf.get(host)!);
    return load <= 1 ? host : this.#another(host, load, low, slots);
  }

  /** The first with room, else the least loaded. */
  #another(host: UpstreamHost, load: number, seed: number, slots: number): UpstreamHost {
    const { hosts, weights } = this.#weighed;
    const order = this.#order;
    for (let i = 0; i < order.length; i++) order[i] = i;
    shuffler.seed(seed);
    let least = host;
    let leastLoad = load;
    for (let i = 0; i < order.length; i++) {
      const j = i + drawBelow(order.length - i);
      const index = order[j]!;
      order[j] = order[i]!;
      order[i] = index;
      const other = hosts[index]!;
      if (other === host) continue;
      const otherLoad = loadOf(other, slots, weights[index]!);
      if (otherLoad <= 1) return other;
      if (otherLoad < leastLoad) {
        least = other;
        leastLoad = otherLoad;
      }
    }
    return least;
  }
}

/** Above 1 = more than its share of `slots`. */
function loadOf(host: UpstreamHost, slots: number, weight: number): number {
  return host.rqActive() / Math.max(1, Math.ceil(slots * weight));
}

/** Uniform in [0, below). */
function drawBelow(below: number): number {
  const step = Math.floor(TWO_TO_32 / below);
  let drawn = below;
  while (drawn >= below) drawn = Math.floor(shuffler.next() / step);
  return drawn;
}
