// Supported fields of listeners, TLS contexts, secrets, network and listener filters, access logs.

import { scopedRoutesSupport } from './scoped-routes.ts';
import { fields, only, type SupportGroup } from './table.ts';

const listener = 'envoy.config.listener.v3';
const listenerFilter = 'envoy.extensions.filters.listener';
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
      ...fields('additional_addresses', 'bind_to_port', 'ignore_global_conn_limit'),
      use_original_dst: {
        note: 'with a proxy_protocol listener filter only: Node has no SO_ORIGINAL_DST',
      },
      transparent: only(false),
      freebind: only(false),
      reuse_port: only(true),
      enable_reuse_port: { note: 'false: one worker accepts for all' },
      tcp_keepalive: 'yes',
      max_connections_to_accept_per_socket_event: {
        note: 'always holds: libuv accepts one connection per turn of the event loop',
      },
      socket_options: {
        note: 'those that Node sets: SO_KEEPALIVE, TCP_KEEPIDLE; SO_REUSEADDR, SO_REUSEPORT and TCP_NODELAY are always on',
      },
    },
    [`${listener}.AdditionalAddress`]: fields('address', 'socket_options', 'tcp_keepalive'),
    'envoy.config.core.v3.SocketOptionsOverride': fields('socket_options'),
    'envoy.config.core.v3.SocketOption': fields(
      'description',
      'level',
      'name',
      'int_value',
      'state',
    ),
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
    [`${listener}.Filter`]: {
      ...fields('name', 'typed_config'),
      config_discovery: { note: 'not of the last (terminal) filter' },
    },
    [`${listener}.ListenerFilter`]: {
      ...fields('name', 'typed_config', 'filter_disabled'),
      config_discovery: { note: 'not of envoy.filters.listener.original_dst' },
    },
    [`${listener}.ListenerFilterChainMatchPredicate`]: fields(
      'or_match',
      'and_match',
      'not_match',
      'any_match',
      'destination_port_range',
    ),
    [`${listener}.ListenerFilterChainMatchPredicate.MatchSet`]: fields('rules'),
    [`${listenerFilter}.tls_inspector.v3.TlsInspector`]: {
      enable_ja3_fingerprinting: only(false),
      enable_ja4_fingerprinting: only(false),
      initial_read_buffer_size: { note: 'without effect: Node has its own read buffers' },
      ...fields('close_connection_on_client_hello_parsing_errors', 'max_client_hello_size'),
    },
    [`${listenerFilter}.http_inspector.v3.HttpInspector`]: {},
    [`${listenerFilter}.original_dst.v3.OriginalDst`]: {},
    [`${listenerFilter}.proxy_protocol.v3.ProxyProtocol`]: {
      ...fields('rules', 'allow_requests_without_proxy_protocol', 'pass_through_tlvs'),
      ...fields('disallowed_versions', 'stat_prefix'),
      tlv_location: only('DYNAMIC_METADATA'),
    },
    [`${listenerFilter}.proxy_protocol.v3.ProxyProtocol.Rule`]: fields(
      'tlv_type',
      'on_tlv_present',
    ),
    [`${listenerFilter}.proxy_protocol.v3.ProxyProtocol.KeyValuePair`]: fields(
      'metadata_namespace',
      'key',
    ),
    'envoy.config.core.v3.ProxyProtocolPassThroughTLVs': fields('match_type', 'tlv_type'),
  },
};

export const tlsSupport: SupportGroup = {
  title: 'TLS and secrets',
  messages: {
    [`${tls}.DownstreamTlsContext`]: {
      ...fields('common_tls_context', 'require_client_certificate', 'require_sni'),
      session_ticket_keys: {
        note: '80 bytes each; Node takes one, derived from the first: tickets of the others mean a full handshake',
      },
      session_ticket_keys_sds_secret_config: { note: 'as session_ticket_keys' },
      ...fields('disable_stateless_session_resumption', 'session_timeout'),
      disable_stateful_session_resumption: {
        note: 'without effect: there is no stateful session cache',
      },
      ocsp_staple_policy: 'yes',
      ...fields('full_scan_certs_on_sni_mismatch', 'prefer_client_ciphers'),
    },
    [`${tls}.UpstreamTlsContext`]: {
      ...fields('common_tls_context', 'sni', 'auto_host_sni', 'auto_sni_san_validation'),
      allow_renegotiation: only(false),
      ...fields('max_session_keys', 'enforce_rsa_key_usage'),
    },
    [`${tls}.CommonTlsContext`]: fields(
      'tls_params',
      'tls_certificates',
      'tls_certificate_sds_secret_configs',
      'validation_context',
      'validation_context_sds_secret_config',
      'combined_validation_context',
      'alpn_protocols',
      'key_log',
    ),
    [`${tls}.CommonTlsContext.CombinedCertificateValidationContext`]: fields(
      'default_validation_context',
      'validation_context_sds_secret_config',
    ),
    [`${tls}.TlsParameters`]: {
      ...fields('tls_minimum_protocol_version', 'tls_maximum_protocol_version', 'cipher_suites'),
      ...fields('ecdh_curves', 'signature_algorithms'),
      compliance_policies: {
        only: ['FIPS_202205'],
        note: 'excludes the other fields of the message',
      },
    },
    [`${tls}.TlsCertificate`]: {
      ...fields('certificate_chain', 'private_key', 'password'),
      pkcs12: { note: 'encrypted with PBES2 and AES, or not at all' },
      ocsp_staple: { note: 'on the only certificate of a context' },
    },
    [`${tls}.TlsSessionTicketKeys`]: fields('keys'),
    [`${tls}.TlsKeyLog`]: fields('path', 'local_address_range', 'remote_address_range'),
    [`${tls}.CertificateValidationContext`]: {
      ...fields('trusted_ca', 'system_root_certs'),
      ...fields('verify_certificate_spki', 'verify_certificate_hash'),
      ...fields('match_typed_subject_alt_names', 'match_subject_alt_names', 'crl'),
      ...fields('only_verify_leaf_cert_crl', 'max_verify_depth'),
      ...fields('allow_expired_certificate', 'trust_chain_verification'),
      custom_validator_config: { note: 'envoy.tls.cert_validator.spiffe' },
      require_signed_certificate_timestamp: only(false),
      suppress_client_ca_list: only(false),
    },
    [`${tls}.CertificateValidationContext.SystemRootCerts`]: {},
    [`${tls}.SPIFFECertValidatorConfig`]: {
      trust_domains: 'yes',
      trust_bundles: { note: 'read once; excludes trust_domains' },
    },
    [`${tls}.SPIFFECertValidatorConfig.TrustDomain`]: fields('name', 'trust_bundle'),
    [`${tls}.SubjectAltNameMatcher`]: {
      san_type: only('EMAIL', 'DNS', 'URI', 'IP_ADDRESS'),
      matcher: 'yes',
    },
    [`${tls}.SdsSecretConfig`]: fields('name', 'sds_config'),
    [`${tls}.Secret`]: fields(
      'name',
      'tls_certificate',
      'session_ticket_keys',
      'validation_context',
    ),
    'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer': {},
  },
};

export const networkFilterSupport: SupportGroup = {
  title: 'Network filters',
  messages: {
    [`${hcm}.HttpConnectionManager`]: {
      codec_type: { only: ['AUTO', 'HTTP1', 'HTTP2'], note: 'Node has no QUIC' },
      ...fields('stat_prefix', 'rds', 'route_config', 'scoped_routes', 'http_filters'),
      ...fields('common_http_protocol_options', 'http_protocol_options'),
      ...fields('http2_protocol_options'),
      ...fields('server_name', 'server_header_transformation', 'max_request_headers_kb'),
      ...fields('stream_idle_timeout', 'request_timeout', 'request_headers_timeout'),
      stream_flush_timeout: {
        note: 'of HTTP/2 streams; HTTP/1 has no buffer of its own, as in Envoy',
      },
      ...fields('drain_timeout', 'drain_timeout_jitter', 'delayed_close_timeout', 'access_log'),
      ...fields('use_remote_address', 'xff_num_trusted_hops', 'internal_address_config'),
      ...fields('skip_xff_append', 'via', 'generate_request_id', 'preserve_external_request_id'),
      ...fields('always_set_request_id_in_response', 'forward_client_cert_details'),
      ...fields('append_x_forwarded_port', 'original_ip_detection_extensions'),
      ...fields('scheme_header_transformation', 'request_id_extension', 'local_reply_config'),
      ...fields('set_current_client_cert_details', 'normalize_path', 'merge_slashes'),
      ...fields('path_with_escaped_slashes_action', 'strip_matching_host_port'),
      ...fields('strip_any_host_port', 'strip_trailing_host_dot'),
      ...fields('stream_error_on_invalid_http_message', 'proxy_100_continue'),
      ...fields('http1_safe_max_connection_duration'),
      upgrade_configs: { note: 'CONNECT-UDP is refused' },
      add_user_agent: only(false),
    },
    [`${hcm}.HttpConnectionManager.UpgradeConfig`]: fields('upgrade_type', 'filters', 'enabled'),
    [`${hcm}.HttpConnectionManager.InternalAddressConfig`]: fields('unix_sockets', 'cidr_ranges'),
    [`${hcm}.HttpConnectionManager.SetCurrentClientCertDetails`]: {
      ...fields('subject', 'dns', 'uri', 'cert', 'issuer', 'format'),
      chain: { note: 'without the root that ends it; see differences.md' },
    },
    'envoy.config.core.v3.SchemeHeaderTransformation': fields(
      'scheme_to_overwrite',
      'match_upstream',
    ),
    [`${hcm}.RequestIDExtension`]: fields('typed_config'),
    'envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig': {
      pack_trace_reason: 'yes',
      use_request_id_for_trace_sampling: {
        note: 'matters to tracing only, which there is none of yet',
      },
    },
    'envoy.extensions.http.original_ip_detection.xff.v3.XffConfig': fields(
      'xff_num_trusted_hops',
      'xff_trusted_cidrs',
      'skip_xff_append',
    ),
    'envoy.extensions.http.original_ip_detection.xff.v3.XffTrustedCidrs': fields('cidrs'),
    'envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig': fields(
      'header_name',
      'allow_extension_to_set_address_as_trusted',
      'reject_with_status',
    ),
    'envoy.type.v3.HttpStatus': fields('code'),
    [`${hcm}.LocalReplyConfig`]: fields('mappers', 'body_format'),
    [`${hcm}.ResponseMapper`]: fields(
      'filter',
      'status_code',
      'body',
      'body_format_override',
      'headers_to_add',
    ),
    [`${hcm}.HttpFilter`]: {
      ...fields('name', 'typed_config', 'is_optional', 'disabled'),
      config_discovery: { note: 'not of the last (terminal) filter, nor in a cluster' },
    },
    'envoy.config.core.v3.ExtensionConfigSource': fields(
      'config_source',
      'default_config',
      'apply_default_config_without_warming',
      'type_urls',
    ),
    [`${hcm}.Rds`]: fields('config_source', 'route_config_name'),
    ...scopedRoutesSupport,
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
      'content_type',
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
