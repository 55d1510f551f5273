// The variants of header-rules.test.ts and the requests that each of them gets.

import type { Variant } from './variants.ts';

export interface HeaderRule extends Variant {
  /** Name and bytes. */
  readonly requests: readonly (readonly [string, string])[];
  /** Responses per request; default 1. */
  readonly responses?: number;
  /** By name of a request: the entry of docs/differences.md that says why the answers differ. */
  readonly differences?: Readonly<Record<string, string>>;
}

function get(headers: readonly string[] = [], path = '/hello', host = 'a.test'): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n`;
}

/** On a kept connection that the upstream closes a GET is sent again, once, a POST never (ADR 11). */
const post = (headers: readonly string[], path: string) =>
  get(['content-length: 0', ...headers], path).replace('GET', 'POST');

const TRACED = '6f9619ff-8b86-9011-b42d-00cf4fc964ff';

/** Everything that a client may claim about itself, and nothing. */
const claims: HeaderRule['requests'] = [
  ['says nothing', get()],
  ['one forwarded address', get(['x-forwarded-for: 203.0.113.7'])],
  ['an internal address', get(['x-forwarded-for: 10.1.2.3'])],
  ['three addresses', get(['x-forwarded-for: 203.0.113.7, 10.0.0.1,198.51.100.2'])],
  ['an address that is none', get(['x-forwarded-for: unknown'])],
  ['an IPv6 address', get(['x-forwarded-for: 2001:db8::1'])],
  ['two lines of addresses', get(['x-forwarded-for: 10.1.2.3', 'x-forwarded-for: 10.1.2.4'])],
  ['https before', get(['x-forwarded-proto: https'])],
  ['a scheme that is none', get(['x-forwarded-proto: gopher'])],
  ['two schemes', get(['x-forwarded-proto: https', 'x-forwarded-proto: http'])],
  ['host and port before', get(['x-forwarded-host: forged.test', 'x-forwarded-port: 8443'])],
  [
    'all of x-envoy',
    get([
      'x-envoy-internal: true',
      'x-envoy-external-address: 192.0.2.9',
      'x-envoy-downstream-service-cluster: c',
      'x-envoy-downstream-service-node: n',
      'x-envoy-force-trace: true',
      'x-envoy-decorator-operation: op',
      'x-envoy-original-path: /op',
      'x-envoy-original-host: oh',
      'x-envoy-original-url: /ou',
      'x-envoy-ip-tags: t',
      'x-envoy-expected-rq-timeout-ms: 77',
    ]),
  ],
  ['a traced request id', get([`x-request-id: ${TRACED}`])],
  ['a request id that is no UUID', get(['x-request-id: mine'])],
  ['an empty request id', get(['x-request-id:'])],
  ['via before', get(['via: 1.1 first'])],
  ['a forged certificate', get(['x-forwarded-client-cert: By=spiffe://a/b;Hash=00'])],
];

/** Rules of an edge without trusted hops. */
const edge: HeaderRule['differences'] = { 'host and port before': '**X-Forwarded-Host**' };

const internal =
  'internal_address_config: { cidr_ranges: [{ address_prefix: 10.0.0.0, prefix_len: 8 }, { address_prefix: 127.0.0.0, prefix_len: 8 }] }';
const external =
  'internal_address_config: { cidr_ranges: [{ address_prefix: 10.0.0.0, prefix_len: 8 }] }';
const xffDetection = (fields: string) =>
  `{ name: xff, typed_config: { "@type": type.googleapis.com/envoy.extensions.http.original_ip_detection.xff.v3.XffConfig${fields} } }`;
const customDetection = (fields: string) =>
  `{ name: custom, typed_config: { "@type": type.googleapis.com/envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig, header_name: x-client-ip${fields} } }`;
const requestIdExtension = (fields: string) =>
  `request_id_extension: { typed_config: { "@type": type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig${fields} } }`;

const addressClaims: HeaderRule['requests'] = [
  ...claims,
  ['a client ip', get(['x-client-ip: 203.0.113.9'])],
  ['an internal client ip', get(['x-client-ip: 10.3.3.3'])],
  ['a client ip that is none', get(['x-client-ip: nobody'])],
  ['two client ips', get(['x-client-ip: 203.0.113.9', 'x-client-ip: 203.0.113.10'])],
];

/** Shows the scheme that the route saw. */
const showScheme =
  '{ name: s, request_headers_to_add: [{ header: { key: x-scheme, value: "%REQ(:SCHEME)%" } }, { header: { key: x-remote, value: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%" } }], virtual_hosts: [{ name: all, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: backend } }] }] }';

const hosts: HeaderRule['requests'] = [
  ['a plain host', get([], '/hello', 'a.test')],
  ['a port', get([], '/hello', 'a.test:8080')],
  ['port 443', get([], '/hello', 'a.test:443')],
  ['a dot', get([], '/hello', 'a.test.')],
  ['a dot and a port', get([], '/hello', 'a.test.:8080')],
  ['IPv6 and a port', get([], '/hello', '[::1]:8080')],
  ['IPv6', get([], '/hello', '[::1]')],
  ['capitals', get([], '/hello', 'A.TEST:8080')],
];

const responses: HeaderRule['requests'] = [
  ['the upstream says nothing', get([], '/chunked')],
  ['the upstream has a server header', get([], '/headers/hidden')],
  ['the request has an id', get([`x-request-id: ${TRACED}`], '/hello')],
  ['a local reply', post([], '/close')],
];

export const plainRules: readonly HeaderRule[] = [
  { name: 'defaults', hcm: '', routeConfig: showScheme, requests: claims },
  {
    name: 'remote',
    differences: edge,
    hcm: 'use_remote_address: true',
    routeConfig: showScheme,
    requests: claims,
  },
  {
    name: 'remote_internal',
    hcm: `use_remote_address: true\n${internal}`,
    routeConfig: showScheme,
    requests: claims,
  },
  {
    name: 'remote_external',
    differences: edge,
    hcm: `use_remote_address: true\n${external}`,
    routeConfig: showScheme,
    requests: claims,
  },
  { name: 'internal', hcm: external, routeConfig: showScheme, requests: claims },
  {
    name: 'remote_hops',
    hcm: `use_remote_address: true\nxff_num_trusted_hops: 1\nappend_x_forwarded_port: true\n${external}`,
    routeConfig: showScheme,
    requests: claims,
  },
  {
    name: 'hops',
    hcm: `xff_num_trusted_hops: 2\nappend_x_forwarded_port: true\n${external}`,
    routeConfig: showScheme,
    requests: claims,
  },
  {
    name: 'remote_port',
    differences: edge,
    hcm: 'use_remote_address: true\nskip_xff_append: true\nappend_x_forwarded_port: true',
    routeConfig: showScheme,
    requests: claims,
  },
  {
    name: 'xff_extension',
    hcm: `original_ip_detection_extensions: [${xffDetection(', xff_num_trusted_hops: 1')}]\n${external}`,
    routeConfig: showScheme,
    requests: addressClaims,
  },
  {
    name: 'xff_extension_appends',
    hcm: `original_ip_detection_extensions: [${xffDetection(', skip_xff_append: false')}]\n${external}`,
    routeConfig: showScheme,
    requests: addressClaims,
  },
  {
    name: 'xff_cidrs',
    hcm: `original_ip_detection_extensions: [${xffDetection(', xff_trusted_cidrs: { cidrs: [{ address_prefix: 127.0.0.0, prefix_len: 8 }, { address_prefix: 198.51.100.0, prefix_len: 24 }, { address_prefix: 10.0.0.0, prefix_len: 8 }] }')}]\n${external}`,
    routeConfig: showScheme,
    requests: addressClaims,
  },
  {
    name: 'xff_cidrs_untrusting',
    hcm: `original_ip_detection_extensions: [${xffDetection(', xff_trusted_cidrs: { cidrs: [{ address_prefix: 198.51.100.0, prefix_len: 24 }] }')}]`,
    routeConfig: showScheme,
    requests: addressClaims,
  },
  {
    name: 'custom_header',
    hcm: `original_ip_detection_extensions: [${customDetection(', allow_extension_to_set_address_as_trusted: true')}]\n${external}`,
    routeConfig: showScheme,
    requests: addressClaims,
  },
  {
    name: 'custom_header_untrusted_skip',
    hcm: `skip_xff_append: true\noriginal_ip_detection_extensions: [${customDetection('')}]\n${external}`,
    routeConfig: showScheme,
    requests: addressClaims,
  },
  {
    name: 'custom_header_rejects',
    hcm: `original_ip_detection_extensions: [${customDetection(', reject_with_status: { code: 401 }')}]\nlocal_reply_config: { body_format: { text_format_source: { inline_string: "%RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS% %ROUTE_NAME%" } } }`,
    routeConfig: showScheme,
    requests: addressClaims,
  },
  {
    name: 'custom_header_rejects_oddly',
    hcm: `original_ip_detection_extensions: [${customDetection(', reject_with_status: { code: 200 }')}]`,
    routeConfig: showScheme,
    requests: addressClaims.slice(-2),
  },
  {
    name: 'custom_then_xff',
    hcm: `original_ip_detection_extensions: [${customDetection('')}, ${xffDetection('')}]\n${external}`,
    routeConfig: showScheme,
    requests: addressClaims,
  },
  {
    name: 'xff_then_custom',
    hcm: `original_ip_detection_extensions: [${xffDetection(', skip_xff_append: false')}, ${customDetection('')}]\n${external}`,
    routeConfig: showScheme,
    requests: addressClaims,
  },
  {
    name: 'strangers_then_custom',
    hcm: `original_ip_detection_extensions: [${xffDetection(', xff_trusted_cidrs: { cidrs: [{ address_prefix: 198.51.100.0, prefix_len: 24 }] }')}, ${customDetection('')}]\n${external}`,
    routeConfig: showScheme,
    requests: addressClaims,
  },
  {
    name: 'scheme_https',
    hcm: 'scheme_header_transformation: { scheme_to_overwrite: https }',
    routeConfig: showScheme,
    requests: claims,
  },
  {
    name: 'scheme_http_remote',
    differences: edge,
    hcm: 'use_remote_address: true\nscheme_header_transformation: { scheme_to_overwrite: http }',
    routeConfig: showScheme,
    requests: claims,
  },
  { name: 'strip_matching', hcm: 'strip_matching_host_port: true', requests: hosts },
  { name: 'strip_any', hcm: 'strip_any_host_port: true', requests: hosts },
  {
    name: 'strip_dot',
    hcm: 'strip_trailing_host_dot: true\nstrip_any_host_port: true',
    requests: hosts,
  },
  { name: 'strip_dot_only', hcm: 'strip_trailing_host_dot: true', requests: hosts },
  {
    name: 'append_host',
    hcm: '',
    route: 'host_rewrite_literal: new.test, append_x_forwarded_host: true',
    requests: [
      ['no host before', get()],
      ['a host before', get(['x-forwarded-host: before.test'])],
    ],
  },
  { name: 'id_off', hcm: 'generate_request_id: false', requests: claims },
  {
    name: 'id_kept',
    differences: edge,
    hcm: 'use_remote_address: true\npreserve_external_request_id: true\nalways_set_request_id_in_response: true',
    requests: claims,
  },
  {
    name: 'id_kept_unpacked',
    differences: edge,
    hcm: `use_remote_address: true\npreserve_external_request_id: true\n${requestIdExtension(', pack_trace_reason: false')}`,
    requests: claims,
  },
  {
    name: 'id_extension',
    differences: edge,
    hcm: `use_remote_address: true\n${requestIdExtension(', use_request_id_for_trace_sampling: false')}`,
    requests: claims,
  },
  {
    name: 'server_overwrite',
    hcm: 'server_name: mine\nvia: 1.1 mine\nalways_set_request_id_in_response: true',
    requests: [...responses, ...claims],
  },
  {
    name: 'server_absent',
    hcm: 'server_name: mine\nserver_header_transformation: APPEND_IF_ABSENT',
    requests: responses,
  },
  {
    name: 'server_through',
    hcm: 'server_header_transformation: PASS_THROUGH\nvia: 1.1 v',
    requests: responses,
  },
  {
    name: 'internal_only',
    hcm: `use_remote_address: true\n${external}`,
    routeConfig:
      '{ name: s, internal_only_headers: [x-secret], virtual_hosts: [{ name: all, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: backend } }] }] }',
    requests: [['a secret', get(['x-secret: 1'])]],
  },
  {
    name: 'internal_only_inside',
    hcm: `use_remote_address: true\n${internal}`,
    routeConfig:
      '{ name: s, internal_only_headers: [x-secret], virtual_hosts: [{ name: all, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: backend } }] }] }',
    requests: [['a secret', get(['x-secret: 1'])]],
  },
  {
    name: 'two_requests',
    hcm: 'common_http_protocol_options: { max_requests_per_connection: 2 }',
    responses: 2,
    requests: [['three pipelined', get([], '/a') + get([], '/b') + get([], '/c')]],
  },
];

/** Every kind of local reply. */
const replyRoutes =
  '{ name: s, virtual_hosts: [{ name: all, domains: [a.test], routes: [{ match: { prefix: /direct }, direct_response: { status: 418, body: { inline_string: "direct \u00e9" } } }, { match: { prefix: /typed }, direct_response: { status: 200, body: { inline_string: typed } }, response_headers_to_add: [{ header: { key: content-type, value: text/html } }] }, { match: { prefix: /redirect }, redirect: { path_redirect: /x } }, { match: { prefix: / }, route: { cluster: backend } }] }] }';
const replies: HeaderRule['requests'] = [
  ['an upstream that closes', post([], '/close')],
  ['a gRPC request', post(['content-type: application/grpc'], '/close')],
  ['a HEAD request', get([], '/direct').replace('GET', 'HEAD')],
  ['a direct response', get([], '/direct')],
  ['a direct response with a content-type', get([], '/typed')],
  ['a redirect', get([], '/redirect')],
  ['no virtual host', get([], '/', 'nowhere.test')],
  ['a bad request', get([], '/#fragment')],
  ['bytes past ASCII in a header', post(['x-raw: \xe9\xff'], '/close')],
  ['an answer of the upstream', get([], '/status/503')],
];
const replyOf = (config: string, name: string): HeaderRule => ({
  name,
  hcm: `local_reply_config: ${config}`,
  routeConfig: replyRoutes,
  requests: replies,
});
const codes = (op: string, value: number) =>
  `{ status_code_filter: { comparison: { op: ${op}, value: { default_value: ${value}, runtime_key: k } } } }`;

export const replyRules: readonly HeaderRule[] = [
  replyOf(
    '{ body_format: { text_format_source: { inline_string: "%RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %REQ(X-RAW)% %REQ(:PATH)%: %LOCAL_REPLY_BODY%" } } }',
    'reply_text',
  ),
  replyOf(
    '{ body_format: { json_format: { code: "%RESPONSE_CODE%", raw: "%REQ(X-RAW)%", why: "%LOCAL_REPLY_BODY%" } } }',
    'reply_json',
  ),
  replyOf(
    '{ body_format: { text_format_source: { inline_string: "<p>%LOCAL_REPLY_BODY%</p>" }, content_type: "text/html; charset=UTF-8" } }',
    'reply_typed',
  ),
  replyOf(
    `{ mappers: [{ filter: ${codes('EQ', 503)}, status_code: 504, body: { inline_string: "no\u00e9" }, headers_to_add: [{ header: { key: x-mapped, value: "%RESPONSE_CODE%" } }] }, { filter: ${codes('GE', 400)}, status_code: 499, headers_to_add: [{ header: { key: content-type, value: text/x } }] }, { filter: ${codes('GE', 300)}, body: { inline_string: body } }] }`,
    'reply_mapped',
  ),
  replyOf(
    `{ mappers: [{ filter: { response_flag_filter: { flags: [NR, UC] } }, body_format_override: { text_format_source: { inline_string: "%RESPONSE_FLAGS% %LOCAL_REPLY_BODY%" } } }, { filter: { header_filter: { header: { name: ":path", string_match: { exact: /direct } } } }, status_code: 200, body_format_override: { json_format: { b: "%LOCAL_REPLY_BODY%", s: "%RESP(:STATUS)%" } } }], body_format: { text_format_source: { inline_string: "else %LOCAL_REPLY_BODY%" } } }`,
    'reply_override',
  ),
];

const details = (fields: string) => `set_current_client_cert_details: { ${fields} }`;
const all = details('subject: true, cert: true, chain: true, dns: true, uri: true');
const certificateClaims: HeaderRule['requests'] = [
  ['says nothing', get()],
  ['a former proxy', get(['x-forwarded-client-cert: By=spiffe://a/b;Hash=00'])],
  ['a former JSON proxy', get(['x-forwarded-client-cert: [{"by":["spiffe://a/b"],"hash":"00"}]'])],
  ['a broken array', get(['x-forwarded-client-cert: [{"by":}]'])],
];

export const tlsRules: readonly HeaderRule[] = [
  { name: 'xfcc_sanitize', hcm: all, requests: certificateClaims },
  {
    name: 'xfcc_set',
    hcm: `forward_client_cert_details: SANITIZE_SET\n${all}`,
    requests: certificateClaims,
  },
  {
    name: 'xfcc_set_nothing',
    hcm: 'forward_client_cert_details: SANITIZE_SET',
    requests: certificateClaims,
  },
  {
    name: 'xfcc_append',
    hcm: `forward_client_cert_details: APPEND_FORWARD\n${details('subject: true, dns: true, uri: true')}`,
    requests: certificateClaims,
  },
  {
    name: 'xfcc_forward',
    hcm: 'forward_client_cert_details: FORWARD_ONLY',
    requests: certificateClaims,
  },
  {
    name: 'xfcc_always',
    hcm: 'forward_client_cert_details: ALWAYS_FORWARD_ONLY',
    requests: certificateClaims,
  },
  {
    name: 'xfcc_issuer',
    hcm: `forward_client_cert_details: SANITIZE_SET\n${details('issuer: true, subject: true, uri: true')}`,
    requests: certificateClaims,
  },
  {
    name: 'xfcc_json',
    hcm: `forward_client_cert_details: APPEND_FORWARD\n${details('format: JSON, cert: true, chain: true, issuer: true, subject: true, uri: true, dns: true')}`,
    requests: certificateClaims,
  },
  {
    name: 'xfcc_json_little',
    hcm: `forward_client_cert_details: SANITIZE_SET\n${details('format: JSON')}`,
    requests: certificateClaims.slice(0, 2),
  },
  {
    name: 'https_remote',
    differences: edge,
    hcm: 'use_remote_address: true\nappend_x_forwarded_port: true',
    routeConfig: showScheme,
    requests: claims,
  },
  {
    name: 'https_defaults',
    hcm: '',
    routeConfig: showScheme,
    requests: claims,
  },
];
