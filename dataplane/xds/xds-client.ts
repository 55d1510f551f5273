// The sidecar's xDS client, put together: transport, one of the two protocols, store, tracker. server/ makes
// one when the bootstrap (or --join) has an ADS source, and gives it a ResourceSink. Main thread only.
// Order of initialization as in Envoy: static references and CDS with all that it brings, then LDS; each
// wait is bounded by initial_fetch_timeout, so a control plane that is away does not keep a proxy from LIVE.

import type { Clock, Random } from '../../common/clock.ts';
import type { Logger } from '../../common/logger.ts';
import type { Timer, TimerService } from '../../common/timer.ts';
import { encodeMessage } from '../../proto/any.ts';
import type { NodeProto } from '../../proto/gen/types.ts';
import type {
  ResourceCompiler,
  ResourceKind,
  ResourceReference,
} from '../api/resource-compiler.ts';
import type { ResourceSink } from '../api/resource-sink.ts';
import type { StatsStore } from '../api/stats.ts';
import type { AdsChannelFactory } from './ads-channel.ts';
import { AdsTransport } from './ads-transport.ts';
import { DeltaMux } from './delta-mux.ts';
import { DependencyTracker, type ReferredKind } from './dependency-tracker.ts';
import type { Mux, MuxOwner, Update } from './mux.ts';
import { type DumpedResource, ResourceStore } from './resource-store.ts';
import { nackText, type TakenUpdate, takeUpdate } from './resource-update.ts';
import { SotwMux } from './sotw-mux.ts';
import {
  ControlPlaneStats,
  controlPlaneScope,
  RouteSubscriptionStats,
  SubscriptionStats,
  subscriptionScope,
} from './xds-stats.ts';

export interface XdsClientOptions {
  /** ads_config.api_type. */
  readonly protocol: 'DELTA_GRPC' | 'GRPC';
  readonly channelFactory: AdsChannelFactory;
  /** What the first request of every stream says of us. */
  readonly node: NodeProto;
  /** dynamic_resources.cds_config / lds_config is ads. */
  readonly hasCds: boolean;
  readonly hasLds: boolean;
  /** What static clusters and listeners refer to (EDS, RDS, SDS names with an ADS source). */
  readonly staticReferences: readonly ResourceReference[];
  readonly compiler: ResourceCompiler;
  readonly sink: ResourceSink;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerService;
  readonly logger: Logger;
  readonly stats: StatsStore;
  /** Default 15 000; 0 = wait without end. */
  readonly initialFetchTimeoutMs?: number;
  readonly baseBackoffMs?: number;
  readonly maxBackoffMs?: number;
  /** connect_timeout of the xDS cluster; default 5000. */
  readonly connectTimeoutMs?: number;
}

/** A resource as the admin pages show it. */
export interface XdsDumpEntry extends DumpedResource {
  /** The data plane uses it (perhaps an older version); false = it waits for what it refers to. */
  readonly isReleased: boolean;
}

type Phase = 'stopped' | 'clusters' | 'listeners' | 'initialized';

export class XdsClient implements MuxOwner {
  readonly #options: XdsClientOptions;
  readonly #store = new ResourceStore();
  readonly #tracker: DependencyTracker;
  readonly #mux: Mux;
  readonly #transport: AdsTransport;
  readonly #controlPlaneStats = new ControlPlaneStats();
  /** By kind and name; '' is the wildcard subscription. */
  readonly #stats = new Map<string, SubscriptionStats>();
  readonly #wanted: Record<ReferredKind, ReadonlySet<string>>;
  /** LDS and CDS: answered at all, or given up waiting. */
  readonly #hasFirst = { cluster: false, listener: false };
  readonly #firstTimer: Timer;
  #phase: Phase = 'stopped';

  constructor(options: XdsClientOptions) {
    this.#options = options;
    const { sink, timers, staticReferences } = options;
    const initialFetchTimeoutMs = options.initialFetchTimeoutMs ?? 15_000;
    this.#wanted = { endpoint: new Set(), secret: new Set(), route: new Set() };
    this.#tracker = new DependencyTracker({
      sink,
      timers,
      initialFetchTimeoutMs,
      staticReferences,
      onWanted: (kind, names) => this.#onWanted(kind, names),
      onFetchTimeout: (kind, name) => this.#onFetchTimeout(kind, name),
      onSettled: () => this.#advance(),
    });
    this.#firstTimer = timers.createTimer(() => this.#onFirstTimeout(), null);
    const node = encodeMessage('envoy.config.core.v3.Node', options.node);
    this.#mux = options.protocol === 'GRPC' ? new SotwMux(this, node) : new DeltaMux(this, node);
    this.#transport = new AdsTransport(
      { ...options, path: this.#mux.path, stats: this.#controlPlaneStats },
      this.#mux,
    );
    options.stats.add(controlPlaneScope, this.#controlPlaneStats);
  }

  /** All that is needed was delivered once, or not in time. */
  get initialized(): boolean {
    return this.#phase === 'initialized';
  }

  start(): void {
    if (this.#phase !== 'stopped') return;
    this.#phase = 'clusters';
    this.#tracker.settle();
    if (this.#options.hasCds) this.#subscribeToAll('cluster');
    this.#transport.start();
    this.#advance();
  }

  /** Closes the stream; what was released stays in use. */
  stop(): void {
    this.#transport.stop();
    this.#tracker.stop();
    this.#firstTimer.stop();
  }

  /** Every resource that is held or wanted, with its NACK if there is one. */
  dump(): readonly XdsDumpEntry[] {
    return this.#store
      .dump()
      .map((entry) => ({ ...entry, isReleased: this.#tracker.isReleased(entry.kind, entry.name) }));
  }

  /** A cluster of the sink is no longer warming: what waited for it may be released. */
  onClusterWarm(): void {
    if (this.#phase !== 'stopped') this.settle();
  }

  /** A resource that was good and acknowledged could not be put to use (an address that is taken). */
  reportFailure(kind: ResourceKind, name: string, details: string): void {
    const held = this.#store.get(kind, name);
    if (held === undefined) return;
    const { bytes, version } = held;
    const atMs = this.#options.clock.wallMs();
    this.#store.reject(kind, name, { bytes, version, details, atMs });
  }

  // --- MuxOwner ---

  send(message: Buffer): void {
    this.#transport.send(message);
  }

  isOpen(): boolean {
    return this.#transport.isOpen;
  }

  receive(update: Update): string | null {
    const { compiler, clock, logger } = this.#options;
    const { kind, resources, versionText } = update;
    const taken = takeUpdate(resources, {
      kind,
      compiler,
      store: this.#store,
      wants: (name) => this.#wants(kind, name),
      nowMs: clock.wallMs(),
    });
    const { changed, present, hasNameless, problems, warnings } = taken;
    const removed = update.isFullState && !hasNameless ? this.#absent(kind, present) : [];
    for (const name of update.removed) if (!present.has(name)) removed.push(name);
    this.#removeAll(kind, removed);
    this.#tracker.update(kind, changed, removed);
    this.#count(kind, taken, versionText);
    for (const warning of warnings) logger.warn({ warning }, 'xDS resource with unknown fields');
    if (kind === 'cluster' || kind === 'listener') this.#hasFirst[kind] = true;
    if (problems.length === 0) return null;
    const text = nackText(problems);
    logger.warn({ kind, version: versionText, problems: text }, 'xDS update rejected');
    return text;
  }

  settle(): void {
    this.#tracker.settle();
    this.#advance();
  }

  knownVersions(kind: ResourceKind): ReadonlyMap<string, string> {
    return this.#store.versions(kind);
  }

  onUnknownType(typeUrl: string): void {
    this.#controlPlaneStats.unknownTypes++;
    const shown = typeUrl.slice(0, 200);
    this.#options.logger.warn({ typeUrl: shown }, 'xDS response of a type that nobody asked for');
  }

  onRequest(kind: ResourceKind): void {
    if (kind === 'cluster' || kind === 'listener') this.#statsOf(kind, '').updateAttempt++;
  }

  onControlPlane(identifier: string): void {
    if (identifier !== '') this.#controlPlaneStats.identifier = identifier;
  }

  // --- subscriptions ---

  #wants(kind: ResourceKind, name: string): boolean {
    if (kind === 'cluster') return this.#options.hasCds;
    if (kind === 'listener') return this.#options.hasLds;
    return this.#wanted[kind].has(name);
  }

  #subscribeToAll(kind: 'cluster' | 'listener'): void {
    const timeoutMs = this.#options.initialFetchTimeoutMs ?? 15_000;
    if (timeoutMs > 0) this.#firstTimer.start(timeoutMs);
    this.#statsOf(kind, '');
    this.#mux.subscribeToAll(kind);
  }

  #onWanted(kind: ReferredKind, names: ReadonlySet<string>): void {
    const before = this.#wanted[kind];
    this.#wanted[kind] = names;
    for (const name of names) {
      if (!before.has(name)) this.#statsOf(kind, name).updateAttempt++;
    }
    for (const name of before) {
      if (names.has(name)) continue;
      this.#store.remove(kind, name);
      this.#dropStats(kind, name);
    }
    this.#mux.subscribeToNames(kind, names);
  }

  #absent(kind: ResourceKind, present: ReadonlySet<string>): string[] {
    return [...this.#store.names(kind)].filter((name) => !present.has(name));
  }

  #removeAll(kind: ResourceKind, names: readonly string[]): void {
    for (const name of names) {
      if (kind === 'cluster' || kind === 'listener') {
        this.#store.remove(kind, name);
      } else if (this.#wants(kind, name)) {
        // As in Envoy a removed assignment, table or secret stays in use: it dies with its parent.
        this.#store.markMissing(kind, name);
        this.#tracker.markMissing(kind, name);
      }
    }
  }

  // --- initialization ---

  #advance(): void {
    if (this.#phase === 'clusters' && this.#hasClusters()) {
      this.#phase = 'listeners';
      this.#firstTimer.stop();
      if (this.#options.hasLds) this.#subscribeToAll('listener');
    }
    if (this.#phase === 'listeners' && this.#hasListeners()) {
      this.#phase = 'initialized';
      this.#firstTimer.stop();
      this.#options.sink.onInitialized();
    }
  }

  #hasClusters(): boolean {
    if (this.#options.hasCds && !this.#hasFirst.cluster) return false;
    if (this.#tracker.isWaiting('cluster')) return false;
    return this.#tracker.hasStatic('endpoint') && this.#tracker.hasStatic('secret');
  }

  #hasListeners(): boolean {
    if (this.#options.hasLds && !this.#hasFirst.listener) return false;
    return !this.#tracker.isWaiting('listener') && this.#tracker.hasStatic('route');
  }

  #onFirstTimeout(): void {
    const kind = this.#phase === 'clusters' ? 'cluster' : 'listener';
    if (!this.#hasFirst[kind]) this.#statsOf(kind, '').initFetchTimeout++;
    this.#hasFirst[kind] = true;
    this.#advance();
  }

  #onFetchTimeout(kind: ReferredKind, name: string): void {
    this.#statsOf(kind, name).initFetchTimeout++;
    this.#options.logger.warn({ kind, name }, 'resource did not come in time; going on without');
  }

  // --- stats ---

  #statsOf(kind: ResourceKind, name: string): SubscriptionStats {
    const key = `${kind} ${name}`;
    let stats = this.#stats.get(key);
    if (stats === undefined) {
      stats = kind === 'route' ? new RouteSubscriptionStats() : new SubscriptionStats();
      this.#stats.set(key, stats);
      const statPrefix = kind === 'route' ? this.#tracker.statPrefixOf(name) : '';
      const scope = subscriptionScope(kind, name, statPrefix);
      if (scope !== null) this.#options.stats.add(scope, stats);
    }
    return stats;
  }

  #dropStats(kind: ResourceKind, name: string): void {
    const stats = this.#stats.get(`${kind} ${name}`);
    if (stats === undefined) return;
    this.#stats.delete(`${kind} ${name}`);
    this.#options.stats.remove(stats);
  }

  #count(kind: ResourceKind, taken: TakenUpdate, versionText: string): void {
    const wallMs = this.#options.clock.wallMs();
    if (kind === 'cluster' || kind === 'listener') {
      const stats = this.#statsOf(kind, '');
      if (taken.problems.length > 0) stats.updateRejected++;
      else stats.accepted(versionText, wallMs);
      return;
    }
    for (const name of taken.present) {
      if (!this.#wants(kind, name)) continue;
      const stats = this.#statsOf(kind, name);
      if (taken.rejected.has(name)) stats.updateRejected++;
      else stats.accepted(versionText, wallMs);
    }
    for (const { name } of taken.changed) {
      const stats = this.#statsOf(kind, name);
      if (stats instanceof RouteSubscriptionStats) stats.reloaded(wallMs);
    }
    if (!taken.hasNameless) return;
    // Without a name it may have been any that we wait for: as in Envoy all of them hear of it.
    for (const name of this.#wanted[kind]) {
      if (!taken.present.has(name)) this.#statsOf(kind, name).updateRejected++;
    }
  }
}
