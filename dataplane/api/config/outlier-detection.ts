// Compiled outlier detection of a cluster: plain data, times in ms, defaults (Envoy's) filled in. Made by
// config/outlier-detection, used by upstream/outlier in main and in the workers.

import type { RuntimeNumber } from '../runtime.ts';

/** Every field of config.cluster.v3.OutlierDetection (spec 2.8); percentages are 0..100. */
export interface OutlierDetectionConfig {
  readonly intervalMs: number;
  readonly baseEjectionTimeMs: number;
  readonly maxEjectionTimeMs: number;
  readonly maxEjectionTimeJitterMs: number;
  readonly maxEjectionPercent: number;
  readonly alwaysEjectOneHost: boolean;
  /** 0 = off, as for the other two. */
  readonly consecutive5xx: number;
  readonly enforcingConsecutive5xx: number;
  readonly consecutiveGatewayFailure: number;
  readonly enforcingConsecutiveGatewayFailure: number;
  readonly consecutiveLocalOriginFailure: number;
  readonly enforcingConsecutiveLocalOriginFailure: number;
  readonly successRateMinimumHosts: number;
  readonly successRateRequestVolume: number;
  /** Thousandths. */
  readonly successRateStdevFactor: number;
  readonly enforcingSuccessRate: number;
  readonly enforcingLocalOriginSuccessRate: number;
  readonly failurePercentageThreshold: number;
  readonly failurePercentageMinimumHosts: number;
  readonly failurePercentageRequestVolume: number;
  readonly enforcingFailurePercentage: number;
  readonly enforcingFailurePercentageLocalOrigin: number;
  readonly splitExternalLocalOriginErrors: boolean;
  /** Default true. */
  readonly successfulActiveHealthCheckUnejectHost: boolean;
  /** Hosts whose responses say x-envoy-degraded are used last for a while. */
  readonly detectDegradedHosts: boolean;
  /**
   * Not Envoy's: a gRPC response counts when its trailers are there, by their grpc-status, instead of by its
   * head. Default false.
   */
  readonly grpcStatusFromTrailers: boolean;
  /** What runtime makes of the numbers; absent = they stay. */
  readonly live?: Readonly<Record<OutlierNumber, RuntimeNumber>>;
}

/** Fields that have a runtime key, `outlier_detection.<field as Envoy spells it>`. */
export const outlierNumbers = {
  intervalMs: 'interval_ms',
  baseEjectionTimeMs: 'base_ejection_time_ms',
  maxEjectionTimeMs: 'max_ejection_time_ms',
  maxEjectionTimeJitterMs: 'max_ejection_time_jitter_ms',
  maxEjectionPercent: 'max_ejection_percent',
  consecutive5xx: 'consecutive_5xx',
  enforcingConsecutive5xx: 'enforcing_consecutive_5xx',
  consecutiveGatewayFailure: 'consecutive_gateway_failure',
  enforcingConsecutiveGatewayFailure: 'enforcing_consecutive_gateway_failure',
  consecutiveLocalOriginFailure: 'consecutive_local_origin_failure',
  enforcingConsecutiveLocalOriginFailure: 'enforcing_consecutive_local_origin_failure',
  successRateMinimumHosts: 'success_rate_minimum_hosts',
  successRateRequestVolume: 'success_rate_request_volume',
  successRateStdevFactor: 'success_rate_stdev_factor',
  enforcingSuccessRate: 'enforcing_success_rate',
  enforcingLocalOriginSuccessRate: 'enforcing_local_origin_success_rate',
  failurePercentageThreshold: 'failure_percentage_threshold',
  failurePercentageMinimumHosts: 'failure_percentage_minimum_hosts',
  failurePercentageRequestVolume: 'failure_percentage_request_volume',
  enforcingFailurePercentage: 'enforcing_failure_percentage',
  enforcingFailurePercentageLocalOrigin: 'enforcing_failure_percentage_local_origin',
} as const;

export type OutlierNumber = keyof typeof outlierNumbers;
