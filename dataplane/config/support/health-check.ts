// Supported fields of active health checks.

import { fields, only, type SupportGroup } from './table.ts';

const check = 'envoy.config.core.v3.HealthCheck';
const sinks = 'envoy.extensions.health_check.event_sinks';

export const healthCheckSupport: SupportGroup = {
  title: 'Health checks',
  messages: {
    [check]: {
      ...fields('timeout', 'interval', 'initial_jitter', 'interval_jitter'),
      ...fields('interval_jitter_percent', 'unhealthy_threshold', 'healthy_threshold'),
      alt_port: { note: 'Envoy ignores it' },
      ...fields('reuse_connection', 'http_health_check', 'tcp_health_check', 'grpc_health_check'),
      ...fields('no_traffic_interval', 'no_traffic_healthy_interval', 'unhealthy_interval'),
      ...fields('unhealthy_edge_interval', 'healthy_edge_interval', 'event_log_path'),
      event_logger: { note: 'file' },
      ...fields('always_log_health_check_failures', 'always_log_health_check_success'),
      tls_options: 'yes',
    },
    [`${check}.Payload`]: fields('text', 'binary'),
    [`${check}.HttpHealthCheck`]: {
      ...fields('host', 'path', 'method', 'send', 'receive', 'response_buffer_size'),
      ...fields('request_headers_to_add', 'request_headers_to_remove'),
      ...fields('expected_statuses', 'retriable_statuses', 'service_name_matcher'),
      codec_client_type: only('HTTP1', 'HTTP2'),
      use_alpn_protocol: only(false),
    },
    [`${check}.TcpHealthCheck`]: fields('send', 'receive', 'proxy_protocol_config'),
    [`${check}.GrpcHealthCheck`]: fields('service_name', 'authority', 'initial_metadata'),
    [`${check}.TlsOptions`]: fields('alpn_protocols'),
    [`${sinks}.file.v3.HealthCheckEventFileSink`]: fields('event_log_path'),
    'envoy.config.endpoint.v3.Endpoint.HealthCheckConfig': fields(
      'port_value',
      'hostname',
      'address',
      'disable_active_health_check',
    ),
  },
};
