// What the REST API needs from the rest of the control plane; main puts it together.

import type { Logger } from '../../common/logger.ts';
import type { Workload } from '../model/kinds/workload.ts';
import type { MeshDocuments } from '../store/mesh-documents.ts';

/** How far one node is, per xDS type. */
export interface ProxyStatus {
  readonly node: string;
  readonly service: string;
  readonly version: string | null;
  readonly address: string;
  /** Null while no stream is open. */
  readonly stream: {
    readonly protocol: 'delta' | 'sotw';
    readonly connectedSeconds: number;
  } | null;
  readonly types: Readonly<Record<XdsType, TypeStatus>>;
}

export const xdsTypes = ['CDS', 'EDS', 'SDS', 'LDS', 'RDS'] as const;
export type XdsType = (typeof xdsTypes)[number];

export interface TypeStatus {
  /** As in istioctl: SYNCED = everything was acknowledged; STALE = sent, no answer yet; NACKED = refused. */
  readonly state: 'SYNCED' | 'STALE' | 'NOT SENT' | 'NACKED';
  /** error_detail of the last NACK that still stands. */
  readonly error: string | null;
}

export interface ApiDependencies {
  readonly documents: MeshDocuments;
  readonly joined: () => readonly Workload[];
  readonly info: () => Readonly<Record<string, unknown>>;
  readonly proxyStatus: () => readonly ProxyStatus[];
  /** Store revision that the current snapshots were made from. */
  readonly reconciledRevision: () => number;
  /** JSON of what the node gets; null = no such node, or not ready yet. */
  readonly configDump: (nodeId: string) => object | null;
  /** What happens to calls of a Service; null = no such Service, or not reconciled yet. */
  readonly explainPolicy: (namespace: string, service: string) => object | null;
  /** A token, or null when the Service does not exist. `ttlSeconds` is already checked. */
  readonly issueToken: (
    service: string,
    namespace: string,
    ttlSeconds: number,
  ) => IssuedToken | null;
  readonly logger: Logger;
}

export interface IssuedToken {
  readonly token: string;
  readonly expiresAt: string;
}
