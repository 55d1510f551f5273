// What the client knows of one source: what is wanted of it, what it delivered, and its statistics. One per
// ConfigSource key; takes the source's updates and passes what is good to the tracker.

import type { Clock } from '../../common/clock.ts';
import type { Logger } from '../../common/logger.ts';
import type { TimerService } from '../../common/timer.ts';
import { type ConfigSource, WILDCARD } from '../api/config/config-source.ts';
import type {
  ResourceCompiler,
  ResourceKind,
  ResourceReference,
} from '../api/resource-compiler.ts';
import type { StatsStore } from '../api/stats.ts';
import type { DependencyTracker, WantedChange } from './dependency-tracker.ts';
import { kindRules } from './kind-rules.ts';
import { Lifetimes } from './lifetimes.ts';
import type { SourceOpener } from './open-source.ts';
import type { ResourceSource, SourceOwner, Update } from './resource-source.ts';
import { type DumpedResource, ResourceStore } from './resource-store.ts';
import { nackText, type TakenUpdate, takeUpdate } from './resource-update.ts';
import { Subscription } from './subscription.ts';
import {
  ControlPlaneStats,
  controlPlaneScope,
  ExtensionSubscriptionStats,
  RouteSubscriptionStats,
  SubscriptionStats,
  subscriptionScope,
} from './xds-stats.ts';

export interface SourceStateOptions {
  readonly source: ConfigSource;
  readonly open: SourceOpener;
  readonly compiler: ResourceCompiler;
  readonly tracker: DependencyTracker;
  readonly clock: Clock;
  readonly timers: TimerService;
  readonly logger: Logger;
  readonly stats: StatsStore;
  /** After each update. */
  readonly onSettle: () => void;
}

const none = new Uint8Array();

export class SourceState implements SourceOwner {
  readonly source: ConfigSource;
  readonly #options: SourceStateOptions;
  readonly #store = new ResourceStore();
  readonly #resources: ResourceSource;
  /** Of own streams by type, of the aggregated one by null. */
  readonly #streamStats = new Map<ResourceKind | null, ControlPlaneStats>();
  /** Envoy counts requests of files and REST, and of streams what became of them. */
  readonly #isStream: boolean;
  readonly #wanted = new Map<ResourceKind, Subscription>();
  /** Of the connection manager with the scopes; of each route configuration by name. */
  #scopesPrefix = '';
  readonly #routePrefixes = new Map<string, string>();
  /** By kind and name; '*' is the subscription of all. */
  readonly #stats = new Map<string, SubscriptionStats>();
  readonly #lifetimes: Lifetimes;

  constructor(options: SourceStateOptions) {
    this.#options = options;
    this.source = options.source;
    this.#lifetimes = new Lifetimes(options.timers, (of, name) => this.#expire(of, name));
    const { kind } = options.source;
    this.#isStream = kind === 'ads' || kind === 'grpc';
    this.#resources = options.open(options.source, this, (of) => this.#statsOfStream(of));
    // Envoy: of own streams they hang below each subscription.
    if (kind === 'ads') options.stats.add(controlPlaneScope, this.#statsOfStream(null));
  }

  start(): void {
    this.#resources.start();
  }

  stop(): void {
    this.#resources.stop();
    this.#lifetimes.stop();
  }

  /** Nothing is wanted of it. */
  get isIdle(): boolean {
    return [...this.#wanted.values()].every(({ isActive }) => !isActive);
  }

  change({ kind, added, removed }: WantedChange): void {
    const wanted = this.#subscription(kind);
    const isAll = (name: string): boolean => name === WILDCARD;
    for (const reference of added) {
      const stats = this.#addStats(reference);
      if (this.#isStream) stats.updateAttempt++;
    }
    for (const name of removed) {
      this.#store.remove(kind, name);
      this.#lifetimes.end(kind, name);
      this.#dropStats(kind, name);
    }
    if (added.some(({ name }) => isAll(name)) && wanted.subscribeToAll()) {
      this.#resources.subscribeToAll(kind);
    }
    if (removed.some(isAll) && wanted.unsubscribeFromAll()) {
      for (const name of this.#store.names(kind)) {
        if (!wanted.wants(name)) this.#store.remove(kind, name);
      }
      this.#resources.unsubscribeFromAll(kind);
    }
    const addedNames = added.flatMap(({ name }) => (isAll(name) ? [] : [name]));
    const removedNames = removed.filter((name) => !isAll(name));
    wanted.change(addedNames, removedNames);
    if (addedNames.length > 0 || removedNames.length > 0) {
      this.#resources.changeNames(kind, addedNames, removedNames);
    }
  }

  onFetchTimeout({ kind, name }: ResourceReference): void {
    const stats = this.#statsOf(kind, name);
    if (stats === undefined) return;
    stats.initFetchTimeout++;
    if (this.#isStream) stats.updateAttempt++;
  }

  dump(): DumpedResource[] {
    return this.#store.dump();
  }

  /** See XdsClient. */
  reportFailure(kind: ResourceKind, name: string, details: string): void {
    const held = this.#store.get(kind, name);
    if (held === undefined) return;
    const { bytes, version } = held;
    const atMs = this.#options.clock.wallMs();
    this.#store.reject(kind, name, { bytes, version, details, atMs });
  }

  // --- SourceOwner ---

  receive(update: Update): string | null {
    const { compiler, clock, logger, tracker } = this.#options;
    const { source } = this;
    const { kind, resources, versionText } = update;
    const taken = takeUpdate(resources, {
      kind,
      source,
      compiler,
      store: this.#store,
      broken: update.broken ?? [],
      wants: (name) => this.#subscription(kind).wants(name),
      removed: update.isFullState ? null : new Set(update.removed),
      nowMs: clock.wallMs(),
    });
    const { changed, present, hasNameless, problems, warnings } = taken;
    const removed = update.isFullState && !hasNameless ? this.#absent(kind, present) : [];
    for (const name of update.removed) if (!present.has(name)) removed.push(name);
    const lacking = update.isWhole === true ? this.#lacking(kind, taken) : [];
    removed.push(...lacking.filter((name) => !removed.includes(name)));
    for (const name of removed) this.#remove(kind, name);
    tracker.update(kind, source, changed, removed);
    for (const { name, aliases = [] } of resources) {
      for (const alias of aliases) tracker.noteAlias(kind, source, alias, name);
    }
    for (const name of taken.rejected) tracker.rejected(kind, source, name);
    this.#takeErrors(update);
    if (this.#isStream) {
      this.#lifetimes.renew(update, taken, (name) => this.#subscription(kind).wants(name));
    }
    // Also when all of it was refused: nothing better is to be waited for.
    if (this.#subscription(kind).isWildcard) tracker.answered(kind, source);
    this.#count(kind, taken, versionText);
    // Envoy: a file or answer with other resources than the one that was asked for is rejected.
    if (present.size > 0) for (const name of lacking) this.#countRejected(kind, name);
    for (const warning of warnings) logger.warn({ warning }, 'xDS resource with unknown fields');
    if (problems.length === 0) return null;
    const text = nackText(problems);
    logger.warn({ kind, version: versionText, problems: text }, 'xDS update rejected');
    return text;
  }

  settle(): void {
    this.#options.onSettle();
  }

  knownVersions(kind: ResourceKind): ReadonlyMap<string, string> {
    return this.#store.versions(kind);
  }

  onRequest(kind: ResourceKind): void {
    for (const stats of this.#allStats(kind)) stats.updateAttempt++;
  }

  onFailure(kind: ResourceKind): void {
    for (const stats of this.#allStats(kind)) {
      stats.updateFailure++;
      if (this.#isStream) stats.updateAttempt++;
    }
  }

  #subscription(kind: ResourceKind): Subscription {
    let subscription = this.#wanted.get(kind);
    if (subscription === undefined) {
      subscription = new Subscription();
      this.#wanted.set(kind, subscription);
    }
    return subscription;
  }

  #absent(kind: ResourceKind, present: ReadonlySet<string>): string[] {
    return [...this.#store.names(kind)].filter((name) => !present.has(name));
  }

  /** gRFC A88: what is held stays, what is not there is not waited for any more. */
  #takeErrors({ kind, errors = [], versionText: version }: Update): void {
    const { tracker, clock, logger } = this.#options;
    for (const { name, error } of errors) {
      if (!this.#subscription(kind).wants(name)) continue;
      const details = `${error.message} (gRPC status ${error.code})`;
      const atMs = clock.wallMs();
      this.#store.reject(kind, name, { bytes: none, version, details, atMs, isReceived: true });
      logger.warn({ kind, name, details }, 'the management server has an error in place of it');
      const isHeld = this.#store.get(kind, name)?.compiled != null;
      if (!isHeld) tracker.update(kind, this.source, [], [name]);
    }
  }

  /** Its time to live is over: as if the server had said that it is gone. */
  #expire(kind: ResourceKind, name: string): void {
    this.#options.logger.warn({ kind, name }, 'the time to live of an xDS resource is over');
    this.#remove(kind, name);
    this.#options.tracker.update(kind, this.source, [], [name]);
    this.#options.onSettle();
  }

  /** Names that were asked for and are not in a response that should have them. */
  #lacking(kind: ResourceKind, { present, hasNameless }: TakenUpdate): string[] {
    if (hasNameless) return [];
    return [...this.#subscription(kind).names].filter((name) => !present.has(name));
  }

  #remove(kind: ResourceKind, name: string): void {
    if (this.#subscription(kind).names.has(name)) this.#store.markMissing(kind, name);
    else if (kindRules[kind].removal !== 'keep') this.#store.remove(kind, name);
  }

  // --- stats ---

  #addStats(reference: ResourceReference): SubscriptionStats {
    const { kind, name, statName = '' } = reference;
    const stats = newSubscriptionStats(kind);
    this.#stats.set(`${kind} ${name}`, stats);
    if (this.source.kind === 'grpc') stats.stream = this.#statsOfStream(kind);
    const statPrefix = this.#statPrefixOf(reference);
    if (kind === 'scoped-route') this.#scopesPrefix = statPrefix;
    else if (kind === 'route') this.#routePrefixes.set(name, statPrefix);
    const scope = subscriptionScope(kind, name, statPrefix, statName);
    if (scope !== null) this.#options.stats.add(scope, stats);
    return stats;
  }

  /** Routes that scopes name, and virtual hosts, do not know whose they are: as those that brought them. */
  #statPrefixOf({ kind, statPrefix, statName = '' }: ResourceReference): string {
    if (statPrefix !== undefined) return statPrefix;
    if (kind === 'route') return this.#scopesPrefix;
    return kind === 'virtual-host' ? (this.#routePrefixes.get(statName) ?? '') : '';
  }

  #statsOfStream(kind: ResourceKind | null): ControlPlaneStats {
    let stats = this.#streamStats.get(kind);
    if (stats === undefined) {
      stats = new ControlPlaneStats();
      this.#streamStats.set(kind, stats);
    }
    return stats;
  }

  #allStats(kind: ResourceKind): readonly SubscriptionStats[] {
    const { isWildcard, names } = this.#subscription(kind);
    return [...(isWildcard ? [WILDCARD] : []), ...names].flatMap(
      (name) => this.#statsOf(kind, name) ?? [],
    );
  }

  #countRejected(kind: ResourceKind, name: string): void {
    const stats = this.#statsOf(kind, name);
    if (stats === undefined) return;
    stats.rejected();
    if (this.#isStream) stats.updateAttempt++;
  }

  #countAccepted(kind: ResourceKind, name: string, versionText: string): void {
    const stats = this.#statsOf(kind, name);
    if (stats === undefined) return;
    stats.accepted(versionText, this.#options.clock.wallMs());
    if (this.#isStream) stats.updateAttempt++;
  }

  #statsOf(kind: ResourceKind, name: string): SubscriptionStats | undefined {
    return this.#stats.get(`${kind} ${name}`);
  }

  #dropStats(kind: ResourceKind, name: string): void {
    const stats = this.#statsOf(kind, name);
    if (stats === undefined) return;
    this.#stats.delete(`${kind} ${name}`);
    if (kind === 'route') this.#routePrefixes.delete(name);
    this.#options.stats.remove(stats);
  }

  #count(kind: ResourceKind, taken: TakenUpdate, versionText: string): void {
    const wallMs = this.#options.clock.wallMs();
    if (taken.problems.length > 0) this.#countRejected(kind, WILDCARD);
    else this.#countAccepted(kind, WILDCARD, versionText);
    const all = this.#statsOf(kind, WILDCARD);
    if (all instanceof RouteSubscriptionStats && taken.changed.length > 0) all.reloaded(wallMs);
    for (const name of taken.present) {
      if (taken.rejected.has(name)) this.#countRejected(kind, name);
      else this.#countAccepted(kind, name, versionText);
    }
    for (const { name } of taken.changed) {
      const stats = this.#statsOf(kind, name);
      if (stats instanceof RouteSubscriptionStats) stats.reloaded(wallMs);
      else if (stats instanceof ExtensionSubscriptionStats) stats.configReload++;
    }
    if (!taken.hasNameless) return;
    // Without a name it may have been any that we wait for: as in Envoy all of them hear of it.
    for (const name of this.#subscription(kind).names) {
      if (!taken.present.has(name)) this.#countRejected(kind, name);
    }
  }
}

/** Envoy does for what becomes routes. */
function newSubscriptionStats(kind: ResourceKind): SubscriptionStats {
  if (kind === 'extension-config') return new ExtensionSubscriptionStats();
  const countsReloads: readonly ResourceKind[] = [
    'cluster',
    'route',
    'scoped-route',
    'virtual-host',
  ];
  return countsReloads.includes(kind) ? new RouteSubscriptionStats() : new SubscriptionStats();
}
