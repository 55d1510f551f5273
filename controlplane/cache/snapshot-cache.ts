// The current snapshot of each key (a node or a group of nodes), and who wants to know when it changes.
// Written by reconcile/, read by ads/. Setting never waits for a stream: listeners only mark themselves.

import type { Snapshot } from './snapshot.ts';

/** Told after the change; must not throw, and must only take note (it runs inside set). */
export type SnapshotListener = (key: string) => void;

export class SnapshotCache {
  readonly #snapshots = new Map<string, Snapshot>();
  readonly #listeners = new Set<SnapshotListener>();

  get(key: string): Snapshot | null {
    return this.#snapshots.get(key) ?? null;
  }

  /**
   * Replaces a key's snapshot. Nobody is told when the content is the same. Throws when a resource cannot
   * be encoded (a bug of the translation), and then keeps the last good snapshot.
   */
  set(key: string, snapshot: Snapshot): void {
    for (const kind of snapshot.kinds()) snapshot.versionOf(kind);
    const before = this.#snapshots.get(key);
    const next = before === undefined ? snapshot : before.succeededBy(snapshot);
    this.#snapshots.set(key, next);
    if (before === undefined || !before.isSame(next)) this.#notify(key);
  }

  /** Forgets a key. Streams keep what they have: no snapshot means "not known yet", not "nothing". */
  clear(key: string): void {
    if (this.#snapshots.delete(key)) this.#notify(key);
  }

  keys(): IterableIterator<string> {
    return this.#snapshots.keys();
  }

  /** Returns the way to stop listening. */
  listen(listener: SnapshotListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #notify(key: string): void {
    for (const listener of this.#listeners) listener(key);
  }
}
