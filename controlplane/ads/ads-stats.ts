// Counters of the xDS server, plain fields; controlplane/api exports them.

import { type XdsKind, xdsKinds } from '../cache/kinds.ts';

export class AdsStats {
  /** Open now. */
  streamsActive = 0;
  streamsTotal = 0;
  /** Peers that the authenticator refused. */
  refusedTotal = 0;
  /** Streams that we closed because the peer broke the protocol. */
  badRequestsTotal = 0;
  /** Requests whose nonce was not the last one sent. */
  staleNonceTotal = 0;
  /** Requests for types that we do not serve. */
  unknownTypeTotal = 0;
  /** Streams cut off because a response was not answered in time. */
  slowStreamsTotal = 0;
  sentBytesTotal = 0;
  readonly responsesTotal: Record<XdsKind, number> = zeros();
  readonly acksTotal: Record<XdsKind, number> = zeros();
  readonly nacksTotal: Record<XdsKind, number> = zeros();
}

function zeros(): Record<XdsKind, number> {
  // Every kind is a key.
  return Object.fromEntries(xdsKinds.map((kind) => [kind, 0])) as Record<XdsKind, number>;
}
