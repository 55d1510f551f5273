// What every node was sent and what it answered: the memory behind `ctl proxy-status` and, later, rollout/.
// Written by stream.ts. A node may have several streams (one per type): of each type the newest one's word
// counts. Nodes that are gone are kept for a while, so that the last NACK can still be read.

import type { Clock } from '../../common/clock.ts';
import type { XdsKind } from '../cache/kinds.ts';
import type { SnapshotResource } from '../cache/resource.ts';
import type { ResourceSet } from '../cache/snapshot.ts';
import type { SnapshotCache } from '../cache/snapshot-cache.ts';

/** CSDS's words: what the node has, against what it should have. */
export type SyncStatus = 'SYNCED' | 'STALE' | 'NOT_SENT' | 'NACKED';

export interface Nack {
  /** Version of the refused response. */
  readonly version: string;
  /** The node's own words: names and field paths. */
  readonly reason: string;
  /** Wall clock, ms. */
  readonly atMs: number;
  /** Since when it has refused, without an ACK in between. */
  readonly sinceMs: number;
}

export interface TypeStatus {
  readonly kind: XdsKind;
  readonly status: SyncStatus;
  /** '' = nothing was sent. */
  readonly sentVersion: string;
  /** Version of the snapshot's resources of that kind that the node has fully answered for; '' = none. */
  readonly syncedVersion: string;
  /** Wall clock, ms; 0 = never. */
  readonly sentAtMs: number;
  readonly answeredAtMs: number;
  /** Since when `status` is what it is; 0 = unknown. */
  readonly sinceMs: number;
  /** All of the kind that the node has accepted; null = nothing yet. */
  readonly ackedSet: ResourceSet | null;
  /** Remembered until the node ACKs something of what it refused, in another version, or that is gone. */
  readonly nack: Nack | null;
  /** Names in what was refused; null = nothing was, or too many to list. */
  readonly refused: ReadonlySet<string> | null;
  /** What the node has answered for last, refused or not. */
  readonly settledSet: ResourceSet | null;
}

export interface NodeStatus {
  readonly nodeId: string;
  readonly snapshotKey: string;
  readonly protocol: 'sotw' | 'delta';
  readonly userAgent: string;
  readonly address: string;
  readonly isConnected: boolean;
  /** Wall clock, ms: of the last connect or disconnect. */
  readonly sinceMs: number;
  readonly types: readonly TypeStatus[];
}

/** What an open stream can say of itself when somebody asks. */
export interface StreamView {
  /** What the node asked for of that kind; null = nothing (yet). */
  subscription(kind: XdsKind): {
    readonly isWildcard: boolean;
    readonly names: ReadonlySet<string>;
    covers(resource: SnapshotResource): boolean;
  } | null;
  /** Names asked for that there are not, with the wall clock of when that was first seen. */
  missing(kind: XdsKind): ReadonlyMap<string, number>;
  /** A response of that kind waits for its answer. */
  isOutstanding(kind: XdsKind): boolean;
}

/** What is remembered of a response until its answer comes. */
export interface SentResponse {
  readonly version: string;
  readonly resources: readonly SnapshotResource[];
  readonly removed: readonly string[];
}

/** The part of a node's record that its stream writes. */
export interface StreamRecord {
  sent(kind: XdsKind, response: SentResponse): void;
  acked(kind: XdsKind): void;
  /** Returns false when the same was refused for the same reason before: no need to log it again. */
  nacked(kind: XdsKind, reason: string): boolean;
  /** Something of that kind was refused, also on an earlier stream, and nothing ACKed since. */
  hasNack(kind: XdsKind): boolean;
  /** The node is being brought to a newer snapshot. */
  began(): void;
  /** The node has answered for all of that kind's set, and nothing is under way. */
  settled(kind: XdsKind, set: ResourceSet): void;
  closed(): void;
}

export interface StreamFacts {
  readonly nodeId: string;
  readonly snapshotKey: string;
  readonly protocol: 'sotw' | 'delta';
  readonly userAgent: string;
  readonly address: string;
}

/** A hostile client could come back under ever new names. */
const GONE_NODES_KEPT = 1000;
const REASON_LENGTH = 16 * 1024;
/** Of a larger response, or more refused ones, names are not kept: any later ACK ends its NACK. */
const NAMES_KEPT = 100;

class TypeRecord {
  sentVersion = '';
  syncedVersion = '';
  sentAtMs = 0;
  answeredAtMs = 0;
  settledAtMs = 0;
  nack: Nack | null = null;
  ackedSet: ResourceSet | null = null;
  settledSet: ResourceSet | null = null;
  /** See TypeStatus. */
  refused: Set<string> | null = null;
  /** The response under way; null = none, or too large. */
  underWay: SentResponse | null = null;

  /** What the node took now may not be what it refused before: a removal, or other resources. */
  accept(): void {
    const { underWay, refused } = this;
    this.underWay = null;
    // Which of several the node did not like is not known: one that it takes now stands for all.
    const isMended = underWay?.resources.some(({ name }) => refused?.has(name)) ?? true;
    if (isMended) this.refused = null;
    this.forgive(underWay?.removed ?? []);
  }

  /** They are gone. */
  forgive(names: Iterable<string>): void {
    for (const name of names) this.refused?.delete(name);
    if (this.refused !== null && this.refused.size > 0) return;
    this.refused = null;
    this.nack = null;
  }

  /** `isAgain`: it adds to what was refused before. */
  refuse(isAgain: boolean): void {
    const names = this.underWay?.resources.map(({ name }) => name) ?? [];
    const isKnown = names.length > 0 && (!isAgain || this.refused !== null);
    this.refused = isKnown ? new Set([...(this.refused ?? []), ...names]) : null;
    if (this.refused !== null && this.refused.size > NAMES_KEPT) this.refused = null;
  }
}

class NodeRecord implements StreamRecord {
  readonly facts: StreamFacts;
  readonly types = new Map<XdsKind, TypeRecord>();
  /** Null when the stream is gone. */
  view: StreamView | null;
  isConnected = true;
  sinceMs: number;
  beganAtMs = 0;
  readonly #clock: Clock;
  readonly #onClosed: (record: NodeRecord) => void;

  constructor(
    facts: StreamFacts,
    view: StreamView,
    clock: Clock,
    onClosed: (record: NodeRecord) => void,
  ) {
    this.facts = facts;
    this.view = view;
    this.#clock = clock;
    this.#onClosed = onClosed;
    this.sinceMs = clock.wallMs();
  }

  #type(kind: XdsKind): TypeRecord {
    let type = this.types.get(kind);
    if (type === undefined) {
      type = new TypeRecord();
      this.types.set(kind, type);
    }
    return type;
  }

  sent(kind: XdsKind, response: SentResponse): void {
    const type = this.#type(kind);
    const { version, resources, removed } = response;
    type.underWay =
      resources.length + removed.length > NAMES_KEPT ? null : { version, resources, removed };
    type.sentVersion = version;
    type.sentAtMs = this.#clock.wallMs();
  }

  acked(kind: XdsKind): void {
    const type = this.#type(kind);
    type.accept();
    type.answeredAtMs = this.#clock.wallMs();
  }

  nacked(kind: XdsKind, reason: string): boolean {
    const type = this.#type(kind);
    const text = reason.slice(0, REASON_LENGTH);
    const isNews = type.nack?.version !== type.sentVersion || type.nack.reason !== text;
    const atMs = this.#clock.wallMs();
    const sinceMs = type.nack?.sinceMs ?? atMs;
    type.refuse(type.nack !== null);
    type.underWay = null;
    type.nack = { version: type.sentVersion, reason: text, atMs, sinceMs };
    type.answeredAtMs = atMs;
    return isNews;
  }

  hasNack(kind: XdsKind): boolean {
    return (this.types.get(kind)?.nack ?? null) !== null;
  }

  /** A refusal on another stream of the node. */
  remember(kind: XdsKind, nack: Nack): void {
    this.#type(kind).nack = nack;
  }

  began(): void {
    this.beganAtMs = this.#clock.wallMs();
  }

  settled(kind: XdsKind, set: ResourceSet): void {
    const type = this.#type(kind);
    const { version } = set;
    if (type.settledAtMs === 0 || type.syncedVersion !== version) {
      type.settledAtMs = this.#clock.wallMs();
    }
    type.syncedVersion = version;
    type.settledSet = set;
    if (type.refused !== null) {
      const subscription = this.view?.subscription(kind) ?? null;
      const isGone = (name: string): boolean => {
        const resource = set.get(name);
        if (resource === undefined) return true;
        // A virtual host may be wanted under names that only its stream knows.
        return kind !== 'virtual-host' && subscription?.covers(resource) === false;
      };
      type.forgive([...type.refused].filter(isGone));
    }
    if (type.nack === null) type.ackedSet = set;
    if (type.sentVersion === '') type.sentVersion = version;
  }

  closed(): void {
    this.isConnected = false;
    this.view = null;
    this.sinceMs = this.#clock.wallMs();
    this.#onClosed(this);
  }
}

export class AckTracker {
  readonly #clock: Clock;
  readonly #cache: SnapshotCache;
  /** The open streams of each node, newest first; of a node that is gone the last one. */
  readonly #nodes = new Map<string, readonly NodeRecord[]>();
  /** Ids of nodes that are gone, the longest gone first. */
  readonly #gone = new Set<string>();

  constructor(cache: SnapshotCache, clock: Clock) {
    this.#cache = cache;
    this.#clock = clock;
  }

  /** A node that comes back starts a new record, but keeps its remembered NACKs. */
  open(facts: StreamFacts, view: StreamView): StreamRecord {
    const { nodeId } = facts;
    const before = this.#nodes.get(nodeId) ?? [];
    const record = new NodeRecord(facts, view, this.#clock, (closed) => this.#onClosed(closed));
    for (const [kind, { nack }] of mergedTypes(before))
      if (nack !== null) record.remember(kind, nack);
    this.#gone.delete(nodeId);
    this.#nodes.set(nodeId, [record, ...before.filter(({ isConnected }) => isConnected)]);
    return record;
  }

  /** Nodes that have a stream now. */
  get connectedCount(): number {
    return this.#nodes.size - this.#gone.size;
  }

  /** Every node that is or was here, by node id. */
  nodes(): NodeStatus[] {
    return [...this.#nodes.values()]
      .map((records) => this.#statusOf(records))
      .filter((status) => status !== null)
      .sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1));
  }

  node(nodeId: string): NodeStatus | null {
    return this.#statusOf(this.#nodes.get(nodeId) ?? []);
  }

  /** Of the node's open streams; null = there is none. */
  view(nodeId: string): StreamView | null {
    const views = (this.#nodes.get(nodeId) ?? []).map(({ view }) => view);
    const open = views.filter((view) => view !== null);
    const [newest] = open;
    if (newest === undefined || open.length === 1) return newest ?? null;
    const of = (kind: XdsKind): StreamView =>
      open.find((view) => view.subscription(kind) !== null) ?? newest;
    return {
      subscription: (kind) => of(kind).subscription(kind),
      missing: (kind) => of(kind).missing(kind),
      isOutstanding: (kind) => of(kind).isOutstanding(kind),
    };
  }

  /** Newest first; null when there are none. */
  #statusOf(records: readonly NodeRecord[]): NodeStatus | null {
    const [newest] = records;
    if (newest === undefined) return null;
    const snapshot = this.#cache.get(newest.facts.snapshotKey);
    const merged = mergedTypes(records);
    const kinds = new Set<XdsKind>([...alwaysListed, ...merged.keys()]);
    const types = [...kinds].map((kind): TypeStatus => {
      const record = records.find(({ types }) => types.has(kind)) ?? newest;
      const type = merged.get(kind) ?? new TypeRecord();
      const { sentVersion, syncedVersion, sentAtMs, answeredAtMs } = type;
      const { nack, refused, ackedSet, settledSet } = type;
      const isOutstanding = record.view?.isOutstanding(kind) ?? false;
      const status = statusOf(type, snapshot?.versionOf(kind) ?? syncedVersion, isOutstanding);
      const sinceMs = sinceOf(status, type, record);
      const versions = { sentVersion, syncedVersion };
      const answers = { sentAtMs, answeredAtMs, ackedSet, settledSet, nack, refused };
      return { kind, status, sinceMs, ...versions, ...answers };
    });
    const { isConnected, sinceMs } = newest;
    return { ...newest.facts, isConnected, sinceMs, types };
  }

  #onClosed(record: NodeRecord): void {
    const { nodeId } = record.facts;
    const records = this.#nodes.get(nodeId);
    if (records?.includes(record) !== true) return;
    const others = records.filter((other) => other !== record);
    const [newest] = others;
    if (newest !== undefined) {
      // One stream of several, or an older one of a node that has come back meanwhile.
      for (const [kind, { nack }] of record.types) {
        if (nack !== null && !others.some(({ types }) => types.has(kind)))
          newest.remember(kind, nack);
      }
      this.#nodes.set(nodeId, others);
      return;
    }
    this.#gone.add(nodeId);
    for (const oldest of this.#gone) {
      if (this.#gone.size <= GONE_NODES_KEPT) break;
      this.#gone.delete(oldest);
      this.#nodes.delete(oldest);
    }
  }
}

/** What every sidecar asks for; other types are listed once they were asked for. */
const alwaysListed = ['cluster', 'endpoint', 'secret', 'listener', 'route'] as const;

/** Of each type the newest record's; `records` newest first. */
function mergedTypes(records: readonly NodeRecord[]): Map<XdsKind, TypeRecord> {
  const merged = new Map<XdsKind, TypeRecord>();
  for (const { types } of records) {
    for (const [kind, type] of types) if (!merged.has(kind)) merged.set(kind, type);
  }
  return merged;
}

function sinceOf(status: SyncStatus, type: TypeRecord, record: NodeRecord): number {
  switch (status) {
    case 'SYNCED':
      return type.settledAtMs;
    case 'NACKED':
      return type.nack?.sinceMs ?? 0;
    case 'NOT_SENT':
      return record.sinceMs;
    case 'STALE':
      // A node that is away became stale at some time after it went.
      return record.isConnected ? record.beganAtMs : record.sinceMs;
  }
}

function statusOf(type: TypeRecord, targetVersion: string, isOutstanding: boolean): SyncStatus {
  if (type.nack !== null) return 'NACKED';
  if (type.sentVersion === '') return 'NOT_SENT';
  return type.syncedVersion === targetVersion && !isOutstanding ? 'SYNCED' : 'STALE';
}
