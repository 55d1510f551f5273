// The balancing policies that are compared, as cluster documents: what our control plane sends (its defaults of retries,
// budget and outlier detection), but for the policy.

import type { ClusterConfig } from '../../dataplane/api/config/cluster.ts';
import { compiledData } from '../../test/fakes/config.ts';

const extensions = 'type.googleapis.com/envoy.extensions.load_balancing_policies';
const extension = (config: string): string =>
  `load_balancing_policy: {policies: [{typed_extension_config: {name: policy, typed_config: ${config}}}]}`;
const peakEwma =
  '{"@type": type.googleapis.com/xds.type.v3.TypedStruct, type_url: type.googleapis.com/remora.load_balancing_policies.peak_ewma.v1.PeakEwma, value: {}}';

/** Name to the field of the cluster that chooses it. */
export const policies: ReadonlyMap<string, string> = new Map([
  ['RANDOM', 'lb_policy: RANDOM'],
  ['ROUND_ROBIN', 'lb_policy: ROUND_ROBIN'],
  ['LEAST_REQUEST', 'lb_policy: LEAST_REQUEST'],
  [
    'LEAST_REQUEST, full scan',
    extension(
      `{"@type": ${extensions}.least_request.v3.LeastRequest, selection_method: FULL_SCAN}`,
    ),
  ],
  ['RING_HASH', 'lb_policy: RING_HASH'],
  ['MAGLEV', 'lb_policy: MAGLEV'],
  [
    'client-side WRR',
    extension(
      `{"@type": ${extensions}.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin}`,
    ),
  ],
  ['peak EWMA', extension(peakEwma)],
]);

/** The default policy of `policies` is LEAST_REQUEST. */
export function clusterOf(policy: string): ClusterConfig {
  const choice = policies.get(policy);
  if (choice === undefined) throw new Error(`no policy ${policy}`);
  const text = `
name: service
type: EDS
eds_cluster_config: {eds_config: {ads: {}, resource_api_version: V3}}
metadata: {filter_metadata: {remora.retry_budget: {percent: 20}}}
${choice}
circuit_breakers:
  thresholds:
    - max_connections: 1000000
      max_pending_requests: 1000000
      max_requests: 1000000
      retry_budget: {budget_percent: {value: 20}, min_retry_concurrency: 3}
outlier_detection:
  consecutive_5xx: 5
  consecutive_gateway_failure: 5
  enforcing_consecutive_gateway_failure: 100
  interval: 1s
  base_ejection_time: 10s
  max_ejection_percent: 50
  enforcing_success_rate: 0
  enforcing_failure_percentage: 0
`;
  return compiledData('cluster', text) as ClusterConfig; // the kind says what comes out
}
