// Resources with one thing wrong each, and where: what a sidecar must refuse by name and field. Each is a good resource in which the
// value at `path` is another one (undefined = it is not there). `says` is where the error stands if not at `path`.

import { parse } from 'yaml';
import type { ResourceKind } from '../../dataplane/api/resource-compiler.ts';

export type PlantedKind = Extract<
  ResourceKind,
  'cluster' | 'endpoint' | 'listener' | 'route' | 'secret'
>;

export interface PlantedError {
  readonly kind: PlantedKind;
  /** `a.b[0].c`; `@` stands for the connection manager of the listener. */
  readonly path: string;
  readonly value: unknown;
  readonly says?: string;
}

const RESOURCE_NAME = 'planted';
const TYPE = 'type.googleapis.com/';
const HCM_PATH = 'filter_chains[0].filters[0].typed_config';

/** Good ones, into which errors are planted. */
export const goodResources: Readonly<Record<PlantedKind, () => Record<string, unknown>>> = {
  cluster: () =>
    parse(`
name: ${RESOURCE_NAME}
type: EDS
eds_cluster_config: {eds_config: {ads: {}, resource_api_version: V3}}
connect_timeout: 1s
circuit_breakers: {thresholds: [{max_connections: 10}]}
outlier_detection: {interval: 10s}
health_checks:
  - {timeout: 1s, interval: 5s, unhealthy_threshold: 2, healthy_threshold: 1, http_health_check: {path: /health}}
transport_socket:
  name: tls
  typed_config:
    "@type": ${TYPE}envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
    sni: a.test
    common_tls_context: {validation_context: {}}
`),
  endpoint: () =>
    parse(`
cluster_name: ${RESOURCE_NAME}
endpoints:
  - locality: {region: r}
    load_balancing_weight: 1
    lb_endpoints:
      - {endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 80}}}, load_balancing_weight: 1}
`),
  listener: () =>
    parse(`
name: ${RESOURCE_NAME}
address: {socket_address: {address: 127.0.0.1, port_value: 0}}
filter_chains:
  - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": ${TYPE}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: planted
          route_config:
            name: inline
            virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200}}]}]
          http_filters:
            - {name: router, typed_config: {"@type": ${TYPE}envoy.extensions.filters.http.router.v3.Router}}
`),
  route: () =>
    parse(`
name: ${RESOURCE_NAME}
virtual_hosts:
  - name: v
    domains: [a.test]
    routes:
      - match: {prefix: /}
        route: {cluster: c, retry_policy: {retry_on: 5xx, num_retries: 1}}
`),
  secret: () => parse(`{name: ${RESOURCE_NAME}, validation_context: {}}`),
};

const of =
  (kind: PlantedKind) =>
  (path: string, value: unknown, says?: string): PlantedError => ({
    kind,
    path,
    value,
    ...(says === undefined ? {} : { says }),
  });
const cluster = of('cluster');
const endpoint = of('endpoint');
const listener = of('listener');
const route = of('route');
const secret = of('secret');

const action = 'virtual_hosts[0].routes[0].route';
const match = 'virtual_hosts[0].routes[0].match';
const lbEndpoint = 'endpoints[0].lb_endpoints[0]';
const socketAddress = `${lbEndpoint}.endpoint.address.socket_address`;
const tls = 'transport_socket.typed_config';
const check = 'health_checks[0]';
const big = 4_294_967_295;

export const plantedErrors: readonly PlantedError[] = [
  cluster('name', ''),
  cluster('connect_timeout', '-1s'),
  cluster('connect_timeout', '0s'),
  cluster('lb_policy', 99),
  cluster('lb_policy', 'CLUSTER_PROVIDED'),
  cluster('type', 99),
  cluster('eds_cluster_config', undefined),
  cluster('eds_cluster_config.eds_config', {}),
  cluster('eds_cluster_config.eds_config.resource_api_version', 'V2'),
  cluster('circuit_breakers.thresholds[0].priority', 9),
  cluster('circuit_breakers.thresholds[0].retry_budget', { budget_percent: { value: 101 } }),
  cluster('circuit_breakers.per_host_thresholds', [{ max_requests: 1 }]),
  cluster('outlier_detection.interval', '0s'),
  cluster('outlier_detection.base_ejection_time', '0s'),
  cluster('outlier_detection.max_ejection_percent', 101),
  cluster('outlier_detection.enforcing_consecutive_5xx', 101),
  cluster('outlier_detection.enforcing_success_rate', 101),
  cluster('outlier_detection.enforcing_consecutive_gateway_failure', 101),
  cluster('outlier_detection.failure_percentage_threshold', 101),
  cluster('outlier_detection.max_ejection_time', '1s'),
  cluster(`${check}.timeout`, undefined),
  cluster(`${check}.interval`, '0s'),
  cluster(`${check}.unhealthy_threshold`, undefined),
  cluster(`${check}.healthy_threshold`, undefined),
  cluster(`${check}.http_health_check`, undefined, check),
  cluster(`${check}.http_health_check.path`, ''),
  cluster(`${check}.http_health_check.path`, 'a\nb'),
  cluster(`${check}.http_health_check.expected_statuses`, [{ start: 300, end: 200 }]),
  cluster(`${check}.http_health_check.expected_statuses`, [{ start: 99, end: 200 }]),
  cluster(`${check}.http_health_check.method`, 'CONNECT'),
  cluster('ring_hash_lb_config', { minimum_ring_size: 8_388_609 }),
  cluster('common_lb_config', { healthy_panic_threshold: { value: 101 } }),
  cluster('load_balancing_policy', { policies: [] }),
  cluster(`${tls}.sni`, 'a'.repeat(256)),
  cluster(`${tls}.common_tls_context.tls_params`, { tls_minimum_protocol_version: 99 }),
  cluster(`${tls}.common_tls_context.tls_certificates`, [
    { certificate_chain: { inline_string: 'no PEM' }, private_key: { inline_string: 'no PEM' } },
  ]),
  cluster(`${tls}.common_tls_context.validation_context.trusted_ca`, { inline_string: 'no PEM' }),
  cluster(`${tls}.common_tls_context.validation_context.trusted_ca`, { inline_string: '' }),
  cluster(`${tls}.common_tls_context.validation_context.verify_certificate_hash`, ['zz']),
  cluster(`${tls}.common_tls_context.alpn_protocols`, ['']),
  cluster('upstream_connection_options', { tcp_keepalive: { keepalive_probes: 0 } }),
  cluster('dns_refresh_rate', '0s'),
  cluster('slow_start_config', {}),

  endpoint('cluster_name', ''),
  endpoint('endpoints[0].priority', 129),
  endpoint('endpoints[0].load_balancing_weight', 0),
  endpoint(`${lbEndpoint}.load_balancing_weight`, 0),
  endpoint(`${lbEndpoint}.health_status`, 99),
  endpoint(`${socketAddress}.address`, ''),
  endpoint(`${socketAddress}.address`, 'not-an-address'),
  endpoint(`${socketAddress}.port_value`, 65_536),
  endpoint(`${socketAddress}.port_value`, undefined, socketAddress),
  endpoint(`${lbEndpoint}.endpoint.address`, undefined),
  endpoint(`${lbEndpoint}.endpoint.health_check_config`, { port_value: 65_536 }),
  endpoint('policy', { overprovisioning_factor: 0 }),
  endpoint('policy', { endpoint_stale_after: '0s' }),
  endpoint('policy', { drop_overloads: [{ category: '' }] }),

  listener('address', undefined),
  listener('address.socket_address.address', 'nonsense'),
  listener('address.socket_address.port_value', 70_000),
  listener('filter_chains', []),
  listener('filter_chains[0].filters[0].name', ''),
  listener('filter_chains[0].filters[0].typed_config', undefined),
  listener('filter_chains[0].filters[0].typed_config', {
    '@type': `${TYPE}envoy.extensions.filters.network.no_such.v3.Filter`,
  }),
  listener('filter_chains[0].filter_chain_match', { prefix_ranges: [{ address_prefix: 'x' }] }),
  listener('filter_chains[0].filter_chain_match', { destination_port: 0 }),
  listener('per_connection_buffer_limit_bytes', -1),
  listener('listener_filters', [{ name: 'x' }]),
  listener('@.stat_prefix', ''),
  listener('@.codec_type', 99),
  listener('@.route_config', undefined, '@'),
  listener('@.http_filters', []),
  listener('@.http_filters[0].name', ''),
  listener('@.http_filters[0].typed_config', {
    '@type': `${TYPE}envoy.extensions.filters.http.no_such.v3.Filter`,
  }),
  listener('@.max_request_headers_kb', 8193),
  listener('@.max_request_headers_kb', 0),
  listener('@.stream_idle_timeout', '-1s'),
  listener('@.server_header_transformation', 99),
  listener('@.server_name', 'a\r\nb'),
  listener('@.forward_client_cert_details', 99),
  listener('@.local_reply_config', { mappers: [{}] }),
  listener('@.common_http_protocol_options', { max_headers_count: 0 }),
  listener('@.http2_protocol_options', { max_concurrent_streams: 0 }),
  listener('@.http2_protocol_options', { initial_stream_window_size: 1 }),
  listener('@.access_log', [{ name: 'x', typed_config: { '@type': `${TYPE}no.Such` } }]),
  listener('@.path_with_escaped_slashes_action', 99),

  route('name', ''),
  route('virtual_hosts[0].name', ''),
  route('virtual_hosts[0].domains', []),
  route('virtual_hosts[0].domains', ['a.test', 'a.test']),
  route('virtual_hosts[0].require_tls', 99),
  route('virtual_hosts[0].routes[0].match', undefined),
  route(match, {}),
  route(match, { safe_regex: { regex: '(' } }),
  route(match, { safe_regex: { regex: '' } }),
  route(match, { path_separated_prefix: '/a/' }),
  route(`${match}.headers`, [{ name: '' }]),
  route(`${match}.query_parameters`, [{ name: '' }]),
  route('virtual_hosts[0].routes[0].route', undefined, 'virtual_hosts[0].routes[0]'),
  route(`${action}.cluster`, ''),
  route(action, { weighted_clusters: { clusters: [] } }),
  route(action, { weighted_clusters: { clusters: [{ name: 'a', weight: 0 }] } }),
  route(action, {
    weighted_clusters: {
      clusters: [
        { name: 'a', weight: big },
        { name: 'b', weight: 1 },
      ],
    },
  }),
  route(`${action}.cluster_not_found_response_code`, 99),
  route(`${action}.prefix_rewrite`, '/a\nb'),
  route(`${action}.hash_policy`, [{}]),
  route(`${action}.hash_policy`, [{ header: { header_name: '' } }]),
  route(`${action}.retry_policy.retry_back_off`, { base_interval: '0s' }),
  route(`${action}.retry_policy.retry_back_off`, { base_interval: '2s', max_interval: '1s' }),
  route(`${action}.retry_policy.retry_host_predicate`, [{ name: 'x' }]),
  route(`${action}.hedge_policy`, { additional_request_chance: { numerator: 1, denominator: 9 } }),
  route(`${action}.request_mirror_policies`, [{ cluster: 'a', cluster_header: 'b' }]),
  route('virtual_hosts[0].routes[0].response_headers_to_add', [
    { header: { key: '', value: 'a' } },
  ]),
  route('virtual_hosts[0].routes[0].request_headers_to_add', [
    { header: { key: 'a', value: '%NO_SUCH%' } },
  ]),
  route('virtual_hosts[0].routes[0].request_headers_to_remove', [':path']),
  route('internal_only_headers', ['a\nb']),

  secret('name', ''),
  secret('validation_context', undefined, ''),
  secret('validation_context.trusted_ca', { inline_string: 'no PEM' }),
  secret('validation_context.trusted_ca', { inline_string: '' }),
  secret('validation_context.trusted_ca', {}),
  secret('validation_context.verify_certificate_spki', ['short']),
  secret('validation_context.match_typed_subject_alt_names', [{ matcher: { exact: 'a' } }]),
  secret('validation_context', { crl: { inline_string: 'no PEM' } }),
];

/** The good resource with the error in it. */
export function plant({ kind, path, value }: PlantedError): Record<string, unknown> {
  const message = goodResources[kind]();
  const steps = fullPath(path)
    .split(/[.[\]]+/)
    .filter((step) => step !== '');
  const last = steps.pop() ?? '';
  let at = message;
  for (const step of steps) {
    at[step] ??= {};
    at = at[step] as Record<string, unknown>; // a tree of objects and lists, as it was read
  }
  if (value === undefined) delete at[last];
  else at[last] = value;
  return message;
}

export function fullPath(path: string): string {
  return path.replace('@', HCM_PATH);
}
