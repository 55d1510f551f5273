// What a client holds of one type: what was sent and not taken back, accepted or not. Between passes that is
// what it wants of one ResourceSet, so nothing is kept per name: 10,000 streams share their sets. Only
// during a pass, and for what a client says to hold when it comes back, there are entries of its own.

import type { SnapshotResource } from '../cache/resource.ts';
import type { ResourceSet } from '../cache/snapshot.ts';
import type { Subscription } from './subscription.ts';

/** What the client said to hold is only a version. */
export type Held = SnapshotResource | string;

export class HeldResources {
  readonly #subscription: Subscription;
  /** Everything wanted of it is held, but for what `#own` says. */
  #base: ResourceSet | null = null;
  /** By resource name; null = not held, whatever the base says. */
  #own: Map<string, Held | null> | null = null;

  constructor(subscription: Subscription) {
    this.#subscription = subscription;
  }

  /**
   * Resources of `set` that may differ from what is held; all others are held as they are. Null = that is not
   * known, look at all that is wanted.
   */
  suspects(set: ResourceSet): Set<SnapshotResource> | null {
    if (this.#base === null) return null;
    const suspects = new Set(this.#base === set ? [] : set.changesSince(this.#base).changed);
    for (const name of this.#own?.keys() ?? []) {
      const resource = set.get(name);
      if (resource !== undefined) suspects.add(resource);
    }
    return suspects;
  }

  get(name: string): Held | null {
    const own = this.#own?.get(name);
    if (own !== undefined) return own;
    const resource = this.#base?.get(name);
    return resource !== undefined && this.#subscription.covers(resource) ? resource : null;
  }

  /** Version of the content that was sent last under that name; null when none. */
  versionOf(name: string): string | null {
    const held = this.get(name);
    return held === null || typeof held === 'string' ? held : held.version;
  }

  set(name: string, held: Held): void {
    this.#own ??= new Map();
    this.#own.set(name, held);
  }

  delete(name: string): void {
    if (this.#base === null || this.#base.get(name) === undefined) this.#own?.delete(name);
    else {
      this.#own ??= new Map();
      this.#own.set(name, null);
    }
  }

  /** What is held and not in `set`. */
  *leaving(set: ResourceSet): Generator<readonly [string, Held]> {
    const own = this.#own;
    if (own !== null) {
      for (const [name, held] of own) {
        if (held !== null && set.get(name) === undefined) yield [name, held];
      }
    }
    const base = this.#base;
    if (base === null || base === set) return;
    for (const resource of set.changesSince(base).removed) {
      if (own?.has(resource.name) === true || !this.#subscription.covers(resource)) continue;
      yield [resource.name, resource];
    }
  }

  /** How many entries are its own: what it costs. */
  get ownSize(): number {
    return this.#own?.size ?? 0;
  }

  /** The subscription shrank: what it does not want any more is not held any more. */
  dropUnwanted(): void {
    if (this.#own === null) return;
    for (const [name, held] of this.#own) {
      if (held !== null && !this.#wants(name, held)) this.delete(name);
    }
  }

  /**
   * Before the subscription grows to everything: what it did not want of the base is not held, but would
   * look as if it were.
   */
  beforeWildcard(): void {
    const base = this.#base;
    if (base === null) return;
    const own = new Map<string, Held | null>();
    for (const resource of base.resources.values()) {
      if (this.#subscription.covers(resource)) own.set(resource.name, resource);
    }
    for (const [name, held] of this.#own ?? []) {
      if (held === null) own.delete(name);
      else own.set(name, held);
    }
    this.#own = own;
    this.#base = null;
  }

  /** Of a name that was not wanted until now: it is not held, whatever the base has. */
  forget(name: string): void {
    const resource = this.#base?.find(name);
    if (resource !== undefined) this.delete(resource.name);
  }

  /** After a pass: all that is wanted of `set` is held, and nothing else. */
  settle(set: ResourceSet): void {
    this.#base = set;
    this.#own = null;
  }

  #wants(name: string, held: Held): boolean {
    return typeof held === 'string'
      ? this.#subscription.wants(name)
      : this.#subscription.covers(held);
  }
}
