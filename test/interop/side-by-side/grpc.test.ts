// gRPC over HTTP/1.1 side by side with Envoy: the router and the filters grpc_stats, grpc_web and
// grpc_http1_bridge. What the client gets, what the upstream gets, what the access log says, and the stats of
// cluster and hosts must be the same, but for the differences that grpc-cases.ts names.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type RawMessage, rawMessages } from '../../fakes/raw-message.ts';
import { skipWithout } from '../peers.ts';
import { freePort } from '../proxies.ts';
import { type GrpcCase, grpcCases, grpcDifferences } from './grpc-cases.ts';
import { callRaw, ScriptedUpstream } from './scripted-http1.ts';
import { type ProxyKind, startVariants, type Variant, type VariantProxies } from './variants.ts';

const filters = 'type.googleapis.com/envoy.extensions.filters.http';
const filter = (name: string, type: string, fields = ''): string =>
  `{ name: envoy.filters.http.${name}, typed_config: { "@type": ${filters}.${name}.v3.${type}${fields} } }`;
const WEB = filter('grpc_web', 'GrpcWeb');
const stats = (fields: string): string => filter('grpc_stats', 'FilterConfig', `, ${fields}`);
const bridge = (fields = ''): string => filter('grpc_http1_bridge', 'Config', fields);
const ALL = stats('stats_for_all_methods: true');
const LISTED =
  'individual_method_stats_allowlist: { services: [{ name: l.Svc, method_names: [Meth] }] }';

const RETRIES = 'num_retries: 2, retry_back_off: { base_interval: 0.001s, max_interval: 0.002s }';
const GRPC_WORDS = 'cancelled,deadline-exceeded,internal,resource-exhausted,unavailable';
const retry = (prefix: string, words: string, more = ''): string =>
  `{ match: { prefix: ${prefix}/ }, route: { cluster: backend-t${more}, retry_policy: { retry_on: "${words}", ${RETRIES} } } }`;
const timed = (prefix: string, policy: string): string =>
  `{ match: { prefix: ${prefix}/ }, route: { cluster: backend-t, timeout: 0.3s${policy} } }`;
const PER_TRY = ', retry_policy: { retry_on: "5xx", num_retries: 1, per_try_timeout: 0.1s }';
const to = (prefix: string, cluster: string): string =>
  `{ match: { prefix: ${prefix}/ }, route: { cluster: ${cluster} } }`;

const ROUTES = `{ name: r, virtual_hosts: [{ name: all, domains: ["*"], routes: [
  { match: { prefix: /by-query/, query_parameters: [{ name: x, present_match: true }] }, direct_response: { status: 418 } },
  { match: { prefix: /by-type/, headers: [{ name: content-type, string_match: { exact: application/grpc } }] }, direct_response: { status: 418 } },
  { match: { prefix: /by-header/ }, route: { cluster_header: x-cluster } },
  { match: { prefix: /direct/ }, direct_response: { status: 403, body: { inline_string: "no way" } } },
  ${to('/dead', 'dead')}, ${to('/outlier', 'outlier')}, ${to('/outlier-late', 'outlier-late')}, ${to('/outlier-text', 'outlier-text')},
  ${timed('/slow', '')}, ${timed('/retry-once', PER_TRY)},
  { match: { prefix: /retry-dead/ }, route: { cluster: dead, retry_policy: { retry_on: "${GRPC_WORDS}", ${RETRIES} } } },
  ${retry('/retry', GRPC_WORDS, ', timeout: 0.3s')}, ${retry('/retry-5xx', '5xx', ', timeout: 0.3s')}, ${retry('/retry-limited', 'envoy-ratelimited')},
  { match: { prefix: /, headers: [{ name: x-none, present_match: true, invert_match: true }] }, route: { cluster: backend-t } }] }] }`.replaceAll(
  '\n',
  '',
);

const LOG = `access_log: [{ name: f, typed_config: { "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: "@LOG@", log_format: { text_format_source: { inline_string: "%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %GRPC_STATUS% %GRPC_STATUS_NUMBER% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_REQUEST_ATTEMPT_COUNT% %FILTER_STATE(envoy.filters.http.grpc_stats)% %FILTER_STATE(envoy.filters.http.grpc_stats:PLAIN):3%\\n" } } } }]`;

function variant(name: string, list: readonly string[], trailers = true, more = ''): Variant {
  const hcm = `http_protocol_options: { enable_trailers: ${trailers} }\n${LOG}${more}`;
  return { name, hcm, filters: list, routeConfig: ROUTES };
}

const INTERNAL =
  '\nuse_remote_address: true\ninternal_address_config: { cidr_ranges: [{ address_prefix: 127.0.0.0, prefix_len: 8 }] }';

const variants: readonly Variant[] = [
  variant('plain', []),
  variant('internal', [], true, INTERNAL),
  variant('web', [WEB]),
  variant('web-without-trailers', [WEB], false),
  variant('bridge', [bridge()]),
  variant('bridge-without-trailers', [bridge()], false),
  variant('upgrade', [bridge(', upgrade_protobuf_to_grpc: true, ignore_query_parameters: true')]),
  { ...variant('bridge-small', [bridge()]), bufferLimitBytes: 1000 },
  variant('stats-one', [stats('enable_upstream_stats: true')]),
  variant('stats-state', [stats('emit_filter_state: true')]),
  variant('stats-all', [ALL]),
  variant('stats-dots', [
    stats('stats_for_all_methods: true, replace_dots_in_grpc_service_name: true'),
  ]),
  variant('stats-listed', [stats(LISTED)]),
  variant('web-stats', [WEB, ALL]),
  variant('stats-web', [ALL, WEB]),
];

const outlierDetection =
  'outlier_detection: { consecutive_5xx: 3, enforcing_consecutive_5xx: 100, max_ejection_percent: 100, enforcing_success_rate: 0, base_ejection_time: 600s, max_ejection_time: 600s }, common_lb_config: { healthy_panic_threshold: { value: 0 } },';

function cluster(name: string, port: number, more = ''): string {
  const flow = `{ name: ${name}, type: STATIC, connect_timeout: 1s, ${more}
        typed_extension_protocol_options: { envoy.extensions.upstreams.http.v3.HttpProtocolOptions: { "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: { http_protocol_options: { enable_trailers: true } } } },
        load_assignment: { cluster_name: ${name}, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }] }] } }`;
  return `\n    - ${flow.replaceAll('\n', '')}`;
}

/** Counters of gRPC, of answers, retries and outliers; and what hosts are said to have done. */
async function countersOf(proxies: VariantProxies, kind: ProxyKind): Promise<string[]> {
  const all = await proxies.admin(kind, '/stats?usedonly');
  const wanted =
    /^cluster\.[^:]*(grpc|upstream_rq_\d|upstream_rq_retry|outlier_detection)[^:]*: \d+$/;
  const hosts = await proxies.admin(kind, '/clusters');
  return [
    ...all.split('\n').filter((line) => wanted.test(line) && !line.endsWith(': 0')),
    ...hosts.split('\n').filter((line) => /::rq_(success|error)::/.test(line)),
  ]
    .map((line) => line.replace(/::127\.0\.0\.1:\d+::/, '::host::'))
    .sort();
}

describe('gRPC side by side with Envoy', { skip: skipWithout('envoy') }, () => {
  const upstream = new ScriptedUpstream();
  let proxies: VariantProxies;
  const counters: Record<ProxyKind, string[]> = { envoy: [], remora: [] };

  before(async () => {
    const port = await upstream.listen();
    const clusters = [
      cluster('backend-t', port),
      cluster('dead', await freePort()),
      ...['outlier', 'outlier-late', 'outlier-text'].map((name) =>
        cluster(name, port, outlierDetection),
      ),
    ];
    proxies = await startVariants(variants, port, clusters.join(''));
  });
  after(async () => {
    upstream.close();
    await proxies.stop();
  });

  async function observe(
    kind: ProxyKind,
    one: GrpcCase,
  ): Promise<{ client: readonly RawMessage[]; up: readonly RawMessage[] }> {
    upstream.script(one.answers);
    const client = await callRaw(proxies.port(kind, one.variant), one.request);
    return { client: rawMessages(client), up: rawMessages(upstream.seen) };
  }

  for (const one of grpcCases) {
    test(`${one.variant}: ${one.name}`, async () => {
      const envoy = await observe('envoy', one);
      assert.notEqual(envoy.client.length, 0);
      assert.deepEqual(await observe('remora', one), envoy);
    });
  }

  test('the stats are the same', async () => {
    counters.envoy = await countersOf(proxies, 'envoy');
    counters.remora = await countersOf(proxies, 'remora');
    assert.deepEqual(counters.remora, counters.envoy);
  });

  for (const one of grpcDifferences) {
    test(`${one.variant}: ${one.name} (differs)`, async () => {
      const path = fileURLToPath(new URL('../../../docs/differences.md', import.meta.url));
      assert.ok(readFileSync(path, 'utf8').includes(one.difference ?? ''), one.difference);
      const envoy = await observe('envoy', one);
      assert.notDeepEqual(await observe('remora', one), envoy, 'no longer differs');
    });
  }

  test('the access logs say the same', async () => {
    await proxies.stop();
    const lines = (kind: ProxyKind) => proxies.logLines(kind).slice(0, grpcCases.length);
    assert.deepEqual(lines('remora'), lines('envoy'));
  });
});
