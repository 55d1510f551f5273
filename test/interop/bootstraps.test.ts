// Bootstraps through `envoy --mode validate` and through our loadBootstrap: what both must take, what Envoy
// refuses and we must refuse too, and what only we refuse, each with its entry in docs/differences.md.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { bootstrapErrors } from '../fakes/config.ts';
import { TestCa } from '../fakes/pki.ts';
import { findPeer, skipWithout } from './peers.ts';

const ca = await TestCa.create();
const leaf = await ca.issue({ dns: ['a.test'] });
const other = await ca.issue({ dns: ['b.test'] });

const type = (name: string, fields = '') =>
  `{"@type": type.googleapis.com/${name}${fields === '' ? '' : `, ${fields}`}}`;
const address = (port: number) => `{socket_address: {address: 127.0.0.1, port_value: ${port}}}`;
const inline = (text: string) => `{inline_string: ${JSON.stringify(text)}}`;

const router = `{name: router, typed_config: ${type('envoy.extensions.filters.http.router.v3.Router')}}`;

const routeConfig = (routes: string, hostFields = '') =>
  `{virtual_hosts: [{name: all, domains: ["*"], routes: [${routes}]${hostFields === '' ? '' : `, ${hostFields}`}}]}`;
const toBackend = '{match: {prefix: /}, route: {cluster: backend}}';

function hcm(
  fields: string,
  { httpFilters = router, routes = routeConfig(toBackend) } = {},
): string {
  const source = fields.includes('rds:') ? '' : `, route_config: ${routes}`;
  return `{name: hcm, typed_config: ${type(
    'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    `stat_prefix: s, http_filters: [${httpFilters}]${source}${fields === '' ? '' : `, ${fields}`}`,
  )}}`;
}

const listener = (filters: string, { fields = '', chain = '' } = {}) =>
  `{name: ingress, address: ${address(10000)}${fields === '' ? '' : `, ${fields}`}, filter_chains: [{filters: [${filters}]${chain === '' ? '' : `, ${chain}`}}]}`;

const cluster = (fields = '', name = 'backend') => {
  const typed = fields.includes('type:') ? '' : 'type: STATIC, ';
  const hosts = fields.includes('eds_cluster_config')
    ? ''
    : `load_assignment: {cluster_name: ${name}, endpoints: [{lb_endpoints: [{endpoint: {address: ${address(9)}}}]}]}, `;
  return `{name: ${name}, ${typed}${hosts}${fields === '' ? 'connect_timeout: 1s' : fields}}`;
};

interface Parts {
  readonly listeners?: string;
  readonly clusters?: string;
  /** Top-level fields besides. */
  readonly rest?: string;
}

function bootstrap({
  listeners = listener(hcm('')),
  clusters = cluster(),
  rest = '',
}: Parts): string {
  return `node: {id: node-1, cluster: test}
admin: {address: ${address(9901)}}
static_resources:
  listeners: [${listeners}]
  clusters: [${clusters}]
${rest}
`;
}

const withRoutes = (routes: string, hostFields = '') =>
  bootstrap({ listeners: listener(hcm('', { routes: routeConfig(routes, hostFields) })) });
const withHcm = (fields: string) => bootstrap({ listeners: listener(hcm(fields)) });
const withHttp2 = (options: string) => withHcm(`http2_protocol_options: {${options}}`);
const settings = (...pairs: readonly (readonly [number, number])[]): string =>
  `custom_settings_parameters: [${pairs.map(([id, value]) => `{identifier: ${id}, value: ${value}}`).join(', ')}]`;
const withFilter = (name: string, fields: string) =>
  bootstrap({
    listeners: listener(
      hcm('', {
        httpFilters: `{name: f, typed_config: ${type(`envoy.extensions.filters.http.${name}`, fields)}}, ${router}`,
      }),
    ),
  });
const withCluster = (fields: string) => bootstrap({ clusters: cluster(fields) });
const upstreamHttp = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const healthCheckTimes = 'timeout: 1s, interval: 1s, unhealthy_threshold: 2, healthy_threshold: 1';
const withHealthCheck = (fields: string) =>
  withCluster(`connect_timeout: 1s, health_checks: [{${healthCheckTimes}, ${fields}}]`);
const withTls = (context: string, fields = '') =>
  bootstrap({
    listeners: listener(hcm(''), {
      fields,
      chain: `transport_socket: {name: tls, typed_config: ${type('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', context)}}`,
    }),
  });
const pair = (certificate: string, key: string) =>
  `tls_certificates: [{certificate_chain: ${inline(certificate)}, private_key: ${inline(key)}}]`;
const goodPair = pair(leaf.certificatePem, leaf.privateKeyPem);

const adsCluster = cluster(
  `type: STRICT_DNS, connect_timeout: 1s, typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: ${type(
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    'explicit_http_config: {http2_protocol_options: {}}',
  )}}`,
  'xds',
);
const adsConfig = (apiType: string, version = 'V3') =>
  `dynamic_resources: {ads_config: {api_type: ${apiType}, transport_api_version: ${version}, grpc_services: [{envoy_grpc: {cluster_name: xds}}]}, cds_config: {ads: {}, resource_api_version: V3}, lds_config: {ads: {}, resource_api_version: V3}}`;
const tcpProxy = (fields: string) =>
  `{name: tcp, typed_config: ${type('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', `stat_prefix: t, ${fields}`)}}`;
/** Network filters before a TCP proxy to `backend`; `last` stands for it. */
const withNetworkFilters = (filters: string, last = tcpProxy('cluster: backend')) =>
  bootstrap({ listeners: listener(filters === '' ? last : `${filters}, ${last}`) });
const networkFilter = (name: string, fields: string) =>
  `{name: f, typed_config: ${type(`envoy.extensions.filters.network.${name}`, fields)}}`;
const rateLimit = (bucket: string) =>
  networkFilter('local_ratelimit.v3.LocalRateLimit', `stat_prefix: r, token_bucket: {${bucket}}`);
const networkRules = (permission: string) =>
  networkFilter(
    'rbac.v3.RBAC',
    `stat_prefix: r, rules: {policies: {p: {permissions: [${permission}], principals: [{any: true}]}}}`,
  );
const proxyWith = (fields: string) =>
  withNetworkFilters('', tcpProxy(`cluster: backend, ${fields}`));

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

/** Both take these. */
const good: Readonly<Record<string, string>> = {
  'what README.md shows': /^```yaml\n(.*?)^```$/ms.exec(readme)?.[1] ?? 'missing: true',
  'a plain HTTP proxy': bootstrap({}),
  'codec_type HTTP2': withHcm('codec_type: HTTP2'),
  'the options of HTTP/2': withHcm(
    `max_request_headers_kb: 100, stream_flush_timeout: 3s, drain_timeout_jitter: {value: 20}, http2_protocol_options: {${[
      'hpack_table_size: 0, max_concurrent_streams: 1, initial_stream_window_size: 65535',
      'initial_connection_window_size: 2147483647, allow_connect: true, max_outbound_frames: 1',
      'max_outbound_control_frames: 1, max_consecutive_inbound_frames_with_empty_payload: 0',
      'max_inbound_priority_frames_per_stream: 0, use_oghttp2_codec: true',
      'max_inbound_window_update_frames_per_data_frame_sent: 1, enable_huffman_encoding: false',
      'override_stream_error_on_invalid_http_message: true, stream_reset_burst: 5, stream_reset_rate: 1',
      'max_header_field_size_kb: 100, max_metadata_size: 4096',
      'connection_keepalive: {interval: 1s, timeout: 0.5s, interval_jitter: {value: 5}, connection_idle_interval: 2s}',
    ].join(', ')}}`,
  ),
  'custom HTTP/2 settings': withHttp2(settings([0x99, 1], [0x99, 1], [2, 0], [4, 70_000], [6, 1])),
  'deadlines of gRPC clients': withRoutes(
    '{match: {prefix: /a}, route: {cluster: backend, flush_timeout: 1s, max_stream_duration: {grpc_timeout_header_max: 0s, grpc_timeout_header_offset: 0.1s}}}, {match: {prefix: /}, route: {cluster: backend, max_grpc_timeout: 1s, grpc_timeout_offset: 0.1s}}',
  ),
  'an empty bootstrap': '{}\n',
  'a TCP proxy': bootstrap({ listeners: listener(tcpProxy('cluster: backend')) }),
  'a TCP proxy with weights': bootstrap({
    listeners: listener(
      tcpProxy('weighted_clusters: {clusters: [{name: backend, weight: 1}, {name: b, weight: 3}]}'),
    ),
    clusters: `${cluster()}, ${cluster('', 'b')}`,
  }),
  'every network filter': withNetworkFilters(
    [
      networkFilter('sni_cluster.v3.SniCluster', ''),
      networkFilter(
        'connection_limit.v3.ConnectionLimit',
        'stat_prefix: c, max_connections: 5, delay: 1s, runtime_enabled: {default_value: true, runtime_key: a.b}',
      ),
      rateLimit('max_tokens: 1, fill_interval: 0.05s'),
      networkRules('{url_path: {path: {exact: /}}}'),
    ].join(', '),
  ),
  'echo alone': withNetworkFilters('', networkFilter('echo.v3.Echo', '')),
  'a direct response on a connection': withNetworkFilters(
    '',
    networkFilter('direct_response.v3.Config', 'response: {inline_string: hi}'),
  ),
  'a TCP proxy that tunnels': proxyWith(
    'tunneling_config: {hostname: "%REQUESTED_SERVER_NAME%:443", use_post: true, post_path: /x, headers_to_add: [{header: {key: a, value: b}}]}',
  ),
  'a TCP proxy with all its times': proxyWith(
    'idle_timeout: 0s, max_downstream_connection_duration: 1s, max_downstream_connection_duration_jitter_percentage: {value: 10}, max_connect_attempts: 3, backoff_options: {base_interval: 0.1s}, access_log_options: {access_log_flush_interval: 1s, flush_access_log_on_start: true}, hash_policy: [{source_ip: {}}]',
  ),
  'delta ADS': bootstrap({ clusters: adsCluster, listeners: '', rest: adsConfig('DELTA_GRPC') }),
  // AUTO is the default and means V3 since Envoy has no other.
  'ADS without an API version': bootstrap({
    clusters: adsCluster,
    listeners: '',
    rest: adsConfig('GRPC').replace('transport_api_version: V3, ', ''),
  }),
  'SotW ADS': bootstrap({ clusters: adsCluster, listeners: '', rest: adsConfig('GRPC') }),
  'an EDS cluster over ADS': bootstrap({
    clusters: `${adsCluster}, ${cluster('type: EDS, eds_cluster_config: {eds_config: {ads: {}, resource_api_version: V3}}')}`,
    rest: adsConfig('DELTA_GRPC'),
  }),
  'routes over RDS': bootstrap({
    clusters: adsCluster,
    listeners: listener(
      hcm('rds: {route_config_name: r, config_source: {ads: {}, resource_api_version: V3}}'),
    ),
    rest: adsConfig('GRPC'),
  }),
  'every kind of path match': withRoutes(
    '{match: {path: /a}, route: {cluster: backend}}, {match: {path_separated_prefix: /b}, route: {cluster: backend}}, {match: {safe_regex: {regex: "/c/[0-9]+"}}, route: {cluster: backend}}, {match: {prefix: /}, direct_response: {status: 404}}',
  ),
  'header and query matches': withRoutes(
    '{match: {prefix: /, headers: [{name: x-a, string_match: {exact: b}}, {name: x-c, present_match: true, invert_match: true}], query_parameters: [{name: q, string_match: {prefix: z}}]}, route: {cluster: backend}}',
  ),
  'weighted clusters, timeouts and retries': bootstrap({
    listeners: listener(
      hcm('', {
        routes: routeConfig(
          '{match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: backend, weight: 90}, {name: b, weight: 10}]}, timeout: 3s, idle_timeout: 5s, retry_policy: {retry_on: "5xx,reset", num_retries: 2, per_try_timeout: 1s, retry_back_off: {base_interval: 0.025s, max_interval: 1s}}}}',
        ),
      }),
    ),
    clusters: `${cluster()}, ${cluster('', 'b')}`,
  }),
  'rewrites and redirects': withRoutes(
    '{match: {prefix: /a}, route: {cluster: backend, prefix_rewrite: /b, host_rewrite_literal: h}}, {match: {prefix: /c}, route: {cluster: backend, regex_rewrite: {pattern: {regex: "^/c/(.*)$"}, substitution: "/d/\\\\1"}}}, {match: {prefix: /e}, redirect: {https_redirect: true, response_code: FOUND}}',
  ),
  'header mutations on the route': withRoutes(
    toBackend,
    'request_headers_to_add: [{header: {key: x-a, value: "%DOWNSTREAM_REMOTE_ADDRESS%"}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}], response_headers_to_remove: [x-b]',
  ),
  'the fault filter': withFilter(
    'fault.v3.HTTPFault',
    'abort: {http_status: 503, percentage: {numerator: 10, denominator: HUNDRED}}, delay: {fixed_delay: 1s, percentage: {numerator: 5}}',
  ),
  'the RBAC filter': withFilter(
    'rbac.v3.RBAC',
    'rules: {action: ALLOW, policies: {p: {permissions: [{url_path: {path: {prefix: /a}}}], principals: [{authenticated: {principal_name: {exact: "spiffe://a/b"}}}]}}}',
  ),
  'the header_mutation filter': withFilter(
    'header_mutation.v3.HeaderMutation',
    'mutations: {request_mutations: [{append: {header: {key: x-a, value: b}}}], response_mutations: [{remove: x-c}]}',
  ),
  'an access log in text and in JSON': withHcm(
    `access_log: [{name: a, typed_config: ${type('envoy.extensions.access_loggers.file.v3.FileAccessLog', 'path: /dev/null, log_format: {text_format_source: {inline_string: "%START_TIME% %REQ(:PATH)% %RESPONSE_FLAGS%\\n"}}')}}, {name: b, typed_config: ${type('envoy.extensions.access_loggers.stream.v3.StdoutAccessLog', 'log_format: {json_format: {code: "%RESPONSE_CODE%", up: {host: "%UPSTREAM_HOST%"}}}')}}]`,
  ),
  'edge settings': withHcm(
    'normalize_path: true, merge_slashes: true, path_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT, use_remote_address: true, xff_num_trusted_hops: 1, common_http_protocol_options: {idle_timeout: 3600s, headers_with_underscores_action: REJECT_REQUEST, max_headers_count: 50}, stream_idle_timeout: 300s, request_timeout: 300s, request_headers_timeout: 10s, server_name: me',
  ),
  TLS: withTls(`common_tls_context: {${goodPair}, alpn_protocols: [http/1.1]}`),
  'mutual TLS': withTls(
    `require_client_certificate: true, common_tls_context: {${goodPair}, tls_params: {tls_minimum_protocol_version: TLSv1_2, tls_maximum_protocol_version: TLSv1_3}, validation_context: {trusted_ca: ${inline(ca.certificatePem)}, match_typed_subject_alt_names: [{san_type: URI, matcher: {prefix: "spiffe://a/"}}]}}`,
  ),
  'chains by SNI, ALPN and port': bootstrap({
    listeners: `{name: l, address: ${address(10000)}, listener_filters: [{name: tls, typed_config: ${type('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector')}}], filter_chains: [{name: a, filter_chain_match: {server_names: ["*.a.test"], transport_protocol: tls}, filters: [${tcpProxy('cluster: backend')}]}, {name: b, filter_chain_match: {application_protocols: [http/1.1], destination_port: 10000}, filters: [${hcm('')}]}], default_filter_chain: {filters: [${hcm('')}]}}`,
  }),
  'breakers, outlier detection and balancing': withCluster(
    'connect_timeout: 0.25s, lb_policy: LEAST_REQUEST, least_request_lb_config: {choice_count: 3}, circuit_breakers: {thresholds: [{max_connections: 10, max_pending_requests: 5, max_requests: 20, retry_budget: {budget_percent: {value: 25}, min_retry_concurrency: 3}}]}, outlier_detection: {consecutive_5xx: 3, interval: 1s, base_ejection_time: 5s, max_ejection_percent: 50, enforcing_success_rate: 0}',
  ),
  'HTTP health checks': withHealthCheck(
    'initial_jitter: 0.1s, interval_jitter_percent: 10, no_traffic_interval: 5s, healthy_edge_interval: 1s, reuse_connection: false, http_health_check: {path: /, method: POST, send: {text: "00"}, host: h, expected_statuses: [{start: 200, end: 300}], retriable_statuses: [{start: 500, end: 600}], receive: [{text: "6f6b"}, {binary: AQI=}], response_buffer_size: 0, service_name_matcher: {prefix: a}, codec_client_type: HTTP2, request_headers_to_add: [{header: {key: x-a, value: "%HOSTNAME%"}}], request_headers_to_remove: [x-b]}',
  ),
  'TCP health checks with an event log': withHealthCheck(
    `tls_options: {alpn_protocols: [a]}, event_logger: [{name: file, typed_config: ${type('envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink', 'event_log_path: /dev/null')}}], tcp_health_check: {send: {text: "00"}, receive: [{text: "01"}], proxy_protocol_config: {version: V2}}`,
  ),
  'gRPC health checks': withCluster(
    `typed_extension_protocol_options: {${upstreamHttp}: ${type(upstreamHttp, 'explicit_http_config: {http2_protocol_options: {}}')}}, health_checks: [{${healthCheckTimes}, grpc_health_check: {service_name: s, authority: a, initial_metadata: [{header: {key: x-a, value: b}}]}}]`,
  ),
  STRICT_DNS: withCluster('type: STRICT_DNS, dns_lookup_family: V4_ONLY, dns_refresh_rate: 5s'),
  'upstream TLS': withCluster(
    `transport_socket: {name: tls, typed_config: ${type('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', `sni: a.test, common_tls_context: {validation_context: {trusted_ca: ${inline(ca.certificatePem)}}}`)}}`,
  ),
  'static secrets': bootstrap({
    listeners: listener(hcm(''), {
      chain: `transport_socket: {name: tls, typed_config: ${type('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', 'common_tls_context: {tls_certificate_sds_secret_configs: [{name: own}]}')}}`,
    }),
  }).replace(
    '  clusters:',
    `  secrets: [{name: own, tls_certificate: {certificate_chain: ${inline(leaf.certificatePem)}, private_key: ${inline(leaf.privateKeyPem)}}}]\n  clusters:`,
  ),
  'a static runtime layer': bootstrap({
    rest: 'layered_runtime: {layers: [{name: a, static_layer: {my.key: 5}}, {name: admin, admin_layer: {}}]}',
  }),
};

/** Envoy refuses these, so must we. The text is what our errors must name. */
const bad: Readonly<Record<string, readonly [string, RegExp]>> = {
  'YAML that does not parse': ['static_resources: [\n', /:\d+:\d+/],
  'an unknown field': [bootstrap({ rest: 'no_such_field: 1' }), /no_such_field/],
  'an unknown field far down': [withHcm('no_such: 1'), /no_such/],
  'text where a number must be': [
    bootstrap({}).replace('port_value: 9901', 'port_value: many'),
    /port_value/,
  ],
  'a port above 65535': [
    bootstrap({}).replace('port_value: 9901', 'port_value: 70000'),
    /port_value/,
  ],
  'HTTP/2 server push': [withHttp2(settings([2, 1])), /server push/],
  'RFC 8441 as a custom setting': [withHttp2(settings([8, 1])), /allow_connect/],
  'custom settings that disagree': [withHttp2(settings([0x99, 1], [0x99, 2])), /inconsistent/],
  'a setting both named and custom': [
    withHttp2(`hpack_table_size: 1, ${settings([1, 1])}`),
    /hpack_table_size/,
  ],
  'a custom setting above 16 bits': [withHttp2(settings([65_536, 1])), /identifier/],
  'an HTTP/2 window below 65,535': [
    withHttp2('initial_stream_window_size: 65534'),
    /initial_stream_window_size/,
  ],
  'no HTTP/2 streams': [withHttp2('max_concurrent_streams: 0'), /max_concurrent_streams/],
  'HTTP/2 keepalive without a timeout': [
    withHttp2('connection_keepalive: {interval: 1s}'),
    /connection_keepalive/,
  ],
  'HTTP/2 keepalive below a millisecond': [
    withHttp2('connection_keepalive: {interval: 0.0005s, timeout: 1s}'),
    /connection_keepalive/,
  ],
  'a field size out of its range': [
    withHttp2('max_header_field_size_kb: 63'),
    /max_header_field_size_kb/,
  ],
  'a field size above that of all headers': [
    withHttp2('max_header_field_size_kb: 64'),
    /max_header_field_size_kb/,
  ],
  'a jitter above 100 percent': [
    withHcm('drain_timeout_jitter: {value: 101}'),
    /drain_timeout_jitter/,
  ],
  'an unknown enum value': [withHcm('codec_type: HTTP9'), /codec_type/],
  'a negative connect timeout': [withCluster('connect_timeout: -1s'), /connect_timeout/],
  'a connect timeout of 0': [withCluster('connect_timeout: 0s'), /connect_timeout/],
  'a health check without thresholds': [
    withCluster('health_checks: [{timeout: 1s, interval: 1s, tcp_health_check: {}}]'),
    /unhealthy_threshold/,
  ],
  'a health check of no kind': [withHealthCheck('alt_port: 1'), /health_checks\[0\]/],
  'two health checks': [
    withCluster(
      `health_checks: [{${healthCheckTimes}, tcp_health_check: {}}, {${healthCheckTimes}, tcp_health_check: {}}]`,
    ),
    /Multiple health checks/,
  ],
  'a negative jitter of health checks': [
    withHealthCheck('initial_jitter: -1s, tcp_health_check: {}'),
    /initial_jitter/,
  ],
  'a health check payload that is no hexadecimal': [
    withHealthCheck('tcp_health_check: {send: {text: abc}}'),
    /invalid hex string 'abc'/,
  ],
  'a range of no statuses': [
    withHealthCheck('http_health_check: {path: /, expected_statuses: [{start: 300, end: 200}]}'),
    /expected_statuses\[0\].*start < end/,
  ],
  'a status that does not exist': [
    withHealthCheck('http_health_check: {path: /, retriable_statuses: [{start: 500, end: 601}]}'),
    /retriable_statuses\[0\].*end <= 600/,
  ],
  'a health check that sends a body with GET': [
    withHealthCheck('http_health_check: {path: /, send: {text: "00"}}'),
    /cannot specify a request payload with method 'GET'/,
  ],
  'a health check with CONNECT': [
    withHealthCheck('http_health_check: {path: /, method: CONNECT}'),
    /method/,
  ],
  'gRPC health checks over HTTP/1': [
    withHealthCheck('grpc_health_check: {}'),
    /backend cluster must support HTTP\/2 for gRPC healthchecking/,
  ],
  'a malformed duration': [withCluster('connect_timeout: soon'), /connect_timeout/],
  'two members of a oneof': [
    withRoutes('{match: {prefix: /, path: /a}, route: {cluster: backend}}'),
    /match/,
  ],
  'a route without a match': [withRoutes('{route: {cluster: backend}}'), /match/],
  'a route without an action': [withRoutes('{match: {prefix: /}}'), /routes\[0\]/],
  'a route to a missing cluster': [
    withRoutes('{match: {prefix: /}, route: {cluster: nowhere}}'),
    /nowhere/,
  ],
  'a regular expression that RE2 has not': [
    withRoutes('{match: {safe_regex: {regex: "(?=a)"}}, route: {cluster: backend}}'),
    /regex/,
  ],
  'a regular expression that is none': [
    withRoutes('{match: {safe_regex: {regex: "("}}, route: {cluster: backend}}'),
    /regex/,
  ],
  'weights that sum to 0': [
    withRoutes(
      '{match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: backend, weight: 0}]}}}',
    ),
    /weight/,
  ],
  'two virtual hosts with one domain': [
    bootstrap({
      listeners: listener(
        hcm('', {
          routes: `{virtual_hosts: [{name: a, domains: [x], routes: [${toBackend}]}, {name: b, domains: [X], routes: [${toBackend}]}]}`,
        }),
      ),
    }),
    /domain/,
  ],
  'a virtual host without domains': [
    bootstrap({
      listeners: listener(
        hcm('', { routes: `{virtual_hosts: [{name: a, domains: [], routes: [${toBackend}]}]}` }),
      ),
    }),
    /domains/,
  ],
  'a direct response with status 99': [
    withRoutes('{match: {prefix: /}, direct_response: {status: 99}}'),
    /status/,
  ],
  'a header to add without a name': [
    withRoutes(toBackend, 'request_headers_to_add: [{header: {key: "", value: a}}]'),
    /key/,
  ],
  'a format with an unknown operator': [
    withRoutes(toBackend, 'request_headers_to_add: [{header: {key: a, value: "%NO_SUCH%"}}]'),
    /NO_SUCH/,
  ],
  'an access log with an unknown operator': [
    withHcm(
      `access_log: [{name: a, typed_config: ${type('envoy.extensions.access_loggers.file.v3.FileAccessLog', 'path: /dev/null, log_format: {text_format_source: {inline_string: "%NO_SUCH%"}}')}}]`,
    ),
    /NO_SUCH/,
  ],
  'a filter of an unknown type': [
    bootstrap({
      listeners: listener(
        hcm('', {
          httpFilters: `{name: f, typed_config: ${type('envoy.no.such.v3.Filter')}}, ${router}`,
        }),
      ),
    }),
    /envoy\.no\.such/,
  ],
  'a router that is not last': [
    bootstrap({
      listeners: listener(
        hcm('', {
          httpFilters: `${router}, {name: f, typed_config: ${type('envoy.extensions.filters.http.fault.v3.HTTPFault')}}`,
        }),
      ),
    }),
    /terminal/,
  ],
  'no router': [
    bootstrap({
      listeners: listener(
        hcm('', {
          httpFilters: `{name: f, typed_config: ${type('envoy.extensions.filters.http.fault.v3.HTTPFault')}}`,
        }),
      ),
    }),
    /terminal/,
  ],
  'a connection manager without routes': [
    bootstrap({ listeners: listener(hcm('', { routes: 'null' })) }),
    /route/,
  ],
  'a listener without an address': [
    bootstrap({ listeners: `{name: l, filter_chains: [{filters: [${hcm('')}]}]}` }),
    /address/,
  ],
  'a listener without filter chains': [
    bootstrap({ listeners: `{name: l, address: ${address(10000)}}` }),
    /filter_chain/,
  ],
  'two chains with one match': [
    bootstrap({
      listeners: `{name: l, address: ${address(10000)}, filter_chains: [{filters: [${hcm('')}]}, {filters: [${hcm('')}]}]}`,
    }),
    /filter_chain/,
  ],
  'a host name as listener address': [
    bootstrap({}).replace(
      'name: ingress, address: {socket_address: {address: 127.0.0.1',
      'name: ingress, address: {socket_address: {address: localhost',
    ),
    /address/,
  ],
  'two clusters with one name': [bootstrap({ clusters: `${cluster()}, ${cluster()}` }), /backend/],
  'an EDS cluster without a source': [withCluster('type: EDS'), /eds/],
  'a STATIC cluster with a host name': [
    withCluster('').replace(
      'address: 127.0.0.1, port_value: 9}',
      'address: a.test, port_value: 9}',
    ),
    /a\.test|address/,
  ],
  'an abort with status 99': [
    withFilter('fault.v3.HTTPFault', 'abort: {http_status: 99, percentage: {numerator: 1}}'),
    /http_status/,
  ],
  'a circuit breaker budget above 100 %': [
    withCluster('circuit_breakers: {thresholds: [{retry_budget: {budget_percent: {value: 101}}}]}'),
    /budget_percent/,
  ],
  'an RBAC policy without permissions': [
    withFilter(
      'rbac.v3.RBAC',
      'rules: {policies: {p: {permissions: [], principals: [{any: true}]}}}',
    ),
    /permissions/,
  ],
  'a certificate without its key': [
    withTls(
      `common_tls_context: {tls_certificates: [{certificate_chain: ${inline(leaf.certificatePem)}}]}`,
    ),
    /private_key|key/,
  ],
  'a key of another certificate': [
    withTls(`common_tls_context: {${pair(leaf.certificatePem, other.privateKeyPem)}}`),
    /match|key/,
  ],
  'a certificate that is none': [
    withTls(`common_tls_context: {${pair('garbage', leaf.privateKeyPem)}}`),
    /certificate/,
  ],
  'a CA that is none': [
    withTls(
      `common_tls_context: {${goodPair}, validation_context: {trusted_ca: ${inline('garbage')}}}`,
    ),
    /trusted_ca/,
  ],
  'a secret that is not there': [
    withTls('common_tls_context: {tls_certificate_sds_secret_configs: [{name: nowhere}]}'),
    /nowhere/,
  ],
  'an unknown cipher': [
    withTls(`common_tls_context: {${goodPair}, tls_params: {cipher_suites: [NO_SUCH_CIPHER]}}`),
    /NO_SUCH_CIPHER/,
  ],
  'a file that is not there': [
    withTls(
      'common_tls_context: {tls_certificates: [{certificate_chain: {filename: /no/such.pem}, private_key: {filename: /no/such.key}}]}',
    ),
    /no\/such/,
  ],
  'ADS over a cluster that is not there': [
    bootstrap({ listeners: '', clusters: '', rest: adsConfig('GRPC') }),
    /xds/,
  ],
  'API version V2 for ADS': [
    bootstrap({ clusters: adsCluster, listeners: '', rest: adsConfig('GRPC', 'V2') }),
    /transport_api_version/,
  ],
  'echo before a TCP proxy': [
    withNetworkFilters(networkFilter('echo.v3.Echo', '')),
    /filters\[0\].*must be the last filter/,
  ],
  'no terminal network filter': [
    withNetworkFilters('', networkFilter('sni_cluster.v3.SniCluster', '')),
    /filters\[0\].*is the last filter/,
  ],
  'a connection limit without a limit': [
    withNetworkFilters(networkFilter('connection_limit.v3.ConnectionLimit', 'stat_prefix: c')),
    /max_connections/,
  ],
  'a connection limit of none': [
    withNetworkFilters(
      networkFilter('connection_limit.v3.ConnectionLimit', 'stat_prefix: c, max_connections: 0'),
    ),
    /max_connections/,
  ],
  'a bucket that fills too fast': [
    withNetworkFilters(rateLimit('max_tokens: 1, fill_interval: 0.01s')),
    /fill_interval/,
  ],
  'a bucket that never fills': [withNetworkFilters(rateLimit('max_tokens: 1')), /fill_interval/],
  'a header rule on connections': [
    withNetworkFilters(networkRules('{not_rule: {header: {name: x, present_match: true}}}')),
    /header rule/,
  ],
  'a post path without POST': [
    proxyWith('tunneling_config: {hostname: a, post_path: /x}'),
    /post_path/,
  ],
  'a tunnel to a format that is none': [
    proxyWith('tunneling_config: {hostname: "%NOPE%"}'),
    /hostname.*NOPE/,
  ],
  'a back-off that shrinks': [
    proxyWith('backoff_options: {base_interval: 0.5s, max_interval: 0.1s}'),
    /max_interval/,
  ],
  'two flush intervals': [
    proxyWith('access_log_flush_interval: 1s, access_log_options: {access_log_flush_interval: 1s}'),
    /access_log_flush_interval/,
  ],
  'a hash policy of nothing': [proxyWith('hash_policy: [{}]'), /hash_policy/],
  'a runtime layer without a name': [
    bootstrap({ rest: 'layered_runtime: {layers: [{static_layer: {}}]}' }),
    /name/,
  ],
};

/** Envoy takes these, we do not: [bootstrap, what our error names, words of docs/differences.md]. */
const stricter: Readonly<Record<string, readonly [string, RegExp, string]>> = {
  'a custom setting that allows no stream': [
    withHttp2(settings([3, 0])),
    /no stream/,
    'Custom HTTP/2 settings',
  ],
  'a custom window above 2^31-1': [
    withHttp2(settings([4, 2_147_483_648])),
    /window/,
    'Custom HTTP/2 settings',
  ],
  'a TCP proxy to a missing cluster': [
    bootstrap({ listeners: listener(tcpProxy('cluster: nowhere')) }),
    /nowhere/,
    'Clusters named by tcp_proxy',
  ],
  'a word that only YAML 1.1 takes for a boolean': [
    withHcm('normalize_path: yes'),
    /normalize_path/,
    'YAML 1.2',
  ],
  'a header name that is none': [
    withRoutes(
      '{match: {prefix: /, headers: [{name: "x a", present_match: true}]}, route: {cluster: backend}}',
    ),
    /x a/,
    'Invalid header names',
  ],
  'a prefix longer than its address': [
    withFilter(
      'rbac.v3.RBAC',
      'rules: {policies: {p: {permissions: [{any: true}], principals: [{direct_remote_ip: {address_prefix: 10.0.0.0, prefix_len: 33}}]}}}',
    ),
    /prefix_len/,
    'CIDR lengths',
  ],
  'a rewrite to a group that is not there': [
    withRoutes(
      '{match: {prefix: /}, route: {cluster: backend, regex_rewrite: {pattern: {regex: "^/a$"}, substitution: "/\\\\1"}}}',
    ),
    /substitution/,
    'Rewrites',
  ],
  'RDS without a name': [
    bootstrap({
      clusters: adsCluster,
      listeners: listener(hcm('rds: {config_source: {ads: {}, resource_api_version: V3}}')),
      rest: adsConfig('GRPC'),
    }),
    /route_config_name/,
    'RDS without',
  ],
  'two listeners of one name': [
    bootstrap({
      listeners: `${listener(hcm(''))}, ${listener(hcm('')).replace('10000', '10001')}`,
    }),
    /ingress/,
    'Duplicate listener names',
  ],
  'a connection manager without filters': [
    bootstrap({ listeners: listener(hcm('', { httpFilters: '' })) }),
    /http_filters/,
    'Connection managers without filters',
  ],
  'endpoints on an EDS cluster': [
    bootstrap({
      clusters: `${adsCluster}, ${cluster('type: EDS')}`.replace(
        'type: EDS',
        'type: EDS, eds_cluster_config: {eds_config: {ads: {}, resource_api_version: V3}}',
      ),
      rest: adsConfig('GRPC'),
    }),
    /load_assignment/,
    'load_assignment on an EDS cluster',
  ],
  'a header_mutation that removes :path': [
    withFilter(
      'header_mutation.v3.HeaderMutation',
      'mutations: {request_mutations: [{remove: ":path"}]}',
    ),
    /remove/,
    'header_mutation that removes',
  ],
  'a TLS minimum above the maximum': [
    withTls(
      `common_tls_context: {${goodPair}, tls_params: {tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_2}}`,
    ),
    /tls_minimum_protocol_version/,
    'TLS minimum above',
  ],
  'an unknown transport protocol': [
    bootstrap({
      listeners: listener(hcm(''), { chain: 'filter_chain_match: {transport_protocol: quick}' }),
    }),
    /transport_protocol/,
    'Unknown transport_protocol',
  ],
  'an ADS source without ads_config': [
    withCluster('type: EDS, eds_cluster_config: {eds_config: {ads: {}, resource_api_version: V3}}'),
    /ads/,
    'ADS sources without',
  ],
  'API version V2 for resources': [
    bootstrap({
      clusters: adsCluster,
      listeners: '',
      rest: adsConfig('GRPC').replace('resource_api_version: V3', 'resource_api_version: V2'),
    }),
    /resource_api_version/,
    'API versions other than V3',
  ],
};

const scratch = mkdtempSync(join(os.tmpdir(), 'remora-bootstraps-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** null = Envoy takes it; else the beginning of what it says. */
function envoyRefusal(text: string): string | null {
  const file = join(scratch, 'bootstrap.yaml');
  writeFileSync(file, text);
  const { status, stderr } = spawnSync(
    findPeer('envoy') ?? '',
    ['--mode', 'validate', '-c', file, '-l', 'error'],
    { encoding: 'utf8', timeout: 20_000 },
  );
  return status === 0 ? null : stderr.trim().slice(0, 600);
}

describe('bootstraps', { skip: skipWithout('envoy') }, () => {
  for (const [name, text] of Object.entries(good)) {
    it(`with ${name} are taken by both`, () => {
      assert.equal(envoyRefusal(text), null);
      assert.deepEqual(bootstrapErrors(text, {}), []);
    });
  }

  for (const [name, [text, named]] of Object.entries(bad)) {
    it(`with ${name} are refused by both`, () => {
      assert.notEqual(envoyRefusal(text), null, 'Envoy takes it');
      assert.match(bootstrapErrors(text).join('\n'), named);
    });
  }

  const differences = readFileSync(new URL('../../docs/differences.md', import.meta.url), 'utf8');
  for (const [name, [text, named, words]] of Object.entries(stricter)) {
    it(`with ${name} are refused by us alone`, () => {
      assert.equal(envoyRefusal(text), null);
      assert.match(bootstrapErrors(text).join('\n'), named);
      assert.ok(differences.includes(words), `docs/differences.md does not explain: ${words}`);
    });
  }
});
