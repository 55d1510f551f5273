// What every node was sent and what it answered: the memory behind `ctl proxy-status` and, later, rollout/.
// Written by stream.ts. Nodes that are gone are kept for a while, so that the last NACK can still be read.

import type { Clock } from '../../common/clock.ts';
import { type XdsKind, xdsKinds } from '../cache/kinds.ts';
import type { SnapshotCache } from '../cache/snapshot-cache.ts';

/** Envoy's and Istio's words: what the node has, against what it should have. */
export type SyncStatus = 'SYNCED' | 'STALE' | 'NOT SENT' | 'NACKED';

export interface Nack {
  /** Version of the refused response. */
  readonly version: string;
  /** The node's own words: names and field paths. */
  readonly reason: string;
  /** Wall clock, ms. */
  readonly atMs: number;
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
  /** Remembered until the node ACKs something later. */
  readonly nack: Nack | null;
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

/** The part of a node's record that its stream writes. */
export interface StreamRecord {
  sent(kind: XdsKind, version: string): void;
  acked(kind: XdsKind): void;
  /** Returns false when the same was refused for the same reason before: no need to log it again. */
  nacked(kind: XdsKind, reason: string): boolean;
  /** Something of that kind was refused, also on an earlier stream, and nothing ACKed since. */
  hasNack(kind: XdsKind): boolean;
  /** The node has all of that kind's set, and nothing is under way. */
  settled(kind: XdsKind, version: string): void;
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

class TypeRecord {
  sentVersion = '';
  syncedVersion = '';
  sentAtMs = 0;
  answeredAtMs = 0;
  nack: Nack | null = null;
}

class NodeRecord implements StreamRecord {
  readonly facts: StreamFacts;
  readonly types = new Map<XdsKind, TypeRecord>();
  isConnected = true;
  sinceMs: number;
  readonly #clock: Clock;
  readonly #onClosed: (record: NodeRecord) => void;

  constructor(facts: StreamFacts, clock: Clock, onClosed: (record: NodeRecord) => void) {
    this.facts = facts;
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

  sent(kind: XdsKind, version: string): void {
    const type = this.#type(kind);
    type.sentVersion = version;
    type.sentAtMs = this.#clock.wallMs();
  }

  acked(kind: XdsKind): void {
    const type = this.#type(kind);
    type.nack = null;
    type.answeredAtMs = this.#clock.wallMs();
  }

  nacked(kind: XdsKind, reason: string): boolean {
    const type = this.#type(kind);
    const text = reason.slice(0, REASON_LENGTH);
    const isNews = type.nack?.version !== type.sentVersion || type.nack.reason !== text;
    const atMs = this.#clock.wallMs();
    type.nack = { version: type.sentVersion, reason: text, atMs };
    type.answeredAtMs = atMs;
    return isNews;
  }

  hasNack(kind: XdsKind): boolean {
    return (this.types.get(kind)?.nack ?? null) !== null;
  }

  settled(kind: XdsKind, version: string): void {
    const type = this.#type(kind);
    type.syncedVersion = version;
    if (type.sentVersion === '') type.sentVersion = version;
  }

  closed(): void {
    this.isConnected = false;
    this.sinceMs = this.#clock.wallMs();
    this.#onClosed(this);
  }
}

export class AckTracker {
  readonly #clock: Clock;
  readonly #cache: SnapshotCache;
  /** The latest stream of each node; of the gone ones the oldest come first. */
  readonly #nodes = new Map<string, NodeRecord>();
  #goneCount = 0;

  constructor(cache: SnapshotCache, clock: Clock) {
    this.#cache = cache;
    this.#clock = clock;
  }

  /** A node that comes back starts a new record, but keeps its remembered NACKs. */
  open(facts: StreamFacts): StreamRecord {
    const before = this.#nodes.get(facts.nodeId);
    const record = new NodeRecord(facts, this.#clock, (closed) => this.#onClosed(closed));
    if (before !== undefined) {
      if (!before.isConnected) this.#goneCount--;
      for (const [kind, { nack }] of before.types) {
        if (nack === null) continue;
        const type = new TypeRecord();
        type.nack = nack;
        record.types.set(kind, type);
      }
      this.#nodes.delete(facts.nodeId);
    }
    this.#nodes.set(facts.nodeId, record);
    return record;
  }

  /** Every node that is or was here, by node id. */
  nodes(): NodeStatus[] {
    return [...this.#nodes.values()]
      .map((record) => this.#statusOf(record))
      .sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1));
  }

  node(nodeId: string): NodeStatus | null {
    const record = this.#nodes.get(nodeId);
    return record === undefined ? null : this.#statusOf(record);
  }

  #statusOf(record: NodeRecord): NodeStatus {
    const snapshot = this.#cache.get(record.facts.snapshotKey);
    const types = xdsKinds.map((kind): TypeStatus => {
      const type = record.types.get(kind) ?? new TypeRecord();
      const { sentVersion, syncedVersion, sentAtMs, answeredAtMs, nack } = type;
      const status = statusOf(type, snapshot?.versionOf(kind) ?? syncedVersion);
      return { kind, status, sentVersion, syncedVersion, sentAtMs, answeredAtMs, nack };
    });
    const { isConnected, sinceMs } = record;
    return { ...record.facts, isConnected, sinceMs, types };
  }

  #onClosed(record: NodeRecord): void {
    const { nodeId } = record.facts;
    // An older stream of a node that has come back meanwhile is nobody's concern.
    if (this.#nodes.get(nodeId) !== record) return;
    this.#nodes.delete(nodeId);
    this.#nodes.set(nodeId, record);
    this.#goneCount++;
    for (const [id, { isConnected }] of this.#nodes) {
      if (this.#goneCount <= GONE_NODES_KEPT) break;
      if (isConnected) continue;
      this.#nodes.delete(id);
      this.#goneCount--;
    }
  }
}

function statusOf(type: TypeRecord, targetVersion: string): SyncStatus {
  if (type.nack !== null) return 'NACKED';
  if (type.sentVersion === '') return 'NOT SENT';
  return type.syncedVersion === targetVersion ? 'SYNCED' : 'STALE';
}
