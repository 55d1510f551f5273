// What differs between the two protocols of a stream; sotw.ts and delta.ts are the only two.

import type { RequestBase } from '../../proto/discovery.ts';
import type { ResourceSet } from '../cache/snapshot.ts';
import type { Outgoing, TypeState } from './type-state.ts';

/** What a request was, besides a statement of what is wanted. */
export type RequestMeaning = 'ack' | 'nack' | 'subscription' | 'stale';

/** What is the same in all responses of a stream. */
export interface ResponseFrame {
  readonly nonce: string;
  /** control_plane.identifier. */
  readonly controlPlane: string;
  /** The client said that it understands Resource.ttl in this protocol. */
  readonly hasTtl: boolean;
}

export interface Protocol<Request extends RequestBase> {
  readonly name: 'sotw' | 'delta';
  /** The client feature (node.client_features) without which no TTL is sent. */
  readonly ttlFeature: string;
  /** Throws on malformed bytes. */
  decode(bytes: Uint8Array): Request;
  /** How many names the request holds, for the limit. */
  namesIn(request: Request): number;
  /** Names that the request asks for, for the check of who may. */
  namesOf(request: Request): readonly string[];
  /**
   * Applies the request; of an answer also clears `outstandingNonce`. `current` is what the node would get
   * now: names that it has are not kept twice.
   */
  read(state: TypeState, request: Request, current: ResourceSet): RequestMeaning;
  /** First phase: new and changed resources, nothing taken away. Marks them held. Null = nothing. */
  additions(state: TypeState, set: ResourceSet): Outgoing | null;
  /** Second phase: what is gone. Null = nothing. */
  removals(state: TypeState, set: ResourceSet): Outgoing | null;
  encode(state: TypeState, outgoing: Outgoing, frame: ResponseFrame): Buffer;
  /** The answer to a request for a type that we do not serve, where the protocol has one. */
  refuseUnknown(request: Request, nonce: string, controlPlane: string): Buffer | null;
}
