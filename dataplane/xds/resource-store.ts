// What the client holds of each type: the last good version of every resource with its bytes, and what was
// wrong with a later one. Survives streams. Fed by resource-update.ts; the dump is for /config_dump.

import { hash } from 'node:crypto';
import {
  adsTypeOrder,
  type CompiledResource,
  type ResourceKind,
  typeUrlOf,
} from '../api/resource-compiler.ts';
import { kindRules } from './kind-rules.ts';

/** admin.v3.UpdateFailureState of a resource. */
export interface ErrorState {
  /** The refused bytes. */
  readonly bytes: Uint8Array;
  readonly version: string;
  /** Every reason, with field paths. */
  readonly details: string;
  /** Wall clock, ms. */
  readonly atMs: number;
  /** The server said so itself: nothing was refused. */
  readonly isReceived?: boolean;
}

/** One resource; `compiled` null = nothing good came yet. */
export interface StoredResource {
  readonly kind: ResourceKind;
  readonly name: string;
  readonly compiled: CompiledResource | null;
  /** The encoded message that `compiled` was made of. */
  readonly bytes: Uint8Array;
  readonly version: string;
  /** Wall clock of the last good update, ms. */
  readonly updatedAtMs: number;
  readonly error: ErrorState | null;
  /** The server said that it does not exist; a `compiled` from before stays in use. */
  readonly isMissing: boolean;
}

/** admin.v3.ClientResourceStatus. */
export type ClientStatus =
  | 'REQUESTED'
  | 'DOES_NOT_EXIST'
  | 'ACKED'
  | 'NACKED'
  /** The server said why there is none (gRFC A88). */
  | 'RECEIVED_ERROR';

export interface DumpedResource extends StoredResource {
  readonly typeUrl: string;
  readonly status: ClientStatus;
}

/** A resource that has made a claim (api/resource-compiler.ts). */
export interface ClaimOwner {
  readonly kind: ResourceKind;
  readonly name: string;
}

const none = new Uint8Array();

export class ResourceStore {
  readonly #byKind: ReadonlyMap<ResourceKind, Map<string, StoredResource>> = new Map(
    adsTypeOrder.map((kind) => [kind, new Map()]),
  );

  /** By content: names of what is held, for responses that name nothing outside (state of the world). */
  readonly #names = new Map<string, string>();
  /** Who has what only one may have. */
  readonly #claims = new Map<string, ClaimOwner>();

  /** Undefined = nobody has it. */
  ownerOf(claim: string): ClaimOwner | undefined {
    return this.#claims.get(claim);
  }

  get(kind: ResourceKind, name: string): StoredResource | undefined {
    return this.#of(kind).get(name);
  }

  /** What is held with those very bytes. */
  withContent(kind: ResourceKind, bytes: Uint8Array): StoredResource | undefined {
    const name = this.#names.get(contentKey(kind, bytes));
    return name === undefined ? undefined : this.get(kind, name);
  }

  names(kind: ResourceKind): IterableIterator<string> {
    return this.#of(kind).keys();
  }

  accept(compiled: CompiledResource, bytes: Uint8Array, version: string, atMs: number): void {
    const { kind, name } = compiled;
    const updatedAtMs = atMs;
    this.#giveUpClaims(kind, name);
    for (const { key } of compiled.claims ?? []) this.#claims.set(key, { kind, name });
    this.#forgetContent(kind, name);
    this.#names.set(contentKey(kind, bytes), name);
    const stored = { kind, name, compiled, bytes, version, updatedAtMs, error: null };
    this.#of(kind).set(name, { ...stored, isMissing: false });
  }

  /** Remembers what was wrong; the last good version stays. */
  reject(kind: ResourceKind, name: string, error: ErrorState): void {
    this.#of(kind).set(name, { ...this.#orRequested(kind, name), error });
  }

  /**
   * The name does not exist on the server. Its version is forgotten, so that it may come back as it was; what stays in
   * use is kept.
   */
  markMissing(kind: ResourceKind, name: string): void {
    const before = this.#orRequested(kind, name);
    const missing = { version: '', error: null, isMissing: true };
    if (kindRules[kind].removal === 'keep') {
      this.#of(kind).set(name, { ...before, ...missing });
      return;
    }
    this.#giveUpClaims(kind, name);
    this.#forgetContent(kind, name);
    this.#of(kind).set(name, { ...before, ...missing, compiled: null, bytes: none });
  }

  /** Nobody wants it any more, or it was deleted. */
  remove(kind: ResourceKind, name: string): void {
    this.#giveUpClaims(kind, name);
    this.#forgetContent(kind, name);
    this.#of(kind).delete(name);
  }

  /** What to tell a server that we come back to: name -> version of what is held. */
  versions(kind: ResourceKind): ReadonlyMap<string, string> {
    const versions = new Map<string, string>();
    for (const { name, version } of this.#of(kind).values()) {
      if (version !== '') versions.set(name, version);
    }
    return versions;
  }

  /** In ADS order, then by name. */
  dump(): DumpedResource[] {
    return adsTypeOrder.flatMap((kind) =>
      [...this.#of(kind).values()]
        .sort((a, b) => (a.name < b.name ? -1 : 1))
        .map((stored) => ({ ...stored, typeUrl: typeUrlOf[kind], status: statusOf(stored) })),
    );
  }

  #forgetContent(kind: ResourceKind, name: string): void {
    const held = this.get(kind, name);
    if (held !== undefined) this.#names.delete(contentKey(kind, held.bytes));
  }

  #giveUpClaims(kind: ResourceKind, name: string): void {
    for (const { key } of this.get(kind, name)?.compiled?.claims ?? []) {
      const owner = this.#claims.get(key);
      if (owner?.kind === kind && owner.name === name) this.#claims.delete(key);
    }
  }

  #orRequested(kind: ResourceKind, name: string): StoredResource {
    const before = this.#of(kind).get(name);
    if (before !== undefined) return before;
    const error = null;
    const empty = { compiled: null, bytes: none, version: '', updatedAtMs: 0, isMissing: false };
    return { kind, name, error, ...empty };
  }

  #of(kind: ResourceKind): Map<string, StoredResource> {
    const resources = this.#byKind.get(kind);
    if (resources === undefined) throw new Error(`no resources of kind ${kind}`);
    return resources;
  }
}

/** A hash costs a hundredth of what decoding and compiling do. */
function contentKey(kind: ResourceKind, bytes: Uint8Array): string {
  return `${kind} ${hash('sha1', bytes, 'base64')}`;
}

function statusOf({ compiled, error, isMissing }: StoredResource): ClientStatus {
  if (error !== null) return error.isReceived === true ? 'RECEIVED_ERROR' : 'NACKED';
  if (isMissing) return 'DOES_NOT_EXIST';
  return compiled === null ? 'REQUESTED' : 'ACKED';
}
