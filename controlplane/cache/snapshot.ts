// Everything one node is to have, immutable. A node group's snapshots differ in little, so each kind is a
// ResourceSet of its own that snapshots share by reference: equal reference = nothing changed.

import { type XdsKind, xdsKinds } from './kinds.ts';
import { contentVersion, type SnapshotResource } from './resource.ts';

/** The resources of one kind, by name. */
export class ResourceSet {
  static readonly empty: ResourceSet = new ResourceSet([]);

  readonly resources: ReadonlyMap<string, SnapshotResource>;
  #version: string | null = null;

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

  get size(): number {
    return this.resources.size;
  }

  /** Hash over names and versions, whatever their order: what SotW calls version_info. */
  get version(): string {
    this.#version ??= versionOf(this.resources.values());
    return this.#version;
  }
}

/** Version of a set of resources; also of the subset that a stream is subscribed to. */
export function versionOf(resources: Iterable<SnapshotResource>): string {
  const lines: string[] = [];
  for (const { name, version } of resources) lines.push(`${version} ${name}\n`);
  return contentVersion(lines.sort().join(''));
}

export class Snapshot {
  static readonly empty: Snapshot = new Snapshot({});

  readonly #sets: Readonly<Record<XdsKind, ResourceSet>>;

  constructor(sets: Partial<Readonly<Record<XdsKind, ResourceSet>>>) {
    this.#sets = {
      cluster: sets.cluster ?? ResourceSet.empty,
      endpoint: sets.endpoint ?? ResourceSet.empty,
      secret: sets.secret ?? ResourceSet.empty,
      listener: sets.listener ?? ResourceSet.empty,
      route: sets.route ?? ResourceSet.empty,
    };
  }

  /** A snapshot of resources of any kinds; throws on a name given twice. */
  static of(resources: Iterable<SnapshotResource>): Snapshot {
    const byKind: Record<XdsKind, SnapshotResource[]> = {
      cluster: [],
      endpoint: [],
      secret: [],
      listener: [],
      route: [],
    };
    for (const resource of resources) byKind[resource.kind].push(resource);
    return new Snapshot(
      Object.fromEntries(xdsKinds.map((kind) => [kind, new ResourceSet(byKind[kind])])),
    );
  }

  set(kind: XdsKind): ResourceSet {
    return this.#sets[kind];
  }

  versionOf(kind: XdsKind): string {
    return this.#sets[kind].version;
  }

  /**
   * The next snapshot, keeping this one's set of every kind whose content is the same: streams see by
   * reference that there is nothing to do.
   */
  succeededBy(next: Snapshot): Snapshot {
    const sets: Partial<Record<XdsKind, ResourceSet>> = {};
    for (const kind of xdsKinds) {
      const [before, after] = [this.set(kind), next.set(kind)];
      sets[kind] = before.version === after.version ? before : after;
    }
    return new Snapshot(sets);
  }
}
