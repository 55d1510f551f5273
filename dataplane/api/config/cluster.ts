// A compiled cluster: plain, frozen data made by config/cluster from config.cluster.v3.Cluster, sent
// to the workers as it is. Times in ms. Defaults are Envoy's and are already filled in.

import type { ResponsePredicateData } from '../matcher-data.ts';
import type { RuntimeNumber } from '../runtime.ts';
import type { DnsConfig } from './dns.ts';
import type { ErrorRatioBreakerData } from './error-ratio-breaker.ts';
import type { HashPolicyData } from './hash-policy.ts';
import type { HealthCheckConfig, HostHealthCheckConfig } from './health-check.ts';
import type { Http1Data } from './http1.ts';
import type { Http2Data } from './http2.ts';
import type { LoadBalancingData } from './load-balancing.ts';
import type { OutlierDetectionConfig } from './outlier-detection.ts';
import type { ProvidedHostsData } from './provided-hosts.ts';
import type { UpstreamProxyProtocolConfig } from './proxy-protocol.ts';
import type { MirrorPolicyData, RetryPolicyData } from './route.ts';
import type { UpstreamTlsConfig } from './tls.ts';

export interface ClusterConfig {
  readonly name: string;
  /** Stats hang below `cluster.<statName>`: alt_stat_name or name, ':' replaced by '_'. */
  readonly statName: string;
  readonly type:
    | 'STATIC'
    | 'STRICT_DNS'
    | 'LOGICAL_DNS'
    | 'EDS'
    | 'ORIGINAL_DST'
    | 'AGGREGATE'
    | 'DYNAMIC_FORWARD_PROXY';
  /** What chooses hosts in place of `loadBalancing`, which then says nothing; null = nothing does. */
  readonly provided: ProvidedHostsData | null;
  /** EDS resource name: service_name or name. */
  readonly edsServiceName: string;
  /** Default 5000. */
  readonly connectTimeoutMs: number;
  /** Default 1 MiB. */
  readonly perConnectionBufferLimitBytes: number;
  readonly loadBalancing: LoadBalancingData;
  readonly commonLb: {
    /** 0..100, default 50; 0 = no panic mode. */
    readonly healthyPanicThresholdPercent: RuntimeNumber;
    /** Default 1000; 0 = updates that change no membership are not merged. */
    readonly updateMergeWindowMs: number;
    readonly closeConnectionsOnHostSetChange: boolean;
    /** New hosts do not count among those of their priority until their first active check. */
    readonly ignoreNewHostsUntilFirstHc: boolean;
    /** What a host may be for a request that asks for it (LoadBalancerContext.overrideHost). */
    readonly overrideHostStatuses: readonly HealthStatus[];
  };
  /** Of requests, those that are refused for maintenance: runtime key upstream.maintenance_mode.<name>. Absent = none. */
  readonly maintenancePercent?: RuntimeNumber;
  /** Index by ResourcePriority. */
  readonly circuitBreakers: readonly [ThresholdsConfig, ThresholdsConfig];
  /** Not Envoy's: null = only the ceilings of circuitBreakers. */
  readonly retryRate: RetryRateConfig | null;
  readonly outlierDetection: OutlierDetectionConfig | null;
  /** Of all requests, and of those to each host; null = none. Not Envoy's. */
  readonly breaker: ErrorRatioBreakerData | null;
  readonly hostBreaker: ErrorRatioBreakerData | null;
  /** lrs_report_endpoint_metrics: of in-band ORCA reports, for load reports. */
  readonly loadReportMetrics: readonly string[];
  /** Null = no active checks. */
  readonly healthCheck: HealthCheckConfig | null;
  /** load_assignment (hosts of DNS types hold names); null for types that take none. */
  readonly loadAssignment: LoadAssignment | null;
  readonly dns: DnsConfig;
  readonly http: UpstreamHttpConfig;
  readonly tls: UpstreamTlsConfig | null;
  readonly tcpKeepalive: { readonly timeS: number } | null;
  /** upstream_proxy_protocol: what each connection begins with; null = nothing. */
  readonly proxyProtocol: UpstreamProxyProtocolConfig | null;
  /** TLVs that came with a connection keep it from sharing others', too. */
  readonly proxyTlvAsPoolKey: boolean;
  readonly bind: BindConfig;
  readonly ignoreHealthOnHostRemoval: boolean;
  /** Ejected hosts: HTTP connections always end behind their request, this closes TCP ones too. */
  readonly closeConnectionsOnHostHealthFailure: boolean;
  /** Each downstream connection has HTTP pools of its own. */
  readonly connectionPoolPerDownstreamConnection: boolean;
  /** preconnect_policy: connections per request that runs or waits, 1..3; 1 = on demand. HTTP only. */
  readonly preconnect: { readonly perUpstreamRatio: number; readonly predictiveRatio: number };
  /** timeout budgets etc. are not here on purpose: add fields when config/ supports them. */
}

/** config.core.v3.BindConfig of upstream sockets. */
export interface BindConfig {
  /** Source addresses: IP literals, at most one per family; empty = any. */
  readonly addresses: readonly string[];
  /** By socket option SO_KEEPALIVE; null = not asked for. */
  readonly keepaliveS: number | null;
}

/** What an upstream transport socket that is not TLS or raw_buffer compiles to. */
export interface UpstreamProxySocketData {
  readonly kind: 'proxy-protocol';
  readonly proxyProtocol: UpstreamProxyProtocolConfig;
  readonly tlvAsPoolKey: boolean;
  readonly tls: UpstreamTlsConfig | null;
}

export interface ThresholdsConfig {
  readonly maxConnections: RuntimeNumber;
  readonly maxPendingRequests: RuntimeNumber;
  readonly maxRequests: RuntimeNumber;
  readonly maxRetries: RuntimeNumber;
  /** Per host and protocol one; null = as many as it takes. */
  readonly maxConnectionPools: number | null;
  /** per_host_thresholds; null = only maxConnections counts. */
  readonly maxConnectionsPerHost: number | null;
  /** Null = maxRetries counts. */
  readonly retryBudget: RetryBudgetConfig | null;
  readonly trackRemaining: boolean;
}

/** Memory of one count of recent requests: a word for each tenth of the interval. */
export const RECENT_REQUESTS_BYTES = 40;

/** A retry budget by rate (config/retry-rate.ts), for both priorities together. */
export interface RetryRateConfig {
  /** 0..100, of the first tries. */
  readonly percent: number;
  /** > 0: what began in that last time counts. */
  readonly intervalMs: number;
  /** So many are allowed however little goes on. */
  readonly minRetriesPerSecond: number;
  /** What counts them over all workers: RECENT_REQUESTS_BYTES each. */
  readonly requests: SharedArrayBuffer;
  readonly retries: SharedArrayBuffer;
}

/** CircuitBreakers.Thresholds.RetryBudget: so many retries at a time as the requests of the moment allow. */
export interface RetryBudgetConfig {
  /** Of the requests that are active or pending; 0..100, default 20. */
  readonly budgetPercent: RuntimeNumber;
  /** So many are always allowed; default 3. */
  readonly minRetryConcurrency: RuntimeNumber;
  /** budget_interval: the requests of that last time count instead; 0 = those of the moment. */
  readonly intervalMs: number;
  /** What counts them over all workers (upstream/recent-requests.ts); null without an interval. */
  readonly recentRequests: SharedArrayBuffer | null;
}

/**
 * 'downstream': what the request came by, HTTP/1.1 where it came by none; 'downstream-or-http2': HTTP/2 there.
 * 'auto': what ALPN makes of each connection.
 */
export type UpstreamProtocol =
  | 'HTTP/1.1'
  | 'HTTP/2'
  | 'downstream'
  | 'downstream-or-http2'
  | 'auto';

export interface UpstreamHttpConfig {
  /** Default 3 600 000; 0 = never. */
  readonly idleTimeoutMs: number;
  /** 0 = unlimited. */
  readonly maxRequestsPerConnection: number;
  readonly maxConnectionDurationMs: number;
  /** Of one try, from its connection to the end of the response; 0 = none. */
  readonly maxStreamDurationMs: number;
  readonly maxResponseHeadersKb: number;
  readonly maxHeadersCount: number;
  readonly http1: Http1Data & { readonly sendFullyQualifiedUrl: boolean };
  readonly http2: Http2Data;
  readonly protocol: UpstreamProtocol;
  /** HttpProtocolOptions.upstream_http_protocol_options.auto_sni / auto_san_validation. */
  readonly autoSni: boolean;
  readonly autoSanValidation: boolean;
  /** HttpProtocolOptions.retry_policy: takes the place of routes' and virtual hosts'; null = none. */
  readonly retryPolicy: RetryPolicyData | null;
  /** request_mirror_policies: instead of a route's, unless empty. */
  readonly mirrors: readonly MirrorPolicyData[];
  /** hash_policy: instead of a route's, unless empty. */
  readonly hashPolicy: readonly HashPolicyData[];
  /** outlier_detection.error_matcher: which responses are errors for it; null = those with a 5xx. */
  readonly errorMatcher: ResponsePredicateData | null;
}

/** Endpoints of one cluster: from load_assignment or EDS, after DNS resolution when it goes to workers. */
export interface LoadAssignment {
  readonly clusterName: string;
  /** Default 140. */
  readonly overprovisioningFactor: number;
  /** The health of a priority is that of its weights instead of its hosts. */
  readonly weightedPriorityHealth: boolean;
  readonly dropOverload: DropOverload | null;
  readonly localities: readonly LocalityEndpoints[];
}

/** ClusterLoadAssignment.Policy.DropOverload: that share of requests is refused (503, flag DO). */
export interface DropOverload {
  readonly category: string;
  /** 0..1_000_000. */
  readonly dropPpm: number;
}

/** config.core.v3.HealthStatus. */
export type HealthStatus =
  | 'UNKNOWN'
  | 'HEALTHY'
  | 'UNHEALTHY'
  | 'DRAINING'
  | 'TIMEOUT'
  | 'DEGRADED';

/** config.core.v3.Locality; '' = not said. */
export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
}

export interface LocalityEndpoints extends Locality {
  /** 0..128. */
  readonly priority: number;
  /** 0 = unset: no load by locality weights. */
  readonly weight: number;
  readonly hosts: readonly HostConfig[];
}

export interface HostConfig {
  /** IP literal, or a DNS name before resolution. */
  readonly address: string;
  readonly port: number;
  /** What the host is known by where its address changes (LOGICAL_DNS); not set = its address. */
  readonly identity?: string;
  readonly hostname: string;
  /** >= 1. */
  readonly weight: number;
  readonly health: 'healthy' | 'degraded' | 'unhealthy';
  /** health_status as it was said. */
  readonly healthStatus: HealthStatus;
  /** metadata filter_metadata; null when none. */
  readonly metadata: Readonly<Record<string, Readonly<Record<string, unknown>>>> | null;
  /** Null = checked where traffic goes. */
  readonly healthCheck: HostHealthCheckConfig | null;
}

/** A resolved host with the shared-memory slot that main gave it; what workers get. */
export interface PlacedHost extends HostConfig {
  /** Index of the shared chunk and of the host's slot in it (upstream/shared-state.ts). */
  readonly chunk: number;
  readonly slot: number;
  readonly locality: Locality;
  readonly priority: number;
}

/** The load_balancing_weight of a locality among those of its priority. */
export interface LocalityWeight {
  readonly locality: Locality;
  readonly priority: number;
  readonly weight: number;
}

/** One message of a host set on its way to a worker; see upstream/supervision/assignment-sender. */
export interface AssignmentPart {
  readonly clusterName: string;
  /** New, or not what they were. */
  readonly hosts: readonly PlacedHost[];
  /** With the last part the set is valid; null = more parts come. */
  readonly last: {
    readonly policy: AssignmentPolicy;
    /** slotKey of hosts that left. */
    readonly removed: readonly number[];
  } | null;
}

/** What an assignment says besides its hosts. */
export type AssignmentPolicy = Omit<PlacedAssignment, 'hosts'>;

/** The full host set of a cluster, as main computes it (static, DNS, EDS) and workers apply it. */
export interface PlacedAssignment {
  readonly clusterName: string;
  readonly overprovisioningFactor: number;
  readonly weightedPriorityHealth: boolean;
  readonly dropOverload: DropOverload | null;
  /** Those that have one; of a locality that is given twice, the last counts (as Envoy). */
  readonly localityWeights: readonly LocalityWeight[];
  readonly hosts: readonly PlacedHost[];
}
