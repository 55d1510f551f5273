// What holds when neither MeshConfig nor a TrafficPolicy says anything, and how the three combine.

import { durationMs } from './duration.ts';
import type { MeshConfig } from './kinds/mesh-config.ts';
import type { TrafficSettings } from './kinds/traffic-policy.ts';

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
  /** null = the connection manager's 5 minutes. */
  readonly idleTimeoutMs: number | null;
  readonly retries: RetrySettings;
  readonly circuitBreakers: {
    readonly maxConnections: number;
    readonly maxPendingRequests: number;
    readonly maxRequests: number;
    /** null = the retry budget decides. */
    readonly maxRetries: number | null;
  };
  readonly outlierDetection: OutlierSettings | null;
  readonly loadBalancing: {
    readonly policy: 'LEAST_REQUEST' | 'ROUND_ROBIN' | 'RANDOM';
    readonly choiceCount: number;
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
}

export interface OutlierSettings {
  readonly consecutive5xx: number;
  readonly consecutiveGatewayFailure: number;
  readonly intervalMs: number;
  readonly baseEjectionTimeMs: number;
  readonly maxEjectionTimeMs: number;
  readonly maxEjectionPercent: number;
}

/** `policy` over `meshDefaults` over ours, field by field inside each section. */
export function trafficPolicySettings(
  meshDefaults: TrafficSettings | undefined,
  policy: TrafficSettings | undefined,
): TrafficPolicySettings {
  const timeouts = { ...meshDefaults?.timeouts, ...policy?.timeouts };
  const retries = { ...meshDefaults?.retries, ...policy?.retries };
  const backoff = { ...meshDefaults?.retries?.backoff, ...policy?.retries?.backoff };
  const breakers = { ...meshDefaults?.circuitBreakers, ...policy?.circuitBreakers };
  const outlier = { ...meshDefaults?.outlierDetection, ...policy?.outlierDetection };
  const balancing = { ...meshDefaults?.loadBalancing, ...policy?.loadBalancing };
  const backoffBaseMs = ms(backoff.base, 25);
  return {
    connectTimeoutMs: ms(timeouts.connect, 1000),
    requestTimeoutMs: ms(timeouts.request, 15_000),
    idleTimeoutMs: timeouts.idle === undefined ? null : durationMs(timeouts.idle),
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
    },
    circuitBreakers: {
      maxConnections: breakers.maxConnections ?? 1024,
      maxPendingRequests: breakers.maxPendingRequests ?? 1024,
      maxRequests: breakers.maxRequests ?? 1024,
      maxRetries: breakers.maxRetries ?? null,
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
          },
    loadBalancing: {
      policy: balancing.policy ?? 'LEAST_REQUEST',
      choiceCount: balancing.choiceCount ?? 2,
    },
  };
}

function ms(text: string | undefined, fallbackMs: number): number {
  return text === undefined ? fallbackMs : durationMs(text);
}
