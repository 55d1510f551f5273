// Locality-weighted balancing of one priority: localities in turn by the weights that discovery gives them, less
// where hosts are missing. Envoy: locality_wrr.cc. Owned by priority-balancer.

import type { Random } from '../../../common/clock.ts';
import { EdfScheduler } from './edf-scheduler.ts';
import type { LocalityHosts, PriorityHosts } from './host-set.ts';

interface Entry {
  readonly index: number;
  readonly weight: number;
}

/** See the file head. */
export class LocalityWrr {
  readonly #healthy: EdfScheduler<Entry> | null;
  readonly #degraded: EdfScheduler<Entry> | null;

  /** `overprovisioningFactor` in percent. */
  constructor({ localities }: PriorityHosts, overprovisioningFactor: number, random: Random) {
    const schedule = (usableOf: (hosts: LocalityHosts) => number): EdfScheduler<Entry> | null => {
      const entries = localities
        .map((hosts, index) => ({
          index,
          weight: effectiveWeight(hosts, usableOf(hosts), overprovisioningFactor),
        }))
        .filter(({ weight }) => weight > 0);
      if (entries.length === 0) return null;
      return EdfScheduler.of(entries, entryWeight, (random() * entries.length) | 0);
    };
    this.#healthy = schedule(({ healthy }) => healthy.length);
    this.#degraded = schedule(({ degraded }) => degraded.length);
  }

  /** Index of the next locality; -1 = none has weight and such hosts. */
  choose(degraded: boolean): number {
    const scheduler = degraded ? this.#degraded : this.#healthy;
    return scheduler?.pick(entryWeight)?.index ?? -1;
  }
}

function effectiveWeight(hosts: LocalityHosts, usable: number, factor: number): number {
  const counted = hosts.all.length - hosts.excluded.length;
  if (counted === 0) return 0;
  return hosts.weight * Math.min(1, ((factor / 100) * usable) / counted);
}

function entryWeight({ weight }: Entry): number {
  return weight;
}
