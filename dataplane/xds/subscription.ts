// What we want of one type, and what the open stream has been told of it. The muxes own one per type.
// LDS and CDS are subscribed to as a whole (legacy wildcard: an empty first request), the others by name:
// there an empty first request would mean everything, so without names nothing is sent.

export class Subscription {
  #isWildcard = false;
  #names: ReadonlySet<string> = new Set();
  /** A request of this type went out on the open stream. */
  isStarted = false;

  get isWildcard(): boolean {
    return this.#isWildcard;
  }

  get names(): ReadonlySet<string> {
    return this.#names;
  }

  /** Something is wanted, so a new stream must ask for it. */
  get isActive(): boolean {
    return this.#isWildcard || this.#names.size > 0;
  }

  wants(name: string): boolean {
    return this.#isWildcard || this.#names.has(name);
  }

  /** Returns false when it was so already. */
  subscribeToAll(): boolean {
    const isNews = !this.#isWildcard;
    this.#isWildcard = true;
    return isNews;
  }

  /** Replaces the names. The set is kept: the caller gives a new one each time. */
  setNames(names: ReadonlySet<string>): { readonly added: string[]; readonly removed: string[] } {
    const before = this.#names;
    this.#names = names;
    return {
      added: [...names].filter((name) => !before.has(name)),
      removed: [...before].filter((name) => !names.has(name)),
    };
  }
}
