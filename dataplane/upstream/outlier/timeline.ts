// What outlier detection did to the hosts of one cluster, for /outliers: the last MAX_ENTRIES happenings, oldest
// first, whether or not the host is still there. Kept by outlier/detector.ts.

import type { OutlierKind } from './outlier-event.ts';

/** Per cluster. An entry is some 100 bytes. */
export const MAX_ENTRIES = 100;

/**
 * 'would_eject': found, but the roll against enforcing_* said no (with 0: a dry run); 'overflow': found, but
 * max_ejection_percent allows no more.
 */
export type OutlierAction =
  | 'eject'
  | 'would_eject'
  | 'overflow'
  | 'uneject'
  | 'degrade'
  | 'undegrade';

export interface TimelineEntry {
  /** Unix time in ms. */
  readonly wallMs: number;
  /** `ip:port` */
  readonly address: string;
  readonly action: OutlierAction;
  /** What it was found by, or why it is over. */
  readonly reason:
    | OutlierKind
    | 'x-envoy-degraded'
    | 'time is over'
    | 'active check passed'
    | 'off';
  /** In percent, null where it is not about a rate. */
  readonly successRate: number | null;
}

/** A ring of entries. */
export class Timeline {
  readonly #entries: TimelineEntry[] = [];
  /** Where the oldest is once the ring is full. */
  #start = 0;

  add(entry: TimelineEntry): void {
    if (this.#entries.length < MAX_ENTRIES) {
      this.#entries.push(entry);
      return;
    }
    this.#entries[this.#start] = entry;
    this.#start = (this.#start + 1) % MAX_ENTRIES;
  }

  /** Oldest first. */
  entries(): TimelineEntry[] {
    return [...this.#entries.slice(this.#start), ...this.#entries.slice(0, this.#start)];
  }
}
