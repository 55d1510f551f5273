// Runtime keys by which Envoy steers itself. Those that we obey, and those that we do not and that nobody may
// believe to be in force: a layer that has one is refused (static, RTDS, /runtime_modify) or it is logged (files).
// Every other key means what some config says by naming it.

/** Keys below these are Envoy's own. */
const envoyKeys =
  /^(envoy\.|re2\.|overload\.|upstream\.|outlier_detection\.|circuit_breakers\.|health_check\.|http\.|http_connection_manager\.|fault\.http\.|ratelimit\.|tracing\.|ssl\.|conn_pool\.|server\.|tls_inspector\.|zone_aware\.)/;

const known = [
  /^envoy\.resource_limits\.listener\..+\.connection_limit$/,
  /^overload\.(global_downstream_max_connections|premature_reset_total_stream_count|premature_reset_min_stream_lifetime_seconds)$/,
  /^http\.max_requests_per_io_cycle$/,
  /^upstream\.(healthy_panic_threshold|zone_routing\.enabled|zone_routing\.min_cluster_size|base_retry_backoff_ms|use_retry)$/,
  /^upstream\.maintenance_mode\..+$/,
  /^circuit_breakers\..+\.(default|high)\.(max_connections|max_pending_requests|max_requests|max_retries|retry_budget\.budget_percent|retry_budget\.min_retry_concurrency)$/,
  /^outlier_detection\.(consecutive_5xx|consecutive_gateway_failure|consecutive_local_origin_failure|interval_ms|base_ejection_time_ms|max_ejection_time_ms|max_ejection_time_jitter_ms|max_ejection_percent|success_rate_minimum_hosts|success_rate_request_volume|success_rate_stdev_factor|failure_percentage_threshold|failure_percentage_minimum_hosts|failure_percentage_request_volume|enforcing_[a-z0-9_]+)$/,
  /^health_check\.(min_interval|max_interval)$/,
  /^fault\.http\.(abort\.abort_percent|abort\.http_status|abort\.grpc_status|delay\.fixed_delay_percent|delay\.fixed_duration_ms)$/,
  /^fault\.http\.max_active_faults$/,
];

/** An Envoy key without an equal here. */
export function isUnsupportedKey(key: string): boolean {
  return envoyKeys.test(key) && !known.some((pattern) => pattern.test(key));
}

/** Why such a key is refused. */
export function unsupportedKeyText(key: string): string {
  return `not supported yet (runtime key ${key})`;
}
