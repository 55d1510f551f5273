// Supported fields of the bootstrap and of what only a bootstrap contains.

import { fields, only, type SupportGroup } from './table.ts';

const bootstrap = 'envoy.config.bootstrap.v3';
const core = 'envoy.config.core.v3';

export const bootstrapSupport: SupportGroup = {
  title: 'Bootstrap',
  messages: {
    [`${bootstrap}.Bootstrap`]: {
      ...fields('node', 'static_resources', 'dynamic_resources', 'cluster_manager', 'admin'),
      ...fields('layered_runtime'),
      overload_manager: { note: 'the monitor of downstream connections only' },
      typed_dns_resolver_config: { note: 'c-ares; the default of clusters that name no resolver' },
    },
    'envoy.config.overload.v3.OverloadManager': {
      resource_monitors: 'yes',
      refresh_interval: { note: 'without effect: connections are counted as they come' },
    },
    'envoy.config.overload.v3.ResourceMonitor': fields('name', 'typed_config'),
    'envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig':
      fields('max_active_downstream_connections'),
    [`${bootstrap}.Bootstrap.StaticResources`]: fields('listeners', 'clusters', 'secrets'),
    [`${bootstrap}.Bootstrap.DynamicResources`]: fields('lds_config', 'cds_config', 'ads_config'),
    [`${bootstrap}.ClusterManager`]: {
      local_cluster_name: 'yes',
      outlier_detection: 'yes',
      upstream_bind_config: 'yes',
    },
    [`${bootstrap}.ClusterManager.OutlierDetection`]: fields('event_log_path'),
    [`${bootstrap}.Admin`]: fields('address', 'access_log', 'access_log_path'),
    [`${bootstrap}.LayeredRuntime`]: fields('layers'),
    [`${bootstrap}.RuntimeLayer`]: {
      name: 'yes',
      static_layer: {
        note: 'overrides what a runtime_key names; of the keys of Envoy itself (envoy.*, overload.*, re2.*, ...) those that are known here: overload.premature_reset_total_stream_count and _min_stream_lifetime_seconds, http.max_requests_per_io_cycle, connection limits',
      },
      admin_layer: { note: 'accepted; there is no /runtime_modify' },
    },
    [`${bootstrap}.RuntimeLayer.AdminLayer`]: {},
    [`${core}.Node`]: fields('id', 'cluster', 'metadata', 'locality'),
    [`${core}.Locality`]: fields('region', 'zone', 'sub_zone'),
    [`${core}.ApiConfigSource`]: {
      api_type: only('GRPC', 'DELTA_GRPC'),
      transport_api_version: only('V3'),
      grpc_services: { note: 'exactly one' },
      set_node_on_first_message_only: 'yes',
    },
    [`${core}.GrpcService`]: fields('envoy_grpc', 'google_grpc', 'initial_metadata'),
    [`${core}.GrpcService.EnvoyGrpc`]: fields(
      'cluster_name',
      'authority',
      'retry_policy',
      'max_receive_message_length',
      'skip_envoy_headers',
    ),
    [`${core}.RetryPolicy`]: fields('retry_back_off'),
    [`${core}.BackoffStrategy`]: fields('base_interval', 'max_interval'),
    [`${core}.GrpcService.GoogleGrpc`]: fields('target_uri', 'channel_credentials', 'stat_prefix'),
    [`${core}.GrpcService.GoogleGrpc.ChannelCredentials`]: fields('ssl_credentials'),
    [`${core}.GrpcService.GoogleGrpc.SslCredentials`]: fields(
      'root_certs',
      'private_key',
      'cert_chain',
    ),
  },
};

export const coreSupport: SupportGroup = {
  title: 'Types used everywhere',
  messages: {
    [`${core}.ConfigSource`]: {
      ads: { note: 'the only source so far' },
      resource_api_version: only('V3'),
    },
    [`${core}.AggregatedConfigSource`]: {},
    [`${core}.Address`]: {
      socket_address: 'yes',
      pipe: { note: 'of listeners; one worker accepts' },
    },
    [`${core}.Pipe`]: fields('path', 'mode'),
    [`${core}.SocketAddress`]: {
      ...fields('address', 'port_value'),
      ipv4_compat: { note: 'of listeners' },
      protocol: only('TCP'),
    },
    [`${core}.CidrRange`]: fields('address_prefix', 'prefix_len'),
    [`${core}.DataSource`]: fields(
      'filename',
      'inline_bytes',
      'inline_string',
      'environment_variable',
    ),
    [`${core}.TypedExtensionConfig`]: fields('name', 'typed_config'),
    [`${core}.TransportSocket`]: fields('name', 'typed_config'),
    'envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport': {
      ...fields('config', 'transport_socket', 'tlv_as_pool_key'),
      allow_unspecified_address: only(false),
    },
    [`${core}.Metadata`]: {
      filter_metadata: 'yes',
      typed_filter_metadata: { note: 'error-ratio breakers of clusters and routes' },
    },
    [`${core}.HeaderValue`]: fields('key', 'value', 'raw_value'),
    [`${core}.HeaderValueOption`]: fields('header', 'append', 'append_action', 'keep_empty_value'),
    [`${core}.RuntimeFractionalPercent`]: fields('default_value', 'runtime_key'),
    [`${core}.RuntimeUInt32`]: fields('default_value', 'runtime_key'),
    [`${core}.RuntimeDouble`]: fields('default_value', 'runtime_key'),
    [`${core}.BindConfig`]: {
      source_address: { note: 'port 0' },
      ...fields('extra_source_addresses', 'additional_source_addresses'),
      socket_options: { note: 'as of listeners' },
      freebind: only(false),
    },
    [`${core}.ExtraSourceAddress`]: fields('address'),
    [`${core}.ProxyProtocolConfig`]: fields('version', 'pass_through_tlvs', 'added_tlvs'),
    [`${core}.TlvEntry`]: fields('type', 'value'),
    [`${core}.TcpKeepalive`]: fields('keepalive_time'),
    [`${core}.HttpProtocolOptions`]: {
      ...fields('idle_timeout', 'max_connection_duration', 'max_headers_count'),
      ...fields('headers_with_underscores_action', 'max_requests_per_connection'),
      max_stream_duration: 'yes',
      max_response_headers_kb: { note: 'on clusters' },
      max_connection_duration_jitter: { note: 'on listeners' },
    },
    [`${core}.Http1ProtocolOptions`]: {
      ...fields('header_key_format', 'enable_trailers', 'allow_chunked_length'),
      allow_absolute_url: { note: 'without effect on clusters' },
      accept_http_10: { note: 'without effect on clusters' },
      default_host_for_http_10: { note: 'without effect on clusters' },
      allow_custom_methods: { note: 'without effect on clusters' },
      ignore_http_11_upgrade: { note: 'without effect on clusters' },
      send_fully_qualified_url: { note: 'without effect on listeners' },
      override_stream_error_on_invalid_http_message: { note: 'without effect on clusters' },
      use_balsa_parser: { note: 'without effect: there is one parser' },
    },
    [`${core}.Http1ProtocolOptions.HeaderKeyFormat`]: fields(
      'proper_case_words',
      'stateful_formatter',
    ),
    'envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig': fields(
      'forward_reason_phrase',
      'formatter_type_on_envoy_headers',
    ),
    [`${core}.Http1ProtocolOptions.HeaderKeyFormat.ProperCaseWords`]: {},
    [`${core}.Http2ProtocolOptions`]: {
      ...fields('hpack_table_size', 'max_concurrent_streams', 'initial_stream_window_size'),
      ...fields('initial_connection_window_size', 'allow_connect', 'max_outbound_frames'),
      ...fields('max_outbound_control_frames'),
      ...fields('max_consecutive_inbound_frames_with_empty_payload'),
      ...fields('max_inbound_priority_frames_per_stream'),
      ...fields('max_inbound_window_update_frames_per_data_frame_sent'),
      ...fields('override_stream_error_on_invalid_http_message'),
      stream_error_on_invalid_http_messaging: {
        note: 'counts where neither the override nor the connection manager says anything',
      },
      custom_settings_parameters: { note: 'without SETTINGS_MAX_FRAME_SIZE' },
      ...fields('connection_keepalive', 'enable_huffman_encoding'),
      stream_reset_burst: { note: 'of clients' },
      stream_reset_rate: { note: 'of clients' },
      max_header_field_size_kb: { note: 'without effect: one field may take all of the list' },
      max_metadata_size: { note: 'without effect: METADATA is not spoken' },
      use_oghttp2_codec: { note: 'without effect: there is one codec' },
      allow_metadata: only(false),
      disallow_obs_text: only(false),
    },
    [`${core}.Http2ProtocolOptions.SettingsParameter`]: fields('identifier', 'value'),
    [`${core}.KeepaliveSettings`]: fields(
      'interval',
      'timeout',
      'interval_jitter',
      'connection_idle_interval',
    ),
    'envoy.type.v3.FractionalPercent': fields('numerator', 'denominator'),
    'envoy.type.v3.Percent': fields('value'),
    'envoy.type.v3.Int32Range': fields('start', 'end'),
    'envoy.type.v3.Int64Range': fields('start', 'end'),
    'envoy.type.matcher.v3.StringMatcher': fields(
      'exact',
      'prefix',
      'suffix',
      'safe_regex',
      'contains',
      'ignore_case',
    ),
    'envoy.type.matcher.v3.RegexMatcher': fields('google_re2', 'regex'),
    'envoy.type.matcher.v3.RegexMatcher.GoogleRE2': {},
    'envoy.type.matcher.v3.RegexMatchAndSubstitute': fields('pattern', 'substitution'),
    'envoy.type.matcher.v3.PathMatcher': fields('path'),
  },
};
