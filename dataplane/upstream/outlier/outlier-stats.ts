// Counters below `cluster.<name>.outlier_detection.`, names as Envoy's. Main thread only.

import type { StatField } from '../../api/stats.ts';
import type { OutlierKind } from './outlier-event.ts';

/** Envoy's old names are counted enforced or not; ejections_consecutive_5xx and _success_rate even on overflow. */
export class OutlierStats {
  static readonly stats: readonly StatField[] = [
    field('ejectionsActive', 'ejections_active', 'gauge'),
    field('ejectionsTotal', 'ejections_total'),
    field('ejectionsConsecutive5xx', 'ejections_consecutive_5xx'),
    field('ejectionsSuccessRate', 'ejections_success_rate'),
    field('ejectionsOverflow', 'ejections_overflow'),
    field('ejectionsEnforcedTotal', 'ejections_enforced_total'),
    field('detected5xx', 'ejections_detected_consecutive_5xx'),
    field('detectedGatewayFailure', 'ejections_detected_consecutive_gateway_failure'),
    field('detectedLocalOriginFailure', 'ejections_detected_consecutive_local_origin_failure'),
    field('detectedSuccessRate', 'ejections_detected_success_rate'),
    field('detectedLocalOriginSuccessRate', 'ejections_detected_local_origin_success_rate'),
    field('detectedFailurePercentage', 'ejections_detected_failure_percentage'),
    field(
      'detectedLocalOriginFailurePercentage',
      'ejections_detected_local_origin_failure_percentage',
    ),
    field('detectedDegradation', 'ejections_detected_degradation'),
    field('enforced5xx', 'ejections_enforced_consecutive_5xx'),
    field('enforcedGatewayFailure', 'ejections_enforced_consecutive_gateway_failure'),
    field('enforcedLocalOriginFailure', 'ejections_enforced_consecutive_local_origin_failure'),
    field('enforcedSuccessRate', 'ejections_enforced_success_rate'),
    field('enforcedLocalOriginSuccessRate', 'ejections_enforced_local_origin_success_rate'),
    field('enforcedFailurePercentage', 'ejections_enforced_failure_percentage'),
    field(
      'enforcedLocalOriginFailurePercentage',
      'ejections_enforced_local_origin_failure_percentage',
    ),
  ];

  ejectionsActive = 0;
  ejectionsTotal = 0;
  ejectionsConsecutive5xx = 0;
  ejectionsSuccessRate = 0;
  ejectionsOverflow = 0;
  ejectionsEnforcedTotal = 0;
  detected5xx = 0;
  detectedGatewayFailure = 0;
  detectedLocalOriginFailure = 0;
  detectedSuccessRate = 0;
  detectedLocalOriginSuccessRate = 0;
  detectedFailurePercentage = 0;
  detectedLocalOriginFailurePercentage = 0;
  detectedDegradation = 0;
  enforced5xx = 0;
  enforcedGatewayFailure = 0;
  enforcedLocalOriginFailure = 0;
  enforcedSuccessRate = 0;
  enforcedLocalOriginSuccessRate = 0;
  enforcedFailurePercentage = 0;
  enforcedLocalOriginFailurePercentage = 0;
}

/** A host stands out, whatever comes of it. */
export function countDetected(stats: OutlierStats, kind: OutlierKind): void {
  stats[fieldsOf[kind].detected]++;
  if (kind === 'consecutive_5xx') stats.ejectionsConsecutive5xx++;
  // Envoy counts both here.
  if (kind === 'success_rate' || kind === 'success_rate_local_origin') stats.ejectionsSuccessRate++;
}

/** It is ejected for that. */
export function countEnforced(stats: OutlierStats, kind: OutlierKind): void {
  stats[fieldsOf[kind].enforced]++;
  stats.ejectionsEnforcedTotal++;
}

const fieldsOf = {
  consecutive_5xx: { detected: 'detected5xx', enforced: 'enforced5xx' },
  consecutive_gateway_failure: {
    detected: 'detectedGatewayFailure',
    enforced: 'enforcedGatewayFailure',
  },
  consecutive_local_origin_failure: {
    detected: 'detectedLocalOriginFailure',
    enforced: 'enforcedLocalOriginFailure',
  },
  success_rate: { detected: 'detectedSuccessRate', enforced: 'enforcedSuccessRate' },
  success_rate_local_origin: {
    detected: 'detectedLocalOriginSuccessRate',
    enforced: 'enforcedLocalOriginSuccessRate',
  },
  failure_percentage: {
    detected: 'detectedFailurePercentage',
    enforced: 'enforcedFailurePercentage',
  },
  failure_percentage_local_origin: {
    detected: 'detectedLocalOriginFailurePercentage',
    enforced: 'enforcedLocalOriginFailurePercentage',
  },
} as const satisfies Record<
  OutlierKind,
  Record<'detected' | 'enforced', Exclude<keyof OutlierStats, symbol>>
>;

function field(name: string, statName: string, kind: StatField['kind'] = 'counter'): StatField {
  return { field: name, name: `outlier_detection.${statName}`, kind };
}
