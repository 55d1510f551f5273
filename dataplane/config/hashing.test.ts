import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compiledData, resourceErrors } from '../../test/fakes/config.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';

// The kind says what the compiler makes.
const compiled = (text: string) => (compiledData('cluster', text) as ClusterConfig).loadBalancing;
const errors = (text: string) => resourceErrors('cluster', text);
const policy = (name: string, body: string) =>
  `{name: a, load_balancing_policy: {policies: [{typed_extension_config: {name: x, typed_config: {"@type": type.googleapis.com/envoy.extensions.load_balancing_policies.${name}, ${body}}}}]}}`;

const common = {
  useHostnameForHashing: false,
  balanceFactor: null,
  localityWeighted: false,
  hashPolicy: [],
};

describe('consistent hashing', () => {
  it("fills in Envoy's defaults", () => {
    assert.deepEqual(compiled('{name: a, lb_policy: RING_HASH}'), {
      kind: 'RING_HASH',
      minimumRingSize: 1024,
      maximumRingSize: 8_388_608,
      hashFunction: 'XX_HASH',
      ...common,
    });
    assert.deepEqual(compiled('{name: a, lb_policy: MAGLEV}'), {
      kind: 'MAGLEV',
      tableSize: 65_537,
      ...common,
    });
  });

  it('reads the fields of a cluster', () => {
    const ring = '{minimum_ring_size: 10, maximum_ring_size: 20, hash_function: MURMUR_HASH_2}';
    const hashing = '{use_hostname_for_hashing: true, hash_balance_factor: 150}';
    const lb = `{consistent_hashing_lb_config: ${hashing}, locality_weighted_lb_config: {}}`;
    const text = `{name: a, type: STRICT_DNS, lb_policy: RING_HASH, ring_hash_lb_config: ${ring}, common_lb_config: ${lb}}`;
    assert.deepEqual(compiled(text), {
      kind: 'RING_HASH',
      minimumRingSize: 10,
      maximumRingSize: 20,
      hashFunction: 'MURMUR_HASH_2',
      useHostnameForHashing: true,
      balanceFactor: 150,
      localityWeighted: true,
      hashPolicy: [],
    });
  });

  it('reads the extensions, with the deprecated fields where the new message is missing', () => {
    const old = 'use_hostname_for_hashing: true, hash_balance_factor: 110';
    const ring = compiled(policy('ring_hash.v3.RingHash', old));
    assert.ok(
      ring.kind === 'RING_HASH' && ring.useHostnameForHashing && ring.balanceFactor === 110,
    );
    const hashPolicy =
      'hash_policy: [{cookie: {name: c, ttl: 1.5s, path: /p, attributes: [{name: Secure}]}, terminal: true}]';
    const text = `table_size: 251, locality_weighted_lb_config: {}, consistent_hashing_lb_config: {${hashPolicy}}`;
    const attributes = [{ name: 'Secure', value: '' }];
    assert.deepEqual(compiled(policy('maglev.v3.Maglev', text)), {
      ...common,
      kind: 'MAGLEV',
      tableSize: 251,
      localityWeighted: true,
      hashPolicy: [
        {
          source: { kind: 'cookie', name: 'c', ttlS: 1, path: '/p', attributes },
          terminal: true,
        },
      ],
    });
  });

  const refused: readonly (readonly [string, string, string])[] = [
    [
      'a ring whose least size is above its largest',
      '{name: a, lb_policy: RING_HASH, ring_hash_lb_config: {minimum_ring_size: 20, maximum_ring_size: 10}}',
      'ring_hash_lb_config: ring hash: minimum_ring_size (20) > maximum_ring_size (10)',
    ],
    [
      'a ring without places',
      '{name: a, lb_policy: RING_HASH, ring_hash_lb_config: {minimum_ring_size: 0}}',
      'ring_hash_lb_config.minimum_ring_size: must be greater than or equal to 1',
    ],
    [
      'a Maglev table whose size is no prime',
      '{name: a, lb_policy: MAGLEV, maglev_lb_config: {table_size: 65535}}',
      'maglev_lb_config.table_size: The table size of maglev must be prime number',
    ],
    [
      'a Maglev table of one slot',
      '{name: a, lb_policy: MAGLEV, maglev_lb_config: {table_size: 1}}',
      'maglev_lb_config.table_size: The table size of maglev must be prime number',
    ],
    [
      'host names of clusters that have none, as Envoy does',
      '{name: a, lb_policy: MAGLEV, common_lb_config: {consistent_hashing_lb_config: {use_hostname_for_hashing: true}}}',
      'common_lb_config.consistent_hashing_lb_config.use_hostname_for_hashing: only in a cluster of type STRICT_DNS',
    ],
  ];
  for (const [what, text, error] of refused) {
    it(`refuses ${what}`, () => assert.deepEqual(errors(text), [error]));
  }

  it('accepts the smallest table that is a prime', () => {
    assert.deepEqual(errors('{name: a, lb_policy: MAGLEV, maglev_lb_config: {table_size: 2}}'), []);
  });
});
