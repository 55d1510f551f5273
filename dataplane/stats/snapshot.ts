// Stats as data: what a worker posts to the main thread and what main merges for /stats and scrapes.

import type { HistogramData, StatKind, StatScope, StatSink, StatsStore } from '../api/stats.ts';

/** One value with both of its names. */
export type StatEntry = {
  /** Dotted name as /stats shows it. */
  readonly name: string;
  /** Prometheus metric name without suffixes, e.g. `envoy_cluster_upstream_rq`. */
  readonly promName: string;
  readonly labels: Readonly<Record<string, string>>;
} & (
  | { readonly kind: StatKind; value: number }
  | { readonly kind: 'histogram'; value: HistogramData }
  | { readonly kind: 'text'; value: string }
);

/** Everything one thread has, at one moment; structured-cloneable. */
export type StatsSnapshot = readonly StatEntry[];

class SnapshotSink implements StatSink {
  readonly entries: StatEntry[] = [];

  value(scope: StatScope, name: string, kind: StatKind, value: number): void {
    this.entries.push({ ...names(scope, name, name), labels: scope.labels, kind, value });
  }

  tagged(
    scope: StatScope,
    name: string,
    promName: string,
    labels: Readonly<Record<string, string>>,
    kind: StatKind,
    value: number,
  ): void {
    const all = { ...scope.labels, ...labels };
    this.entries.push({ ...names(scope, name, promName), labels: all, kind, value });
  }

  histogram(scope: StatScope, name: string, value: HistogramData): void {
    this.entries.push({
      ...names(scope, name, name),
      labels: scope.labels,
      kind: 'histogram',
      value,
    });
  }

  text(scope: StatScope, name: string, value: string): void {
    this.entries.push({ ...names(scope, name, name), labels: scope.labels, kind: 'text', value });
  }
}

function names(scope: StatScope, name: string, promName: string) {
  return {
    name: scope.prefix === '' ? name : `${scope.prefix}.${name}`,
    promName: `${scope.promPrefix}_${promName.replaceAll(/[^a-zA-Z0-9_]/g, '_')}`,
  };
}

/** Reads every holder of `store` now. */
export function takeSnapshot(store: StatsStore): StatsSnapshot {
  const sink = new SnapshotSink();
  store.collect(sink);
  return sink.entries;
}

/** Adds up the same stats of several threads: counters and gauges by sum, gauge-max by maximum. */
export function mergeSnapshots(snapshots: readonly StatsSnapshot[]): StatEntry[] {
  const merged = new Map<string, StatEntry>();
  for (const snapshot of snapshots) {
    for (const entry of snapshot) {
      const former = merged.get(entry.name);
      if (former === undefined) merged.set(entry.name, { ...entry });
      else addTo(former, entry);
    }
  }
  return [...merged.values()];
}

function addTo(into: StatEntry, entry: StatEntry): void {
  if (into.kind === 'text' || entry.kind === 'text') return;
  if (into.kind === 'histogram' || entry.kind === 'histogram') {
    if (into.kind !== 'histogram' || entry.kind !== 'histogram') return;
    into.value = {
      count: into.value.count + entry.value.count,
      sum: into.value.sum + entry.value.sum,
      buckets: into.value.buckets.map((count, i) => count + (entry.value.buckets[i] ?? 0)),
    };
    return;
  }
  into.value =
    into.kind === 'gauge-max' ? Math.max(into.value, entry.value) : into.value + entry.value;
}
