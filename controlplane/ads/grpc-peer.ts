// Who a gRPC call comes from, as far as gRPC knows: for every service on the xDS ports.

import type { Metadata, ServerDuplexStream } from '@grpc/grpc-js';
import type { Peer } from './authn.ts';

/** The parts of a call of any kind that this needs. */
interface CallOfPeer {
  readonly metadata: Metadata;
  getPeer(): string;
  getAuthContext(): ReturnType<ServerDuplexStream<unknown, unknown>['getAuthContext']>;
}

export function peerOf(call: CallOfPeer): Peer {
  const metadata = new Map<string, readonly string[]>();
  for (const key of Object.keys(call.metadata.getMap())) {
    const texts = call.metadata.get(key).filter((value) => typeof value === 'string');
    metadata.set(key, texts);
  }
  return {
    address: call.getPeer(),
    certificate: call.getAuthContext().sslPeerCertificate?.raw ?? null,
    metadata,
  };
}
