// Which services proxyless gRPC clients get.

import type { ServiceNode } from '../../graph/graph.ts';

/** gRPC needs HTTP/2, through sidecars as without them. */
export function isGrpcCallable({ protocol }: Pick<ServiceNode, 'protocol'>): boolean {
  return protocol !== 'HTTP';
}
