// What one stream knows of one type: subscription, what the client holds, the response under way.
// Owned by stream.ts; sotw.ts and delta.ts read requests into it and build responses from it.

import { isFullStateKind, typeUrlOfKind, type XdsKind } from '../cache/kinds.ts';
import type { SnapshotResource } from '../cache/resource.ts';
import type { ResourceSet } from '../cache/snapshot.ts';
import { Subscription } from './subscription.ts';

export class TypeState {
  readonly kind: XdsKind;
  readonly typeUrl: string;
  readonly subscription: Subscription;
  /**
   * What was sent and not removed since, accepted or not: a rejected version is not sent again, and any
   * other version differs from it, also an older one (go-control-plane #564). A bare version is what the
   * client said to hold when it came back (delta).
   */
  readonly held = new Map<string, SnapshotResource | string>();
  /** Names that must be answered although the client may hold the current version. */
  readonly owed = new Set<string>();
  /** The type as a whole must be answered even if empty: the client waits for a first response. */
  isOwed = false;
  /** Nonce of the response that was neither ACKed nor NACKed yet; null = none. */
  outstandingNonce: string | null = null;
  /** '' before the first response. */
  lastNonce = '';
  /** The set that `held` was last brought to; equal and nothing owed = nothing to do. */
  settledSet: ResourceSet | null = null;
  /** The set of which everything new was sent. */
  addedSet: ResourceSet | null = null;
  /** SotW: version_info of the first request: if the wanted content still has it, nothing is sent. */
  resumeVersion = '';
  /** SotW: a response of a type that refers to this one was sent since this one's last response. */
  wasParentSent = false;
  /** Names asked for that the last looked-at set does not have; wall clock of when that was first seen. */
  readonly missingSince = new Map<string, number>();

  constructor(kind: XdsKind) {
    this.kind = kind;
    this.typeUrl = typeUrlOfKind(kind);
    this.subscription = new Subscription(isFullStateKind(kind));
  }

  /** Version of the content that was sent last under that name; null when none. */
  heldVersion(name: string): string | null {
    const held = this.held.get(name);
    if (held === undefined) return null;
    return typeof held === 'string' ? held : held.version;
  }

  /** False = nothing can be to do for `set`; cheap. */
  needsAttention(set: ResourceSet): boolean {
    return this.settledSet !== set || this.isOwed || this.owed.size > 0;
  }

  /** False = `additions` would find nothing. */
  needsAdditions(set: ResourceSet): boolean {
    return this.addedSet !== set || this.isOwed || this.owed.size > 0;
  }

  /** Brings `missingSince` up to date. Only looks at names when some may be missing. */
  noteMissing(set: ResourceSet, nowMs: number): void {
    const { names, isWildcard } = this.subscription;
    if (this.missingSince.size === 0 && !isWildcard && this.held.size >= names.size) return;
    for (const name of this.missingSince.keys()) {
      if (!names.has(name) || set.get(name) !== undefined) this.missingSince.delete(name);
    }
    for (const name of names) {
      if (set.get(name) === undefined && !this.missingSince.has(name)) {
        this.missingSince.set(name, nowMs);
      }
    }
  }

  /** The resources of `set` that are wanted; missing names are left out. */
  wanted(set: ResourceSet): SnapshotResource[] {
    if (this.subscription.isWildcard) return [...set.resources.values()];
    const resources: SnapshotResource[] = [];
    for (const name of this.subscription.names) {
      const resource = set.get(name);
      if (resource !== undefined) resources.push(resource);
    }
    return resources;
  }
}

/** A response before it has a nonce. */
export interface Outgoing {
  readonly resources: readonly SnapshotResource[];
  readonly removed: readonly string[];
  /** version_info or system_version_info. */
  readonly version: string;
}
