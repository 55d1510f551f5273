// What each node should have and what it has, per resource: the one place that puts the snapshot cache and the ack
// trackers of all xDS ports together. Read by proxy-status, proxy-config and CSDS; changes nothing.

import type { AckTracker, NodeStatus, StreamView, TypeStatus } from '../ads/ack-tracker.ts';
import type { XdsKind } from '../cache/kinds.ts';
import type { SnapshotResource } from '../cache/resource.ts';
import type { SnapshotCache } from '../cache/snapshot-cache.ts';

/** CSDS's ConfigStatus but for UNKNOWN. */
export type ResourceState = 'SYNCED' | 'NOT_SENT' | 'STALE' | 'ERROR';

export interface InspectedResource {
  readonly kind: XdsKind;
  readonly name: string;
  readonly state: ResourceState;
  /** The node asked for it (or is away, so that nobody knows). */
  readonly isWanted: boolean;
  /** As it is now; null = there is none (any more). */
  readonly current: SnapshotResource | null;
  /** As the node accepted it last; null = it has none. */
  readonly accepted: SnapshotResource | null;
  /** Wall clock of when the node asked for what there is not; null = that is not so. */
  readonly missingSinceMs: number | null;
}

/** A name that the node asked for and has not got, or an answer that it owes. */
export interface Wait {
  readonly kind: XdsKind;
  readonly name: string;
  /** `missing`: there is no such resource. `unanswered`: sent, neither ACKed nor NACKed. */
  readonly reason: 'missing' | 'unanswered';
  /** Wall clock, ms. */
  readonly sinceMs: number;
}

/** More would be no help to anybody who reads them. */
const WAITS_PER_KIND = 50;

export class NodeInspector {
  readonly #cache: SnapshotCache;
  readonly #trackers: readonly AckTracker[];

  /** `trackers`: one per xDS port. */
  constructor(cache: SnapshotCache, trackers: readonly AckTracker[]) {
    this.#cache = cache;
    this.#trackers = trackers;
  }

  /** Every node that is or was here. Of a node on several ports the connected, then the latest counts. */
  nodes(): Map<string, NodeStatus> {
    const nodes = new Map<string, NodeStatus>();
    for (const tracker of this.#trackers) {
      for (const status of tracker.nodes()) {
        const other = nodes.get(status.nodeId);
        if (other === undefined || isBetter(status, other)) nodes.set(status.nodeId, status);
      }
    }
    return nodes;
  }

  /** Null = it never came (or came so long ago that it is forgotten). */
  node(nodeId: string): NodeStatus | null {
    let best: NodeStatus | null = null;
    for (const tracker of this.#trackers) {
      const status = tracker.node(nodeId);
      if (status !== null && (best === null || isBetter(status, best))) best = status;
    }
    return best;
  }

  /** Resources of all kinds: what the node is to get, still has, or asks for. Sorted by kind, then name. */
  resources(nodeId: string): InspectedResource[] {
    const status = this.node(nodeId);
    const view = this.#view(nodeId);
    const snapshot = this.#cache.get(status?.snapshotKey ?? nodeId);
    if (status === null) {
      if (snapshot === null) return [];
      return snapshot.kinds().flatMap((kind) =>
        [...snapshot.set(kind).resources.values()].sort(byName).map((current) => ({
          ...{ kind, name: current.name, state: 'NOT_SENT' as const, isWanted: true },
          ...{ current, accepted: null, missingSinceMs: null },
        })),
      );
    }
    return status.types.flatMap((type) =>
      inspectType(type, view, snapshot?.set(type.kind).resources ?? none),
    );
  }

  /** The oldest first. */
  waits(status: NodeStatus): Wait[] {
    const view = this.#view(status.nodeId);
    if (view === null) return [];
    const snapshot = this.#cache.get(status.snapshotKey);
    const waits: Wait[] = [];
    for (const type of status.types) {
      const { kind } = type;
      for (const [name, sinceMs] of [...view.missing(kind)].slice(0, WAITS_PER_KIND)) {
        waits.push({ kind, name, reason: 'missing', sinceMs });
      }
      if (!view.isOutstanding(kind)) continue;
      const set = snapshot?.set(kind).resources ?? none;
      const sent = inspectType(type, view, set).filter(({ state }) => state === 'STALE');
      const names = sent.length === 0 ? [''] : sent.slice(0, WAITS_PER_KIND).map((r) => r.name);
      for (const name of names) {
        waits.push({ kind, name, reason: 'unanswered', sinceMs: type.sentAtMs });
      }
    }
    return waits.sort((a, b) => a.sinceMs - b.sinceMs);
  }

  #view(nodeId: string): StreamView | null {
    for (const tracker of this.#trackers) {
      const view = tracker.view(nodeId);
      if (view !== null) return view;
    }
    return null;
  }
}

const none: ReadonlyMap<string, SnapshotResource> = new Map();

function byName(a: SnapshotResource, b: SnapshotResource): number {
  return a.name < b.name ? -1 : 1;
}

function isBetter(status: NodeStatus, than: NodeStatus): boolean {
  if (status.isConnected !== than.isConnected) return status.isConnected;
  return status.sinceMs > than.sinceMs;
}

function inspectType(
  type: TypeStatus,
  view: StreamView | null,
  currents: ReadonlyMap<string, SnapshotResource>,
): InspectedResource[] {
  const { kind } = type;
  const subscription = view?.subscription(kind) ?? null;
  const accepteds = acceptedOf(type);
  const missing = view?.missing(kind) ?? new Map<string, number>();
  const names = new Set([...currents.keys(), ...accepteds.keys(), ...missing.keys()]);
  return [...names].sort().map((name): InspectedResource => {
    // Of a node that is away nobody knows what it would ask for.
    const isWanted =
      view === null || subscription?.isWildcard === true || subscription?.names.has(name) === true;
    const current = currents.get(name) ?? null;
    const accepted = isWanted ? (accepteds.get(name) ?? null) : null;
    const state = isWanted ? stateOf(type, current, accepted) : 'NOT_SENT';
    const missingSinceMs = missing.get(name) ?? null;
    return { kind, name, state, isWanted, current, accepted, missingSinceMs };
  });
}

/** While something is refused, the rest of what it was sent counts. */
function acceptedOf(type: TypeStatus): ReadonlyMap<string, SnapshotResource> {
  const { ackedSet, settledSet, refused } = type;
  const before = ackedSet?.resources ?? none;
  if (refused === null || settledSet === null) return before;
  const accepted = new Map(settledSet.resources);
  for (const name of refused) {
    const old = before.get(name);
    if (old === undefined) accepted.delete(name);
    else accepted.set(name, old);
  }
  return accepted;
}

function stateOf(
  type: TypeStatus,
  current: SnapshotResource | null,
  accepted: SnapshotResource | null,
): ResourceState {
  if (current?.version === accepted?.version) return current === null ? 'NOT_SENT' : 'SYNCED';
  switch (type.status) {
    case 'NACKED':
      return 'ERROR';
    case 'NOT_SENT':
      return 'NOT_SENT';
    case 'SYNCED':
    case 'STALE':
      return type.sentVersion === '' ? 'NOT_SENT' : 'STALE';
  }
}
