// A place that resources come from, as the xDS client sees it: the aggregated stream, own streams, REST, files. And
// what the client is to it. A source knows how to ask; store and tracker, behind SourceOwner, know what is said.

import type { ResourceBytes, ResourceErrorDetail } from '../../proto/discovery.ts';
import type { ResourceKind } from '../api/resource-compiler.ts';

/** What a source is asked for. Calls may come before `start`; what is wanted then is asked for when it starts. */
export interface Subscriptions {
  subscribeToAll(kind: ResourceKind): void;
  unsubscribeFromAll(kind: ResourceKind): void;
  /** Names wanted besides; nobody wants the removed ones any more. */
  changeNames(kind: ResourceKind, added: readonly string[], removed: readonly string[]): void;
}

export interface ResourceSource extends Subscriptions {
  start(): void;
  /** Closes what is open; nothing is delivered any more. */
  stop(): void;
}

/** What a source delivers at once, protocol aside. */
export interface Update {
  readonly kind: ResourceKind;
  /** `name` is '' unless the server wrapped the resource. */
  readonly resources: readonly ResourceBytes[];
  /** Said to be gone or not to exist (delta). */
  readonly removed: readonly string[];
  /** All there is of that type: what is absent is gone. */
  readonly isFullState: boolean;
  /** All that was asked for by name: what is absent is not there (REST, files). Absent = false. */
  readonly isWhole?: boolean;
  /** Why there is nothing under some names that were asked for (gRFC A88). */
  readonly errors?: readonly ResourceErrorDetail[];
  /** Resources that could not even be turned into bytes; `name` '' = not known. */
  readonly broken?: readonly { readonly name: string; readonly details: string }[];
  /** version_info or system_version_info. */
  readonly versionText: string;
}

export interface SourceOwner {
  /** Takes the good resources of an update. Null = all were good, else the NACK's text. */
  receive(update: Update): string | null;
  /** Releases what is complete, which may change subscriptions. Follows each `receive`. */
  settle(): void;
  /** Name -> version of what is held, for resumption. */
  knownVersions(kind: ResourceKind): ReadonlyMap<string, string>;
  /** Of REST and files, which are asked again and again: update_attempt. */
  onRequest(kind: ResourceKind): void;
  /** update_failure: it could not be asked for, or no usable answer came. */
  onFailure(kind: ResourceKind): void;
}
