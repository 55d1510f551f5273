// Values by key that are made again only when what they were made of is another object than in the round before. What a round
// does not ask for is forgotten with the next.

interface Entry<T> {
  readonly parts: readonly unknown[];
  readonly value: T;
}

export class Kept<T> {
  #before = new Map<string, Entry<T>>();
  #entries = new Map<string, Entry<T>>();

  nextRound(): void {
    this.#before = this.#entries;
    this.#entries = new Map();
  }

  /** `parts` is asked for once per key and round. */
  get(key: string, parts: () => readonly unknown[], make: () => T): T {
    const known = this.#entries.get(key);
    if (known !== undefined) return known.value;
    const now = parts();
    const before = this.#before.get(key);
    const entry =
      before !== undefined && isSame(before.parts, now) ? before : { parts: now, value: make() };
    this.#entries.set(key, entry);
    return entry.value;
  }
}

function isSame(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((part, i) => part === b[i]);
}
