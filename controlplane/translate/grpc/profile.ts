// What the resources of a proxyless gRPC client depend on. Clients of equal profiles share one snapshot. Made at
// the gate (join/grpc-clients), where a stream says who it is; read by grpc-translator.

import { type LocalityNode, localityKey } from '../../graph/locality.ts';

/**
 * Implementations of gRPC that need resources of their own. `node` (grpc-js) refuses `load_balancing_policy` lists that
 * Go, C-core (C++, Python, Ruby) and Java choose from.
 */
export type GrpcDialect = 'node' | 'any';

export interface GrpcProfile {
  readonly dialect: GrpcDialect;
  /** Of the caller: its short names mean services here. */
  readonly namespace: string;
  readonly locality: LocalityNode;
  /** Its bootstrap has the certificate provider `default`, so that it can do mTLS. */
  readonly hasCertificates: boolean;
  /** The Workload that it serves as (`<namespace>/<name>`); null = it only calls. */
  readonly nodeId: string | null;
}

/** The instance name of the certificate provider in the bootstrap (gRFC A29) that `ctl grpc-bootstrap` prints. */
export const CERTIFICATE_PROVIDER = 'default';

/**
 * `userAgent` is `user_agent_name` of the node, whatever follows it; null = no gRPC client, but a proxy. All
 * implementations begin with `gRPC `: `gRPC Go`, `gRPC Node Pure JS`, `gRPC C-core linux`, `gRPC Java`.
 */
export function grpcDialectOf(userAgent: string): GrpcDialect | null {
  if (!userAgent.startsWith('gRPC ')) return null;
  return userAgent.startsWith('gRPC Node') ? 'node' : 'any';
}

/** Equal for equal profiles; has a space, so it never is the id of a node. */
export function profileKey(profile: GrpcProfile): string {
  const { dialect, namespace, locality, hasCertificates, nodeId } = profile;
  const who = nodeId ?? `${namespace}/* ${localityKey(locality)}`;
  return `grpc ${who} ${dialect}${hasCertificates ? ' mtls' : ''}`;
}
