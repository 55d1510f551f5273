// Supported fields of consistent hashing: of clusters, of load_balancing_policy extensions, and of hash policies.

import { fields, type MessageSupport } from './table.ts';

const cluster = 'envoy.config.cluster.v3.Cluster';
const policies = 'envoy.extensions.load_balancing_policies';
const hashPolicy = 'envoy.config.route.v3.RouteAction.HashPolicy';

const consistentHashing = fields('use_hostname_for_hashing', 'hash_balance_factor');
const ringHash = fields('minimum_ring_size', 'hash_function', 'maximum_ring_size');

/** Part of the clusters' group. */
export const hashingSupport: Readonly<Record<string, MessageSupport>> = {
  [`${cluster}.CommonLbConfig.ConsistentHashingLbConfig`]: consistentHashing,
  [`${cluster}.RingHashLbConfig`]: ringHash,
  [`${cluster}.MaglevLbConfig`]: fields('table_size'),
  [`${policies}.common.v3.ConsistentHashingLbConfig`]: {
    ...consistentHashing,
    hash_policy: { note: 'goes before that of cluster and route; its cookies are not generated' },
  },
  [`${policies}.ring_hash.v3.RingHash`]: {
    ...ringHash,
    ...consistentHashing,
    ...fields('consistent_hashing_lb_config', 'locality_weighted_lb_config'),
  },
  [`${policies}.maglev.v3.Maglev`]: fields(
    'table_size',
    'consistent_hashing_lb_config',
    'locality_weighted_lb_config',
  ),
};

/** Part of the routes' group. */
export const hashPolicySupport: Readonly<Record<string, MessageSupport>> = {
  [hashPolicy]: fields(
    'header',
    'cookie',
    'connection_properties',
    'query_parameter',
    'filter_state',
    'terminal',
  ),
  [`${hashPolicy}.Header`]: fields('header_name', 'regex_rewrite'),
  [`${hashPolicy}.Cookie`]: fields('name', 'ttl', 'path', 'attributes'),
  [`${hashPolicy}.CookieAttribute`]: fields('name', 'value'),
  [`${hashPolicy}.ConnectionProperties`]: fields('source_ip'),
  [`${hashPolicy}.QueryParameter`]: fields('name'),
  [`${hashPolicy}.FilterState`]: fields('key'),
};
