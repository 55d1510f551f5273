// What consistent hashing policies have in common: a table that is made of hosts with normalised weights and gives a
// host for a hash. hash-ring.ts and maglev-table.ts are tables, bounded-load.ts goes around one.

import type { UpstreamHost } from '../../host.ts';

/** Immutable. A hash comes as two unsigned 32-bit words: tables are searched without bigints. */
export interface HashTable {
  /** Null = no hosts. `attempt` > 0 gives another host for the same hash, where that can be. */
  choose(low: number, high: number, attempt: number): UpstreamHost | null;
}

/** The shape of a table, for stats. */
export interface TableSize {
  /** Entries of a ring; of a Maglev table, whose size is config, not shown. */
  readonly size: number;
  readonly minPerHost: number;
  readonly maxPerHost: number;
}
