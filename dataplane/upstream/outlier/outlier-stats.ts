// Counters below `cluster.<name>.outlier_detection.`, names as Envoy's.

import type { StatField } from '../../api/stats.ts';
import type { OutlierKind } from './outlier-event.ts';

const counter = (field: string, name: string): StatField => ({
  field,
  name: `outlier_detection.${name}`,
  kind: 'counter',
});

export class OutlierStats {
  static readonly stats: readonly StatField[] = [
    { field: 'ejectionsActive', name: 'outlier_detection.ejections_active', kind: 'gauge' },
    counter('ejectionsOverflow', 'ejections_overflow'),
    counter('enforcedTotal', 'ejections_enforced_total'),
    counter('detected5xx', 'ejections_detected_consecutive_5xx'),
    counter('enforced5xx', 'ejections_enforced_consecutive_5xx'),
    counter('detectedGateway', 'ejections_detected_consecutive_gateway_failure'),
    counter('enforcedGateway', 'ejections_enforced_consecutive_gateway_failure'),
    counter('detectedLocalOrigin', 'ejections_detected_consecutive_local_origin_failure'),
    counter('enforcedLocalOrigin', 'ejections_enforced_consecutive_local_origin_failure'),
  ];

  ejectionsActive = 0;
  ejectionsOverflow = 0;
  enforcedTotal = 0;
  detected5xx = 0;
  enforced5xx = 0;
  detectedGateway = 0;
  enforcedGateway = 0;
  detectedLocalOrigin = 0;
  enforcedLocalOrigin = 0;

  countDetected(kind: OutlierKind): void {
    if (kind === 'CONSECUTIVE_5XX') this.detected5xx++;
    else if (kind === 'CONSECUTIVE_GATEWAY_FAILURE') this.detectedGateway++;
    else this.detectedLocalOrigin++;
  }

  countEnforced(kind: OutlierKind): void {
    this.enforcedTotal++;
    if (kind === 'CONSECUTIVE_5XX') this.enforced5xx++;
    else if (kind === 'CONSECUTIVE_GATEWAY_FAILURE') this.enforcedGateway++;
    else this.enforcedLocalOrigin++;
  }
}
