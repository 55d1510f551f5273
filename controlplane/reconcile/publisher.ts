// Translated resources into the snapshot cache. What translate/ shares between nodes by reference stays
// shared: one encoding, one hash, one set.

import { formatMissing, missingReferences } from '../cache/consistency.ts';
import type { XdsKind } from '../cache/kinds.ts';
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

  /** Throws when a resource refers to one that the node would not get. */
  prepare(nodeId: string, resources: NodeResources): () => void {
    const snapshot = new Snapshot(
      // The keys of NodeResources are kinds.
      (Object.keys(resources) as (keyof NodeResources)[]).map(
        (kind) => [kind, this.#setOf(kind, resources[kind])] as const,
      ),
    );
    const missing = missingReferences(snapshot);
    if (missing.length > 0) {
      throw new Error(`snapshot of ${nodeId}: ${missing.map(formatMissing).join('; ')}`);
    }
    return () => this.#cache.set(nodeId, snapshot);
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
