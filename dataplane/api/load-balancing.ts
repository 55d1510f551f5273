// What one pick of a host may depend on. The router and tcp_proxy are (or make) contexts, upstream/lb reads them.

import type { Connection } from './connection.ts';
import type { RequestHeaders } from './headers.ts';
import type { Host } from './host.ts';
import type { MetadataMatch } from './metadata-match.ts';
import type { StreamInfo } from './stream-info.ts';

/** Percent of requests by priority; they add up to 100. */
export interface PriorityLoad {
  readonly healthy: readonly number[];
  readonly degraded: readonly number[];
  /** By priority: too few healthy hosts, so all of them are used. */
  readonly panic: readonly boolean[];
  /** What the loads are made of: how much each priority could take, in percent, each 0..100. */
  readonly availability: {
    readonly healthy: readonly number[];
    readonly degraded: readonly number[];
  };
}

/** A host that the request must or should go to (stateful session). */
export interface OverrideHost {
  /** `ip:port` */
  readonly address: string;
  /** True = no other host instead. */
  readonly strict: boolean;
  /** What the client is answered then. */
  readonly statusIfMissing: number;
}

/** -1 = in none of them. */
export type PriorityOf = (host: Host) => number;

/** Envoy: LoadBalancerContext. Reused objects are fine: it is read during chooseHost only. */
export interface LoadBalancerContext {
  /** xxHash64 of what the hash policies name; null = none of them gave one. */
  hashKey(): bigint | null;
  /** Null = any subset. */
  readonly metadataMatch: MetadataMatch | null;
  readonly overrideHost: OverrideHost | null;
  /** Null = there is none (a health check, a mirror). */
  readonly downstreamConnection: Connection | null;
  /** Null = no HTTP request. */
  readonly requestHeaders: RequestHeaders | null;
  readonly streamInfo: StreamInfo | null;
  /**
   * The loads that hold for this try (retry_priority); `original` itself = no other. `priorityOf`: what a host's priority
   * is among these loads; default Host.priority.
   */
  priorityLoad(original: PriorityLoad, priorityOf?: PriorityOf): PriorityLoad;
  /** True = try another host (retry predicates such as previous_hosts). */
  shouldSelectAnotherHost(host: Host): boolean;
  /** How often to re-pick while shouldSelectAnotherHost says so. */
  readonly hostSelectionRetryCount: number;
}

/** Whatever host there is. */
export const anyHost: LoadBalancerContext = {
  hashKey: () => null,
  metadataMatch: null,
  overrideHost: null,
  downstreamConnection: null,
  requestHeaders: null,
  streamInfo: null,
  priorityLoad: (original) => original,
  shouldSelectAnotherHost: () => false,
  hostSelectionRetryCount: 0,
};
