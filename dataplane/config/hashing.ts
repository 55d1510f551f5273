// RING_HASH and MAGLEV, as Cluster.lb_policy with its *_lb_config and as load_balancing_policy extensions. Called by
// load-balancing.ts.

import { joinPath } from '../../common/result.ts';
import type {
  ClusterProto,
  ConsistentHashingLbConfigProto,
  MaglevProto,
  RingHashProto,
} from '../../proto/gen/types.ts';
import type {
  ConsistentHashingData,
  MaglevData,
  RingHashData,
} from '../api/config/load-balancing.ts';
import type { Compilation } from '../compile/compilation.ts';
import { compileHashPolicies } from '../compile/hash-policy.ts';

const DEFAULT_MINIMUM_RING_SIZE = 1024;
const DEFAULT_MAXIMUM_RING_SIZE = 8 * 1024 * 1024;
const DEFAULT_TABLE_SIZE = 65_537;

/** lb_policy RING_HASH. `path` is the cluster's. */
export function compileRingHashCluster(
  cluster: ClusterProto,
  path: string,
  compilation: Compilation,
): RingHashData {
  const config = cluster.ring_hash_lb_config ?? {};
  const at = joinPath(path, 'ring_hash_lb_config');
  return {
    kind: 'RING_HASH',
    ...compileRingSizes(config, at, compilation),
    hashFunction: config.hash_function ?? 'XX_HASH',
    ...compileCommonLb(cluster, path, compilation),
  };
}

/** The extension RingHash. */
export function compileRingHash(
  config: RingHashProto,
  path: string,
  compilation: Compilation,
): RingHashData {
  const { consistent_hashing_lb_config: common } = config;
  return {
    kind: 'RING_HASH',
    ...compileRingSizes(config, path, compilation),
    hashFunction: config.hash_function === 'MURMUR_HASH_2' ? 'MURMUR_HASH_2' : 'XX_HASH',
    // The deprecated spellings count where the new message is missing.
    ...compileConsistentHashing(common ?? config, path, compilation),
    localityWeighted: config.locality_weighted_lb_config !== undefined,
  };
}

/** lb_policy MAGLEV. `path` is the cluster's. */
export function compileMaglevCluster(
  cluster: ClusterProto,
  path: string,
  compilation: Compilation,
): MaglevData {
  const config = cluster.maglev_lb_config ?? {};
  return {
    kind: 'MAGLEV',
    tableSize: compileTableSize(config, joinPath(path, 'maglev_lb_config'), compilation),
    ...compileCommonLb(cluster, path, compilation),
  };
}

/** The extension Maglev. */
export function compileMaglev(
  config: MaglevProto,
  path: string,
  compilation: Compilation,
): MaglevData {
  return {
    kind: 'MAGLEV',
    tableSize: compileTableSize(config, path, compilation),
    ...compileConsistentHashing(config.consistent_hashing_lb_config ?? {}, path, compilation),
    localityWeighted: config.locality_weighted_lb_config !== undefined,
  };
}

function compileCommonLb(
  { common_lb_config: common, type }: ClusterProto,
  path: string,
  compilation: Compilation,
): ConsistentHashingData {
  const config = common?.consistent_hashing_lb_config;
  if (config?.use_hostname_for_hashing === true && type !== 'STRICT_DNS') {
    compilation.fail(
      joinPath(path, 'common_lb_config.consistent_hashing_lb_config.use_hostname_for_hashing'),
      'only in a cluster of type STRICT_DNS',
    );
  }
  return {
    useHostnameForHashing: config?.use_hostname_for_hashing ?? false,
    balanceFactor: config?.hash_balance_factor?.value ?? null,
    localityWeighted: common?.locality_weighted_lb_config !== undefined,
    hashPolicy: [],
  };
}

function compileConsistentHashing(
  config: ConsistentHashingLbConfigProto,
  path: string,
  compilation: Compilation,
): Omit<ConsistentHashingData, 'localityWeighted'> {
  const at = `${path}.consistent_hashing_lb_config.hash_policy`;
  return {
    useHostnameForHashing: config.use_hostname_for_hashing ?? false,
    balanceFactor: config.hash_balance_factor?.value ?? null,
    hashPolicy: compileHashPolicies(config.hash_policy, at, compilation),
  };
}

function compileRingSizes(
  config: Pick<RingHashProto, 'minimum_ring_size' | 'maximum_ring_size'>,
  path: string,
  compilation: Compilation,
): Pick<RingHashData, 'minimumRingSize' | 'maximumRingSize'> {
  const minimumRingSize = Number(config.minimum_ring_size?.value ?? DEFAULT_MINIMUM_RING_SIZE);
  const maximumRingSize = Number(config.maximum_ring_size?.value ?? DEFAULT_MAXIMUM_RING_SIZE);
  if (minimumRingSize > maximumRingSize) {
    compilation.fail(
      path,
      `ring hash: minimum_ring_size (${minimumRingSize}) > maximum_ring_size (${maximumRingSize})`,
    );
  }
  // Envoy takes 0 and then has no host for anything.
  if (minimumRingSize === 0) {
    compilation.fail(joinPath(path, 'minimum_ring_size'), 'must be greater than or equal to 1');
  }
  return { minimumRingSize, maximumRingSize };
}

function compileTableSize(
  config: Pick<MaglevProto, 'table_size'>,
  path: string,
  compilation: Compilation,
): number {
  const tableSize = Number(config.table_size?.value ?? DEFAULT_TABLE_SIZE);
  // Envoy takes 1 for a prime and then divides by zero.
  if (!isPrime(tableSize)) {
    const at = joinPath(path, 'table_size');
    compilation.fail(at, 'The table size of maglev must be prime number');
  }
  return tableSize;
}

function isPrime(value: number): boolean {
  if (value < 2 || value % 2 === 0) return value === 2;
  for (let divisor = 3; divisor * divisor <= value; divisor += 2) {
    if (value % divisor === 0) return false;
  }
  return true;
}
