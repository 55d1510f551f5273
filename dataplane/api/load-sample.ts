// What the load reporter asks the rest of the sidecar for: counters over all workers that only ever grow, as they are at
// one moment. upstream/ collects them (load-sample.ts); load-stats/ makes of two samples what happened in between.

import type { Locality } from './config/cluster.ts';
import type { SocketAddress } from './connection.ts';

/** Of one ORCA metric: responses that said it, and the sum of what they said. */
export interface MetricSum {
  readonly count: number;
  readonly total: number;
}

export interface HostSample {
  /** The same for as long as its counters go on. */
  readonly key: string;
  readonly address: SocketAddress;
  readonly locality: Locality;
  readonly priority: number;
  /** Under way now. */
  readonly active: number;
  readonly success: number;
  readonly error: number;
  readonly issued: number;
  /** By name as lrs_report_endpoint_metrics says it. */
  readonly metrics: ReadonlyMap<string, MetricSum>;
}

export interface ClusterSample {
  readonly name: string;
  /** EDS service name, '' = none. */
  readonly serviceName: string;
  /** Of drop_overloads. */
  readonly dropCategory: string;
  /** Requests that got no try: a ceiling, maintenance, drop_overloads. */
  readonly dropped: number;
  /** Those of them by drop_overloads. */
  readonly dropOverload: number;
  readonly hosts: readonly HostSample[];
}

/** Null asks for all clusters. A cluster that does not exist is left out. */
export type TakeSample = (
  clusters: ReadonlySet<string> | null,
) => Promise<readonly ClusterSample[]>;
