// Supported fields of clusters and endpoints.

import { hashingSupport } from './hashing.ts';
import { listPolicies } from './list-policies.ts';
import { fields, only, type SupportGroup } from './table.ts';

const cluster = 'envoy.config.cluster.v3';
const core = 'envoy.config.core.v3';
const endpoint = 'envoy.config.endpoint.v3';
const policies = 'envoy.extensions.load_balancing_policies';
const upstreams = 'envoy.extensions.upstreams.http.v3';

const matchPredicate = 'envoy.config.common.matcher.v3.MatchPredicate';

const protocols = fields('http_protocol_options', 'http2_protocol_options');

const subsetConfig = fields(
  'fallback_policy',
  'default_subset',
  'subset_selectors',
  'locality_weight_aware',
  'scale_locality_weight',
  'panic_mode_any',
  'list_as_any',
  'metadata_fallback_policy',
);
const subsetSelector = fields(
  'keys',
  'single_host_per_subset',
  'fallback_policy',
  'fallback_keys_subset',
);

export const clusterSupport: SupportGroup = {
  title: 'Clusters',
  messages: {
    [`${cluster}.Cluster`]: {
      name: 'yes',
      alt_stat_name: 'yes',
      type: 'yes',
      cluster_type: {
        note: "dns, aggregate and dynamic_forward_proxy by their typed_config; Envoy's own types by name (`envoy.cluster.strict_dns`)",
      },
      original_dst_lb_config: 'yes',
      lrs_server: {
        note: 'without effect, as in Envoy: cluster_manager.load_stats_config says where',
      },
      lrs_report_endpoint_metrics: { note: 'of reports in band' },
      cleanup_interval: { note: 'of ORIGINAL_DST' },
      eds_cluster_config: 'yes',
      connect_timeout: 'yes',
      per_connection_buffer_limit_bytes: 'yes',
      lb_policy: only(
        'ROUND_ROBIN',
        'LEAST_REQUEST',
        'RING_HASH',
        'RANDOM',
        'MAGLEV',
        'LOAD_BALANCING_POLICY_CONFIG',
        'CLUSTER_PROVIDED',
      ),
      load_balancing_policy: { note: 'least_request, round_robin, random' },
      ...fields('least_request_lb_config', 'round_robin_lb_config', 'common_lb_config'),
      ...fields('ring_hash_lb_config', 'maglev_lb_config'),
      lb_subset_config: { note: 'nothing without subset_selectors, as in Envoy' },
      ...fields('load_assignment', 'circuit_breakers', 'outlier_detection', 'health_checks'),
      transport_socket: 'yes',
      typed_extension_protocol_options: { note: `${upstreams}.HttpProtocolOptions` },
      max_requests_per_connection: 'yes',
      ...fields('upstream_http_protocol_options', 'common_http_protocol_options'),
      ...fields('http_protocol_options', 'http2_protocol_options', 'protocol_selection'),
      ...fields('dns_refresh_rate', 'dns_failure_refresh_rate', 'respect_dns_ttl', 'dns_jitter'),
      ...fields('dns_lookup_family', 'dns_resolvers', 'dns_resolution_config'),
      typed_dns_resolver_config: { note: 'c-ares' },
      upstream_bind_config: 'yes',
      upstream_connection_options: 'yes',
      ignore_health_on_host_removal: 'yes',
      close_connections_on_host_health_failure: 'yes',
      connection_pool_per_downstream_connection: { note: 'HTTP pools' },
      preconnect_policy: 'yes',
      wait_for_warm_on_init: only(true),
      metadata: {
        note: 'acted upon: filter_metadata["remora.outlier_detection"].grpc_status_from_trailers, which makes outlier detection count gRPC responses by the grpc-status in their trailers; ["remora.retry_budget"] (percent, interval_s, min_retries_per_second), a retry budget by rate; typed_filter_metadata["remora.error_ratio_breaker"] and ["remora.host_error_ratio_breaker"], circuit breakers of our own',
      },
    },
    [`${cluster}.Cluster.PreconnectPolicy`]: {
      per_upstream_preconnect_ratio: { note: 'HTTP pools' },
      predictive_preconnect_ratio: { note: 'HTTP pools; round robin and random' },
    },
    [`${cluster}.Cluster.EdsClusterConfig`]: fields('eds_config', 'service_name'),
    [`${cluster}.Cluster.CommonLbConfig`]: fields(
      'healthy_panic_threshold',
      'zone_aware_lb_config',
      'locality_weighted_lb_config',
      'update_merge_window',
      'close_connections_on_host_set_change',
      'ignore_new_hosts_until_first_hc',
      'consistent_hashing_lb_config',
      'override_host_status',
    ),
    ...listPolicies,
    [`${cluster}.Cluster.CustomClusterType`]: fields('name', 'typed_config'),
    [`${cluster}.UpstreamConnectionOptions`]: fields('tcp_keepalive'),
    [`${cluster}.CircuitBreakers`]: {
      thresholds: 'yes',
      per_host_thresholds: { note: 'max_connections, as in Envoy' },
    },
    [`${cluster}.CircuitBreakers.Thresholds`]: fields(
      'priority',
      'max_connections',
      'max_pending_requests',
      'max_requests',
      'max_retries',
      'max_connection_pools',
      'retry_budget',
      'track_remaining',
    ),
    [`${cluster}.CircuitBreakers.Thresholds.RetryBudget`]: fields(
      'budget_percent',
      'min_retry_concurrency',
      'budget_interval',
    ),
    [`${cluster}.OutlierDetection`]: {
      ...fields('interval', 'base_ejection_time', 'max_ejection_time'),
      ...fields('max_ejection_time_jitter', 'max_ejection_percent', 'always_eject_one_host'),
      ...fields('consecutive_5xx', 'enforcing_consecutive_5xx'),
      ...fields('consecutive_gateway_failure', 'enforcing_consecutive_gateway_failure'),
      ...fields('consecutive_local_origin_failure'),
      ...fields('enforcing_consecutive_local_origin_failure'),
      ...fields('success_rate_minimum_hosts', 'success_rate_request_volume'),
      ...fields('success_rate_stdev_factor', 'enforcing_success_rate'),
      ...fields('enforcing_local_origin_success_rate'),
      ...fields('failure_percentage_minimum_hosts', 'failure_percentage_request_volume'),
      ...fields('failure_percentage_threshold', 'enforcing_failure_percentage'),
      ...fields('enforcing_failure_percentage_local_origin'),
      ...fields('split_external_local_origin_errors', 'detect_degraded_hosts'),
      ...fields('successful_active_health_check_uneject_host'),
    },
    [`${upstreams}.HttpProtocolOptions.OutlierDetection`]: fields('error_matcher'),
    [matchPredicate]: {
      ...fields('or_match', 'and_match', 'not_match', 'any_match'),
      http_response_headers_match: { note: ':status among them' },
    },
    [`${matchPredicate}.MatchSet`]: fields('rules'),
    'envoy.config.common.matcher.v3.HttpHeadersMatch': fields('headers'),
    ...hashingSupport,
    [`${cluster}.LoadBalancingPolicy`]: fields('policies'),
    [`${cluster}.LoadBalancingPolicy.Policy`]: fields('typed_extension_config'),
    [`${cluster}.Cluster.LbSubsetConfig`]: subsetConfig,
    [`${cluster}.Cluster.LbSubsetConfig.LbSubsetSelector`]: subsetSelector,
    [`${policies}.subset.v3.Subset`]: {
      ...subsetConfig,
      allow_redundant_keys: 'yes',
      subset_lb_policy: { note: 'any but another subset' },
    },
    [`${policies}.subset.v3.Subset.LbSubsetSelector`]: subsetSelector,
    [`${policies}.override_host.v3.OverrideHost`]: fields(
      'override_host_sources',
      'selected_host_key',
      'fallback_policy',
    ),
    [`${policies}.override_host.v3.OverrideHost.OverrideHostSource`]: fields('header', 'metadata'),
    'envoy.type.metadata.v3.MetadataKey': fields('key', 'path'),
    'envoy.type.metadata.v3.MetadataKey.PathSegment': fields('key'),
    [`${core}.HealthStatusSet`]: fields('statuses'),
    [`${upstreams}.HttpProtocolOptions`]: fields(
      'common_http_protocol_options',
      'upstream_http_protocol_options',
      'explicit_http_config',
      'use_downstream_protocol_config',
      'auto_config',
      'retry_policy',
      'request_mirror_policies',
      'hash_policy',
      'outlier_detection',
    ),
    [`${upstreams}.HttpProtocolOptions.ExplicitHttpConfig`]: protocols,
    [`${upstreams}.HttpProtocolOptions.UseDownstreamHttpConfig`]: protocols,
    [`${upstreams}.HttpProtocolOptions.AutoHttpConfig`]: protocols,
    [`${core}.UpstreamHttpProtocolOptions`]: fields('auto_sni', 'auto_san_validation'),
  },
};

export const endpointSupport: SupportGroup = {
  title: 'Endpoints',
  messages: {
    [`${endpoint}.ClusterLoadAssignment`]: fields('cluster_name', 'endpoints', 'policy'),
    [`${endpoint}.ClusterLoadAssignment.Policy`]: {
      ...fields('overprovisioning_factor', 'weighted_priority_health'),
      drop_overloads: { note: 'at most one, as in Envoy' },
    },
    [`${endpoint}.ClusterLoadAssignment.Policy.DropOverload`]: fields(
      'category',
      'drop_percentage',
    ),
    [`${endpoint}.LocalityLbEndpoints`]: fields(
      'locality',
      'lb_endpoints',
      'priority',
      'load_balancing_weight',
    ),
    [`${endpoint}.LbEndpoint`]: fields(
      'endpoint',
      'health_status',
      'metadata',
      'load_balancing_weight',
    ),
    [`${endpoint}.Endpoint`]: fields('address', 'hostname', 'health_check_config'),
  },
};
