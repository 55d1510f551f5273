// The upstream engine as the router and tcp_proxy see it. Implemented in upstream/.

import type { RequestEncoder, ResponseDecoder, StreamResetReason } from './codec.ts';
import type { ClusterConfig } from './config/cluster.ts';
import type { Connection } from './connection.ts';
import type { Breaker, Host } from './host.ts';
import type { LoadBalancerContext } from './load-balancing.ts';
import type { RequestHasher } from './request-hasher.ts';
import type { Protocol } from './stream-info.ts';

export const ResourcePriority = { Default: 0, High: 1 } as const;
export type ResourcePriority = (typeof ResourcePriority)[keyof typeof ResourcePriority];

/** All clusters of one worker. */
export interface ClusterManager {
  /** Null when no such cluster exists (NC, 503). */
  getCluster(name: string): Cluster | null;
}

/** Live cluster in one worker. Kept across endpoint updates; replaced when its ClusterConfig changes. */
export interface Cluster {
  readonly config: ClusterConfig;
  readonly stats: ClusterTrafficStats;
  /** Of all its requests; null = none. */
  readonly breaker: Breaker | null;
  /** HttpProtocolOptions.hash_policy: instead of the route's; null = the route's. */
  readonly hashPolicy: RequestHasher | null;
  resources(priority: ResourcePriority): ResourceManager;
  /** Null = no usable host (UH). Counts lb_* stats. */
  chooseHost(context: LoadBalancerContext): Host | null;
  /**
   * The HTTP pool of `host` (made at first use); null = max_connection_pools is reached. `authority` is the request's :authority as it goes
   * upstream; only clusters with auto_sni look at it, and keep a pool per name. `downstreamProtocol`: of the
   * request, '' = it came by none (use_downstream_protocol_config).
   */
  httpPool(
    host: Host,
    priority: ResourcePriority,
    authority?: string,
    downstream?: Connection | null,
    downstreamProtocol?: Protocol,
  ): HttpPool | null;
  /** The TCP pool of `host`: one connection per newConnection, none reused. */
  tcpPool(host: Host, priority: ResourcePriority, downstream?: Connection | null): TcpPool;
  maintenanceMode(): boolean;
  /** How many hosts it has, and how many of them are not unhealthy (over all workers and priorities). */
  membership(): { readonly total: number; readonly usable: number };
  /**
   * Draws whether this request is refused because discovery says that the cluster has too much to do
   * (ClusterLoadAssignment.Policy.drop_overloads); null = it is not. Unconditional: all are.
   */
  dropOverload(): 'drop_overload' | 'unconditional_drop_overload' | null;
  /**
   * A response of that host said x-envoy-immediate-health-check-fail: no more traffic for it until its checks say
   * otherwise. To be called only where config.healthCheck is not null.
   */
  onImmediateHealthCheckFail(host: Host): void;
}

/** Ceilings of one priority ("circuit breakers"), exact over all workers. */
export interface ResourceManager {
  readonly connections: Resource;
  /** Of HTTP, in use: per host, worker and protocol at least one. Without a ceiling they are not counted. */
  readonly connectionPools: Resource;
  /** Connections to one host; Infinity = no ceiling but the cluster's. */
  readonly maxConnectionsPerHost: number;
  readonly pendingRequests: Resource;
  readonly requests: Resource;
  readonly retries: Resource;
}

export interface Resource {
  /** Takes one if below the ceiling; false = overflow, nothing taken. */
  tryAcquire(): boolean;
  /** Takes one whatever the ceiling (Envoy's first connection of a pool). */
  acquire(): void;
  release(): void;
  count(): number;
  max(): number;
}

export interface UpstreamStreamInfo {
  readonly protocol: Protocol;
  readonly connection: Connection;
  /** The peer has closed the connection, and this is not the first stream that it was used for. */
  wasReused(): boolean;
  /** The peer takes no more streams here (GOAWAY): what it refused goes over another connection. */
  isGoingAway(): boolean;
}

/** Which connections of a pool a request may use (ADR 11). */
export const ConnectionUse = {
  Any: 0,
  /** It cannot be sent again: not on one that the peer may be about to close. */
  Unrepeatable: 1,
  /** It is sent again because a kept connection was closed: a new one, while the ceiling allows. */
  New: 2,
  /** It was refused unprocessed and cannot be sent again otherwise; it goes before all that wait (ADR 16). */
  Again: 3,
} as const;
export type ConnectionUse = (typeof ConnectionUse)[keyof typeof ConnectionUse];

/** Exactly one of the two is called, once, unless cancelled; possibly before newStream returns. */
export interface HttpPoolCallbacks {
  onPoolReady(encoder: RequestEncoder, host: Host, info: UpstreamStreamInfo): void;
  /**
   * Overflow -> UO; LocalConnectionFailure / RemoteConnectionFailure / ConnectionTimeout -> UF. `host` null = a
   * ceiling turned it away before any host took part.
   */
  onPoolFailure(reason: StreamResetReason, transportFailureReason: string, host: Host | null): void;
}

export interface HttpPool {
  /**
   * Null when onPoolReady/onPoolFailure was called already. The pool counts the stream from attaching it
   * until it ends or is reset (host and cluster rq_total, rq_active; ceilings of requests and pending).
   */
  newStream(
    decoder: ResponseDecoder,
    callbacks: HttpPoolCallbacks,
    use: ConnectionUse,
  ): Cancellable | null;
}

/** A connection whose received bytes go where its user says; reading starts then. */
export interface TcpPoolConnection extends Connection {
  setReadSink(sink: { onData(data: Buffer, endStream: boolean): void }): void;
}

export interface TcpPoolCallbacks {
  onPoolReady(connection: TcpPoolConnection, host: Host): void;
  onPoolFailure(reason: StreamResetReason, transportFailureReason: string, host: Host | null): void;
}

export interface TcpPool {
  newConnection(callbacks: TcpPoolCallbacks): Cancellable | null;
}

export interface Cancellable {
  cancel(): void;
}

/** Counters of one cluster in one worker that router, tcp_proxy and pools increment. */
export interface ClusterTrafficStats {
  upstreamCxTotal: number;
  upstreamCxActive: number;
  upstreamCxHttp1Total: number;
  upstreamCxHttp2Total: number;
  upstreamCxConnectFail: number;
  upstreamCxConnectTimeout: number;
  /** tcp_proxy: max_connect_attempts were made in vain. */
  upstreamCxConnectAttemptsExceeded: number;
  upstreamCxIdleTimeout: number;
  upstreamCxOverflow: number;
  /** max_connection_pools kept a request from its host. */
  upstreamCxPoolOverflow: number;
  upstreamCxDestroy: number;
  upstreamCxDestroyLocal: number;
  upstreamCxDestroyRemote: number;
  upstreamCxDestroyWithActiveRq: number;
  upstreamCxDestroyLocalWithActiveRq: number;
  upstreamCxDestroyRemoteWithActiveRq: number;
  upstreamCxCloseNotify: number;
  upstreamCxRxBytesTotal: number;
  upstreamCxTxBytesTotal: number;
  upstreamCxProtocolError: number;
  upstreamCxMaxRequests: number;
  /** Not Envoy's: requests sent again because the peer had closed a kept connection. */
  upstreamRqStaleConnection: number;
  /** Not Envoy's: requests sent again because the peer had refused them unprocessed (GOAWAY, REFUSED_STREAM). */
  upstreamRqUnprocessed: number;
  upstreamCxNoneHealthy: number;
  upstreamRqTotal: number;
  upstreamRqActive: number;
  upstreamRqPendingTotal: number;
  upstreamRqPendingOverflow: number;
  upstreamRqPendingFailureEject: number;
  upstreamRqPendingActive: number;
  upstreamRqActiveOverflow: number;
  upstreamRqCancelled: number;
  upstreamRqMaintenanceMode: number;
  /** For load reports only: requests that a ceiling, maintenance or drop_overloads kept from any host. */
  loadDropped: number;
  /** Those of them by drop_overloads. */
  loadDropOverload: number;
  upstreamRqTimeout: number;
  /** Not Envoy's: tries that an error-ratio breaker (of the cluster, a host or the route) turned away. */
  upstreamRqErrorRatioBreakerOpen: number;
  /** Not Envoy's: how often one of them opened, by what this worker saw. */
  errorRatioBreakerOpened: number;
  upstreamRqPerTryTimeout: number;
  upstreamRqPerTryIdleTimeout: number;
  upstreamRqMaxDurationReached: number;
  upstreamRqRxReset: number;
  upstreamRqTxReset: number;
  upstreamRqRetry: number;
  upstreamRqRetryBackoffExponential: number;
  upstreamRqRetryBackoffRatelimited: number;
  upstreamRqRetryLimitExceeded: number;
  upstreamRqRetrySuccess: number;
  upstreamRqRetryOverflow: number;
  upstreamFlowControlPausedReadingTotal: number;
  upstreamFlowControlResumedReadingTotal: number;
  upstreamFlowControlBackedUpTotal: number;
  upstreamFlowControlDrainedTotal: number;
  retryOrShadowAbandoned: number;
  upstreamInternalRedirectSucceededTotal: number;
  upstreamInternalRedirectFailedTotal: number;
  /** upstream_rq_<code>, upstream_rq_<class>xx, upstream_rq_completed (and canary./internal./external.). */
  chargeResponseCode(status: number, internal: boolean, canary: boolean): void;
  /**
   * The same below `zone.<own zone>.<zone>.`, of an answer that came from, or was made for, a host in `zone`; nothing where one
   * of the two is not known.
   */
  chargeZone(zone: string, status: number): void;
  recordZoneRqTime(zone: string, ms: number): void;
  /** `retry.upstream_rq_*`: a response that a retry took the place of. */
  chargeRetriedResponse(status: number): void;
  recordRqTime(ms: number): void;
  recordCxConnectMs(ms: number): void;
  recordCxLengthMs(ms: number): void;
  /**
   * gRPC calls of one method; `service` '' = of those that are not counted by method, among them methods past
   * a limit (they are named by clients).
   */
  grpcCalls(protocol: GrpcProtocol, service: string, method: string): GrpcCallStats;
}

/** How a client spoke gRPC: the name below `cluster.<name>.`. */
export type GrpcProtocol = 'grpc' | 'grpc-web';

/** `cluster.<name>.<protocol>.[<service>.<method>.]*`. */
export interface GrpcCallStats {
  requestMessages: number;
  responseMessages: number;
  /** A response's grpc-status, as it came. */
  chargeStatus(grpcStatus: string): void;
  /** From the last byte of the request to the last of the response. */
  recordRqTime(ms: number): void;
}
