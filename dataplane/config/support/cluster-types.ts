// Supported fields of the messages that say where a cluster's hosts come from: DNS, original destinations, other
// clusters, the request itself.

import { fields, only, type SupportGroup } from './table.ts';

const cluster = 'envoy.config.cluster.v3';
const core = 'envoy.config.core.v3';
const clusters = 'envoy.extensions.clusters';
const dfp = 'envoy.extensions.common.dynamic_forward_proxy.v3';
const filter = 'envoy.extensions.filters.http.dynamic_forward_proxy.v3';

export const clusterTypeSupport: SupportGroup = {
  title: 'Cluster types and DNS',
  messages: {
    [`${cluster}.Cluster.RefreshRate`]: fields('base_interval', 'max_interval'),
    [`${clusters}.dns.v3.DnsCluster`]: {
      ...fields('dns_refresh_rate', 'dns_failure_refresh_rate', 'respect_dns_ttl', 'dns_jitter'),
      ...fields('typed_dns_resolver_config', 'dns_lookup_family', 'dns_min_refresh_rate'),
      all_addresses_in_single_endpoint: { note: 'true is LOGICAL_DNS, false is STRICT_DNS' },
    },
    [`${clusters}.dns.v3.DnsCluster.RefreshRate`]: fields('base_interval', 'max_interval'),
    [`${cluster}.Cluster.OriginalDstLbConfig`]: fields(
      'use_http_header',
      'http_header_name',
      'upstream_port_override',
      'metadata_key',
    ),
    'envoy.extensions.load_balancing_policies.cluster_provided.v3.ClusterProvided': {},
    [`${clusters}.aggregate.v3.ClusterConfig`]: fields('clusters'),
    [`${clusters}.dynamic_forward_proxy.v3.ClusterConfig`]: fields(
      'dns_cache_config',
      'allow_insecure_cluster_options',
    ),
    [`${dfp}.DnsCacheConfig`]: {
      ...fields('name', 'dns_lookup_family', 'dns_refresh_rate', 'dns_min_refresh_rate'),
      ...fields('host_ttl', 'max_hosts', 'dns_failure_refresh_rate', 'dns_cache_circuit_breaker'),
      ...fields('dns_resolution_config', 'typed_dns_resolver_config'),
      ...fields('preresolve_hostnames', 'dns_query_timeout'),
      use_tcp_for_dns_lookups: only(false),
    },
    [`${dfp}.DnsCacheCircuitBreakers`]: fields('max_pending_requests'),
    [`${filter}.FilterConfig`]: fields('dns_cache_config'),
    [`${filter}.PerRouteConfig`]: fields('host_rewrite_literal', 'host_rewrite_header'),
    [`${core}.DnsResolutionConfig`]: fields('resolvers', 'dns_resolver_options'),
    [`${core}.DnsResolverOptions`]: {
      use_tcp_for_dns_lookups: only(false),
      no_default_search_domain: 'yes',
    },
    'envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig': {
      ...fields('resolvers', 'use_resolvers_as_fallback', 'filter_unroutable_families'),
      ...fields('dns_resolver_options', 'query_timeout_seconds', 'query_tries'),
    },
  },
};
