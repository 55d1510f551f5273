// Everything one node is to have, immutable. A node group's snapshots differ in little, so each kind is a
// ResourceSet of its own that snapshots share by reference: equal reference = nothing changed.

import { isNamedKind, type XdsKind, xdsKinds } from './kinds.ts';
import { contentVersion, type SnapshotResource } from './resource.ts';
import { virtualHostFor } from './virtual-hosts.ts';

/** What is otherwise in one set than in another. */
export interface SetChanges {
  /** New or with other content. */
  readonly changed: readonly SnapshotResource[];
  readonly removed: readonly SnapshotResource[];
}

/** The resources of one kind, by name. */
export class ResourceSet {
  static readonly empty: ResourceSet = new ResourceSet([]);

  readonly resources: ReadonlyMap<string, SnapshotResource>;
  #version: string | null = null;
  #byAlias: ReadonlyMap<string, SnapshotResource> | null = null;
  #minTtlMs: number | null | undefined;
  /** The last answer of changesSince: streams mostly come from the same set. */
  #changes: { readonly before: WeakRef<ResourceSet>; readonly changes: SetChanges } | null = null;

  /** Throws when two resources have the same name: clients would reject the response. */
  constructor(resources: Iterable<SnapshotResource>) {
    const byName = new Map<string, SnapshotResource>();
    for (const resource of resources) {
      if (byName.has(resource.name)) {
        throw new Error(`two resources of kind ${resource.kind} named ${resource.name}`);
      }
      byName.set(resource.name, resource);
    }
    this.resources = byName;
  }

  get(name: string): SnapshotResource | undefined {
    return this.resources.get(name);
  }

  /** By name, by alias, and a virtual host by the host that it serves. */
  find(name: string): SnapshotResource | undefined {
    const resource = this.resources.get(name);
    if (resource !== undefined || this.resources.size === 0) return resource;
    this.#byAlias ??= aliasesOf(this.resources.values());
    if (this.#byAlias.size === 0) return undefined;
    return this.#byAlias.get(name) ?? virtualHostFor(this.#byAlias, name);
  }

  get size(): number {
    return this.resources.size;
  }

  /** Hash over names and versions, whatever their order: what SotW calls version_info. */
  get version(): string {
    this.#version ??= versionOf(this.resources.values());
    return this.#version;
  }

  /** The shortest TTL of its resources; null = none has any. */
  get minTtlMs(): number | null {
    if (this.#minTtlMs === undefined) {
      let min: number | null = null;
      for (const { ttlMs } of this.resources.values()) {
        if (ttlMs !== null && (min === null || ttlMs < min)) min = ttlMs;
      }
      this.#minTtlMs = min;
    }
    return this.#minTtlMs;
  }

  /** Found once for all streams that come from `before`. */
  changesSince(before: ResourceSet): SetChanges {
    if (this.#changes?.before.deref() === before) return this.#changes.changes;
    const changed: SnapshotResource[] = [];
    for (const resource of this.resources.values()) {
      const old = before.get(resource.name);
      if (old !== resource && old?.version !== resource.version) changed.push(resource);
    }
    const removed: SnapshotResource[] = [];
    for (const resource of before.resources.values()) {
      if (!this.resources.has(resource.name)) removed.push(resource);
    }
    const changes = { changed, removed };
    this.#changes = { before: new WeakRef(before), changes };
    return changes;
  }
}

function aliasesOf(resources: Iterable<SnapshotResource>): Map<string, SnapshotResource> {
  const byAlias = new Map<string, SnapshotResource>();
  for (const resource of resources) {
    for (const alias of resource.aliases) {
      if (!byAlias.has(alias)) byAlias.set(alias, resource);
    }
  }
  return byAlias;
}

/** Version of a set of resources; also of the subset that a stream is subscribed to. */
export function versionOf(resources: Iterable<SnapshotResource>): string {
  const lines: string[] = [];
  for (const { name, version } of resources) lines.push(`${version} ${name}\n`);
  return contentVersion(lines.sort().join(''));
}

export class Snapshot {
  static readonly empty: Snapshot = new Snapshot([]);

  readonly #sets: ReadonlyMap<XdsKind, ResourceSet>;

  constructor(sets: Iterable<readonly [XdsKind, ResourceSet]>) {
    this.#sets = new Map(sets);
  }

  /** A snapshot of resources of any kinds; throws on a name given twice. */
  static of(resources: Iterable<SnapshotResource>): Snapshot {
    const byKind = new Map<XdsKind, SnapshotResource[]>();
    for (const resource of resources) {
      const list = byKind.get(resource.kind);
      if (list === undefined) byKind.set(resource.kind, [resource]);
      else list.push(resource);
    }
    return new Snapshot([...byKind].map(([kind, list]) => [kind, new ResourceSet(list)] as const));
  }

  set(kind: XdsKind): ResourceSet {
    return this.#sets.get(kind) ?? ResourceSet.empty;
  }

  versionOf(kind: XdsKind): string {
    return this.set(kind).version;
  }

  /** Those it has something of, in ADS order; other types behind. */
  kinds(): XdsKind[] {
    const named = xdsKinds.filter((kind) => this.#sets.has(kind));
    return [...named, ...[...this.#sets.keys()].filter((kind) => !isNamedKind(kind))];
  }

  /** This one with other content under some names (kuma #528: a node's own fork of its group's snapshot). */
  with(resources: Iterable<SnapshotResource>): Snapshot {
    const sets = new Map(this.#sets);
    for (const resource of resources) {
      const { kind, name } = resource;
      const before = sets.get(kind) ?? ResourceSet.empty;
      const others = [...before.resources.values()].filter((other) => other.name !== name);
      sets.set(kind, new ResourceSet([...others, resource]));
    }
    return new Snapshot(sets);
  }

  /**
   * The next snapshot, keeping this one's set of every kind whose content is the same: streams see by
   * reference that there is nothing to do.
   */
  succeededBy(next: Snapshot): Snapshot {
    const sets = new Map<XdsKind, ResourceSet>();
    for (const kind of next.kinds()) {
      const [before, after] = [this.set(kind), next.set(kind)];
      sets.set(kind, before.version === after.version ? before : after);
    }
    return new Snapshot(sets);
  }

  /** True when every kind has the same set, by reference or by content. */
  isSame(other: Snapshot): boolean {
    const kinds = new Set([...this.kinds(), ...other.kinds()]);
    for (const kind of kinds) {
      const [mine, its] = [this.set(kind), other.set(kind)];
      if (mine !== its && mine.version !== its.version) return false;
    }
    return true;
  }
}
