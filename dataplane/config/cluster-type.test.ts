import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bootstrapErrors, compiledData, resourceErrors } from '../../test/fakes/config.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';

// The kind says what the compiler makes.
const compiled = (text: string) => compiledData('cluster', text) as ClusterConfig;
const errors = (text: string) => resourceErrors('cluster', text);

const pkg = 'type.googleapis.com/envoy.extensions';
const CARES = `${pkg}.network.dns_resolver.cares.v3.CaresDnsResolverConfig`;
const address = '{socket_address: {address: 10.0.0.2, port_value: 53}}';
const endpoint = (name: string): string =>
  `{endpoint: {address: {socket_address: {address: ${name}, port_value: 80}}}}`;
const endpoints = (...names: string[]): string =>
  `load_assignment: {cluster_name: a, endpoints: [{lb_endpoints: [${names.map(endpoint).join(', ')}]}]}`;
const custom = (type: string, body: string): string =>
  `cluster_type: {name: any, typed_config: {"@type": ${pkg}.clusters.${type}, ${body}}}`;
const provided = (type: string, body: string, more = ''): string =>
  `{name: a, lb_policy: CLUSTER_PROVIDED, ${custom(type, body)}${more}}`;
const AGGREGATE = 'aggregate.v3.ClusterConfig';
const PROXY = 'dynamic_forward_proxy.v3.ClusterConfig';
const httpOptions = (body: string): string =>
  `typed_extension_protocol_options: {o: {"@type": ${pkg}.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http_protocol_options: {}}, ${body}}}`;

describe('cluster types', () => {
  it('are those of `type`, or the names and messages that cluster_type may have', () => {
    const table: readonly [string, ClusterConfig['type']][] = [
      ['type: STATIC', 'STATIC'],
      [`type: STRICT_DNS, ${endpoints('orders')}`, 'STRICT_DNS'],
      [`type: LOGICAL_DNS, ${endpoints('orders')}`, 'LOGICAL_DNS'],
      ['type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED', 'ORIGINAL_DST'],
      ['cluster_type: {name: envoy.cluster.static}', 'STATIC'],
      [`cluster_type: {name: envoy.cluster.dns}, ${endpoints('orders')}`, 'STRICT_DNS'],
      [`cluster_type: {name: envoy.cluster.logical_dns}, ${endpoints('orders')}`, 'LOGICAL_DNS'],
      [custom('dns.v3.DnsCluster', 'dns_jitter: 2s'), 'STRICT_DNS'],
      [
        `${custom('dns.v3.DnsCluster', 'all_addresses_in_single_endpoint: true')}, ${endpoints('orders')}`,
        'LOGICAL_DNS',
      ],
    ];
    for (const [fields, type] of table) assert.equal(compiled(`{name: a, ${fields}}`).type, type);
  });

  it('take DNS settings from the cluster or from a DnsCluster', () => {
    const resolver = `typed_dns_resolver_config: {name: c, typed_config: {"@type": ${CARES}, resolvers: [${address}], use_resolvers_as_fallback: true, filter_unroutable_families: true, dns_resolver_options: {no_default_search_domain: true}, query_timeout_seconds: 2, query_tries: 1}}`;
    const fields = `dns_refresh_rate: 1s, respect_dns_ttl: true, dns_jitter: 2s, dns_lookup_family: ALL, ${resolver}`;
    const expected = {
      refreshRateMs: 1_000,
      respectTtl: true,
      minRefreshMs: 0,
      jitterMs: 2_000,
      lookupFamily: 'ALL',
      failureRefreshBaseMs: 1_000,
      failureRefreshMaxMs: 1_000,
      resolver: {
        servers: ['10.0.0.2:53'],
        useAsFallback: true,
        filterUnroutableFamilies: true,
        noDefaultSearchDomain: true,
        queryTimeoutMs: 2_000,
        queryTries: 1,
      },
    };
    assert.deepEqual(compiled(`{name: a, type: STRICT_DNS, ${fields}}`).dns, expected);
    const dns = `{name: a, dns_refresh_rate: 9s, ${custom('dns.v3.DnsCluster', `${fields}, dns_min_refresh_rate: 3s`)}}`;
    assert.deepEqual(compiled(dns).dns, { ...expected, minRefreshMs: 3_000 });
  });

  it('fill in what ORIGINAL_DST takes for granted', () => {
    const original = '{name: a, type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED';
    const plain = {
      kind: 'ORIGINAL_DST',
      httpHeaderName: null,
      metadataPath: null,
      portOverride: null,
      cleanupIntervalMs: 5_000,
    };
    assert.deepEqual(compiled(`${original}}`).provided, plain);
    assert.deepEqual(
      compiled(`${original}, original_dst_lb_config: {use_http_header: true}}`).provided,
      { ...plain, httpHeaderName: 'x-envoy-original-dst-host' },
    );
    assert.deepEqual(
      compiled(
        `${original}, cleanup_interval: 1s, original_dst_lb_config: {use_http_header: true, http_header_name: X-To, upstream_port_override: 0, metadata_key: {key: ns, path: [{key: to}]}}}`,
      ).provided,
      {
        kind: 'ORIGINAL_DST',
        httpHeaderName: 'x-to',
        metadataPath: ['ns', 'to'],
        portOverride: 0,
        cleanupIntervalMs: 1_000,
      },
    );
  });

  it('make dynamic forward proxies verify whom they reach, unless insecure options are allowed', () => {
    const cache = 'dns_cache_config: {name: c}';
    const { http, provided: hosts } = compiled(provided(PROXY, cache));
    assert.deepEqual([http.autoSni, http.autoSanValidation], [true, true]);
    assert.equal(hosts?.kind === 'DYNAMIC_FORWARD_PROXY' && hosts.cache.maxHosts, 1024);
    const half = `, ${httpOptions('upstream_http_protocol_options: {auto_sni: true}')}`;
    const path = 'cluster_type.typed_config';
    const message = `${path}: auto_sni and auto_san_validation must be true unless allow_insecure_cluster_options is`;
    assert.deepEqual(errors(provided(PROXY, cache, half)), [message]);
    const insecure = provided(PROXY, `${cache}, allow_insecure_cluster_options: true`, half);
    assert.equal(compiled(insecure).http.autoSanValidation, false);
  });

  it('refuse a DNS cache that is named twice with different settings', () => {
    const cluster = (name: string, more: string): string =>
      provided(PROXY, `dns_cache_config: {name: c${more}}`).replace('name: a', `name: ${name}`);
    const both = (more: string): string =>
      `static_resources: {clusters: [${cluster('a', '')}, ${cluster('b', more)}]}`;
    assert.deepEqual(bootstrapErrors(both('')), []);
    const found = bootstrapErrors(both(', max_hosts: 9'));
    assert.equal(found.length, 1);
    assert.match(found[0]!, /clusters\[1\].*name: DNS cache 'c' exists with different settings/);
  });

  it('refuse what Envoy refuses, and what we have not', () => {
    const table: readonly [string, string][] = [
      [`{name: a, type: LOGICAL_DNS, ${endpoints('b', 'c')}}`, 'exactly one endpoint'],
      ['{name: a, type: LOGICAL_DNS}', 'exactly one endpoint'],
      ['{name: a, type: ORIGINAL_DST}', 'lb_policy: must be CLUSTER_PROVIDED'],
      ['{name: a, lb_policy: CLUSTER_PROVIDED}', 'CLUSTER_PROVIDED is not valid for'],
      [`{name: a, ${custom(AGGREGATE, 'clusters: [b]')}}`, 'lb_policy: must be CLUSTER_PROVIDED'],
      [provided(AGGREGATE, 'clusters: []'), 'clusters'],
      [
        provided(AGGREGATE, 'clusters: [b]', ', outlier_detection: {}'),
        'outlier_detection: not supported yet in a cluster of type AGGREGATE',
      ],
      [
        provided(AGGREGATE, 'clusters: [b]', `, ${endpoints('10.0.0.1')}`),
        'load_assignment: may not be set in a cluster of type AGGREGATE',
      ],
      [
        '{name: a, type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED, original_dst_lb_config: {http_header_name: x}}',
        'http_header_name: needs use_http_header',
      ],
      [provided(PROXY, 'allow_insecure_cluster_options: true'), 'dns_cache_config: is required'],
      [
        provided(PROXY, 'sub_clusters_config: {}'),
        'cluster_type.typed_config.sub_clusters_config: not supported yet',
      ],
      [
        provided(
          PROXY,
          'dns_cache_config: {name: c, max_hosts: 1, preresolve_hostnames: [{address: b, port_value: 1}, {address: c, port_value: 1}]}',
        ),
        'has more names than max_hosts',
      ],
      [
        '{name: a, cluster_type: {name: envoy.clusters.static}}',
        'cluster_type.name: no cluster type',
      ],
      [
        `{name: a, cluster_type: {name: x, typed_config: {"@type": ${pkg}.clusters.redis.v3.RedisClusterConfig}}}`,
        'cluster_type.typed_config: not supported yet',
      ],
      [
        `{name: a, type: STRICT_DNS, dns_resolution_config: {resolvers: [${address}], dns_resolver_options: {use_tcp_for_dns_lookups: true}}}`,
        'use_tcp_for_dns_lookups: not supported yet (true)',
      ],
    ];
    for (const [text, expected] of table) {
      const found = errors(text);
      assert.ok(
        found.some((line) => line.includes(expected)),
        `${expected} in ${found.join('\n')}`,
      );
    }
  });
});
