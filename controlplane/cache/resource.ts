// One xDS resource as the cache holds it: name, bytes and content hash, encoded when first needed. Made by
// reconcile/ from what translate/ returned, shared by all snapshots that contain it. Immutable.

import { createHash } from 'node:crypto';
import { decodeMessage } from '../../proto/any.ts';
import { encodePlain } from '../../proto/encode.ts';
import { typeNameOfKind, typeUrlOfKind, type XdsKind } from './kinds.ts';
import { type Reference, referencesIn } from './references.ts';

export class SnapshotResource {
  readonly kind: XdsKind;
  readonly name: string;
  #message: object | null;
  #bytes: Uint8Array | null;
  #version: string | null = null;
  #references: readonly Reference[] | null = null;

  private constructor(
    kind: XdsKind,
    name: string,
    message: object | null,
    bytes: Uint8Array | null,
  ) {
    this.kind = kind;
    this.name = name;
    this.#message = message;
    this.#bytes = bytes;
  }

  /** From a message in plain form (proto/plain.ts), which nobody may change afterwards. */
  static ofMessage(kind: XdsKind, name: string, message: object): SnapshotResource {
    return new SnapshotResource(kind, name, message, null);
  }

  /** From an encoded message. */
  static ofBytes(kind: XdsKind, name: string, bytes: Uint8Array): SnapshotResource {
    return new SnapshotResource(kind, name, null, bytes);
  }

  get typeUrl(): string {
    return typeUrlOfKind(this.kind);
  }

  /** The encoded message. The first call encodes and throws when the plain form is wrong (a bug). */
  get bytes(): Uint8Array {
    this.#bytes ??= encodePlain(typeNameOfKind[this.kind], this.#message);
    return this.#bytes;
  }

  /** Hash of the bytes: equal content has equal versions, also after a restart. */
  get version(): string {
    this.#version ??= contentVersion(this.bytes);
    return this.#version;
  }

  /** What it refers to. Bytes that do not decode refer to nothing; the client will say what is wrong. */
  get references(): readonly Reference[] {
    this.#references ??= referencesIn(this.kind, this.#plain());
    return this.#references;
  }

  #plain(): object {
    if (this.#message === null) {
      const decoded = decodeMessage(typeNameOfKind[this.kind], this.bytes);
      this.#message = decoded.ok ? decoded.value.message : {};
    }
    return this.#message;
  }
}

/** Short text of a content hash: 128 bits, as opaque to clients as any version. */
export function contentVersion(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('base64url').slice(0, 22);
}

/**
 * Gives the same plain message the same resource, so that what many nodes share is encoded and hashed
 * once. Holds nothing alive.
 */
export class ResourceInterner {
  readonly #resources = new WeakMap<object, SnapshotResource>();

  resource(kind: XdsKind, name: string, message: object): SnapshotResource {
    let resource = this.#resources.get(message);
    if (resource === undefined || resource.kind !== kind || resource.name !== name) {
      resource = SnapshotResource.ofMessage(kind, name, message);
      this.#resources.set(message, resource);
    }
    return resource;
  }
}
