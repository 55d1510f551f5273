// OutlierDetection of a cluster: the part that compares instances, which gRPC has too, and with it all that Envoy has.

import type { OutlierDetectionProto } from '../../proto/gen/types.ts';
import type { OutlierSettings } from '../model/defaults.ts';
import { duration, wrapped } from './well-known.ts';

/** For sidecars. */
export function translateOutlierDetection(settings: OutlierSettings): OutlierDetectionProto {
  const enforcing = wrapped(settings.dryRun ? 0 : 100);
  return {
    consecutive_5xx: wrapped(settings.consecutive5xx),
    enforcing_consecutive_5xx: enforcing,
    consecutive_gateway_failure: wrapped(settings.consecutiveGatewayFailure),
    // Envoy's default is 0: counted, never ejected.
    enforcing_consecutive_gateway_failure: enforcing,
    ...comparingOutlierDetection(settings),
  };
}

/** Times, limits, success rate and failure percentage. */
export function comparingOutlierDetection(settings: OutlierSettings): OutlierDetectionProto {
  const { failurePercentage, successRate } = settings;
  const enforcing = wrapped(settings.dryRun ? 0 : 100);
  return {
    interval: duration(settings.intervalMs),
    base_ejection_time: duration(settings.baseEjectionTimeMs),
    max_ejection_time: duration(settings.maxEjectionTimeMs),
    max_ejection_percent: wrapped(settings.maxEjectionPercent),
    // Without a word from the user both stay off, which must be said: they need more traffic than a small mesh has to say anything.
    enforcing_success_rate: successRate === null ? wrapped(0) : enforcing,
    ...(successRate === null
      ? {}
      : {
          success_rate_stdev_factor: wrapped(Math.round(1000 * successRate.deviations)),
          success_rate_minimum_hosts: wrapped(successRate.minimumInstances),
          success_rate_request_volume: wrapped(successRate.minimumRequests),
        }),
    enforcing_failure_percentage: failurePercentage === null ? wrapped(0) : enforcing,
    ...(failurePercentage === null
      ? {}
      : {
          failure_percentage_threshold: wrapped(failurePercentage.threshold),
          failure_percentage_minimum_hosts: wrapped(failurePercentage.minimumInstances),
          failure_percentage_request_volume: wrapped(failurePercentage.minimumRequests),
        }),
  };
}
