// envoy.retry_priorities.previous_priorities: the priorities that were tried get no load in further tries, until none
// is left. One object per retried request. Arithmetic: Envoy's PreviousPrioritiesRetryPriority.

import type { Host } from '../../api/host.ts';
import type { PriorityLoad, PriorityOf } from '../../api/load-balancing.ts';

/** See the file head. */
export class PreviousPriorities {
  readonly #updateFrequency: number;
  /** Hosts tried since all priorities were allowed again. */
  #attempted: Host[] = [];
  readonly #excluded = new Set<number>();
  #load: PriorityLoad | null = null;

  /** `updateFrequency` > 0: so many tries go by the same load. */
  constructor(updateFrequency: number) {
    this.#updateFrequency = updateFrequency;
  }

  onHostAttempted(host: Host): void {
    this.#attempted.push(host);
  }

  /** `original` itself = no other load. */
  load(original: PriorityLoad, priorityOf: PriorityOf = ownPriority): PriorityLoad {
    const attempts = this.#attempted.length;
    if (attempts < this.#updateFrequency) return original;
    const former = this.#load;
    // An update came meanwhile: the load may go to priorities that are no longer there.
    const isStale = former !== null && former.healthy.length !== original.healthy.length;
    if (isStale || attempts % this.#updateFrequency === 0) {
      for (const host of this.#attempted) this.#excluded.add(priorityOf(host));
      this.#load = this.#adjust(original);
    }
    return this.#load ?? original;
  }

  /** Null = no priority has a usable host: then the balancer knows better. */
  #adjust(original: PriorityLoad): PriorityLoad | null {
    let load = distribute(original, this.#excluded);
    if (load === null) {
      this.#excluded.clear();
      this.#attempted = [];
      load = distribute(original, this.#excluded);
    }
    return load;
  }
}

function ownPriority({ priority }: Host): number {
  return priority;
}

function distribute(original: PriorityLoad, excluded: ReadonlySet<number>): PriorityLoad | null {
  const { availability, panic } = original;
  const adjusted = (percents: readonly number[]) =>
    percents.map((percent, priority) => (excluded.has(priority) ? 0 : percent));
  const usable = [adjusted(availability.healthy), adjusted(availability.degraded)] as const;
  const sum = [...usable[0], ...usable[1]].reduce((total, percent) => total + percent, 0);
  const total = Math.min(100, sum);
  if (total === 0) return null;
  const loads = usable.map((percents) => percents.map(() => 0));
  // Again until nothing is left: what rounding leaves goes to the first that can take it.
  for (let left = 100; left > 0; ) {
    for (const [kind, percents] of usable.entries()) {
      for (const [priority, percent] of percents.entries()) {
        const share = Math.min(left, Math.floor((percent * 100) / total));
        loads[kind]![priority]! += share;
        left -= share;
      }
    }
  }
  return { healthy: loads[0]!, degraded: loads[1]!, panic, availability };
}
