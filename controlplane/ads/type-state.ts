// What one stream knows of one type: subscription, what the client holds, the response under way.
// Owned by stream.ts; sotw.ts and delta.ts read requests into it and build responses from it. Small: there are
// five or more per stream and 10,000 streams.

import { allowsWildcard, typeUrlOfKind, type XdsKind } from '../cache/kinds.ts';
import type { SnapshotResource } from '../cache/resource.ts';
import type { ResourceSet } from '../cache/snapshot.ts';
import { HeldResources } from './held-resources.ts';
import { isCollection, Subscription } from './subscription.ts';

const nothing: ReadonlySet<string> = new Set();
const neverMissing: ReadonlyMap<string, number> = new Map();

export class TypeState {
  readonly kind: XdsKind;
  readonly subscription: Subscription;
  /**
   * What was sent and not removed since, accepted or not: a rejected version is not sent again, and any
   * other version differs from it, also an older one (go-control-plane #564). A bare version is what the
   * client said to hold when it came back (delta).
   */
  readonly held: HeldResources;
  #owed: Set<string> | null = null;
  #missingSince: Map<string, number> | null = null;
  /** The type as a whole must be answered even if empty: the client waits for a first response. */
  isOwed = false;
  /** Nonce of the response that was neither ACKed nor NACKed yet; null = none. */
  outstandingNonce: string | null = null;
  /** '' before the first response. */
  lastNonce = '';
  /** The set that `held` was last brought to; equal and nothing owed = nothing to do. */
  settledSet: ResourceSet | null = null;
  /** The set of which everything new was sent. */
  addedSet: ResourceSet | null = null;
  /** SotW: version_info of the first request: if the wanted content still has it, nothing is sent. */
  resumeVersion = '';
  /** SotW: a response of a type that refers to this one was sent since this one's last response. */
  wasParentSent = false;
  /** When TTLs are renewed next, monotonic; 0 = not yet known. */
  heartbeatMs = 0;

  constructor(kind: XdsKind) {
    this.kind = kind;
    this.subscription = new Subscription(allowsWildcard(kind));
    this.held = new HeldResources(this.subscription);
  }

  get typeUrl(): string {
    return typeUrlOfKind(this.kind);
  }

  /** Names that must be answered although the client may hold the current version. */
  get owed(): ReadonlySet<string> {
    return this.#owed ?? nothing;
  }

  owe(name: string): void {
    this.#owed ??= new Set();
    this.#owed.add(name);
  }

  forgive(name: string): void {
    this.#owed?.delete(name);
  }

  forgiveAll(): void {
    this.#owed = null;
  }

  /** Names asked for that the last looked-at set does not have; wall clock of when that was first seen. */
  get missingSince(): ReadonlyMap<string, number> {
    return this.#missingSince ?? neverMissing;
  }

  /** Of names and entries of its own, for the limit. */
  get nameCount(): number {
    return Math.max(this.subscription.names.size, this.held.ownSize);
  }

  /** False = nothing can be to do for `set`; cheap. */
  needsAttention(set: ResourceSet): boolean {
    return this.settledSet !== set || this.isOwed || this.owed.size > 0;
  }

  /** False = `additions` would find nothing. */
  needsAdditions(set: ResourceSet): boolean {
    return this.addedSet !== set || this.isOwed || this.owed.size > 0;
  }

  /** Brings `missingSince` up to date: after a change of names (`set` is then looked at whole), and of the set. */
  noteMissing(set: ResourceSet, nowMs: number, didNamesChange: boolean): void {
    const { names } = this.subscription;
    for (const name of this.#missingSince?.keys() ?? []) {
      if (!names.has(name) || set.find(name) !== undefined) this.#missingSince?.delete(name);
    }
    if (didNamesChange || this.settledSet === null) {
      for (const name of names) this.#noteIfMissing(name, set, nowMs);
    } else if (this.settledSet !== set) {
      for (const { name } of set.changesSince(this.settledSet).removed) {
        if (names.has(name)) this.#noteIfMissing(name, set, nowMs);
      }
    }
    if (this.#missingSince?.size === 0) this.#missingSince = null;
  }

  #noteIfMissing(name: string, set: ResourceSet, nowMs: number): void {
    if (set.find(name) !== undefined || isCollection(name)) return;
    this.#missingSince ??= new Map();
    if (!this.#missingSince.has(name)) this.#missingSince.set(name, nowMs);
  }

  /** The client has answered for all of `set`. */
  settle(set: ResourceSet): void {
    this.settledSet = set;
    // Which host a virtual host was asked under is not seen by looking at it: those stay listed one by one.
    if (this.kind !== 'virtual-host') this.held.settle(set);
  }

  /** The resources of `set` that are wanted, each once; missing names are left out. */
  wanted(set: ResourceSet): SnapshotResource[] {
    if (this.subscription.isWildcard) return [...set.resources.values()];
    const resources = new Set<SnapshotResource>();
    for (const name of this.subscription.names) {
      const resource = set.find(name);
      if (resource !== undefined) resources.add(resource);
      else if (isCollection(name)) {
        for (const member of membersOf(name, set)) resources.add(member);
      }
    }
    return [...resources];
  }

  /** Those of `set` that differ from what is held or are owed. */
  news(set: ResourceSet): SnapshotResource[] {
    const { held, subscription } = this;
    const owed = this.owedResources(set);
    const isNews = (resource: SnapshotResource): boolean =>
      owed.has(resource) || held.versionOf(resource.name) !== resource.version;
    const suspects = held.suspects(set);
    if (suspects === null) return this.wanted(set).filter(isNews);
    // The common case: it costs what changed, not what there is.
    for (const resource of owed) suspects.add(resource);
    return [...suspects].filter((resource) => subscription.covers(resource) && isNews(resource));
  }

  /** What the owed names stand for. */
  owedResources(set: ResourceSet): ReadonlySet<SnapshotResource> {
    const resources = new Set<SnapshotResource>();
    for (const name of this.owed) {
      const resource = set.find(name);
      if (resource !== undefined) resources.add(resource);
      else if (isCollection(name)) {
        for (const member of membersOf(name, set)) resources.add(member);
      }
    }
    return resources;
  }

  /** Owed names that stand for nothing. */
  owedInVain(set: ResourceSet): string[] {
    return [...this.owed].filter(
      (name) =>
        set.find(name) === undefined &&
        !(isCollection(name) && membersOf(name, set).next().done !== true),
    );
  }
}

function* membersOf(collection: string, set: ResourceSet): Generator<SnapshotResource> {
  const prefix = collection.slice(0, -1);
  for (const resource of set.resources.values()) {
    const { name } = resource;
    if (name.startsWith(prefix) && !name.includes('/', prefix.length)) yield resource;
  }
}

/** A response before it has a nonce. */
export interface Outgoing {
  readonly resources: readonly SnapshotResource[];
  readonly removed: readonly string[];
  /** version_info or system_version_info. */
  readonly version: string;
  /** VHDS: names asked for that nobody serves. */
  readonly unknown?: readonly string[];
  /** Only TTLs are renewed: the resources go without their content. */
  readonly isHeartbeat?: boolean;
}
