// One thread's registry of stat holders (see api/stats.ts). Nothing here runs per request.

import type {
  CollectsMore,
  HistogramData,
  StatField,
  StatHolder,
  StatKind,
  StatScope,
  StatSink,
  StatsStore,
} from '../api/stats.ts';

/** Keeps holders in the order they were added; several may share a scope. */
export class HolderStore implements StatsStore {
  readonly #scopes = new Map<StatHolder, StatScope>();
  /** By prefix: what removed holders had counted in scopes that others still use. */
  readonly #retired = new Map<string, RetiredCounts>();

  /** Registered holders; for leak tests. */
  get size(): number {
    return this.#scopes.size;
  }

  add(scope: StatScope, holder: StatHolder): void {
    this.#scopes.set(holder, scope);
  }

  remove(holder: StatHolder): void {
    const scope = this.#scopes.get(holder);
    if (scope === undefined) return;
    this.#scopes.delete(holder);
    const { prefix } = scope;
    for (const other of this.#scopes.values()) {
      if (other.prefix !== prefix) continue;
      let retired = this.#retired.get(prefix);
      if (retired === undefined) {
        retired = new RetiredCounts();
        this.#retired.set(prefix, retired);
      }
      collectHolder(holder, scope, retired);
      return;
    }
    this.#retired.delete(prefix);
  }

  collect(sink: StatSink): void {
    for (const [holder, scope] of this.#scopes) collectHolder(holder, scope, sink);
    for (const retired of this.#retired.values()) retired.replay(sink);
  }
}

function collectHolder(holder: StatHolder, scope: StatScope, sink: StatSink): void {
  // The contract of StatHolder, which a class's static side cannot state in a type of instances.
  const { stats } = holder.constructor as { readonly stats?: readonly StatField[] };
  for (const { field, name, kind } of stats ?? []) {
    const value: unknown = Reflect.get(holder, field);
    if (typeof value === 'number') sink.value(scope, name, kind, value);
  }
  if ('collectMore' in holder) (holder as CollectsMore).collectMore(scope, sink);
}

interface RetiredCounter {
  readonly scope: StatScope;
  readonly promName: string;
  readonly labels: Readonly<Record<string, string>>;
  value: number;
}

/** Sums of one prefix: counters and histograms only, since a gauge ends with its holder. */
class RetiredCounts implements StatSink {
  readonly #counters = new Map<string, RetiredCounter>();
  readonly #histograms = new Map<string, { readonly scope: StatScope; data: HistogramData }>();

  value(scope: StatScope, name: string, kind: StatKind, value: number): void {
    this.tagged(scope, name, '', {}, kind, value);
  }

  tagged(
    scope: StatScope,
    name: string,
    promName: string,
    labels: Readonly<Record<string, string>>,
    kind: StatKind,
    value: number,
  ): void {
    if (kind !== 'counter' || value === 0) return;
    const counter = this.#counters.get(name);
    if (counter === undefined) this.#counters.set(name, { scope, promName, labels, value });
    else counter.value += value;
  }

  histogram(scope: StatScope, name: string, data: HistogramData): void {
    const former = this.#histograms.get(name);
    if (former === undefined) this.#histograms.set(name, { scope, data });
    else former.data = addHistograms(former.data, data);
  }

  text(): void {
    // Like a gauge: it says how things are, not what has happened.
  }

  replay(sink: StatSink): void {
    for (const [name, { scope, promName, labels, value }] of this.#counters) {
      if (promName === '') sink.value(scope, name, 'counter', value);
      else sink.tagged(scope, name, promName, labels, 'counter', value);
    }
    for (const [name, { scope, data }] of this.#histograms) sink.histogram(scope, name, data);
  }
}

function addHistograms(a: HistogramData, b: HistogramData): HistogramData {
  return {
    count: a.count + b.count,
    sum: a.sum + b.sum,
    buckets: a.buckets.map((value, i) => value + (b.buckets[i] ?? 0)),
  };
}
