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
}

const kindByTypeUrl: ReadonlyMap<string, ResourceKind> = new Map(
  adsTypeOrder.map((kind) => [typeUrlOf[kind], kind]),
);

export function kindOfTypeUrl(typeUrl: string): ResourceKind | null {
  return kindByTypeUrl.get(typeUrl) ?? null;
}

/** google.rpc.Code INTERNAL, as Envoy's NACKs have it. */
export const NACK_CODE = 13;
