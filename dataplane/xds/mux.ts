// What the two protocols have in common. sotw-mux.ts and delta-mux.ts speak on one stream, of one type or many.

import { adsTypeOrder, type ResourceKind, typeUrlOf } from '../api/resource-compiler.ts';
import type { TransportHandler } from './ads-transport.ts';
import type { SourceOwner, Subscriptions } from './resource-source.ts';

/** One of the two protocols, told of its stream by the transport. */
export interface Mux extends TransportHandler, Subscriptions {}

/** The stream, and whom it is for. */
export interface MuxOwner extends SourceOwner {
  send(message: Buffer): void;
  isOpen(): boolean;
  onUnknownType(typeUrl: string): void;
  onControlPlane(identifier: string): void;
}

/** What a mux has to know of its stream. */
export interface MuxOptions {
  readonly node: NodeBytes;
  /** The only type of the stream; null = all. */
  readonly kind: ResourceKind | null;
}

/** What the server is told of us. */
export interface NodeBytes {
  /** Encoded core.v3.Node. */
  readonly bytes: Uint8Array;
  /** set_node_on_first_message_only: in the first request of a stream; else, as in Envoy, in every one. */
  readonly isSentOnce: boolean;
}

const kindByTypeUrl: ReadonlyMap<string, ResourceKind> = new Map(
  adsTypeOrder.map((kind) => [typeUrlOf[kind], kind]),
);

/** `only`: the type of a stream that has just one, and need not name it. Null = unknown. */
export function kindOfTypeUrl(typeUrl: string, only: ResourceKind | null): ResourceKind | null {
  return typeUrl === '' ? only : (kindByTypeUrl.get(typeUrl) ?? null);
}

/** google.rpc.Code INTERNAL, as Envoy's NACKs have it. */
export const NACK_CODE = 13;
