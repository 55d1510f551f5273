// How stats are kept and read. Hot code increments plain numeric fields of a holder object
// (`stats.upstreamRqTotal++`); nothing else happens until somebody asks (admin /stats, scrape).
//
// A holder class declares its stats once:
//   class ClusterTrafficStats {
//     static readonly stats: readonly StatField[] = [{ field: 'upstreamRqTotal', name: 'upstream_rq_total', kind: 'counter' }];
//     upstreamRqTotal = 0;
//   }
// and registers each instance under a scope: store.add(scope, holder).

/** 'gauge' sums over workers too (active connections); 'gauge-max' takes the largest (a version, a flag). */
export type StatKind = 'counter' | 'gauge' | 'gauge-max';

export interface StatField {
  readonly field: string;
  /** Envoy's name below the scope, e.g. `upstream_rq_total`; may contain dots. */
  readonly name: string;
  readonly kind: StatKind;
}

/**
 * Where a holder's names hang, in both notations.
 * `prefix`: `cluster.orders` (joined with '.'). `promPrefix` + `labels`: what Envoy's tag extraction
 * would make of it: `envoy_cluster` and {envoy_cluster_name: 'orders'}.
 */
export interface StatScope {
  readonly prefix: string;
  readonly promPrefix: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Gets every stat at a collection. Same-named values of several workers are merged by `kind`. */
export interface StatSink {
  value(scope: StatScope, name: string, kind: StatKind, value: number): void;
  /**
   * A stat whose name holds a tag: `upstream_rq_200` = promName `upstream_rq` with label
   * envoy_response_code="200"; `upstream_rq_2xx` = `upstream_rq_xx` with envoy_response_code_class="2".
   */
  tagged(
    scope: StatScope,
    name: string,
    promName: string,
    labels: Readonly<Record<string, string>>,
    kind: StatKind,
    value: number,
  ): void;
  histogram(scope: StatScope, name: string, histogram: HistogramData): void;
  text(scope: StatScope, name: string, value: string): void;
}

/** Cumulative since start. `buckets[i]` counts values <= bounds[i]; the last bucket is +Inf. */
export interface HistogramData {
  readonly count: number;
  readonly sum: number;
  readonly buckets: readonly number[];
}

/** Any object whose class has a static `stats: readonly StatField[]`, or that implements CollectsMore. */
export type StatHolder = object;

/** A holder whose stats are not all plain fields adds the rest here. */
export interface CollectsMore {
  collectMore(scope: StatScope, sink: StatSink): void;
}

/** Upper bounds, ms (Envoy's defaults); also used for sizes where Envoy does. */
export const histogramBounds = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000,
  1800000, 3600000,
] as const;

/** A worker's (or main's) registry of holders. Implemented by stats/store.ts. */
export interface StatsStore {
  add(scope: StatScope, holder: StatHolder): void;
  /** What it counted stays as long as others hang below the same prefix (a listener update). */
  remove(holder: StatHolder): void;
  collect(sink: StatSink): void;
}

/** A histogram as hot code uses it; implemented by stats/histogram.ts. */
export interface Histogram {
  record(value: number): void;
}
