// The current snapshot of each key (a node or a group of nodes), and who wants to know when it changes.
// Written by reconcile/, read by ads/. Setting never waits for a stream: listeners only mark themselves.

import type { Snapshot } from './snapshot.ts';
import { type Vanishing, type VanishLimits, vanishing } from './vanish-guard.ts';

/** Told after the change; must not throw, and must only take note (it runs inside set). */
export type SnapshotListener = (key: string) => void;

export interface SnapshotCacheOptions {
  /** Null = every snapshot is taken as it is. Default null. */
  readonly guard?: VanishLimits | null;
  /** A snapshot is held back (again with another reason), or no more (`vanishing` null). For the alarm. */
  readonly onGuard?: (key: string, vanishing: Vanishing | null) => void;
}

interface HeldBack {
  readonly snapshot: Snapshot;
  readonly vanishing: Vanishing;
}

export class SnapshotCache {
  readonly #snapshots = new Map<string, Snapshot>();
  readonly #listeners = new Set<SnapshotListener>();
  readonly #heldBack = new Map<string, HeldBack>();
  readonly #guard: VanishLimits | null;
  readonly #onGuard: (key: string, vanishing: Vanishing | null) => void;

  constructor(options: SnapshotCacheOptions = {}) {
    this.#guard = options.guard ?? null;
    this.#onGuard = options.onGuard ?? (() => {});
  }

  get(key: string): Snapshot | null {
    return this.#snapshots.get(key) ?? null;
  }

  /**
   * Replaces a key's snapshot. Nobody is told when the content is the same. Throws when a resource cannot
   * be encoded (a bug of the translation), and then keeps the last good snapshot. False when the guard
   * holds it back: the last good one stays until one comes that is let through, or `release`. Only its secrets
   * are renewed: a mesh whose certificates expire meanwhile would be no better than an empty one.
   */
  set(key: string, snapshot: Snapshot): boolean {
    for (const kind of snapshot.kinds()) snapshot.versionOf(kind);
    const before = this.#snapshots.get(key);
    if (before !== undefined && this.#guard !== null) {
      const found = vanishing(before, snapshot, this.#guard);
      if (found !== null) {
        this.#holdBack(key, { snapshot, vanishing: found });
        this.#renewSecrets(key, before, snapshot);
        return false;
      }
    }
    this.#letGo(key);
    this.#replace(key, snapshot);
    return true;
  }

  /** Forgets a key. Streams keep what they have: no snapshot means "not known yet", not "nothing". */
  clear(key: string): void {
    this.#letGo(key);
    if (this.#snapshots.delete(key)) this.#notify(key);
  }

  /** What the guard holds back, by key. */
  heldBack(): ReadonlyMap<string, Vanishing> {
    return new Map([...this.#heldBack].map(([key, held]) => [key, held.vanishing]));
  }

  /** It was meant: takes what is held back of a key, or of all keys. Returns the keys. */
  release(key: string | null = null): string[] {
    const keys = key === null ? [...this.#heldBack.keys()] : [key];
    return keys.filter((one) => {
      const held = this.#heldBack.get(one);
      if (held === undefined) return false;
      this.#letGo(one);
      this.#replace(one, held.snapshot);
      return true;
    });
  }

  keys(): IterableIterator<string> {
    return this.#snapshots.keys();
  }

  /** Returns the way to stop listening. */
  listen(listener: SnapshotListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #replace(key: string, snapshot: Snapshot): void {
    const before = this.#snapshots.get(key);
    const next = before === undefined ? snapshot : before.succeededBy(snapshot);
    this.#snapshots.set(key, next);
    if (before === undefined || !before.isSame(next)) this.#notify(key);
  }

  #holdBack(key: string, held: HeldBack): void {
    const known = this.#heldBack.get(key)?.vanishing;
    this.#heldBack.set(key, held);
    const { kind, gone } = held.vanishing;
    if (known?.kind !== kind || known.gone !== gone) this.#onGuard(key, held.vanishing);
  }

  #renewSecrets(key: string, before: Snapshot, next: Snapshot): void {
    const [old, renewed] = [before.set('secret').resources, next.set('secret').resources];
    for (const name of old.keys()) if (!renewed.has(name)) return;
    this.#replace(key, before.with(renewed.values()));
  }

  #letGo(key: string): void {
    if (this.#heldBack.delete(key)) this.#onGuard(key, null);
  }

  #notify(key: string): void {
    for (const listener of this.#listeners) listener(key);
  }
}
