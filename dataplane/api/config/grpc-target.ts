// Where gRPC channels to management servers go: compiled by config/ads.ts and config/report-service.ts, opened by server/.

import type { UpstreamTlsConfig } from './tls.ts';

/** Where a gRPC channel goes. */
export interface GrpcTarget {
  /** Name of the cluster, or the target_uri of a google_grpc service. */
  readonly clusterName: string;
  /** `host:port`, `[::1]:port`; host may be a name. At least one. */
  readonly addresses: readonly string[];
  /** :authority of the calls; '' = the address. */
  readonly authority: string;
  readonly connectTimeoutMs: number;
  /** Null = plaintext. */
  readonly tls: UpstreamTlsConfig | null;
  /** HTTP/2 pings; null = none. */
  readonly keepalive: { readonly intervalMs: number; readonly timeoutMs: number } | null;
}
