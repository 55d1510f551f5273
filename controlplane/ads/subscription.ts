// Which resources of one type a stream wants: the wildcard rules of xds_protocol ("How the client specifies
// what resources to return"). Pure bookkeeping; sotw.ts and delta.ts feed it, stream.ts asks it.
//
//   first request empty        -> legacy wildcard (types that allow it)
//   "*" listed                 -> wildcard, besides any names
//   empty, after any name or * -> nothing (SotW); a later ACK without names changes nothing before that

const WILDCARD = '*';

export class Subscription {
  readonly #allowsWildcard: boolean;
  readonly #names = new Set<string>();
  #isWildcard = false;
  /** A name or '*' was said on this stream: from then on an empty list is an empty list. */
  #wasExplicit = false;
  #isFirst = true;

  constructor(allowsWildcard: boolean) {
    this.#allowsWildcard = allowsWildcard;
  }

  get isWildcard(): boolean {
    return this.#isWildcard;
  }

  /** Explicitly named ones. */
  get names(): ReadonlySet<string> {
    return this.#names;
  }

  /** No request of this type came yet. */
  get isFirst(): boolean {
    return this.#isFirst;
  }

  wants(name: string): boolean {
    return this.#isWildcard || this.#names.has(name);
  }

  /** SotW: `names` is the complete list. */
  replace(names: readonly string[]): SotwChange {
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    if (names.length === 0 && !this.#wasExplicit) {
      if (isFirst) this.#isWildcard = this.#allowsWildcard;
      return { added: [], startedWildcard: isFirst && this.#isWildcard };
    }
    this.#wasExplicit = true;
    const added: string[] = [];
    const wanted = new Set<string>();
    let isWildcard = false;
    for (const name of names) {
      if (name === WILDCARD && this.#allowsWildcard) {
        isWildcard = true;
      } else {
        wanted.add(name);
        if (!this.wants(name)) added.push(name);
      }
    }
    const startedWildcard = isWildcard && !this.#isWildcard;
    this.#isWildcard = isWildcard;
    for (const name of this.#names) if (!wanted.has(name)) this.#names.delete(name);
    for (const name of wanted) this.#names.add(name);
    return { added, startedWildcard };
  }

  /** Delta: changes to what is wanted. */
  change(subscribe: readonly string[], unsubscribe: readonly string[]): DeltaChange {
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    const wasWildcard = this.#isWildcard;
    if (isFirst && subscribe.length === 0) this.#isWildcard = this.#allowsWildcard;
    const subscribed: string[] = [];
    const stillCovered: string[] = [];
    const dropped: string[] = [];
    for (const name of subscribe) {
      if (name === WILDCARD && this.#allowsWildcard) {
        this.#isWildcard = true;
      } else {
        this.#names.add(name);
        subscribed.push(name);
      }
    }
    let endedWildcard = false;
    for (const name of unsubscribe) {
      if (name === WILDCARD && this.#allowsWildcard) {
        endedWildcard = this.#isWildcard;
        this.#isWildcard = false;
      } else if (this.#names.delete(name)) {
        (this.#isWildcard ? stillCovered : dropped).push(name);
      }
    }
    const startedWildcard = this.#isWildcard && !wasWildcard;
    return { subscribed, stillCovered, dropped, startedWildcard, endedWildcard };
  }
}

export interface SotwChange {
  /** Named now and not wanted before: must be answered even if the type's version is unchanged. */
  readonly added: readonly string[];
  readonly startedWildcard: boolean;
}

export interface DeltaChange {
  /** Named in this request, new or again: each must be answered. */
  readonly subscribed: readonly string[];
  /** Unsubscribed, yet the wildcard covers them: must be answered too, the client may have dropped them. */
  readonly stillCovered: readonly string[];
  /** No longer wanted. */
  readonly dropped: readonly string[];
  readonly startedWildcard: boolean;
  readonly endedWildcard: boolean;
}
