// Compiled outlier detection of a cluster: plain data, times in ms, defaults (Envoy's) filled in. Made by
// config/outlier-detection, used by upstream/outlier in main and in the workers.

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
}
