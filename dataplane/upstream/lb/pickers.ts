// How a host is picked out of one list (all, healthy or degraded hosts of one priority). A picker belongs
// to one list of one worker and is made anew when the list changes.

import type { Random } from '../../../common/clock.ts';
import type { LoadBalancingData } from '../../api/config/load-balancing.ts';
import type { UpstreamHost } from '../host.ts';
import { EdfScheduler } from './edf-scheduler.ts';

export interface Picker {
  /** Null only when the list is empty. */
  pick(): UpstreamHost | null;
}

type Hosts = readonly UpstreamHost[];

/** Envoy: random % n, weights ignored. */
class RandomPicker implements Picker {
  readonly #hosts: Hosts;
  readonly #random: Random;

  constructor(hosts: Hosts, random: Random) {
    this.#hosts = hosts;
    this.#random = random;
  }

  pick(): UpstreamHost | null {
    return this.#hosts[(this.#random() * this.#hosts.length) | 0] ?? null;
  }
}

/** Equal weights: in turn from a random start, so that workers do not march in step. */
class RoundRobinPicker implements Picker {
  readonly #hosts: Hosts;
  #next: number;

  constructor(hosts: Hosts, random: Random) {
    this.#hosts = hosts;
    this.#next = (random() * hosts.length) | 0;
  }

  pick(): UpstreamHost | null {
    const { length } = this.#hosts;
    if (length === 0) return null;
    if (this.#next >= length) this.#next = 0;
    return this.#hosts[this.#next++]!;
  }
}

/** Equal weights: N draws with replacement, the one with the fewest active requests; first drawn on a tie. */
class LeastRequestPicker implements Picker {
  readonly #hosts: Hosts;
  readonly #choiceCount: number;
  readonly #random: Random;

  constructor(hosts: Hosts, choiceCount: number, random: Random) {
    this.#hosts = hosts;
    this.#choiceCount = choiceCount;
    this.#random = random;
  }

  pick(): UpstreamHost | null {
    const hosts = this.#hosts;
    const { length } = hosts;
    if (length <= 1) return hosts[0] ?? null;
    let best = hosts[(this.#random() * length) | 0]!;
    let bestActive = best.rqActive();
    for (let i = 1; i < this.#choiceCount; i++) {
      const candidate = hosts[(this.#random() * length) | 0]!;
      const active = candidate.rqActive();
      if (active < bestActive) {
        best = candidate;
        bestActive = active;
      }
    }
    return best;
  }
}

/** Unequal weights: EDF; least request divides the weight by the load at the time of the pick. */
class WeightedPicker implements Picker {
  readonly #scheduler = new EdfScheduler<UpstreamHost>();
  readonly #weightOf: (host: UpstreamHost) => number;

  constructor(hosts: Hosts, weightOf: (host: UpstreamHost) => number, random: Random) {
    this.#weightOf = weightOf;
    for (const host of hosts) this.#scheduler.add(weightOf(host), host);
    // Envoy's newer code starts each scheduler at a random phase, for the workers' sake.
    const skip = (random() * hosts.length) | 0;
    for (let i = 0; i < skip; i++) this.#scheduler.pick(weightOf);
  }

  pick(): UpstreamHost | null {
    return this.#scheduler.pick(this.#weightOf);
  }
}

function staticWeight(host: UpstreamHost): number {
  return host.weight();
}

/** weight / (active + 1)^bias; see LeastRequestLbConfig.active_request_bias. */
function leastRequestWeight(bias: number): (host: UpstreamHost) => number {
  if (bias === 0) return staticWeight;
  if (bias === 1) return (host) => host.weight() / (host.rqActive() + 1);
  return (host) => host.weight() / (host.rqActive() + 1) ** bias;
}

/** The picker that `data` asks for, over `hosts`. */
export function createPicker(data: LoadBalancingData, hosts: Hosts, random: Random): Picker {
  const first = hosts[0]?.weight();
  const equal = hosts.every((host) => host.weight() === first);
  switch (data.kind) {
    case 'RANDOM':
      return new RandomPicker(hosts, random);
    case 'ROUND_ROBIN':
      return equal
        ? new RoundRobinPicker(hosts, random)
        : new WeightedPicker(hosts, staticWeight, random);
    case 'LEAST_REQUEST':
      return equal
        ? new LeastRequestPicker(hosts, data.choiceCount, random)
        : new WeightedPicker(hosts, leastRequestWeight(data.activeRequestBias), random);
    default:
      return data satisfies never;
  }
}
