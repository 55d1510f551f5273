// What is known of one request (or TCP connection) for logs, stats and filters. One object per
// stream, all fields set at construction; writers are hcm, router and tcp_proxy.

import type { SocketAddress, TlsInfo } from './connection.ts';

/** Bits of ResponseFlags; shortName/longName tables are in access-log/response-flags.ts. */
export const ResponseFlag = {
  FailedLocalHealthCheck: 1 << 0, // LH
  NoHealthyUpstream: 1 << 1, // UH
  UpstreamRequestTimeout: 1 << 2, // UT
  LocalReset: 1 << 3, // LR
  UpstreamRemoteReset: 1 << 4, // UR
  UpstreamConnectionFailure: 1 << 5, // UF
  UpstreamConnectionTermination: 1 << 6, // UC
  UpstreamOverflow: 1 << 7, // UO
  NoRouteFound: 1 << 8, // NR
  DelayInjected: 1 << 9, // DI
  FaultInjected: 1 << 10, // FI
  RateLimited: 1 << 11, // RL
  UnauthorizedExternalService: 1 << 12, // UAEX
  RateLimitServiceError: 1 << 13, // RLSE
  DownstreamConnectionTermination: 1 << 14, // DC
  UpstreamRetryLimitExceeded: 1 << 15, // URX
  StreamIdleTimeout: 1 << 16, // SI
  InvalidEnvoyRequestHeaders: 1 << 17, // IH
  DownstreamProtocolError: 1 << 18, // DPE
  UpstreamMaxStreamDurationReached: 1 << 19, // UMSDR
  NoFilterConfigFound: 1 << 20, // NFCF
  DurationTimeout: 1 << 21, // DT
  UpstreamProtocolError: 1 << 22, // UPE
  NoClusterFound: 1 << 23, // NC
  OverloadManager: 1 << 24, // OM
  DnsResolutionFailed: 1 << 25, // DF
  DropOverLoad: 1 << 26, // DO
  DownstreamRemoteReset: 1 << 27, // DR
  UnconditionalDropOverload: 1 << 28, // UDO
  /** Not Envoy's. */
  ErrorRatioBreakerOpen: 1 << 29, // ERB
} as const;

export type Protocol = '' | 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';

/** Times are monotonic milliseconds (Clock.nowMs); -1 = did not happen. */
export interface StreamInfo {
  /** Wall clock at start, ms since epoch (%START_TIME%). */
  startWallMs: number;
  startMs: number;
  lastDownstreamRxByteMs: number;
  firstUpstreamTxByteMs: number;
  lastUpstreamTxByteMs: number;
  firstUpstreamRxByteMs: number;
  lastUpstreamRxByteMs: number;
  firstDownstreamTxByteMs: number;
  lastDownstreamTxByteMs: number;
  endMs: number;

  protocol: Protocol;
  /** 0 = no response was sent. */
  responseCode: number;
  /** '' = none. */
  responseCodeDetails: string;
  connectionTerminationDetails: string;
  /** Why we closed the client's connection (%DOWNSTREAM_LOCAL_CLOSE_REASON%), '' = we did not, or no reason. */
  downstreamLocalCloseReason: string;
  /** Why the client's TLS failed; of a connection, never of a request. '' = it did not. */
  downstreamTransportFailureReason: string;
  /** OR of ResponseFlag bits. */
  responseFlags: number;
  /** Body bytes; of a connection, all bytes that came out of its transport. */
  bytesReceived: number;
  bytesSent: number;

  routeName: string;
  virtualHostName: string;
  upstreamCluster: string;
  /** Null until a host was chosen. */
  upstreamHost: SocketAddress | null;
  upstreamHostName: string;
  upstreamLocalAddress: SocketAddress | null;
  upstreamProtocol: Protocol;
  upstreamTls: TlsInfo | null;
  upstreamTransportFailureReason: string;
  upstreamConnectionId: number;
  /** 0 = none was made. */
  upstreamRequestAttemptCount: number;

  connectionId: number;
  downstreamRemoteAddress: SocketAddress;
  downstreamDirectRemoteAddress: SocketAddress;
  downstreamLocalAddress: SocketAddress;
  downstreamTls: TlsInfo | null;
  requestedServerName: string;
  /** Envoy: shouldSchemeMatchUpstream; the router sets the scheme. */
  schemeMatchesUpstream: boolean;
  /** The health_check filter says so: not_health_check_filter leaves it out of logs. */
  isHealthCheck: boolean;
  filterChainName: string;
  /** Dynamic metadata by namespace; null until a filter sets some. */
  dynamicMetadata: Record<string, Record<string, unknown>> | null;
  /** Null until there was one. */
  internalRedirects: InternalRedirects | null;
  /** What filters tell each other and logs, by Envoy's keys (FilterStateKey); null until one does. */
  filterState: Map<string, string | FilterStateObject> | null;
}

/** What internal redirects have done with a client's request; each goes on in a stream of its own. */
export interface InternalRedirects {
  count: number;
  /** previous_routes: names of routes that were gone to, by the name of the route that they were gone to from. */
  readonly targets: Map<string, Set<string>>;
}

/** A value of filter state that has fields. */
export interface FilterStateObject {
  /** As %FILTER_STATE(key:PLAIN)%. */
  plain(): string;
  /**
   * Names and values of its protobuf form, without those that have their default; a text where that form is a
   * StringValue: %FILTER_STATE(key)%.
   */
  fields(): Readonly<Record<string, string>> | string;
  /** What hash policies make of it (64 bits); absent = nothing: it was not put there to be hashed. */
  hash?(): bigint;
}

/** Keys of StreamInfo.filterState. */
export const FilterStateKey = {
  /** The cluster that tcp_proxy takes instead of its own. */
  TcpProxyCluster: 'envoy.tcp_proxy.cluster',
  /** Messages of a gRPC call (grpc_stats with emit_filter_state). */
  GrpcStats: 'envoy.filters.http.grpc_stats',
} as const;
