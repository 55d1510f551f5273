// Counters below `cluster.<name>.outlier_detection.`, names as Envoy's. Main thread only.

import type { StatField } from '../../api/stats.ts';

/** Envoy's two old names are counted enforced or not; ejections_consecutive_5xx even on overflow. */
export class OutlierStats {
  static readonly stats: readonly StatField[] = [
    field('ejectionsActive', 'ejections_active', 'gauge'),
    field('ejectionsTotal', 'ejections_total'),
    field('ejectionsConsecutive5xx', 'ejections_consecutive_5xx'),
    field('ejectionsOverflow', 'ejections_overflow'),
    field('ejectionsEnforcedTotal', 'ejections_enforced_total'),
    field('detected5xx', 'ejections_detected_consecutive_5xx'),
    field('detectedGatewayFailure', 'ejections_detected_consecutive_gateway_failure'),
    field('detectedLocalOriginFailure', 'ejections_detected_consecutive_local_origin_failure'),
    field('enforced5xx', 'ejections_enforced_consecutive_5xx'),
    field('enforcedGatewayFailure', 'ejections_enforced_consecutive_gateway_failure'),
    field('enforcedLocalOriginFailure', 'ejections_enforced_consecutive_local_origin_failure'),
  ];

  ejectionsActive = 0;
  ejectionsTotal = 0;
  ejectionsConsecutive5xx = 0;
  ejectionsOverflow = 0;
  ejectionsEnforcedTotal = 0;
  detected5xx = 0;
  detectedGatewayFailure = 0;
  detectedLocalOriginFailure = 0;
  enforced5xx = 0;
  enforcedGatewayFailure = 0;
  enforcedLocalOriginFailure = 0;
}

function field(name: string, statName: string, kind: StatField['kind'] = 'counter'): StatField {
  return { field: name, name: `outlier_detection.${statName}`, kind };
}
