// Nodes that share a snapshot, and what single nodes have otherwise (kuma #528). A group's snapshot is set once; each
// member's is that one by reference, or with the member's own resources in the place of those of the same name.
// Keys of the cache are node ids, so that a node may change its group or get a fork while it is connected.

import type { SnapshotResource } from './resource.ts';
import type { Snapshot } from './snapshot.ts';
import type { SnapshotCache } from './snapshot-cache.ts';

interface Member {
  readonly group: string;
  readonly own: readonly SnapshotResource[];
}

export class NodeGroups {
  readonly #cache: SnapshotCache;
  readonly #snapshots = new Map<string, Snapshot>();
  readonly #members = new Map<string, Member>();
  readonly #nodesOf = new Map<string, Set<string>>();

  constructor(cache: SnapshotCache) {
    this.#cache = cache;
  }

  /** The snapshot of every member of the group, now and from now on. */
  set(group: string, snapshot: Snapshot): void {
    this.#snapshots.set(group, snapshot);
    for (const nodeId of this.#nodesOf.get(group) ?? []) this.#publish(nodeId);
  }

  /** Makes the node a member of that group alone. Its fork, if any, stays. */
  join(nodeId: string, group: string): void {
    const before = this.#members.get(nodeId);
    if (before?.group === group) return;
    if (before !== undefined) this.#leaveGroup(nodeId, before.group);
    this.#members.set(nodeId, { group, own: before?.own ?? [] });
    const nodes = this.#nodesOf.get(group);
    if (nodes === undefined) this.#nodesOf.set(group, new Set([nodeId]));
    else nodes.add(nodeId);
    this.#publish(nodeId);
  }

  /** What a member has otherwise than its group; none = the group's snapshot as it is. No member: nothing happens. */
  fork(nodeId: string, own: readonly SnapshotResource[]): void {
    const member = this.#members.get(nodeId);
    if (member === undefined) return;
    this.#members.set(nodeId, { group: member.group, own });
    this.#publish(nodeId);
  }

  /** The node is gone for good. */
  leave(nodeId: string): void {
    const member = this.#members.get(nodeId);
    if (member === undefined) return;
    this.#members.delete(nodeId);
    this.#leaveGroup(nodeId, member.group);
    this.#cache.clear(nodeId);
  }

  groupOf(nodeId: string): string | null {
    return this.#members.get(nodeId)?.group ?? null;
  }

  #leaveGroup(nodeId: string, group: string): void {
    const nodes = this.#nodesOf.get(group);
    nodes?.delete(nodeId);
    if (nodes?.size === 0) this.#nodesOf.delete(group);
  }

  #publish(nodeId: string): void {
    const member = this.#members.get(nodeId);
    const snapshot = member === undefined ? undefined : this.#snapshots.get(member.group);
    if (member === undefined || snapshot === undefined) return;
    this.#cache.set(nodeId, member.own.length === 0 ? snapshot : snapshot.with(member.own));
  }
}
