// What differs between the two protocols of an ADS stream; sotw.ts and delta.ts are the only two.

import type { RequestBase } from '../../proto/discovery.ts';
import type { ResourceSet } from '../cache/snapshot.ts';
import type { Outgoing, TypeState } from './type-state.ts';

/** What a request was, besides a statement of what is wanted. */
export type RequestMeaning = 'ack' | 'nack' | 'subscription' | 'stale';

export interface Protocol<Request extends RequestBase> {
  readonly name: 'sotw' | 'delta';
  /** gRPC path. */
  readonly path: string;
  /** Throws on malformed bytes. */
  decode(bytes: Uint8Array): Request;
  /** How many names the request holds, for the limit. */
  namesIn(request: Request): number;
  /** Applies the request; of an answer also clears `outstandingNonce`. */
  read(state: TypeState, request: Request): RequestMeaning;
  /** First phase: new and changed resources, nothing taken away. Marks them held. Null = nothing. */
  additions(state: TypeState, set: ResourceSet): Outgoing | null;
  /** Second phase: what is gone. Null = nothing. */
  removals(state: TypeState, set: ResourceSet): Outgoing | null;
  encode(state: TypeState, outgoing: Outgoing, nonce: string, controlPlane: string): Buffer;
  /** The answer to a request for a type that we do not serve, where the protocol has one. */
  refuseUnknown(request: Request, nonce: string, controlPlane: string): Buffer | null;
}
