// Policies that choose in two steps: a priority by load, then a host of that priority's list by a picker.

import { anyHost, type LoadBalancerContext, type PriorityLoad } from '../../api/load-balancing.ts';
import type { UpstreamHost } from '../host.ts';
import { type PrioritySet, priorityLoad } from './host-set.ts';
import type { LoadBalancer, LoadBalancerParts } from './load-balancer.ts';
import type { Picker } from './pickers.ts';

interface PriorityPickers {
  readonly all: Picker;
  readonly healthy: Picker;
  readonly degraded: Picker;
}

/** See the file head. */
export class PriorityBalancer implements LoadBalancer {
  readonly #load: PriorityLoad;
  readonly #pickers: readonly PriorityPickers[];
  readonly #parts: LoadBalancerParts;
  readonly #canPeek: boolean;

  /** `canPeek` = a pick does not depend on the load of the moment. */
  constructor(
    hosts: PrioritySet,
    parts: LoadBalancerParts,
    canPeek: boolean,
    createPicker: (hosts: readonly UpstreamHost[]) => Picker,
  ) {
    this.#parts = parts;
    this.#canPeek = canPeek;
    this.#load = priorityLoad(hosts.priorities, hosts, parts.panicThresholdPercent);
    this.#pickers = hosts.priorities.map(({ all, healthy, degraded }) => ({
      all: createPicker(all),
      healthy: createPicker(healthy),
      degraded: createPicker(degraded),
    }));
  }

  peek(): UpstreamHost | null {
    return this.#canPeek ? this.choose(anyHost) : null;
  }

  choose(context: LoadBalancerContext): UpstreamHost | null {
    const pickers = this.#pickers;
    const load = context.priorityLoad(this.#load);
    // By far the commonest: everything goes to the healthy hosts of priority 0.
    if (load.healthy[0] === 100) return this.#pickAt(pickers[0]!, load.panic[0]!, false);
    const hash = ((this.#parts.random() * 100) | 0) + 1;
    let cumulative = 0;
    for (let priority = 0; priority < pickers.length; priority++) {
      cumulative += load.healthy[priority]!;
      if (hash <= cumulative) {
        return this.#pickAt(pickers[priority]!, load.panic[priority]!, false);
      }
    }
    for (let priority = 0; priority < pickers.length; priority++) {
      cumulative += load.degraded[priority]!;
      if (hash <= cumulative) return this.#pickAt(pickers[priority]!, load.panic[priority]!, true);
    }
    return null;
  }

  #pickAt(pickers: PriorityPickers, panic: boolean, degraded: boolean): UpstreamHost | null {
    if (panic) {
      this.#parts.stats.lbHealthyPanic++;
      return pickers.all.pick();
    }
    return degraded ? pickers.degraded.pick() : pickers.healthy.pick();
  }
}
