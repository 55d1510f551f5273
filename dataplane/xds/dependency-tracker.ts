// Decides what of the accepted resources may be used now, and in which order: make before break, complete
// sets only (gRFC A74 "config tears"). Knows names, sources, references and hashes, not what listeners are; what is
// special about a kind stands in kind-rules.ts.
//
// A node is one resource that something wants (or a collection: all of a kind that a source has):
//
//   wanted --accepted--> pending --complete, used--> released --other content--> pending (the old version serves)
//      `--initial_fetch_timeout, or it does not exist, or it is refused--> no longer waited for
//
// Whoever is held (static config, what was accepted, what is released) wants what it refers to: counted in `wanted`;
// what is released or static uses it: counted in `used`. A node that nobody wants is dropped. Equal hash = nothing to do.

import type { Timer, TimerService } from '../../common/timer.ts';
import { type ConfigSource, resourceId, WILDCARD } from '../api/config/config-source.ts';
import {
  adsTypeOrder,
  type CompiledResource,
  type ResourceKind,
  type ResourceReference,
} from '../api/resource-compiler.ts';
import type { ResourceSink } from '../api/resource-sink.ts';
import { kindRules, releaseOrder } from './kind-rules.ts';

export interface DependencyTrackerOptions {
  readonly sink: ResourceSink;
  readonly timers: TimerService;
  /** What is wanted of a kind and source has changed. '*' among the names: all of them. */
  readonly onWanted: (change: WantedChange) => void;
  /** Something wanted did not come in time. */
  readonly onFetchTimeout: (reference: ResourceReference) => void;
  /** A wait ended by itself and resources were released. */
  readonly onSettled: () => void;
}

/** Each name is in one of the two lists. */
export interface WantedChange {
  readonly kind: ResourceKind;
  readonly source: ConfigSource;
  readonly added: readonly ResourceReference[];
  readonly removed: readonly string[];
}

/** What became of something that a request asked for. */
export interface OnDemandNews {
  readonly reference: ResourceReference;
  /** The data plane has it. */
  readonly isFound: boolean;
}

interface Node {
  readonly kind: ResourceKind;
  readonly name: string;
  /** Under what the sink knows it. */
  readonly id: string;
  /** Of the first who wanted it. */
  readonly reference: ResourceReference;
  /** How many refer to it. */
  wanted: number;
  /** How many of them are in use themselves. */
  used: number;
  /** `onWanted` told of it. */
  isSubscribed: boolean;
  /** What it came under; null = it was asked for by name only. */
  collection: Node | null;
  accepted: CompiledResource | null;
  /** Key of the source that `accepted` came from: several may know a cluster of that name. */
  origin: string;
  released: CompiledResource | null;
  /** Of a collection: it was answered. */
  isAnswered: boolean;
  /** Of a collection: what came under it. */
  readonly members: Set<Node> | null;
  /** A request asked for it: what becomes of it is news. */
  isAsked: boolean;
  /** The name of what the server gave for it, '' = that of itself. */
  answeredBy: string;
  /** Running, or over (null). */
  wait: Timer | null;
  isWaitOver: boolean;
}

interface MutableChange extends WantedChange {
  readonly added: ResourceReference[];
  readonly removed: string[];
}

type PerKind<T> = Readonly<Record<ResourceKind, T>>;

export class DependencyTracker {
  readonly #options: DependencyTrackerOptions;
  /** By id; collections by the id of '*'. */
  readonly #nodes: PerKind<Map<string, Node>> = perKind(() => new Map());
  /** Accepted with other content than released. */
  readonly #pending: PerKind<Set<Node>> = perKind(() => new Set());
  /** To remove from the data plane. */
  readonly #leaving: PerKind<Set<Node>> = perKind(() => new Set());
  readonly #static: ResourceReference[] = [];
  /** Asked for by requests, and something happened to them. */
  #news = new Set<Node>();
  /** Their counts changed since onWanted was told. */
  #changed = new Set<Node>();
  #isSettling = false;
  /** `settle` was called since the last turn of its loop. */
  #hasNews = false;

  constructor(options: DependencyTrackerOptions) {
    this.#options = options;
  }

  /** Something that is needed for as long as this runs: of the bootstrap. `settle` must follow. */
  addStatic(references: readonly ResourceReference[]): void {
    this.#static.push(...references);
    this.#hold(references, 1, 1);
  }

  /** A request needs it; takeNews() tells what becomes of it. Once, until `unask`. `settle` must follow. */
  ask(reference: ResourceReference): void {
    this.#hold([reference], 1, 1);
    const node = this.#of(reference);
    node.isAsked = true;
    if (node.released !== null) this.#news.add(node);
  }

  /** `settle` must follow. */
  unask(reference: ResourceReference): void {
    const node = this.#of(reference);
    node.isAsked = false;
    this.#news.delete(node);
    this.#hold([reference], -1, -1);
  }

  /** What was asked for and is in use now, or is not to be had. To be called after each `settle`. */
  takeNews(): readonly OnDemandNews[] {
    if (this.#news.size === 0) return [];
    const told: OnDemandNews[] = [];
    for (const node of this.#news) {
      const given = this.#givenFor(node);
      if (given?.released == null) {
        // Good, but what it needs itself is not there yet.
        if (given?.accepted != null) continue;
        told.push({ reference: node.reference, isFound: false });
      } else {
        const isWarming = node.kind === 'cluster' && this.#options.sink.isClusterWarming(node.name);
        if (isWarming) continue;
        told.push({ reference: node.reference, isFound: true });
      }
      this.#news.delete(node);
    }
    return told;
  }

  /** The server gave `name` for what was asked for as `alias`. `settle` must follow. */
  noteAlias(kind: ResourceKind, source: ConfigSource, alias: string, name: string): void {
    const node = this.#nodes[kind].get(idOf(kind, alias, source));
    if (node === undefined || alias === name) return;
    node.answeredBy = name;
    this.#endWait(node);
    if (node.isAsked) this.#news.add(node);
  }

  /** What came under that name cannot be used: nothing better is to be waited for. */
  rejected(kind: ResourceKind, source: ConfigSource, name: string): void {
    const node = this.#nodes[kind].get(idOf(kind, name, source));
    if (node === undefined) return;
    // As in Envoy: a bad first version must not keep a proxy from LIVE, which initial_fetch_timeout 0 would do for ever.
    if (node.accepted === null) this.#endWait(node);
    if (node.isAsked) this.#news.add(node);
  }

  /**
   * Takes accepted resources and deletions of one source. Names that nobody wants are ignored. `settle` must follow.
   */
  update(
    kind: ResourceKind,
    source: ConfigSource,
    changed: readonly CompiledResource[],
    removed: readonly string[],
  ): void {
    for (const resource of changed) this.#accept(resource, source);
    for (const name of removed) {
      const node = this.#nodes[kind].get(idOf(kind, name, source));
      if (node === undefined) continue;
      const isHeld = node.accepted !== null && node.origin === source.key;
      if (kindRules[kind].removal === 'keep' || !isHeld) this.#endWait(node);
      else this.#delete(node);
      if (node.isAsked) this.#news.add(node);
    }
  }

  /** The source has told all (or more) of what it has of that kind. `settle` must follow. */
  answered(kind: ResourceKind, source: ConfigSource): void {
    const collection = this.#collection(kind, source);
    if (collection === undefined) return;
    collection.isAnswered = true;
    this.#endWait(collection);
  }

  /** Releases what is complete. */
  settle(): void {
    // What is released below may tell at once that it is warm, and what becomes wanted may be there at once (a file).
    this.#hasNews = true;
    if (this.#isSettling) return;
    this.#isSettling = true;
    try {
      while (this.#hasNews) {
        this.#hasNews = false;
        this.#tellWanted();
        for (const kind of releaseOrder) {
          for (const node of this.#pending[kind]) if (this.#isReleasable(node)) this.#release(node);
        }
        this.#remove();
        this.#tellWanted();
      }
    } finally {
      // Also when a bug threw: what comes later must not wait for ever.
      this.#isSettling = false;
    }
  }

  /** A call of `settle` is under way, which will see what is new. */
  get isSettling(): boolean {
    return this.#isSettling;
  }

  /** Something accepted of that kind waits for what it refers to. */
  isWaiting(kind: ResourceKind): boolean {
    return this.#pending[kind].size > 0;
  }

  /** All of those kinds that static config refers to came, or are no longer waited for. */
  hasStatic(kinds: readonly ResourceKind[]): boolean {
    return this.#static.every(
      (reference) =>
        !kinds.includes(reference.kind) ||
        reference.isAwaited === false ||
        this.#isThere(this.#of(reference)),
    );
  }

  /** True when the data plane was given that resource (perhaps in an older version). */
  isReleased(kind: ResourceKind, name: string, source: ConfigSource): boolean {
    return (this.#nodes[kind].get(idOf(kind, name, source))?.released ?? null) !== null;
  }

  /** What the sink was given under that id; undefined = nothing (yet). */
  dataOf(kind: ResourceKind, id: string): unknown {
    return this.#nodes[kind].get(id)?.released?.data;
  }

  /** Forgets all timers. */
  stop(): void {
    for (const kind of adsTypeOrder) {
      for (const { wait } of this.#nodes[kind].values()) wait?.stop();
    }
  }

  #accept(resource: CompiledResource, source: ConfigSource): void {
    const { kind, name } = resource;
    const id = idOf(kind, name, source);
    const node = this.#nodes[kind].get(id) ?? this.#newMember(kind, name, source);
    if (node === null) return;
    // New ones first, so that what both versions need is not dropped.
    this.#hold(resource.references, 1, 0);
    this.#hold(node.accepted?.references ?? [], -1, 0);
    node.accepted = resource;
    node.origin = source.key;
    if (node.reference.source.key !== source.key) this.#joinCollection(node, source);
    this.#leaving[kind].delete(node);
    if (node.released?.hash === resource.hash) this.#pending[kind].delete(node);
    else this.#pending[kind].add(node);
    this.#endWait(node);
  }

  /** Of a collection; null = nobody wants it. */
  #newMember(kind: ResourceKind, name: string, source: ConfigSource): Node | null {
    const collection = this.#collection(kind, source);
    if (collection === undefined) return null;
    const node = this.#newNode({ kind, name, source });
    this.#joinCollection(node, source);
    return node;
  }

  /** It came under it, too. */
  #joinCollection(node: Node, source: ConfigSource): void {
    const collection = this.#collection(node.kind, source);
    if (node.collection !== null || collection === undefined) return;
    collection.members?.add(node);
    node.collection = collection;
  }

  #delete(node: Node): void {
    const { kind } = node;
    if (node.accepted === null) return;
    this.#hold(node.accepted.references, -1, 0);
    node.accepted = null;
    this.#pending[kind].delete(node);
    if (node.released !== null) this.#leaving[kind].add(node);
    else this.#leaveCollection(node);
  }

  #leaveCollection(node: Node): void {
    node.collection?.members?.delete(node);
    node.collection = null;
    this.#changed.add(node);
  }

  #collection(kind: ResourceKind, source: ConfigSource): Node | undefined {
    return this.#nodes[kind].get(resourceId(WILDCARD, source));
  }

  /** What the server gave for what was asked for, if it is still there. */
  #givenFor(node: Node): Node | undefined {
    if (node.answeredBy === '') return node;
    const { kind, reference } = node;
    return this.#nodes[kind].get(idOf(kind, node.answeredBy, reference.source));
  }

  // --- what is there ---

  #isThere(node: Node): boolean {
    if (node.members !== null) {
      if (!node.isAnswered && !node.isWaitOver) return false;
      for (const member of node.members) if (!this.#isThere(member)) return false;
      return true;
    }
    if (node.accepted === null) return node.isWaitOver;
    // What already serves somewhere may serve here too.
    return node.released !== null || this.#isComplete(node.accepted);
  }

  #isComplete({ references, clusters }: CompiledResource): boolean {
    return (
      references.every(
        (reference) => reference.isAwaited === false || this.#isThere(this.#of(reference)),
      ) && clusters.every((cluster) => !this.#isNewAndWarming(cluster))
    );
  }

  /** A cluster that nobody could use yet. One that does not exist at all is not waited for (503 then). */
  #isNewAndWarming(cluster: string): boolean {
    const node = this.#nodes.cluster.get(cluster);
    if (node === undefined) return false;
    if (node.released !== null) return this.#options.sink.isClusterWarming(cluster);
    return this.#pending.cluster.has(node);
  }

  #isReleasable(node: Node): boolean {
    if (kindRules[node.kind].release === 'now') return true;
    return isInUse(node) && node.accepted !== null && this.#isComplete(node.accepted);
  }

  // --- release and removal ---

  #release(node: Node): void {
    const { kind, accepted, released } = node;
    this.#pending[kind].delete(node);
    if (accepted === null) return;
    const { references } = accepted;
    for (const reference of references) {
      const child = this.#of(reference);
      if (kindRules[child.kind].order === 'before') this.#releaseFirst(child);
    }
    if (released !== accepted) {
      this.#hold(references, 1, 1);
      this.#hold(released?.references ?? [], -1, -1);
      node.released = accepted;
    }
    if (node.isAsked) this.#news.add(node);
    kindRules[kind].apply(this.#options.sink, accepted.data);
    for (const reference of references) {
      const child = this.#of(reference);
      // Again, even if it is released: it now belongs to this parent too.
      if (kindRules[child.kind].order === 'again') this.#releaseAgain(child);
    }
  }

  /** Before what refers to it. */
  #releaseFirst(child: Node): void {
    for (const member of child.members ?? []) this.#releaseFirst(member);
    if (!this.#pending[child.kind].has(child) || child.accepted === null) return;
    if (this.#isComplete(child.accepted)) this.#release(child);
  }

  #releaseAgain(child: Node): void {
    if (child.accepted !== null && this.#isComplete(child.accepted)) this.#release(child);
    else if (child.released !== null) {
      kindRules[child.kind].apply(this.#options.sink, child.released.data);
    }
  }

  #remove(): void {
    this.#removeLeaving('first');
    if (releaseOrder.some((kind) => this.#isAnyWaiting(kind))) return;
    // Routes of removed listeners go before the clusters they name.
    this.#tellWanted();
    this.#removeLeaving('last');
  }

  #isAnyWaiting(kind: ResourceKind): boolean {
    for (const node of this.#pending[kind]) if (isInUse(node)) return true;
    return false;
  }

  #removeLeaving(when: 'first' | 'last'): void {
    for (const kind of releaseOrder) {
      if (kindRules[kind].removal !== when) continue;
      for (const node of this.#leaving[kind]) {
        kindRules[kind].remove(this.#options.sink, node.id, node.released?.data);
        this.#hold(node.released?.references ?? [], -1, -1);
        node.released = null;
        this.#leaveCollection(node);
      }
      this.#leaving[kind].clear();
    }
  }

  // --- what is wanted ---

  #hold(references: readonly ResourceReference[], wanted: 1 | -1, used: 1 | 0 | -1): void {
    for (const reference of references) {
      const node = this.#of(reference);
      node.wanted += wanted;
      node.used += used;
      this.#changed.add(node);
    }
  }

  #of(reference: ResourceReference): Node {
    const { kind, name, source } = reference;
    return this.#nodes[kind].get(idOf(kind, name, source)) ?? this.#newNode(reference);
  }

  #newNode(reference: ResourceReference): Node {
    const { kind, name, source } = reference;
    const node: Node = {
      kind,
      name,
      id: idOf(kind, name, source),
      reference,
      wanted: 0,
      used: 0,
      isSubscribed: false,
      collection: null,
      accepted: null,
      origin: '',
      released: null,
      isAnswered: false,
      members: name === WILDCARD ? new Set() : null,
      isAsked: false,
      answeredBy: '',
      wait: null,
      isWaitOver: false,
    };
    this.#nodes[kind].set(node.id, node);
    return node;
  }

  /** Tells what became wanted or unwanted; drops what nobody wants, and then what that alone wanted. */
  #tellWanted(): void {
    while (this.#changed.size > 0) {
      const changed = this.#changed;
      this.#changed = new Set();
      const changes = new Map<string, MutableChange>();
      for (const node of changed) {
        this.#noteWanted(node, changes);
        if (node.wanted === 0 && node.collection === null) this.#drop(node);
      }
      for (const change of inAdsOrder(changes.values())) this.#options.onWanted(change);
    }
  }

  #noteWanted(node: Node, changes: Map<string, MutableChange>): void {
    const { kind, name, reference } = node;
    const isWanted = node.wanted > 0;
    if (isWanted === node.isSubscribed) return;
    node.isSubscribed = isWanted;
    const key = `${kind} ${reference.source.key}`;
    let change = changes.get(key);
    if (change === undefined) {
      change = { kind, source: reference.source, added: [], removed: [] };
      changes.set(key, change);
    }
    if (!isWanted) change.removed.push(name);
    else {
      change.added.push(reference);
      if (node.accepted === null) this.#beginWait(node);
    }
  }

  #drop(node: Node): void {
    const { kind, id, members } = node;
    node.wait?.stop();
    for (const member of members ?? []) this.#leaveCollection(member);
    this.#hold(node.accepted?.references ?? [], -1, 0);
    this.#hold(node.released?.references ?? [], -1, -1);
    this.#pending[kind].delete(node);
    this.#leaving[kind].delete(node);
    this.#news.delete(node);
    this.#nodes[kind].delete(id);
    if (node.released !== null) {
      const rule = kindRules[kind];
      if (rule.forget === undefined) rule.remove(this.#options.sink, id, node.released.data);
      else rule.forget(this.#options.sink, id);
    }
    node.accepted = null;
    node.released = null;
  }

  #beginWait(node: Node): void {
    const { timers, onFetchTimeout, onSettled } = this.#options;
    const timeoutMs = node.reference.source.initialFetchTimeoutMs;
    if (timeoutMs === 0) return;
    node.wait = timers.createTimer(() => {
      this.#endWait(node);
      if (node.isAsked) this.#news.add(node);
      onFetchTimeout(node.reference);
      this.settle();
      onSettled();
    }, null);
    node.wait.start(timeoutMs);
  }

  #endWait(node: Node): void {
    node.isWaitOver = true;
    node.wait?.stop();
    node.wait = null;
  }
}

function idOf(kind: ResourceKind, name: string, source: ConfigSource): string {
  return kindRules[kind].isGlobal && name !== WILDCARD ? name : resourceId(name, source);
}

function isInUse({ used, collection }: Node): boolean {
  return used > 0 || (collection !== null && collection.used > 0);
}

function inAdsOrder<T extends { readonly kind: ResourceKind }>(items: Iterable<T>): T[] {
  return [...items].sort((a, b) => adsTypeOrder.indexOf(a.kind) - adsTypeOrder.indexOf(b.kind));
}

function perKind<T>(make: () => T): PerKind<T> {
  // Every kind is a key.
  return Object.fromEntries(adsTypeOrder.map((kind) => [kind, make()])) as Record<ResourceKind, T>;
}
