// How a host is picked out of one list (all, healthy or degraded hosts of one priority). A picker belongs
// to one list of one worker and is made anew when the list changes.

import type { Random } from '../../../common/clock.ts';
import type {
  LeastRequestData,
  RandomData,
  RoundRobinData,
} from '../../api/config/load-balancing.ts';
import type { RuntimeNumber } from '../../api/runtime.ts';
import { readRuntime } from '../../matcher/runtime-value.ts';
import type { UpstreamHost } from '../host.ts';
import { HOSTS_PER_STEP, type Steps } from '../steps.ts';
import { EdfScheduler } from './edf-scheduler.ts';
import type { SlowStart } from './slow-start.ts';

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

/** Equal weights: the one of all with the fewest active requests; of several, each is as likely. */
class FullScanPicker implements Picker {
  readonly #hosts: Hosts;
  readonly #random: Random;

  constructor(hosts: Hosts, random: Random) {
    this.#hosts = hosts;
    this.#random = random;
  }

  pick(): UpstreamHost | null {
    const hosts = this.#hosts;
    let best: UpstreamHost | null = null;
    let bestActive = Number.POSITIVE_INFINITY;
    let ties = 0;
    for (let i = 0; i < hosts.length; i++) {
      const host = hosts[i]!;
      const active = host.rqActive();
      if (active > bestActive) continue;
      if (active < bestActive) {
        best = host;
        bestActive = active;
        ties = 1;
        continue;
      }
      // Reservoir: the k-th of equals takes the place with probability 1/k.
      ties++;
      if (((this.#random() * ties) | 0) === 0) best = host;
    }
    return best;
  }
}

type WeightOf = (host: UpstreamHost) => number;

/** Unequal weights: EDF; least request divides the weight by the load at the time of the pick. */
class WeightedPicker implements Picker {
  readonly #scheduler: EdfScheduler<UpstreamHost>;
  readonly #weightOf: WeightOf;

  private constructor(scheduler: EdfScheduler<UpstreamHost>, weightOf: WeightOf) {
    this.#weightOf = weightOf;
    this.#scheduler = scheduler;
  }

  static *make(hosts: Hosts, weightOf: WeightOf, random: Random): Steps<WeightedPicker> {
    const picks = (random() * hosts.length) | 0;
    return new WeightedPicker(yield* EdfScheduler.make(hosts, weightOf, picks), weightOf);
  }

  pick(): UpstreamHost | null {
    return this.#scheduler.pick(this.#weightOf);
  }
}

function staticWeight(host: UpstreamHost): number {
  return host.weight();
}

/** weight / (active + 1)^bias; see LeastRequestLbConfig.active_request_bias. */
function leastRequestWeight(bias: number): WeightOf {
  if (bias === 0) return staticWeight;
  if (bias === 1) return (host) => host.weight() / (host.rqActive() + 1);
  return (host) => host.weight() / (host.rqActive() + 1) ** bias;
}

/** Kinds that pick out of one list, whatever locality and priority it is of. */
export type ListPolicyData = RoundRobinData | LeastRequestData | RandomData;

/** The picker that `data` asks for, over `hosts`. `slowStart`: null = none of the cluster's hosts is in its window. */
export function* createPicker(
  data: ListPolicyData,
  hosts: Hosts,
  random: Random,
  slowStart: SlowStart | null = null,
): Steps<Picker> {
  const equal = hosts.length <= 1 || (slowStart === null && (yield* haveOneWeight(hosts)));
  switch (data.kind) {
    case 'RANDOM':
      return new RandomPicker(hosts, random);
    case 'ROUND_ROBIN':
      return equal
        ? new RoundRobinPicker(hosts, random)
        : yield* WeightedPicker.make(hosts, slowed(staticWeight, slowStart), random);
    case 'LEAST_REQUEST':
      if (!equal) {
        const weightOf = leastRequestWeight(biasOf(data.activeRequestBias));
        return yield* WeightedPicker.make(hosts, slowed(weightOf, slowStart), random);
      }
      return data.selection === 'FULL_SCAN'
        ? new FullScanPicker(hosts, random)
        : new LeastRequestPicker(hosts, data.choiceCount, random);
    default:
      return data satisfies never;
  }
}

function* haveOneWeight(hosts: Hosts): Steps<boolean> {
  const first = hosts[0]?.weight();
  for (let i = 1; i < hosts.length; i++) {
    if (hosts[i]!.weight() !== first) return false;
    if (i % HOSTS_PER_STEP === 0) yield;
  }
  return true;
}

/** Envoy: what is negative or no number is taken as 1.0. */
function biasOf(data: RuntimeNumber): number {
  const bias = readRuntime(data);
  return bias >= 0 ? bias : 1;
}

function slowed(weightOf: WeightOf, slowStart: SlowStart | null): WeightOf {
  if (slowStart === null) return weightOf;
  return (host) => weightOf(host) * slowStart.factor(host);
}
