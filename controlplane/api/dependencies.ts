// What the REST API needs from the rest of the control plane; main puts it together.

import type { Logger } from '../../common/logger.ts';
import type { Result } from '../../common/result.ts';
import type { ServiceLoad } from '../load/load-report.ts';
import type { Workload } from '../model/kinds/workload.ts';
import type { ClientStatusError } from '../status/client-status.ts';
import type { ProxyConfig, ProxyConfigDiff } from '../status/proxy-config.ts';
import type { ProxyStatus } from '../status/proxy-status.ts';
import type { RunningTrace } from '../status/traces.ts';
import type { MeshDocuments } from '../store/mesh-documents.ts';

export interface ApiDependencies {
  readonly documents: MeshDocuments;
  readonly joined: () => readonly Workload[];
  /** Is any proxyless gRPC client connected? What it cannot do is then a condition of documents. */
  readonly hasProxylessClients: () => boolean;
  readonly info: () => Readonly<Record<string, unknown>>;
  readonly proxyStatus: () => readonly ProxyStatus[];
  /** What a node is served; `kind` null = all kinds. Null = no such node. */
  readonly proxyConfig: (nodeId: string, kind: string | null) => ProxyConfig | null;
  /** What a node lacks of it. Null = no such node. */
  readonly proxyConfigDiff: (nodeId: string) => ProxyConfigDiff | null;
  /** CSDS over REST: a ClientStatusRequest as JSON in, a ClientStatusResponse as JSON out. */
  readonly clientStatus: (request: unknown) => Result<object, ClientStatusError>;
  /** What sidecars report of the load that they send. */
  readonly loads: () => readonly ServiceLoad[];
  /** Null = too many people trace already. `onLine`: there is something to take. */
  readonly trace: (nodeId: string, onLine: () => void) => RunningTrace | null;
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
  /** Prometheus text. */
  readonly metrics: () => string;
  /** Takes what the guard against vanishing holds back, of a node or of all; returns the nodes. */
  readonly releaseHeldBack: (nodeId: string | null) => readonly string[];
  readonly logger: Logger;
}

export interface IssuedToken {
  readonly token: string;
  readonly expiresAt: string;
}
