import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compiledData, resourceErrors } from '../../test/fakes/config.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';
import type { MirrorPolicyData, RouteConfigData } from '../api/config/route.ts';

const config = (mirrors: string): string =>
  `{name: r, request_mirror_policies: [${mirrors}], virtual_hosts: []}`;

function compiled(mirrors: string): readonly MirrorPolicyData[] {
  // The kind says what the compiler makes.
  return (compiledData('route', config(mirrors)) as RouteConfigData).mirrors;
}

const whole: MirrorPolicyData = {
  cluster: { kind: 'cluster', name: 'm' },
  fraction: null,
  appendsShadowSuffix: true,
  mutations: [],
  hostRewriteLiteral: '',
};

test('a mirror takes all requests and marks their host, unless it says otherwise', () => {
  assert.deepEqual(compiled('{cluster: m}'), [whole]);
  const given = `{cluster_header: X-C, disable_shadow_host_suffix_append: true, host_rewrite_literal: h,
    trace_sampled: false, runtime_fraction: {default_value: {numerator: 5, denominator: MILLION}},
    request_headers_mutations: [{remove: A}]}`;
  assert.deepEqual(compiled(given), [
    {
      cluster: { kind: 'cluster_header', header: 'x-c' },
      fraction: { numerator: 5, denominator: 1_000_000 },
      appendsShadowSuffix: false,
      mutations: [{ kind: 'remove', name: 'a' }],
      hostRewriteLiteral: 'h',
    },
  ]);
});

test('virtual hosts, routes and clusters have them, too', () => {
  const text = `{name: r, virtual_hosts: [{name: v, domains: ["*"], request_mirror_policies: [{cluster: m}],
    routes: [{match: {prefix: /}, route: {cluster: c, request_mirror_policies: [{cluster: m}]}}]}]}`;
  const [host] = (compiledData('route', text) as RouteConfigData).virtualHosts;
  const action = host?.routes[0]?.action;
  assert.deepEqual(host?.mirrors, [whole]);
  assert.deepEqual(action?.kind === 'route' && action.mirrors, [whole]);
  const type = 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  const cluster = `{name: c, typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
    {"@type": ${type}, explicit_http_config: {http_protocol_options: {}}, request_mirror_policies: [{cluster: m}]}}}`;
  assert.deepEqual((compiledData('cluster', cluster) as ClusterConfig).http.mirrors, [whole]);
});

test('a mirror without a cluster, or with two, and changes of pseudo headers are refused', () => {
  const choice = 'request_mirror_policies[0]: exactly one of cluster, cluster_header must be set';
  assert.deepEqual(resourceErrors('route', config('{}')), [choice]);
  assert.deepEqual(resourceErrors('route', config('{cluster: m, cluster_header: x}')), [choice]);
  assert.deepEqual(
    resourceErrors('route', config('{cluster: m, request_headers_mutations: [{remove: ":path"}]}')),
    [
      'request_mirror_policies[0].request_headers_mutations[0].remove: :-prefixed or host headers may not be removed',
    ],
  );
});
