// What holds when neither MeshConfig nor a TrafficPolicy says anything, and how the three combine.

import { durationMs } from './duration.ts';
import type { MeshConfig } from './kinds/mesh-config.ts';
import type { ServiceProtocol } from './kinds/service.ts';
import type {
  balancingPolicies,
  HashOn,
  HealthCheck,
  TrafficSettings,
} from './kinds/traffic-policy.ts';

export const DEFAULT_TRUST_DOMAIN = 'remora.local';
export const DEFAULT_OUTBOUND_PORT = 15001;
const DEFAULT_CERTIFICATE_TTL_MS = 3_600_000;

export interface MeshSettings {
  readonly trustDomain: string;
  readonly mtlsMode: 'STRICT' | 'PERMISSIVE';
  readonly certificateTtlMs: number;
  /** null = no access log. */
  readonly accessLogPath: string | null;
}

export function meshSettings(config: MeshConfig | undefined): MeshSettings {
  const spec = config?.spec;
  const ttl = spec?.certificates?.ttl;
  return {
    trustDomain: spec?.trustDomain ?? DEFAULT_TRUST_DOMAIN,
    mtlsMode: spec?.mtls?.mode ?? 'STRICT',
    certificateTtlMs: ttl === undefined ? DEFAULT_CERTIFICATE_TTL_MS : durationMs(ttl),
    accessLogPath: spec?.accessLog?.path ?? null,
  };
}

/** TrafficPolicy with every default filled in. Times in ms. */
export interface TrafficPolicySettings {
  readonly connectTimeoutMs: number;
  /** 0 = none. */
  readonly requestTimeoutMs: number;
  /** null = the connection manager's 5 minutes; 0 = none. */
  readonly idleTimeoutMs: number | null;
  /** 0 = none; also the most that a caller's grpc-timeout can ask for. */
  readonly maxStreamDurationMs: number;
  readonly retries: RetrySettings;
  readonly circuitBreakers: {
    readonly maxConnections: number;
    readonly maxPendingRequests: number;
    readonly maxRequests: number;
    /** null = only the ceiling of all. */
    readonly maxConnectionsPerInstance: number | null;
    /** null = the retry budget decides. */
    readonly maxRetries: number | null;
    /** null = no breaker. */
    readonly errorRatio: ErrorRatioSettings | null;
  };
  readonly outlierDetection: OutlierSettings | null;
  readonly loadBalancing: {
    readonly policy: (typeof balancingPolicies)[number];
    readonly choiceCount: number;
    /** Empty unless CONSISTENT_HASH. */
    readonly hashOn: readonly HashOn[];
    /** 0 = none. */
    readonly slowStartMs: number;
    readonly locality: 'FAILOVER' | 'IGNORE';
  };
  readonly http2: Http2Settings;
}

export interface Http2Settings {
  readonly maxConcurrentStreams: number;
  /** Bytes. */
  readonly initialStreamWindowSize: number;
  /** Bytes. */
  readonly initialConnectionWindowSize: number;
  /** null = no PINGs. */
  readonly keepalive: { readonly intervalMs: number; readonly timeoutMs: number } | null;
  /** null = no limit. */
  readonly maxRequestsPerConnection: number | null;
}

/** Envoy's advice for edge proxies: what one connection can make us hold stays small. */
export const DEFAULT_STREAM_WINDOW_BYTES = 65_536;
export const DEFAULT_CONNECTION_WINDOW_BYTES = 1_048_576;
const DEFAULT_CONCURRENT_STREAMS = 100;
const DEFAULT_KEEPALIVE_INTERVAL_MS = 30_000;
const DEFAULT_KEEPALIVE_TIMEOUT_MS = 10_000;

export interface HealthCheckSettings {
  readonly probe:
    | { readonly kind: 'http'; readonly path: string }
    | { readonly kind: 'grpc'; readonly service: string }
    | { readonly kind: 'tcp' };
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly unhealthyThreshold: number;
  readonly healthyThreshold: number;
}

/** null = instances are not probed. */
export function healthCheckSettings(check: HealthCheck | undefined): HealthCheckSettings | null {
  if (check === undefined) return null;
  const { http, grpc } = check;
  return {
    probe:
      http !== undefined
        ? { kind: 'http', path: http.path }
        : grpc !== undefined
          ? { kind: 'grpc', service: grpc.service ?? '' }
          : { kind: 'tcp' },
    intervalMs: ms(check.interval, 10_000),
    timeoutMs: ms(check.timeout, 1000),
    unhealthyThreshold: check.unhealthyThreshold ?? 3,
    healthyThreshold: check.healthyThreshold ?? 1,
  };
}

export interface RetrySettings {
  /** Tries after the first. */
  readonly attempts: number;
  readonly perTryTimeoutMs: number | null;
  /** null = the safe default of translate/retry: never a second time what may have been acted upon. */
  readonly retryOn: readonly string[] | null;
  readonly retriableStatusCodes: readonly number[];
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
  readonly budgetPercent: number;
  /** null = retry-after is not looked at. */
  readonly retryAfterUpToMs: number | null;
  readonly hedge: boolean;
}

export interface ErrorRatioSettings {
  /** 1..100 */
  readonly thresholdPercent: number;
  readonly minimumRequests: number;
  readonly windowMs: number;
  readonly openForMs: number;
  readonly probes: number;
  readonly scope: 'SERVICE' | 'INSTANCE';
}

/** Of outlier detection that compares instances. */
export interface StatisticalBounds {
  readonly minimumInstances: number;
  readonly minimumRequests: number;
}

export interface OutlierSettings {
  readonly consecutive5xx: number;
  readonly consecutiveGatewayFailure: number;
  readonly intervalMs: number;
  readonly baseEjectionTimeMs: number;
  readonly maxEjectionTimeMs: number;
  readonly maxEjectionPercent: number;
  readonly dryRun: boolean;
  readonly failurePercentage: (StatisticalBounds & { readonly threshold: number }) | null;
  readonly successRate: (StatisticalBounds & { readonly deviations: number }) | null;
  readonly grpcStatusFromTrailers: boolean;
}

/**
 * The last of `layers` that says something, over ours, field by field inside each section. A gRPC stream may be long and
 * silent (a watch), so GRPC has no time limits of ours: the caller's grpc-timeout rules, and PINGs find dead peers.
 */
export function trafficPolicySettings(
  layers: readonly TrafficSettings[],
  protocol: ServiceProtocol,
): TrafficPolicySettings {
  const timeouts = merged(layers, 'timeouts');
  const retries = merged(layers, 'retries');
  const backoff: NonNullable<typeof retries.backoff> = Object.assign(
    {},
    ...layers.map((layer) => layer.retries?.backoff),
  );
  const breakers = merged(layers, 'circuitBreakers');
  const outlier = merged(layers, 'outlierDetection');
  const balancing = merged(layers, 'loadBalancing');
  const backoffBaseMs = ms(backoff.base, 25);
  return {
    connectTimeoutMs: ms(timeouts.connect, 1000),
    requestTimeoutMs: ms(timeouts.request, protocol === 'GRPC' ? 0 : 15_000),
    idleTimeoutMs:
      timeouts.idle !== undefined ? durationMs(timeouts.idle) : protocol === 'GRPC' ? 0 : null,
    maxStreamDurationMs: ms(timeouts.maxStreamDuration, 0),
    retries: {
      attempts: retries.attempts ?? 2,
      perTryTimeoutMs:
        retries.perTryTimeout === undefined ? null : durationMs(retries.perTryTimeout),
      retryOn: retries.retryOn ?? null,
      retriableStatusCodes: retries.retriableStatusCodes ?? [],
      backoffBaseMs,
      // Envoy: 10 times the base.
      backoffMaxMs: ms(backoff.max, 10 * backoffBaseMs),
      budgetPercent: retries.budgetPercent ?? 20,
      retryAfterUpToMs:
        backoff.retryAfterUpTo === undefined ? null : durationMs(backoff.retryAfterUpTo),
      hedge: retries.hedge ?? false,
    },
    circuitBreakers: {
      maxConnections: breakers.maxConnections ?? 1024,
      maxPendingRequests: breakers.maxPendingRequests ?? 1024,
      maxRequests: breakers.maxRequests ?? 1024,
      maxConnectionsPerInstance: breakers.maxConnectionsPerInstance ?? null,
      maxRetries: breakers.maxRetries ?? null,
      errorRatio: errorRatioSettings(breakers.errorRatio),
    },
    outlierDetection:
      outlier.enabled === false
        ? null
        : {
            consecutive5xx: outlier.consecutive5xx ?? 5,
            consecutiveGatewayFailure: outlier.consecutiveGatewayFailure ?? 5,
            intervalMs: ms(outlier.interval, 10_000),
            baseEjectionTimeMs: ms(outlier.baseEjectionTime, 30_000),
            maxEjectionTimeMs: ms(outlier.maxEjectionTime, 300_000),
            maxEjectionPercent: outlier.maxEjectionPercent ?? 50,
            dryRun: outlier.dryRun ?? false,
            // Envoy's numbers, but for the threshold's meaning: given here, it acts.
            failurePercentage:
              outlier.failurePercentage === undefined
                ? null
                : {
                    threshold: outlier.failurePercentage.threshold ?? 85,
                    minimumInstances: outlier.failurePercentage.minimumInstances ?? 5,
                    minimumRequests: outlier.failurePercentage.minimumRequests ?? 50,
                  },
            successRate:
              outlier.successRate === undefined
                ? null
                : {
                    deviations: outlier.successRate.deviations ?? 1.9,
                    minimumInstances: outlier.successRate.minimumInstances ?? 5,
                    minimumRequests: outlier.successRate.minimumRequests ?? 100,
                  },
            grpcStatusFromTrailers: protocol === 'GRPC' && outlier.grpcStatusFromTrailers === true,
          },
    loadBalancing: {
      policy: balancing.policy ?? 'LEAST_REQUEST',
      choiceCount: balancing.choiceCount ?? 2,
      hashOn: balancing.policy === 'CONSISTENT_HASH' ? (balancing.hashOn ?? []) : [],
      slowStartMs: ms(balancing.slowStart, 0),
      locality: balancing.locality ?? 'FAILOVER',
    },
    http2: http2Settings(layers),
  };
}

/** What a route can have otherwise than its Service. Times in ms, see TrafficPolicySettings. */
export interface RoutePolicySettings
  extends Pick<
    TrafficPolicySettings,
    'requestTimeoutMs' | 'idleTimeoutMs' | 'maxStreamDurationMs' | 'retries'
  > {
  /** Of this route's calls alone, beside that of the Service; null = none. */
  readonly errorRatio: Omit<ErrorRatioSettings, 'scope'> | null;
}

/** `ofService` as in trafficPolicySettings, `ofRoute` over them. */
export function routePolicySettings(
  ofService: readonly TrafficSettings[],
  ofRoute: readonly TrafficSettings[],
  protocol: ServiceProtocol,
): RoutePolicySettings {
  const settings = trafficPolicySettings([...ofService, ...ofRoute], protocol);
  const { requestTimeoutMs, idleTimeoutMs, maxStreamDurationMs, retries } = settings;
  const errorRatio = errorRatioSettings(merged(ofRoute, 'circuitBreakers').errorRatio);
  return { requestTimeoutMs, idleTimeoutMs, maxStreamDurationMs, retries, errorRatio };
}

/** Field by field, the last layer that has it. */
function merged<S extends keyof TrafficSettings>(
  layers: readonly TrafficSettings[],
  section: S,
): NonNullable<TrafficSettings[S]> {
  return Object.assign({}, ...layers.map((layer) => layer[section]));
}

function errorRatioSettings(
  given: NonNullable<TrafficSettings['circuitBreakers']>['errorRatio'],
): ErrorRatioSettings | null {
  if (given === undefined) return null;
  return {
    thresholdPercent: given.threshold ?? 50,
    minimumRequests: given.minimumRequests ?? 20,
    windowMs: ms(given.window, 10_000),
    openForMs: ms(given.openFor, 5000),
    probes: given.probes ?? 3,
    scope: given.scope ?? 'SERVICE',
  };
}

function http2Settings(layers: readonly TrafficSettings[]): Http2Settings {
  const http2 = merged(layers, 'http2');
  const keepalive: NonNullable<typeof http2.keepalive> = Object.assign(
    {},
    ...layers.map((layer) => layer.http2?.keepalive),
  );
  const intervalMs = ms(keepalive.interval, DEFAULT_KEEPALIVE_INTERVAL_MS);
  return {
    maxConcurrentStreams: http2.maxConcurrentStreams ?? DEFAULT_CONCURRENT_STREAMS,
    initialStreamWindowSize: http2.initialStreamWindowSize ?? DEFAULT_STREAM_WINDOW_BYTES,
    initialConnectionWindowSize:
      http2.initialConnectionWindowSize ?? DEFAULT_CONNECTION_WINDOW_BYTES,
    keepalive:
      intervalMs === 0
        ? null
        : { intervalMs, timeoutMs: ms(keepalive.timeout, DEFAULT_KEEPALIVE_TIMEOUT_MS) },
    maxRequestsPerConnection: http2.maxRequestsPerConnection ?? null,
  };
}

function ms(text: string | undefined, fallbackMs: number): number {
  return text === undefined ? fallbackMs : durationMs(text);
}
