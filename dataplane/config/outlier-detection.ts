// config.cluster.v3.OutlierDetection with Envoy's defaults filled in.

import type { OutlierDetectionProto } from '../../proto/gen/types.ts';
import { durationMsOr, wrapperOr } from '../../proto/well-known.ts';
import type { OutlierDetectionConfig } from '../api/config/cluster.ts';
import type { Compilation } from '../compile/compilation.ts';

const DEFAULT_BASE_EJECTION_TIME_MS = 30_000;
const DEFAULT_MAX_EJECTION_TIME_MS = 300_000;

/** `fromTrailers`: see outlier-options.ts. */
export function compileOutlierDetection(
  proto: OutlierDetectionProto | undefined,
  path: string,
  compilation: Compilation,
  fromTrailers: boolean,
): OutlierDetectionConfig | null {
  if (proto === undefined) return null;
  const baseEjectionTimeMs = durationMsOr(proto.base_ejection_time, DEFAULT_BASE_EJECTION_TIME_MS);
  const number = (
    field:
      | 'max_ejection_percent'
      | 'consecutive_5xx'
      | 'enforcing_consecutive_5xx'
      | 'consecutive_gateway_failure'
      | 'enforcing_consecutive_gateway_failure'
      | 'consecutive_local_origin_failure'
      | 'enforcing_consecutive_local_origin_failure',
    otherwise: number,
  ): number => wrapperOr(proto[field], otherwise);
  const maxEjectionTimeMs = durationMsOr(
    proto.max_ejection_time,
    Math.max(DEFAULT_MAX_EJECTION_TIME_MS, baseEjectionTimeMs),
  );
  if (maxEjectionTimeMs < baseEjectionTimeMs) {
    compilation.fail(`${path}.max_ejection_time`, 'must be >= base_ejection_time');
  }
  return {
    intervalMs: durationMsOr(proto.interval, 10_000),
    baseEjectionTimeMs,
    maxEjectionTimeMs,
    maxEjectionTimeJitterMs: durationMsOr(proto.max_ejection_time_jitter, 0),
    maxEjectionPercent: number('max_ejection_percent', 10),
    alwaysEjectOneHost: wrapperOr(proto.always_eject_one_host, false),
    consecutive5xx: number('consecutive_5xx', 5),
    enforcingConsecutive5xx: number('enforcing_consecutive_5xx', 100),
    consecutiveGatewayFailure: number('consecutive_gateway_failure', 5),
    enforcingConsecutiveGatewayFailure: number('enforcing_consecutive_gateway_failure', 0),
    consecutiveLocalOriginFailure: number('consecutive_local_origin_failure', 5),
    enforcingConsecutiveLocalOriginFailure: number(
      'enforcing_consecutive_local_origin_failure',
      100,
    ),
    splitExternalLocalOriginErrors: proto.split_external_local_origin_errors ?? false,
    successfulActiveHealthCheckUnejectHost: wrapperOr(
      proto.successful_active_health_check_uneject_host,
      true,
    ),
    grpcStatusFromTrailers: fromTrailers,
  };
}
