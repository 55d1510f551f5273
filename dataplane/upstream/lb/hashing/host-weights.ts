// The hosts that one priority's table is made of, with weights that add up to 1. Order and arithmetic are Envoy's
// (normalizeWeights of thread_aware_lb_impl), for tables must agree with Envoy's entry by entry.

import type { UpstreamHost } from '../../host.ts';
import { HOSTS_PER_STEP, type Steps } from '../../steps.ts';
import type { PriorityHosts } from '../host-set.ts';

/** Index by index. Immutable. */
export interface HostWeights {
  readonly hosts: readonly UpstreamHost[];
  readonly weights: Float64Array;
  /** 1 and 0 without hosts. */
  readonly minWeight: number;
  readonly maxWeight: number;
}

/** `isInPanic`: all hosts instead of the healthy ones. Degraded hosts are in no table, as in Envoy. */
export function* weighHosts(
  priority: PriorityHosts,
  isInPanic: boolean,
  isLocalityWeighted: boolean,
): Steps<HostWeights> {
  const weighing = new Weighing();
  if (!isLocalityWeighted) {
    yield* weighing.addAll(listOf(priority, isInPanic), 1);
    return weighing.result();
  }
  const total = priority.localities.reduce((sum, { weight }) => sum + weight, 0);
  for (const locality of priority.localities) {
    if (locality.weight === 0) continue;
    yield* weighing.addAll(listOf(locality, isInPanic), locality.weight / total);
  }
  return weighing.result();
}

function listOf(
  lists: Pick<PriorityHosts, 'all' | 'healthy'>,
  isInPanic: boolean,
): readonly UpstreamHost[] {
  return isInPanic ? lists.all : lists.healthy;
}

class Weighing {
  readonly #hosts: UpstreamHost[] = [];
  readonly #weights: number[] = [];

  /** `share`: what these hosts have together. */
  *addAll(hosts: readonly UpstreamHost[], share: number): Steps {
    let sum = 0;
    for (let i = 0; i < hosts.length; i++) {
      sum += hosts[i]!.weight();
      if (i % HOSTS_PER_STEP === HOSTS_PER_STEP - 1) yield;
    }
    for (let i = 0; i < hosts.length; i++) {
      this.#hosts.push(hosts[i]!);
      this.#weights.push((hosts[i]!.weight() * share) / sum);
      if (i % HOSTS_PER_STEP === HOSTS_PER_STEP - 1) yield;
    }
  }

  result(): HostWeights {
    const weights = Float64Array.from(this.#weights);
    let minWeight = 1;
    let maxWeight = 0;
    for (const weight of weights) {
      if (weight < minWeight) minWeight = weight;
      if (weight > maxWeight) maxWeight = weight;
    }
    return { hosts: this.#hosts, weights, minWeight, maxWeight };
  }
}
