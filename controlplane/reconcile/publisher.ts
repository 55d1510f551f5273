// Translated resources into the snapshot cache. What translate/ shares between nodes by reference stays
// shared: one encoding, one hash, one set.

import { type XdsKind, xdsKinds } from '../cache/kinds.ts';
import { ResourceInterner } from '../cache/resource.ts';
import { ResourceSet, Snapshot } from '../cache/snapshot.ts';
import type { SnapshotCache } from '../cache/snapshot-cache.ts';
import type { NodeResources } from '../translate/translate.ts';
import type { SnapshotSink } from './reconciler.ts';

export class SnapshotPublisher implements SnapshotSink {
  readonly #cache: SnapshotCache;
  readonly #interner = new ResourceInterner();
  readonly #sets = new WeakMap<ReadonlyMap<string, object>, ResourceSet>();

  constructor(cache: SnapshotCache) {
    this.#cache = cache;
  }

  set(nodeId: string, resources: NodeResources): void {
    const sets: Partial<Record<XdsKind, ResourceSet>> = {};
    for (const kind of xdsKinds) sets[kind] = this.#setOf(kind, resources[kind]);
    this.#cache.set(nodeId, new Snapshot(sets));
  }

  remove(nodeId: string): void {
    this.#cache.clear(nodeId);
  }

  #setOf(kind: XdsKind, messages: ReadonlyMap<string, object>): ResourceSet {
    let set = this.#sets.get(messages);
    if (set === undefined) {
      set = new ResourceSet(
        [...messages].map(([name, message]) => this.#interner.resource(kind, name, message)),
      );
      this.#sets.set(messages, set);
    }
    return set;
  }
}
