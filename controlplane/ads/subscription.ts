// Which resources of one type a stream wants: the wildcard rules of xds_protocol ("How the client specifies
// what resources to return"). Pure bookkeeping; sotw.ts and delta.ts feed it, stream.ts asks it.
//
//   first request empty        -> legacy wildcard (types that allow it)
//   "*" listed                 -> wildcard, besides any names
//   empty, after any name or * -> nothing (SotW); a later ACK without names changes nothing before that

import type { SnapshotResource } from '../cache/resource.ts';

const WILDCARD = '*';

/** The same name as a string that others hold already: 10,000 streams ask for the same names. */
export type Intern = (name: string) => string;

const asItIs: Intern = (name) => name;

export class Subscription {
  readonly #allowsWildcard: boolean;
  readonly #names = new Set<string>();
  #isWildcard = false;
  /** A name or '*' was said on this stream: from then on an empty list is an empty list. */
  #wasExplicit = false;
  #isFirst = true;
  #hasCollections = false;
  #namesVersion = 0;

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

  /** Another number after each change of the names. */
  get namesVersion(): number {
    return this.#namesVersion;
  }

  /** No request of this type came yet. */
  get isFirst(): boolean {
    return this.#isFirst;
  }

  wants(name: string): boolean {
    return this.#isWildcard || this.#names.has(name);
  }

  /** True when the resource is wanted: by name, alias or collection, or because everything is. */
  covers(resource: SnapshotResource): boolean {
    if (this.#isWildcard || this.#names.has(resource.name)) return true;
    for (const alias of resource.aliases) if (this.#names.has(alias)) return true;
    return this.#hasCollections && this.#names.has(collectionOf(resource.name));
  }

  /** Whether a request with these names would make it the wildcard that it is not yet. */
  willStartWildcard(names: readonly string[]): boolean {
    if (!this.#allowsWildcard || this.#isWildcard) return false;
    return names.includes(WILDCARD) || (this.#isFirst && names.length === 0);
  }

  /** SotW: `names` is the complete list. */
  replace(names: readonly string[], intern: Intern = asItIs): SotwChange {
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    // Every ACK repeats the list.
    if (!this.#isWildcard && this.#isSameList(names)) return { added: [], startedWildcard: false };
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
    this.#namesVersion++;
    for (const name of this.#names) if (!wanted.has(name)) this.#names.delete(name);
    for (const name of wanted) this.#names.add(intern(name));
    return { added, startedWildcard };
  }

  /**
   * SotW, of a request that an answer is still to follow: what it does not name is no longer wanted (the client may have
   * dropped it), what is new in it comes with the answer.
   */
  narrow(names: readonly string[]): void {
    if (names.length === 0 && !this.#wasExplicit) return;
    const wanted = new Set(names);
    if (!wanted.has(WILDCARD)) this.#isWildcard = false;
    for (const name of this.#names) {
      if (wanted.has(name)) continue;
      this.#names.delete(name);
      this.#namesVersion++;
    }
  }

  #isSameList(names: readonly string[]): boolean {
    if (names.length === 0 || names.length !== this.#names.size) return false;
    let at = 0;
    for (const name of this.#names) if (name !== names[at++]) return false;
    return true;
  }

  /** Delta: changes to what is wanted. */
  change(
    subscribe: readonly string[],
    unsubscribe: readonly string[],
    intern: Intern = asItIs,
  ): DeltaChange {
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    const wasWildcard = this.#isWildcard;
    if (subscribe.length + unsubscribe.length > 0) this.#namesVersion++;
    if (isFirst && subscribe.length === 0) this.#isWildcard = this.#allowsWildcard;
    const subscribed: string[] = [];
    const stillCovered: string[] = [];
    const dropped: string[] = [];
    for (const name of subscribe) {
      if (name === WILDCARD && this.#allowsWildcard) {
        this.#isWildcard = true;
      } else {
        this.#names.add(intern(name));
        this.#hasCollections ||= isCollection(name);
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

/** xdstp names that end in `/*` stand for every resource directly below (delta only). */
export function isCollection(name: string): boolean {
  return name.startsWith('xdstp:') && name.endsWith('/*');
}

function collectionOf(name: string): string {
  return `${name.slice(0, name.lastIndexOf('/'))}/*`;
}
