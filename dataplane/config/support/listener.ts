// Supported fields of listeners, TLS contexts, secrets, network and listener filters, access logs.

import { fields, only, type SupportGroup } from './table.ts';

const listener = 'envoy.config.listener.v3';
const tls = 'envoy.extensions.transport_sockets.tls.v3';
const hcm = 'envoy.extensions.filters.network.http_connection_manager.v3';
const log = 'envoy.config.accesslog.v3';

export const listenerSupport: SupportGroup = {
  title: 'Listeners',
  messages: {
    [`${listener}.Listener`]: {
      ...fields('name', 'address', 'stat_prefix', 'filter_chains', 'default_filter_chain'),
      ...fields('per_connection_buffer_limit_bytes', 'drain_type', 'listener_filters'),
      ...fields('listener_filters_timeout', 'continue_on_listener_filters_timeout'),
      ...fields('traffic_direction', 'access_log', 'tcp_backlog_size'),
      use_original_dst: only(false),
      transparent: only(false),
      freebind: only(false),
      bind_to_port: only(true),
      reuse_port: only(true),
      enable_reuse_port: only(true),
    },
    [`${listener}.FilterChain`]: {
      ...fields('filter_chain_match', 'filters', 'name', 'transport_socket'),
      ...fields('transport_socket_connect_timeout'),
      use_proxy_proto: only(false),
    },
    [`${listener}.FilterChainMatch`]: {
      ...fields('destination_port', 'prefix_ranges', 'direct_source_prefix_ranges'),
      ...fields('source_type', 'source_prefix_ranges', 'source_ports', 'server_names'),
      ...fields('transport_protocol', 'application_protocols'),
    },
    [`${listener}.Filter`]: fields('name', 'typed_config'),
    [`${listener}.ListenerFilter`]: fields('name', 'typed_config'),
    'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector': {
      enable_ja3_fingerprinting: only(false),
    },
  },
};

export const tlsSupport: SupportGroup = {
  title: 'TLS and secrets',
  messages: {
    [`${tls}.DownstreamTlsContext`]: {
      ...fields('common_tls_context', 'require_client_certificate', 'require_sni'),
      ocsp_staple_policy: only('LENIENT_STAPLING'),
      full_scan_certs_on_sni_mismatch: only(false),
    },
    [`${tls}.UpstreamTlsContext`]: fields(
      'common_tls_context',
      'sni',
      'auto_host_sni',
      'auto_sni_san_validation',
    ),
    [`${tls}.CommonTlsContext`]: fields(
      'tls_params',
      'tls_certificates',
      'tls_certificate_sds_secret_configs',
      'validation_context',
      'validation_context_sds_secret_config',
      'combined_validation_context',
      'alpn_protocols',
    ),
    [`${tls}.CommonTlsContext.CombinedCertificateValidationContext`]: fields(
      'default_validation_context',
      'validation_context_sds_secret_config',
    ),
    [`${tls}.TlsParameters`]: fields(
      'tls_minimum_protocol_version',
      'tls_maximum_protocol_version',
      'cipher_suites',
      'ecdh_curves',
    ),
    [`${tls}.TlsCertificate`]: fields('certificate_chain', 'private_key', 'password'),
    [`${tls}.CertificateValidationContext`]: {
      ...fields('trusted_ca', 'verify_certificate_spki', 'verify_certificate_hash'),
      ...fields('match_typed_subject_alt_names', 'match_subject_alt_names', 'crl'),
      ...fields('allow_expired_certificate', 'trust_chain_verification'),
      require_signed_certificate_timestamp: only(false),
    },
    [`${tls}.SubjectAltNameMatcher`]: {
      san_type: only('EMAIL', 'DNS', 'URI', 'IP_ADDRESS'),
      matcher: 'yes',
    },
    [`${tls}.SdsSecretConfig`]: fields('name', 'sds_config'),
    [`${tls}.Secret`]: fields('name', 'tls_certificate', 'validation_context'),
    'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer': {},
  },
};

export const networkFilterSupport: SupportGroup = {
  title: 'Network filters',
  messages: {
    [`${hcm}.HttpConnectionManager`]: {
      codec_type: { only: ['AUTO', 'HTTP1'], note: 'AUTO speaks HTTP/1.1 only so far' },
      ...fields('stat_prefix', 'rds', 'route_config', 'http_filters'),
      ...fields('common_http_protocol_options', 'http_protocol_options'),
      ...fields('server_name', 'server_header_transformation', 'max_request_headers_kb'),
      ...fields('stream_idle_timeout', 'request_timeout', 'request_headers_timeout'),
      ...fields('drain_timeout', 'delayed_close_timeout', 'access_log'),
      ...fields('use_remote_address', 'xff_num_trusted_hops', 'internal_address_config'),
      ...fields('skip_xff_append', 'via', 'generate_request_id', 'preserve_external_request_id'),
      ...fields('always_set_request_id_in_response', 'forward_client_cert_details'),
      ...fields('set_current_client_cert_details', 'normalize_path', 'merge_slashes'),
      ...fields('path_with_escaped_slashes_action', 'strip_matching_host_port'),
      ...fields('strip_any_host_port', 'strip_trailing_host_dot'),
      ...fields('stream_error_on_invalid_http_message'),
      add_user_agent: only(false),
    },
    [`${hcm}.HttpConnectionManager.InternalAddressConfig`]: fields('unix_sockets', 'cidr_ranges'),
    [`${hcm}.HttpConnectionManager.SetCurrentClientCertDetails`]: fields('subject', 'dns', 'uri'),
    [`${hcm}.HttpFilter`]: fields('name', 'typed_config', 'is_optional', 'disabled'),
    [`${hcm}.Rds`]: fields('config_source', 'route_config_name'),
  },
};

export const accessLogSupport: SupportGroup = {
  title: 'Access logs',
  messages: {
    [`${log}.AccessLog`]: fields('name', 'filter', 'typed_config'),
    [`${log}.AccessLogFilter`]: fields(
      'status_code_filter',
      'duration_filter',
      'not_health_check_filter',
      'runtime_filter',
      'and_filter',
      'or_filter',
      'header_filter',
      'response_flag_filter',
      'grpc_status_filter',
    ),
    [`${log}.ComparisonFilter`]: fields('op', 'value'),
    [`${log}.StatusCodeFilter`]: fields('comparison'),
    [`${log}.DurationFilter`]: fields('comparison'),
    [`${log}.NotHealthCheckFilter`]: {},
    [`${log}.RuntimeFilter`]: fields(
      'runtime_key',
      'percent_sampled',
      'use_independent_randomness',
    ),
    [`${log}.AndFilter`]: fields('filters'),
    [`${log}.OrFilter`]: fields('filters'),
    [`${log}.HeaderFilter`]: fields('header'),
    [`${log}.ResponseFlagFilter`]: fields('flags'),
    [`${log}.GrpcStatusFilter`]: fields('statuses', 'exclude'),
    'envoy.config.core.v3.SubstitutionFormatString': fields(
      'text_format',
      'json_format',
      'text_format_source',
      'omit_empty_values',
      'json_format_options',
    ),
    'envoy.config.core.v3.JsonFormatOptions': fields('sort_properties'),
    'envoy.extensions.access_loggers.file.v3.FileAccessLog': fields(
      'path',
      'format',
      'json_format',
      'typed_json_format',
      'log_format',
    ),
    'envoy.extensions.access_loggers.stream.v3.StdoutAccessLog': fields('log_format'),
    'envoy.extensions.access_loggers.stream.v3.StderrAccessLog': fields('log_format'),
  },
};
