// Decides what of the accepted resources may be used now, and in which order: make before break, complete
// sets only (gRFC A74 "config tears"). Knows names, references and hashes, not what listeners are.
//
//   cluster    released when its endpoints and secrets are there
//   listener   released when its routes and secrets are there; its routes go first
//   route      released when a released listener uses it, and no cluster that it names is still warming: not released,
//              or its hosts not checked yet (the sink says so; settle() when that changes)
//   endpoint,  released when something released (or static) uses them
//   secret
//   removals   listeners at once; clusters only when nothing waits any more: what waits may be the route
//              that leaves them
//
// "There" ends by waiting too: initial_fetch_timeout after a name was first wanted, or when the server says
// that it does not exist. While a new version waits the old one serves. Equal hash = nothing to do.

import type { Timer, TimerService } from '../../common/timer.ts';
import type { ClusterConfig, LoadAssignment } from '../api/config/cluster.ts';
import type { ListenerConfig } from '../api/config/listener.ts';
import type { RouteConfigData } from '../api/config/route.ts';
import type { SecretData } from '../api/config/tls.ts';
import {
  adsTypeOrder,
  type CompiledResource,
  type ResourceKind,
  type ResourceReference,
} from '../api/resource-compiler.ts';
import type { ResourceSink } from '../api/resource-sink.ts';

/** Kinds that are wanted because something refers to them; the others by wildcard. */
const referredKinds = ['endpoint', 'secret', 'route'] as const;
export type ReferredKind = (typeof referredKinds)[number];

export interface DependencyTrackerOptions {
  readonly sink: ResourceSink;
  readonly timers: TimerService;
  /** 0 = wait without end. */
  readonly initialFetchTimeoutMs: number;
  /** What static clusters and listeners refer to: in use from the start. */
  readonly staticReferences: readonly ResourceReference[];
  /** The names of that kind that something refers to have changed. The set is the receiver's. */
  readonly onWanted: (kind: ReferredKind, names: ReadonlySet<string>) => void;
  /** A wanted name did not come in time. */
  readonly onFetchTimeout: (kind: ReferredKind, name: string) => void;
  /** A wait ended by itself and resources were released. */
  readonly onSettled: () => void;
}

type PerKind<T> = Readonly<Record<ResourceKind, T>>;

interface Wait {
  readonly timer: Timer;
  isOver: boolean;
}

export class DependencyTracker {
  readonly #options: DependencyTrackerOptions;
  readonly #accepted: PerKind<Map<string, CompiledResource>> = perKind(() => new Map());
  readonly #released: PerKind<Map<string, CompiledResource>> = perKind(() => new Map());
  /** Accepted with other content than released. */
  readonly #pending: PerKind<Set<string>> = perKind(() => new Set());
  /** Clusters and listeners to remove from the data plane. */
  readonly #leaving: PerKind<Set<string>> = perKind(() => new Set());
  /** By key: wanted names that never came. */
  readonly #waits = new Map<string, Wait>();
  #wanted: PerKind<ReadonlySet<string>> = perKind(() => new Set<string>());
  /** Keys that something released or static refers to. */
  #inUse: ReadonlySet<string> = new Set();
  /** Wanted names have to be computed anew. */
  #isDirty = true;
  #isSettling = false;

  constructor(options: DependencyTrackerOptions) {
    this.#options = options;
  }

  /** Takes accepted resources and, of clusters and listeners, deletions. `settle` must follow. */
  update(
    kind: ResourceKind,
    changed: readonly CompiledResource[],
    removed: readonly string[],
  ): void {
    const hasReferences = kind === 'cluster' || kind === 'listener';
    for (const resource of changed) {
      const { name } = resource;
      this.#accepted[kind].set(name, resource);
      this.#leaving[kind].delete(name);
      if (this.#released[kind].get(name)?.hash === resource.hash) this.#pending[kind].delete(name);
      else this.#pending[kind].add(name);
      this.#endWait(key(kind, name));
    }
    for (const name of hasReferences ? removed : []) {
      this.#accepted[kind].delete(name);
      this.#pending[kind].delete(name);
      if (this.#released[kind].has(name)) this.#leaving[kind].add(name);
    }
    if (hasReferences) this.#isDirty = true;
  }

  /** The server says that a wanted name does not exist: nobody waits for it, what is in use stays. */
  markMissing(kind: ResourceKind, name: string): void {
    const wait = this.#waits.get(key(kind, name));
    if (wait === undefined) return;
    wait.isOver = true;
    wait.timer.stop();
  }

  /** Releases what is complete. */
  settle(): void {
    // What is released below may tell at once that it is warm: it is asked about before this ends anyway.
    if (this.#isSettling) return;
    this.#isSettling = true;
    this.#refreshWanted();
    this.#releaseSecrets();
    this.#releaseClusters();
    this.#releaseEndpoints();
    this.#releaseListeners();
    this.#releaseRoutes();
    this.#remove();
    this.#refreshWanted();
    this.#isSettling = false;
  }

  /** Something accepted of that kind waits for what it refers to. */
  isWaiting(kind: 'cluster' | 'listener'): boolean {
    return this.#pending[kind].size > 0;
  }

  /** All names of that kind that static config refers to came, or are no longer waited for. */
  hasStatic(kind: ReferredKind): boolean {
    return this.#options.staticReferences.every(
      (reference) => reference.kind !== kind || this.#isThere(reference),
    );
  }

  /** True when the data plane was given that resource (perhaps in an older version). */
  isReleased(kind: ResourceKind, name: string): boolean {
    return this.#released[kind].has(name);
  }

  /** Forgets all timers. */
  stop(): void {
    for (const { timer } of this.#waits.values()) timer.stop();
  }

  #isThere({ kind, name }: ResourceReference): boolean {
    return this.#accepted[kind].has(name) || this.#waits.get(key(kind, name))?.isOver === true;
  }

  #isComplete({ references }: CompiledResource): boolean {
    return references.every((reference) => {
      if (reference.kind === 'cluster') return !this.#isNewAndWarming(reference.name);
      if (!this.#isThere(reference)) return false;
      const route =
        reference.kind === 'route' ? this.#accepted.route.get(reference.name) : undefined;
      // A table that already serves somewhere may serve here too.
      return (
        route === undefined || this.#released.route.has(reference.name) || this.#isComplete(route)
      );
    });
  }

  /** A cluster that nobody could use yet. One that does not exist at all is not waited for (503 then). */
  #isNewAndWarming(cluster: string): boolean {
    if (this.#released.cluster.has(cluster)) return this.#options.sink.isClusterWarming(cluster);
    return this.#pending.cluster.has(cluster);
  }

  #releaseSecrets(): void {
    for (const name of this.#pending.secret) {
      // Harmless before its user is there, and needed with it.
      // The compiler's contract: data of kind 'secret' are SecretData; likewise below.
      this.#release('secret', name, (data) => this.#options.sink.applySecret(data as SecretData));
    }
  }

  #releaseClusters(): void {
    const { sink } = this.#options;
    for (const name of this.#pending.cluster) {
      const cluster = this.#accepted.cluster.get(name);
      if (cluster === undefined || !this.#isComplete(cluster)) continue;
      this.#release('cluster', name, (data) => sink.applyCluster(data as ClusterConfig));
      this.#isDirty = true;
      for (const reference of cluster.references) {
        // Again, even if they are released: they now belong to this cluster too.
        if (reference.kind === 'endpoint') this.#releaseEndpoint(reference.name);
      }
    }
  }

  #releaseEndpoints(): void {
    for (const name of this.#pending.endpoint) {
      if (this.#isUsed('endpoint', name)) this.#releaseEndpoint(name);
    }
  }

  #releaseEndpoint(name: string): void {
    const { sink } = this.#options;
    this.#release('endpoint', name, (data) => sink.applyEndpoints(data as LoadAssignment));
  }

  #releaseListeners(): void {
    const { sink } = this.#options;
    for (const name of this.#pending.listener) {
      const listener = this.#accepted.listener.get(name);
      if (listener === undefined || !this.#isComplete(listener)) continue;
      for (const reference of listener.references) {
        if (reference.kind === 'route' && this.#pending.route.has(reference.name)) {
          this.#releaseRoute(reference.name);
        }
      }
      this.#release('listener', name, (data) => sink.applyListener(data as ListenerConfig));
      this.#isDirty = true;
    }
  }

  #releaseRoutes(): void {
    for (const name of this.#pending.route) {
      const routes = this.#accepted.route.get(name);
      if (routes === undefined || !this.#isUsed('route', name)) continue;
      if (this.#isComplete(routes)) this.#releaseRoute(name);
    }
  }

  #releaseRoute(name: string): void {
    const { sink } = this.#options;
    this.#release('route', name, (data) => sink.applyRoute(data as RouteConfigData));
  }

  #release(kind: ResourceKind, name: string, apply: (data: unknown) => void): void {
    const resource = this.#accepted[kind].get(name);
    this.#pending[kind].delete(name);
    if (resource === undefined) return;
    this.#released[kind].set(name, resource);
    apply(resource.data);
  }

  #isUsed(kind: ReferredKind, name: string): boolean {
    this.#refreshWanted();
    return this.#inUse.has(key(kind, name));
  }

  #remove(): void {
    const { sink } = this.#options;
    for (const name of this.#leaving.listener) {
      sink.removeListener(name);
      this.#released.listener.delete(name);
      this.#isDirty = true;
    }
    this.#leaving.listener.clear();
    const isAnyWaiting =
      this.isWaiting('cluster') ||
      this.isWaiting('listener') ||
      [...this.#pending.route].some((name) => this.#isUsed('route', name));
    if (isAnyWaiting) return;
    // Routes of removed listeners go before the clusters they name.
    this.#refreshWanted();
    for (const name of this.#leaving.cluster) {
      sink.removeCluster(name);
      this.#released.cluster.delete(name);
      this.#isDirty = true;
    }
    this.#leaving.cluster.clear();
  }

  /** stat_prefix of the first connection manager that names these routes, '' = none does. */
  statPrefixOf(routes: string): string {
    const isIt = ({ kind, name }: ResourceReference) => kind === 'route' && name === routes;
    let found = this.#options.staticReferences.find(isIt);
    for (const { references } of this.#accepted.listener.values()) {
      if (found !== undefined) break;
      found = references.find(isIt);
    }
    return found?.statPrefix ?? '';
  }

  /** Computes which names are wanted and in use, tells of changes, and drops what nobody wants. */
  #refreshWanted(): void {
    if (!this.#isDirty) return;
    this.#isDirty = false;
    const wanted: PerKind<Set<string>> = perKind(() => new Set());
    const inUse = new Set<string>();
    for (const { kind, name } of this.#options.staticReferences) {
      wanted[kind].add(name);
      inUse.add(key(kind, name));
    }
    for (const parent of ['cluster', 'listener'] as const) {
      for (const { references } of this.#accepted[parent].values()) {
        for (const { kind, name } of references) wanted[kind].add(name);
      }
      // The old version of something that waits still needs what it refers to.
      for (const { references } of this.#released[parent].values()) {
        for (const { kind, name } of references) {
          wanted[kind].add(name);
          inUse.add(key(kind, name));
        }
      }
    }
    const before = this.#wanted;
    this.#wanted = wanted;
    this.#inUse = inUse;
    for (const kind of referredKinds) this.#changeWanted(kind, before[kind], wanted[kind]);
  }

  #changeWanted(
    kind: ReferredKind,
    before: ReadonlySet<string>,
    wanted: ReadonlySet<string>,
  ): void {
    let isChanged = false;
    for (const name of wanted) {
      if (before.has(name)) continue;
      isChanged = true;
      if (!this.#accepted[kind].has(name)) this.#beginWait(kind, name);
    }
    for (const name of before) {
      if (wanted.has(name)) continue;
      isChanged = true;
      this.#forget(kind, name);
    }
    if (isChanged) this.#options.onWanted(kind, new Set(wanted));
  }

  #forget(kind: ReferredKind, name: string): void {
    const { sink } = this.#options;
    this.#endWait(key(kind, name));
    this.#accepted[kind].delete(name);
    this.#pending[kind].delete(name);
    if (!this.#released[kind].delete(name)) return;
    // Endpoints go with their cluster.
    if (kind === 'route') sink.removeRoute(name);
    else if (kind === 'secret') sink.removeSecret(name);
  }

  #beginWait(kind: ReferredKind, name: string): void {
    const { timers, initialFetchTimeoutMs, onFetchTimeout, onSettled } = this.#options;
    const wait: Wait = {
      isOver: false,
      timer: timers.createTimer(() => {
        wait.isOver = true;
        onFetchTimeout(kind, name);
        this.settle();
        onSettled();
      }, null),
    };
    if (initialFetchTimeoutMs > 0) wait.timer.start(initialFetchTimeoutMs);
    this.#waits.set(key(kind, name), wait);
  }

  #endWait(of: string): void {
    this.#waits.get(of)?.timer.stop();
    this.#waits.delete(of);
  }
}

function key(kind: ResourceKind, name: string): string {
  return `${kind} ${name}`;
}

function perKind<T>(make: () => T): PerKind<T> {
  // Every kind is a key.
  return Object.fromEntries(adsTypeOrder.map((kind) => [kind, make()])) as Record<ResourceKind, T>;
}
