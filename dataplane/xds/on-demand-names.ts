// What requests made us ask control planes for, over all workers: virtual hosts, routes of scopes, clusters. Names come
// from clients, so their number has a limit: one that does not exist makes room for the next, one that does stays (as in
// Envoy nothing that was learned is forgotten for being idle), and beyond that nothing is asked for.
//
//   request --> pending --> found <--> missing --room is needed--> forgotten
//      '--too many, too long--> refused

import { type OnDemandOutcome, onDemandKey } from '../api/on-demand.ts';
import type { ResourceReference } from '../api/resource-compiler.ts';
import type { StatField, StatScope } from '../api/stats.ts';
import type { OnDemandNews } from './dependency-tracker.ts';

export const onDemandScope: StatScope = {
  prefix: 'on_demand',
  promPrefix: 'envoy_on_demand',
  labels: {},
};

/** Ours: Envoy counts nothing of this. */
export class OnDemandStats {
  static readonly stats: readonly StatField[] = [
    { field: 'names', name: 'names', kind: 'gauge' },
    { field: 'requested', name: 'requested', kind: 'counter' },
    { field: 'evicted', name: 'evicted', kind: 'counter' },
    { field: 'refused', name: 'refused', kind: 'counter' },
  ];

  /** That are subscribed to. */
  names = 0;
  /** That were asked for. */
  requested = 0;
  /** That did not exist and were given up for others. */
  evicted = 0;
  refused = 0;
}

/** The xDS client's. */
export interface NameSubscriptions {
  ask(reference: ResourceReference): void;
  unask(reference: ResourceReference): void;
}

export interface OnDemandNamesOptions {
  readonly subscriptions: NameSubscriptions;
  /** How many names may be asked for; read each time. */
  readonly maxNames: () => number;
  readonly stats: OnDemandStats;
  /** To every worker. `key`: see onDemandKey. */
  readonly answer: (key: string, outcome: OnDemandOutcome) => void;
}

/** Longer than any host with its port. */
const MAX_NAME_LENGTH = 1024;

interface Asked {
  readonly reference: ResourceReference;
  state: 'pending' | 'found' | 'missing';
}

/** See the file head. One per process. */
export class OnDemandNames {
  readonly #options: OnDemandNamesOptions;
  readonly #asked = new Map<string, Asked>();
  /** Keys of those that are missing, longest first. */
  readonly #missing = new Set<string>();

  constructor(options: OnDemandNamesOptions) {
    this.#options = options;
  }

  /** From a worker: some request cannot go on without it. */
  request(reference: ResourceReference): void {
    const { stats, answer, subscriptions } = this.#options;
    const key = onDemandKey(reference);
    const known = this.#asked.get(key);
    if (known !== undefined) {
      // The worker asked before it heard, or what was found is no help.
      if (known.state !== 'pending') answer(key, known.state);
      return;
    }
    if (reference.name.length > MAX_NAME_LENGTH || !this.#hasRoom()) {
      stats.refused++;
      answer(key, 'refused');
      return;
    }
    stats.requested++;
    this.#asked.set(key, { reference, state: 'pending' });
    stats.names = this.#asked.size;
    subscriptions.ask(reference);
  }

  /** What made it of use is gone: it is asked for again when a request needs it. */
  forget(reference: ResourceReference): void {
    const key = onDemandKey(reference);
    const asked = this.#asked.get(key);
    if (asked === undefined) return;
    this.#drop(key, asked);
    if (asked.state === 'pending') this.#options.answer(key, 'missing');
  }

  /** From the xDS client. */
  onNews({ reference, isFound }: OnDemandNews): void {
    const key = onDemandKey(reference);
    const asked = this.#asked.get(key);
    if (asked === undefined) return;
    asked.state = isFound ? 'found' : 'missing';
    if (isFound) this.#missing.delete(key);
    else this.#missing.add(key);
    this.#options.answer(key, asked.state);
  }

  #hasRoom(): boolean {
    const { stats, maxNames } = this.#options;
    if (this.#asked.size < maxNames()) return true;
    for (const key of this.#missing) {
      const oldest = this.#asked.get(key);
      if (oldest === undefined) continue;
      stats.evicted++;
      this.#drop(key, oldest);
      return true;
    }
    return false;
  }

  #drop(key: string, { reference }: Asked): void {
    const { stats, subscriptions } = this.#options;
    this.#missing.delete(key);
    this.#asked.delete(key);
    stats.names = this.#asked.size;
    subscriptions.unask(reference);
  }
}
