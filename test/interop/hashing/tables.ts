// Clusters whose tables must be Envoy's: host sets with weights, names, keys, localities, priorities and health.

import { hostAddress } from './backend.ts';

const extension = 'type.googleapis.com/envoy.extensions.load_balancing_policies';

interface Host {
  readonly number: number;
  readonly weight?: number;
  readonly hostname?: string;
  readonly hashKey?: unknown;
  readonly health?: 'HEALTHY' | 'UNHEALTHY' | 'DEGRADED';
}

interface Locality {
  readonly zone: string;
  readonly weight?: number;
  readonly priority?: number;
  readonly hosts: readonly Host[];
}

/** A cluster and how many keys go to it. */
export interface TableCase {
  readonly name: string;
  /** Where none has a host, so few that each has a connection: Envoy closes those that it answered itself. */
  readonly keys: number;
  readonly cluster: object;
  readonly localities: readonly Locality[];
}

/** Their highest host's number. */
export const HOSTS = 40;

function range(from: number, to: number): readonly Host[] {
  return Array.from({ length: to - from }, (_, i) => ({ number: from + i }));
}

function oneLocality(hosts: readonly Host[]): readonly Locality[] {
  return [{ zone: 'a', hosts }];
}

/** Not in the order of anything. */
const shuffled: readonly Host[] = [7, 3, 11, 0, 9, 5, 1, 10, 2, 8, 6, 4].map((number) => ({
  number,
  hostname: `host-${(number * 7) % 12}.example`,
}));
const weighted: readonly Host[] = shuffled.map((host) => ({
  ...host,
  weight: 1 + ((host.number * 5) % 9),
}));
const keyed: readonly Host[] = shuffled.map((host, i) => {
  const keys: readonly unknown[] = [`key-${host.number}`, undefined, '', 17, `schlüssel-${i}`];
  return { ...host, hashKey: keys[i % keys.length] };
});

/** The policy as a load_balancing_policy extension. */
export function policyExtension(
  name: 'ring_hash.v3.RingHash' | 'maglev.v3.Maglev',
  config: object,
) {
  return {
    load_balancing_policy: {
      policies: [
        {
          typed_extension_config: {
            name: 'p',
            typed_config: { '@type': `${extension}.${name}`, ...config },
          },
        },
      ],
    },
  };
}

const ring = { lb_policy: 'RING_HASH' };
const maglev = { lb_policy: 'MAGLEV' };
/** Envoy lets no other type hash host names, unless a policy extension says so. */
const byHostname = {
  type: 'STRICT_DNS',
  common_lb_config: { consistent_hashing_lb_config: { use_hostname_for_hashing: true } },
};
const zones: readonly Locality[] = [
  { zone: 'c', weight: 3, hosts: range(0, 4) },
  { zone: 'a', weight: 1, hosts: [{ number: 4, weight: 2 }, { number: 5 }, { number: 6 }] },
  { zone: 'b', hosts: range(7, 10) },
  { zone: 'd', weight: 2, hosts: range(10, 15) },
];

/** `unhealthy` of the first ten are, in priority 0; priority 1 has six hosts. */
function twoPriorities(unhealthy: number, health: 'UNHEALTHY' | 'DEGRADED'): readonly Locality[] {
  const first = range(0, 10).map((host, i) => (i < unhealthy ? { ...host, health } : host));
  return [
    { zone: 'a', priority: 0, hosts: first },
    { zone: 'a', priority: 1, hosts: range(10, 16) },
  ];
}

export const tableCases: readonly TableCase[] = [
  { name: 'ring', keys: 10_000, cluster: ring, localities: oneLocality(shuffled) },
  { name: 'maglev', keys: 10_000, cluster: maglev, localities: oneLocality(shuffled) },
  {
    name: 'ring-murmur-weights',
    keys: 4000,
    cluster: { ...ring, ring_hash_lb_config: { hash_function: 'MURMUR_HASH_2' } },
    localities: oneLocality(weighted),
  },
  { name: 'maglev-weights', keys: 4000, cluster: maglev, localities: oneLocality(weighted) },
  {
    name: 'ring-40-hosts-large',
    keys: 1000,
    cluster: { ...ring, ring_hash_lb_config: { minimum_ring_size: 100_000 } },
    localities: oneLocality(range(0, HOSTS)),
  },
  {
    name: 'ring-cut-off',
    keys: 1000,
    cluster: { ...ring, ring_hash_lb_config: { minimum_ring_size: 1, maximum_ring_size: 30 } },
    localities: oneLocality(weighted),
  },
  {
    name: 'ring-keys',
    keys: 1000,
    cluster: { ...ring, ...byHostname },
    localities: oneLocality(keyed),
  },
  {
    name: 'maglev-keys',
    keys: 1000,
    cluster: { ...maglev, maglev_lb_config: { table_size: 1009 } },
    localities: oneLocality(keyed),
  },
  {
    name: 'maglev-hostnames',
    keys: 1000,
    cluster: { ...maglev, ...byHostname },
    localities: oneLocality(weighted),
  },
  {
    name: 'maglev-tiny',
    keys: 500,
    cluster: { ...maglev, maglev_lb_config: { table_size: 7 } },
    localities: oneLocality(shuffled),
  },
  {
    name: 'ring-zones',
    keys: 1000,
    cluster: policyExtension('ring_hash.v3.RingHash', {
      minimum_ring_size: 3000,
      locality_weighted_lb_config: {},
    }),
    localities: zones,
  },
  {
    name: 'ring-zones-unweighted',
    keys: 1000,
    cluster: policyExtension('ring_hash.v3.RingHash', { hash_function: 'MURMUR_HASH_2' }),
    localities: zones,
  },
  {
    name: 'maglev-zones',
    keys: 1000,
    cluster: policyExtension('maglev.v3.Maglev', { locality_weighted_lb_config: {} }),
    localities: zones,
  },
  {
    name: 'maglev-zones-old',
    keys: 1000,
    cluster: { ...maglev, common_lb_config: { locality_weighted_lb_config: {} } },
    localities: zones,
  },
  {
    name: 'maglev-no-zone-has-weight',
    keys: 4,
    cluster: policyExtension('maglev.v3.Maglev', { locality_weighted_lb_config: {} }),
    localities: oneLocality(shuffled),
  },
  {
    name: 'ring-deprecated-fields',
    keys: 500,
    cluster: policyExtension('ring_hash.v3.RingHash', { use_hostname_for_hashing: true }),
    localities: oneLocality(shuffled),
  },
  {
    name: 'ring-hash-policy-of-policy',
    keys: 500,
    cluster: policyExtension('ring_hash.v3.RingHash', {
      consistent_hashing_lb_config: {
        use_hostname_for_hashing: true,
        hash_policy: [{ header: { header_name: 'x-other-key' } }],
      },
    }),
    localities: oneLocality(shuffled),
  },
  {
    name: 'ring-spills-over',
    keys: 1000,
    cluster: ring,
    localities: twoPriorities(5, 'UNHEALTHY'),
  },
  { name: 'ring-fails-over', keys: 500, cluster: ring, localities: twoPriorities(10, 'UNHEALTHY') },
  {
    name: 'maglev-panic',
    keys: 1000,
    cluster: maglev,
    localities: twoPriorities(7, 'UNHEALTHY').slice(0, 1),
  },
  {
    name: 'ring-some-degraded',
    keys: 1000,
    cluster: ring,
    localities: twoPriorities(6, 'DEGRADED'),
  },
  {
    name: 'ring-all-degraded',
    keys: 4,
    cluster: ring,
    localities: twoPriorities(10, 'DEGRADED').slice(0, 1),
  },
];

/** The Cluster, with hosts on `port`. */
export function clusterOf(
  { name, cluster, localities }: Pick<TableCase, 'name' | 'cluster' | 'localities'>,
  port: number,
): object {
  const endpoints = localities.map(({ zone, weight, priority, hosts }) => ({
    locality: { zone },
    ...(weight === undefined ? {} : { load_balancing_weight: weight }),
    priority: priority ?? 0,
    lb_endpoints: hosts.map((host) => endpointOf(host, port)),
  }));
  const load_assignment = { cluster_name: name, endpoints };
  return { name, type: 'STATIC', connect_timeout: '5s', ...cluster, load_assignment };
}

function endpointOf({ number, weight, hostname, hashKey, health }: Host, port: number): object {
  const address = { socket_address: { address: hostAddress(number), port_value: port } };
  return {
    endpoint: { address, ...(hostname === undefined ? {} : { hostname }) },
    ...(weight === undefined ? {} : { load_balancing_weight: weight }),
    ...(health === undefined ? {} : { health_status: health }),
    ...(hashKey === undefined
      ? {}
      : { metadata: { filter_metadata: { 'envoy.lb': { hash_key: hashKey } } } }),
  };
}
