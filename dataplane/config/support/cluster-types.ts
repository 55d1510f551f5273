// Supported fields of the messages that say where a cluster's hosts come from: DNS, original destinations, other
// clusters, the request itself.

import { fields, only, type SupportGroup } from './table.ts';

const cluster = 'envoy.config.cluster.v3';
const core = 'envoy.config.core.v3';
const clusters = 'envoy.extensions.clusters';

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
