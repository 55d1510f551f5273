// Supported fields of round robin, least request and random, in both forms, and of how localities count.

import { fields, type MessageSupport } from './table.ts';

const cluster = 'envoy.config.cluster.v3.Cluster';
const policies = 'envoy.extensions.load_balancing_policies';
const slowStart = fields('slow_start_window', 'aggression', 'min_weight_percent');
const zoneAware = fields('routing_enabled', 'min_cluster_size', 'fail_traffic_on_panic');

export const listPolicies: Readonly<Record<string, MessageSupport>> = {
  [`${cluster}.CommonLbConfig.ZoneAwareLbConfig`]: zoneAware,
  [`${cluster}.CommonLbConfig.LocalityWeightedLbConfig`]: {},
  [`${cluster}.SlowStartConfig`]: slowStart,
  [`${cluster}.RoundRobinLbConfig`]: fields('slow_start_config'),
  [`${cluster}.LeastRequestLbConfig`]: fields(
    'choice_count',
    'active_request_bias',
    'slow_start_config',
  ),
  [`${policies}.round_robin.v3.RoundRobin`]: fields('slow_start_config', 'locality_lb_config'),
  [`${policies}.least_request.v3.LeastRequest`]: {
    ...fields('choice_count', 'active_request_bias', 'slow_start_config'),
    ...fields('locality_lb_config', 'selection_method'),
    enable_full_scan: { only: [false], note: 'deprecated: use selection_method' },
  },
  [`${policies}.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin`]: {
    ...fields('enable_oob_load_report', 'oob_reporting_period', 'oob_reporting_config'),
    ...fields(
      'slow_start_config',
      'blackout_period',
      'weight_expiration_period',
      'weight_update_period',
    ),
    ...fields('error_utilization_penalty', 'metric_names_for_computing_utilization'),
  },
  [`${policies}.common.v3.OrcaOobReportingConfig`]: fields('port_value', 'authority'),
  [`${policies}.wrr_locality.v3.WrrLocality`]: {
    endpoint_picking_policy: { note: 'ClientSideWeightedRoundRobin, as in Envoy' },
  },
  'remora.load_balancing_policies.peak_ewma.v1.PeakEwma': fields(
    'decay_time',
    'default_latency',
    'failure_latency',
    'choice_count',
  ),
  [`${policies}.random.v3.Random`]: fields('locality_lb_config'),
  [`${policies}.common.v3.SlowStartConfig`]: slowStart,
  [`${policies}.common.v3.LocalityLbConfig`]: fields(
    'zone_aware_lb_config',
    'locality_weighted_lb_config',
  ),
  [`${policies}.common.v3.LocalityLbConfig.LocalityWeightedLbConfig`]: {},
  [`${policies}.common.v3.LocalityLbConfig.ZoneAwareLbConfig`]: {
    ...zoneAware,
    ...fields('force_local_zone', 'locality_basis'),
    force_locality_direct_routing: { note: 'deprecated: force_local_zone with min_size 1' },
  },
  [`${policies}.common.v3.LocalityLbConfig.ZoneAwareLbConfig.ForceLocalZone`]: fields('min_size'),
};
