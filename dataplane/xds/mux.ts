// What the two protocols have in common for xds-client, and what xds-client is to them. sotw-mux.ts and
// delta-mux.ts speak; resource-store.ts and dependency-tracker.ts, behind MuxOwner, know what is said.

import type { ResourceBytes } from '../../proto/discovery.ts';
import { adsTypeOrder, type ResourceKind, typeUrlOf } from '../api/resource-compiler.ts';
import type { TransportHandler } from './ads-transport.ts';

/** One of the two protocols. */
export interface Mux extends TransportHandler {
  /** gRPC path. */
  readonly path: string;
  /** LDS and CDS. */
  subscribeToAll(kind: ResourceKind): void;
  /** Replaces the names wanted of that type; tells the server when a stream is open. */
  subscribeToNames(kind: ResourceKind, names: ReadonlySet<string>): void;
}

/** A decoded response, protocol aside. */
export interface Update {
  readonly kind: ResourceKind;
  /** `name` is '' in SotW unless the server wrapped the resource. */
  readonly resources: readonly ResourceBytes[];
  /** Said to be gone or not to exist (delta). */
  readonly removed: readonly string[];
  /** SotW: the response is all there is of that type. */
  readonly isFullState: boolean;
  /** version_info or system_version_info. */
  readonly versionText: string;
}

export interface MuxOwner {
  send(message: Buffer): void;
  isOpen(): boolean;
  /** Takes the good resources of an update. Null = all were good, else the NACK's text. */
  receive(update: Update): string | null;
  /** Releases what is complete, which may change subscriptions. */
  settle(): void;
  /** Name -> version of what is held, for resumption. */
  knownVersions(kind: ResourceKind): ReadonlyMap<string, string>;
  onUnknownType(typeUrl: string): void;
  onRequest(kind: ResourceKind): void;
  onControlPlane(identifier: string): void;
}

const kindByTypeUrl: ReadonlyMap<string, ResourceKind> = new Map(
  adsTypeOrder.map((kind) => [typeUrlOf[kind], kind]),
);

export function kindOfTypeUrl(typeUrl: string): ResourceKind | null {
  return kindByTypeUrl.get(typeUrl) ?? null;
}

/** google.rpc.Code INTERNAL, as Envoy's NACKs have it. */
export const NACK_CODE = 13;
