// Cluster.LbSubsetConfig and load_balancing_policies.subset.v3.Subset, which has the same fields and some more.

import type {
  ClusterLbSubsetConfigLbSubsetSelectorProto,
  ClusterLbSubsetConfigProto,
  SubsetProto,
} from '../../proto/gen/types.ts';
import type {
  LoadBalancingData,
  SubsetData,
  SubsetSelectorData,
} from '../api/config/load-balancing.ts';
import { metadataMatchOf } from '../api/metadata-match.ts';
import { type Compilation, mapItems } from '../compile/compilation.ts';

/** `child` chooses within a subset. `path` is that of `config`. */
export function compileSubset(
  config: ClusterLbSubsetConfigProto | SubsetProto,
  child: LoadBalancingData,
  path: string,
  compilation: Compilation,
): SubsetData {
  if (child.kind === 'SUBSET') {
    compilation.fail(`${path}.subset_lb_policy`, 'not supported yet (subsets of subsets)');
  }
  const selectors = mapItems(config.subset_selectors, `${path}.subset_selectors`, (selector, at) =>
    compileSelector(selector, at, compilation),
  );
  const allowRedundantKeys =
    'allow_redundant_keys' in config && config.allow_redundant_keys === true;
  // Then the selector with most keys wins, of several the first (the sort is stable).
  if (allowRedundantKeys) selectors.sort((a, b) => b.keys.length - a.keys.length);
  return {
    kind: 'SUBSET',
    fallbackPolicy: config.fallback_policy ?? 'NO_FALLBACK',
    defaultSubset: metadataMatchOf(config.default_subset ?? {}).entries,
    selectors,
    localityWeightAware: config.locality_weight_aware ?? false,
    scaleLocalityWeight: config.scale_locality_weight ?? false,
    panicModeAny: config.panic_mode_any ?? false,
    listAsAny: config.list_as_any ?? false,
    usesFallbackList: config.metadata_fallback_policy === 'FALLBACK_LIST',
    allowRedundantKeys,
    child,
  };
}

function compileSelector(
  selector: ClusterLbSubsetConfigLbSubsetSelectorProto,
  path: string,
  compilation: Compilation,
): SubsetSelectorData {
  const keys = [...new Set(selector.keys ?? [])].sort();
  const fallbackKeys = [...new Set(selector.fallback_keys_subset ?? [])].sort();
  const fallbackPolicy = selector.fallback_policy ?? 'NOT_DEFINED';
  const wrong = wrongFallbackKeys(keys, fallbackKeys, fallbackPolicy);
  if (wrong !== null) compilation.fail(`${path}.fallback_keys_subset`, wrong);
  return {
    keys,
    singleHostPerSubset: selector.single_host_per_subset ?? false,
    fallbackPolicy,
    fallbackKeys,
  };
}

/** In Envoy's words; null = nothing is. */
function wrongFallbackKeys(
  keys: readonly string[],
  fallbackKeys: readonly string[],
  policy: SubsetSelectorData['fallbackPolicy'],
): string | null {
  if (policy !== 'KEYS_SUBSET') {
    return fallbackKeys.length === 0 ? null : 'can be set only for KEYS_SUBSET fallback_policy';
  }
  if (fallbackKeys.length === 0) return 'cannot be empty';
  if (!fallbackKeys.every((key) => keys.includes(key))) return 'must be a subset of selector keys';
  return fallbackKeys.length === keys.length ? 'cannot be equal to keys' : null;
}
