// Nodes that share a snapshot, and what single nodes have otherwise (kuma #528). A group's snapshot is set once; each
// member's is that one by reference, or with the member's own resources in the place of those of the same name.
// Keys of the cache are node ids, so that a node may change its group or get a fork while it is connected.

import type { SnapshotResource } from './resource.ts';
import type { Snapshot } from './snapshot.ts';
import type { SnapshotCache } from './snapshot-cache.ts';

export class NodeGroups {
  readonly #cache: SnapshotCache;
  readonly #snapshots = new Map<string, Snapshot>();
  readonly #groupOf = new Map<string, string>();
  readonly #nodesOf = new Map<string, Set<string>>();
  readonly #forks = new Map<string, readonly SnapshotResource[]>();

  constructor(cache: SnapshotCache) {
    this.#cache = cache;
  }

  /**
   * The snapshot of every member of the group, now and from now on. Throws when a resource cannot be encoded, and then
   * changes nothing.
   */
  set(group: string, snapshot: Snapshot): void {
    // Here, where who made it hears of it, and not when the first member joins.
    for (const kind of snapshot.kinds()) snapshot.versionOf(kind);
    this.#snapshots.set(group, snapshot);
    for (const nodeId of this.#nodesOf.get(group) ?? []) this.#publish(nodeId);
  }

  /** Makes the node a member of that group alone. */
  join(nodeId: string, group: string): void {
    const before = this.#groupOf.get(nodeId);
    if (before === group) return;
    if (before !== undefined) {
      this.#leaveGroup(nodeId, before);
      // Of a group that has no snapshot yet it gets nothing yet, and nothing of its old one's.
      if (!this.#snapshots.has(group)) this.#cache.clear(nodeId);
    }
    this.#groupOf.set(nodeId, group);
    const nodes = this.#nodesOf.get(group);
    if (nodes === undefined) this.#nodesOf.set(group, new Set([nodeId]));
    else nodes.add(nodeId);
    this.#publish(nodeId);
  }

  /**
   * What a node has otherwise than its group, whichever that is and whether it is there or not; none = the
   * group's snapshot as it is. Throws like `set`.
   */
  fork(nodeId: string, own: readonly SnapshotResource[]): void {
    for (const { version } of own) void version;
    if (own.length === 0) this.#forks.delete(nodeId);
    else this.#forks.set(nodeId, own);
    this.#publish(nodeId);
  }

  /** The node is gone; its fork waits for it. */
  leave(nodeId: string): void {
    const group = this.#groupOf.get(nodeId);
    if (group === undefined) return;
    this.#groupOf.delete(nodeId);
    this.#leaveGroup(nodeId, group);
    this.#cache.clear(nodeId);
  }

  groupOf(nodeId: string): string | null {
    return this.#groupOf.get(nodeId) ?? null;
  }

  #leaveGroup(nodeId: string, group: string): void {
    const nodes = this.#nodesOf.get(group);
    nodes?.delete(nodeId);
    if (nodes?.size === 0) this.#nodesOf.delete(group);
  }

  #publish(nodeId: string): void {
    const group = this.#groupOf.get(nodeId);
    const snapshot = group === undefined ? undefined : this.#snapshots.get(group);
    if (snapshot === undefined) return;
    const own = this.#forks.get(nodeId);
    this.#cache.set(nodeId, own === undefined ? snapshot : snapshot.with(own));
  }
}
