// One xDS resource as the cache holds it: name, bytes and content hash, encoded when first needed. Made by
// reconcile/ from what translate/ returned, shared by all snapshots that contain it. Immutable.

import { createHash } from 'node:crypto';
import { decodeMessage } from '../../proto/any.ts';
import { type EncodedResource, encodeResource } from '../../proto/discovery-splice.ts';
import { encodePlain } from '../../proto/encode.ts';
import { typeNameOfKind, typeUrlOfKind, type XdsKind } from './kinds.ts';
import { type Reference, referencesIn } from './references.ts';

export interface ResourceOptions {
  /** After so long without a heartbeat the client drops it; null = never. At least 1 s. */
  readonly ttlMs?: number | null;
  /** Other names that it is found under; of a virtual host its domains are, without being named here. */
  readonly aliases?: readonly string[];
}

export class SnapshotResource {
  readonly kind: XdsKind;
  readonly name: string;
  readonly ttlMs: number | null;
  readonly #givenAliases: readonly string[];
  #message: object | null;
  /** Until it is encoded as a whole. */
  #value: Uint8Array | null;
  #encoded: EncodedResource | null = null;
  #version: string | null = null;
  #references: readonly Reference[] | null = null;

  private constructor(
    kind: XdsKind,
    name: string,
    content: { readonly message: object | null; readonly value: Uint8Array | null },
    options: ResourceOptions,
  ) {
    this.kind = kind;
    this.name = name;
    this.#message = content.message;
    this.#value = content.value;
    this.ttlMs = options.ttlMs ?? null;
    this.#givenAliases = options.aliases ?? none;
  }

  /** From a message in plain form (proto/plain.ts), which nobody may change afterwards. */
  static ofMessage(
    kind: XdsKind,
    name: string,
    message: object,
    options: ResourceOptions = {},
  ): SnapshotResource {
    return new SnapshotResource(kind, name, { message, value: null }, options);
  }

  /** From an encoded message. */
  static ofBytes(
    kind: XdsKind,
    name: string,
    bytes: Uint8Array,
    options: ResourceOptions = {},
  ): SnapshotResource {
    return new SnapshotResource(kind, name, { message: null, value: bytes }, options);
  }

  get typeUrl(): string {
    return typeUrlOfKind(this.kind);
  }

  /** The encoded message. The first call encodes and throws when the plain form is wrong (a bug). */
  get bytes(): Uint8Array {
    if (this.#encoded !== null) return this.#encoded.value;
    this.#value ??= encodePlain(typeNameOfKind(this.kind), this.#message);
    return this.#value;
  }

  /** As responses hold it; made once for all streams. */
  get encoded(): EncodedResource {
    if (this.#encoded === null) {
      const { name, version, typeUrl, aliases, bytes: value } = this;
      this.#encoded = encodeResource({ name, version, typeUrl, value, aliases });
      this.#value = null;
    }
    return this.#encoded;
  }

  /** Hash of the bytes, and of TTL and aliases if given: equal content has equal versions, also after a restart. */
  get version(): string {
    this.#version ??= contentVersion(this.#hashed());
    return this.#version;
  }

  #hashed(): Uint8Array {
    if (this.ttlMs === null && this.#givenAliases.length === 0) return this.bytes;
    const terms = JSON.stringify([this.ttlMs, this.#givenAliases]);
    return Buffer.concat([this.bytes, Buffer.from(terms)]);
  }

  /** VHDS: `<route configuration>/<domain>` for each domain of a virtual host named `<route configuration>/...`. */
  get aliases(): readonly string[] {
    if (this.kind !== 'virtual-host') return this.#givenAliases;
    const table = this.name.slice(0, this.name.lastIndexOf('/') + 1);
    const { domains } = this.#plain();
    const own = Array.isArray(domains) ? domains.map((domain) => `${table}${domain}`) : [];
    return [...new Set([...this.#givenAliases, ...own])];
  }

  /** What it refers to. Bytes that do not decode refer to nothing; the client will say what is wrong. */
  get references(): readonly Reference[] {
    this.#references ??= referencesIn(this.kind, this.#plain());
    return this.#references;
  }

  #plain(): Readonly<Record<string, unknown>> {
    // Not kept: a decoded tree is many times the size of the bytes.
    if (this.#message === null) {
      const decoded = decodeMessage(typeNameOfKind(this.kind), this.bytes);
      return decoded.ok ? decoded.value.message : {};
    }
    // Plain messages are objects with string keys.
    return this.#message as Readonly<Record<string, unknown>>;
  }
}

const none: readonly string[] = [];

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
