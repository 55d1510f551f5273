// What we want of one type of one source, and what the open stream has been told of it. The muxes own one per type.
// Whole types are subscribed to by an empty first request (legacy wildcard), others by name: there an empty first
// request would mean everything, so without names nothing is sent.

export class Subscription {
  #isWildcard = false;
  readonly #names = new Set<string>();
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

  /** Returns false when it was so already. */
  unsubscribeFromAll(): boolean {
    const isNews = this.#isWildcard;
    this.#isWildcard = false;
    return isNews;
  }

  /** Returns what of it is news. */
  change(
    added: readonly string[],
    removed: readonly string[],
  ): { readonly added: readonly string[]; readonly removed: readonly string[] } {
    const names = this.#names;
    const news = added.filter((name) => !names.has(name));
    for (const name of news) names.add(name);
    return { added: news, removed: removed.filter((name) => names.delete(name)) };
  }
}
