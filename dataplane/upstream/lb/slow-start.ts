// Slow start: a host that is new, or healthy again, gets a share of requests that grows over a window. Envoy:
// EdfLoadBalancerBase::applySlowStartFactor. One per policy; pickers ask it at each weighted pick.

import type { Clock } from '../../../common/clock.ts';
import type { SlowStartData } from '../../api/config/load-balancing.ts';
import { readRuntime } from '../../matcher/runtime-value.ts';
import type { UpstreamHost } from '../host.ts';
import type { HostLists, PrioritySet } from './host-set.ts';

const MIN_AGE_MS = 1;

/** See the file head. */
export class SlowStart {
  readonly #data: SlowStartData;
  readonly #clock: Clock;
  readonly #exponent: number;

  constructor(data: SlowStartData, clock: Clock) {
    this.#data = data;
    this.#clock = clock;
    const aggression = readRuntime(data.aggression);
    // Envoy: what is not positive or no number is taken as 1.0.
    this.#exponent = aggression > 0 ? 1 / aggression : 1;
  }

  /** Some healthy host of any priority is within its window: weights change from now on. */
  isAnyIn(priorities: readonly HostLists[]): boolean {
    const nowMs = this.#clock.machineMs();
    return priorities.some(({ healthy }) =>
      healthy.some((host) => nowMs - host.healthySinceMs() <= this.#data.windowMs),
    );
  }

  /** What part of its weight a host has now: 0 < factor <= 1. */
  factor(host: UpstreamHost): number {
    const { windowMs, minWeightPercent } = this.#data;
    const ageMs = this.#clock.machineMs() - host.healthySinceMs();
    if (ageMs >= windowMs || host.health() !== 'healthy') return 1;
    const age = Math.max(MIN_AGE_MS, ageMs) / windowMs;
    const grown = this.#exponent === 1 ? age : age ** this.#exponent;
    return Math.max(grown, minWeightPercent / 100);
  }
}

/** Null = no host of the set is in its window: weights are what they are. */
export function activeSlowStart(
  data: SlowStartData | null,
  { priorities }: PrioritySet,
  clock: Clock,
): SlowStart | null {
  if (data === null) return null;
  const slowStart = new SlowStart(data, clock);
  return slowStart.isAnyIn(priorities) ? slowStart : null;
}
