// Supported fields of tcp_proxy and of the network filters before it.

import { fields, only, type SupportGroup } from './table.ts';

const filters = 'envoy.extensions.filters.network';
const tcpProxy = `${filters}.tcp_proxy.v3.TcpProxy`;

export const tcpSupport: SupportGroup = {
  title: 'TCP proxy and network filters',
  messages: {
    [tcpProxy]: {
      ...fields('stat_prefix', 'cluster', 'weighted_clusters', 'idle_timeout', 'access_log'),
      metadata_match: { note: 'the namespace envoy.lb' },
      ...fields('max_connect_attempts', 'backoff_options'),
      ...fields('max_downstream_connection_duration'),
      ...fields('max_downstream_connection_duration_jitter_percentage', 'access_log_options'),
      ...fields('access_log_flush_interval', 'flush_access_log_on_connected'),
      tunneling_config: { note: 'over HTTP/1.1' },
      proxy_protocol_tlvs: { note: 'static values' },
      proxy_protocol_tlv_merge_policy: only('ADD_IF_ABSENT'),
      hash_policy: 'yes',
    },
    [`${tcpProxy}.TcpAccessLogOptions`]: fields(
      'access_log_flush_interval',
      'flush_access_log_on_connected',
      'flush_access_log_on_start',
    ),
    [`${tcpProxy}.TunnelingConfig`]: {
      ...fields('hostname', 'use_post', 'post_path', 'headers_to_add'),
      propagate_response_headers: only(false),
      propagate_response_trailers: only(false),
    },
    'envoy.type.v3.HashPolicy': fields('source_ip', 'filter_state'),
    'envoy.type.v3.HashPolicy.FilterState': fields('key'),
    'envoy.type.v3.HashPolicy.SourceIp': {},
    [`${tcpProxy}.WeightedCluster`]: fields('clusters'),
    [`${tcpProxy}.WeightedCluster.ClusterWeight`]: {
      ...fields('name', 'weight'),
      metadata_match: { note: 'the namespace envoy.lb' },
    },
    [`${filters}.echo.v3.Echo`]: {},
    [`${filters}.direct_response.v3.Config`]: fields('response'),
    [`${filters}.sni_cluster.v3.SniCluster`]: {},
    [`${filters}.connection_limit.v3.ConnectionLimit`]: fields(
      'stat_prefix',
      'max_connections',
      'delay',
      'runtime_enabled',
    ),
    [`${filters}.local_ratelimit.v3.LocalRateLimit`]: fields(
      'stat_prefix',
      'token_bucket',
      'runtime_enabled',
      'share_key',
    ),
    [`${filters}.rbac.v3.RBAC`]: {
      ...fields('rules', 'shadow_rules', 'shadow_rules_stat_prefix', 'stat_prefix'),
      ...fields('enforcement_type', 'delay_deny'),
    },
    'envoy.type.v3.TokenBucket': fields('max_tokens', 'tokens_per_fill', 'fill_interval'),
    'envoy.config.core.v3.RuntimeFeatureFlag': fields('default_value', 'runtime_key'),
  },
};
