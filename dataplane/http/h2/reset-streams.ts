// Streams that we reset not long ago: what the peer had sent on them before it knew is no error (RFC 9113 5.4.2).

/** So many resets can be on their way at once; then we forget, and forgive whatever comes on old streams. */
const KEPT = 1024;

export class ResetStreams {
  #ids: Set<number> | null = null;
  #hasForgotten = false;

  add(id: number): void {
    this.#ids ??= new Set();
    const ids = this.#ids;
    ids.add(id);
    if (ids.size <= KEPT) return;
    this.#hasForgotten = true;
    for (const oldest of ids) {
      ids.delete(oldest);
      return;
    }
  }

  /** Of a stream that is closed: it may have been reset by us. */
  has(id: number): boolean {
    return this.#hasForgotten || this.#ids?.has(id) === true;
  }
}
