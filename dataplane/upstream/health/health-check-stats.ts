// Stats below `cluster.<name>.health_check.`, names as Envoy's. Main thread only.

import type { StatField } from '../../api/stats.ts';

export class HealthCheckStats {
  static readonly stats: readonly StatField[] = [
    field('attempt'),
    field('success'),
    field('failure'),
    field('passiveFailure', 'passive_failure'),
    field('networkFailure', 'network_failure'),
    field('verifyCluster', 'verify_cluster'),
    { field: 'healthy', name: 'health_check.healthy', kind: 'gauge' },
    { field: 'degraded', name: 'health_check.degraded', kind: 'gauge' },
  ];

  attempt = 0;
  success = 0;
  failure = 0;
  /** Traffic's responses that said x-envoy-immediate-health-check-fail. */
  passiveFailure = 0;
  networkFailure = 0;
  /** Responses whose service name was looked at. */
  verifyCluster = 0;
  /** Hosts that pass now, degraded ones included. */
  healthy = 0;
  degraded = 0;
}

function field(name: string, statName = name): StatField {
  return { field: name, name: `health_check.${statName}`, kind: 'counter' };
}
