// The sidecar's xDS client, put together: sources, each with its store, and one tracker for all. server/ makes one
// when the bootstrap (or --join) has anything dynamic, and gives it a ResourceSink. Main thread only.
// Order of initialization as in Envoy: static references and CDS with all that it brings, then LDS; each
// wait is bounded by initial_fetch_timeout, so a control plane that is away does not keep a proxy from LIVE.

import type { Clock } from '../../common/clock.ts';
import type { Logger } from '../../common/logger.ts';
import type { TimerService } from '../../common/timer.ts';
import { adsSource, type ConfigSource, WILDCARD } from '../api/config/config-source.ts';
import {
  adsTypeOrder,
  type ResourceCompiler,
  type ResourceKind,
  type ResourceReference,
} from '../api/resource-compiler.ts';
import type { ResourceSink } from '../api/resource-sink.ts';
import type { StatsStore } from '../api/stats.ts';
import { DependencyTracker, type OnDemandNews, type WantedChange } from './dependency-tracker.ts';
import type { SourceOpener } from './open-source.ts';
import type { DumpedResource } from './resource-store.ts';
import { SourceState } from './source-state.ts';

export interface XdsClientOptions {
  /** There is an aggregated stream: opened even while nothing is wanted of it, as in Envoy. */
  readonly hasAds: boolean;
  /** dynamic_resources.cds_config and lds_config; null = not set. */
  readonly cds: ConfigSource | null;
  readonly lds: ConfigSource | null;
  /** What static clusters and listeners refer to. */
  readonly staticReferences: readonly ResourceReference[];
  /** What became of something that was asked for; absent = nobody asks. */
  readonly onNews?: (news: OnDemandNews) => void;
  readonly open: SourceOpener;
  readonly compiler: ResourceCompiler;
  readonly sink: ResourceSink;
  readonly clock: Clock;
  readonly timers: TimerService;
  readonly logger: Logger;
  readonly stats: StatsStore;
}

/** A resource as the admin pages show it. */
export interface XdsDumpEntry extends DumpedResource {
  readonly source: ConfigSource;
  /** The data plane uses it (perhaps an older version); false = it waits for what it refers to. */
  readonly isReleased: boolean;
}

/** What each phase of the start waits for. */
const runtimeKinds: readonly ResourceKind[] = ['runtime'];
const clusterKinds: readonly ResourceKind[] = ['cluster', 'endpoint', 'secret'];
const listenerKinds = adsTypeOrder.filter(
  (kind) => !runtimeKinds.includes(kind) && !clusterKinds.includes(kind),
);

function isRuntime({ kind }: ResourceReference): boolean {
  return kind === 'runtime';
}

export class XdsClient {
  readonly #options: XdsClientOptions;
  readonly #tracker: DependencyTracker;
  /** By key; a source is opened when something first refers to it. */
  readonly #sources = new Map<string, SourceState>();
  #phase: 'stopped' | 'runtime' | 'clusters' | 'listeners' | 'initialized' = 'stopped';

  constructor(options: XdsClientOptions) {
    this.#options = options;
    const { sink, timers } = options;
    this.#tracker = new DependencyTracker({
      sink,
      timers,
      onWanted: (change) => this.#onWanted(change),
      onFetchTimeout: (reference) => this.#onFetchTimeout(reference),
      onSettled: () => this.#afterSettle(),
    });
  }

  /** All that is needed was delivered once, or not in time. */
  get initialized(): boolean {
    return this.#phase === 'initialized';
  }

  start(): void {
    if (this.#phase !== 'stopped') return;
    this.#phase = 'runtime';
    const { hasAds, staticReferences } = this.#options;
    if (hasAds) this.#source(adsSource);
    this.#tracker.addStatic(staticReferences.filter(isRuntime));
    this.#settle();
  }

  /** Closes all sources; what was released stays in use. */
  stop(): void {
    for (const source of this.#sources.values()) source.stop();
    this.#tracker.stop();
  }

  /** Every resource that is held or wanted, with its NACK if there is one. */
  dump(): readonly XdsDumpEntry[] {
    const entries = [...this.#sources.values()].flatMap((state) =>
      state.dump().map((entry) => ({
        ...entry,
        source: state.source,
        isReleased: this.#tracker.isReleased(entry.kind, entry.name, state.source),
      })),
    );
    return adsTypeOrder.flatMap((kind) => entries.filter((entry) => entry.kind === kind));
  }

  /** A request needs it: `onNews` tells what becomes of it. Once, until `unask`. */
  ask(reference: ResourceReference): void {
    this.#tracker.ask(reference);
    this.#settle();
  }

  /** Nobody needs it any more: it is unsubscribed from, and goes. */
  unask(reference: ResourceReference): void {
    this.#tracker.unask(reference);
    this.#settle();
  }

  /** What the data plane was given under that id; undefined = nothing (yet). */
  dataOf(kind: ResourceKind, id: string): unknown {
    return this.#tracker.dataOf(kind, id);
  }

  /** A cluster of the sink is no longer warming: what waited for it may be released. */
  onClusterWarm(): void {
    if (this.#phase !== 'stopped') this.#settle();
  }

  /** A resource that was good and acknowledged could not be put to use (an address that is taken). */
  reportFailure(kind: ResourceKind, name: string, details: string): void {
    for (const source of this.#sources.values()) source.reportFailure(kind, name, details);
  }

  #onWanted(change: WantedChange): void {
    const { source } = change;
    const state = this.#source(source);
    state.change(change);
    // The aggregated stream stays open as in Envoy; a file that nobody wants need not be watched.
    if (source.kind === 'ads' || !state.isIdle) return;
    state.stop();
    this.#sources.delete(source.key);
  }

  #source(source: ConfigSource): SourceState {
    let state = this.#sources.get(source.key);
    if (state === undefined) {
      state = new SourceState({
        ...this.#options,
        source,
        tracker: this.#tracker,
        onSettle: () => this.#settle(),
      });
      this.#sources.set(source.key, state);
      state.start();
    }
    return state;
  }

  #settle(): void {
    this.#tracker.settle();
    if (!this.#tracker.isSettling) this.#afterSettle();
  }

  #afterSettle(): void {
    for (const news of this.#tracker.takeNews()) this.#options.onNews?.(news);
    this.#advance();
  }

  #advance(): void {
    if (this.#phase === 'runtime' && this.#tracker.hasStatic(runtimeKinds)) {
      // Envoy: what clusters are made of may depend on it.
      this.#phase = 'clusters';
      const { cds, staticReferences } = this.#options;
      if (cds !== null) this.#tracker.addStatic([{ kind: 'cluster', name: WILDCARD, source: cds }]);
      this.#tracker.addStatic(staticReferences.filter((reference) => !isRuntime(reference)));
      this.#tracker.settle();
    }
    if (this.#phase === 'clusters' && this.#tracker.hasStatic(clusterKinds)) {
      this.#phase = 'listeners';
      const { lds } = this.#options;
      if (lds !== null) {
        this.#tracker.addStatic([{ kind: 'listener', name: WILDCARD, source: lds }]);
        this.#tracker.settle();
      }
    }
    if (this.#phase === 'listeners' && this.#tracker.hasStatic(listenerKinds)) {
      this.#phase = 'initialized';
      this.#options.sink.onInitialized();
    }
  }

  #onFetchTimeout(reference: ResourceReference): void {
    const { kind, name, source } = reference;
    this.#source(source).onFetchTimeout(reference);
    this.#options.logger.warn({ kind, name }, 'resource did not come in time; going on without');
  }
}
