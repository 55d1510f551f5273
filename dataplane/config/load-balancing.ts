// Which load balancer a cluster has: lb_policy, or the first usable entry of load_balancing_policy.

import { joinPath } from '../../common/result.ts';
import type {
  ClientSideWeightedRoundRobinProto,
  ClusterProto,
  LeastRequestProto,
  LoadBalancingPolicyProto,
  MaglevProto,
  OverrideHostProto,
  PeakEwmaProto,
  RandomProto,
  RingHashProto,
  RoundRobinProto,
  SubsetProto,
  WrrLocalityProto,
} from '../../proto/gen/types.ts';
import { defaultRoundRobin, type LoadBalancingData } from '../api/config/load-balancing.ts';
import type { Compilation } from '../compile/compilation.ts';
import {
  compileMaglev,
  compileMaglevCluster,
  compileRingHash,
  compileRingHashCluster,
} from './hashing.ts';
import {
  compileLeastRequest,
  compileRandom,
  compileRoundRobin,
  localityOfCluster,
  localityOfExtension,
} from './list-policies.ts';
import {
  compileClientSideWeights,
  compilePeakEwma,
  compileWrrLocality,
} from './measured-policies.ts';
import { compileOverrideHost } from './override-host.ts';
import { compileSubset } from './subset.ts';

const policies = 'envoy.extensions.load_balancing_policies';

export function compileLoadBalancing(
  cluster: ClusterProto,
  path: string,
  compilation: Compilation,
): LoadBalancingData {
  if (cluster.load_balancing_policy !== undefined) {
    const at = joinPath(path, 'load_balancing_policy');
    refuseCommonFields(cluster, path, compilation);
    return compilePolicyList(cluster.load_balancing_policy, at, compilation);
  }
  const policy = compileLbPolicy(cluster, path, compilation);
  const subsets = cluster.lb_subset_config;
  // As in Envoy, without selectors there are no subsets, whatever else it says.
  if (subsets === undefined || (subsets.subset_selectors ?? []).length === 0) return policy;
  const subsetPath = joinPath(path, 'lb_subset_config');
  const weighted = cluster.common_lb_config?.locality_weighted_lb_config;
  if (subsets.locality_weight_aware === true && weighted === undefined) {
    compilation.fail(
      `${subsetPath}.locality_weight_aware`,
      'requires common_lb_config.locality_weighted_lb_config',
    );
  }
  return compileSubset(subsets, policy, subsetPath, compilation);
}

/** lb_policy and its *_lb_config. */
function compileLbPolicy(
  cluster: ClusterProto,
  path: string,
  compilation: Compilation,
): LoadBalancingData {
  const locality = localityOfCluster(cluster.common_lb_config, compilation);
  switch (cluster.lb_policy ?? 'ROUND_ROBIN') {
    case 'LEAST_REQUEST':
      return compileLeastRequest(cluster.least_request_lb_config ?? {}, locality, compilation);
    case 'RANDOM':
      return compileRandom(locality);
    case 'RING_HASH':
      return compileRingHashCluster(cluster, path, compilation);
    case 'MAGLEV':
      return compileMaglevCluster(cluster, path, compilation);
    case 'LOAD_BALANCING_POLICY_CONFIG':
      compilation.fail(
        joinPath(path, 'load_balancing_policy'),
        'is required with lb_policy LOAD_BALANCING_POLICY_CONFIG',
      );
      return defaultRoundRobin;
    default: // any other was refused by the support table
      return compileRoundRobin(cluster.round_robin_lb_config ?? {}, locality, compilation);
  }
}

/** A policy extension says these itself. */
function refuseCommonFields(cluster: ClusterProto, path: string, compilation: Compilation): void {
  const at = joinPath(path, 'common_lb_config');
  if (cluster.lb_subset_config !== undefined) {
    const text = 'cannot be combined with load_balancing_policy';
    compilation.fail(joinPath(path, 'lb_subset_config'), text);
  }
  for (const field of ['zone_aware_lb_config', 'locality_weighted_lb_config'] as const) {
    if (cluster.common_lb_config?.[field] === undefined) continue;
    compilation.fail(`${at}.${field}`, 'cannot be combined with load_balancing_policy');
  }
}

/** Envoy takes the first policy that it knows. What nobody knows is passed over, what only we lack is not. */
export function compilePolicyList(
  { policies: list = [] }: LoadBalancingPolicyProto,
  path: string,
  compilation: Compilation,
): LoadBalancingData {
  for (const [i, policy] of list.entries()) {
    const at = `${path}.policies[${i}].typed_extension_config.typed_config`;
    const any = policy.typed_extension_config?.typed_config;
    if (any === undefined) {
      compilation.fail(at, 'is required');
      return defaultRoundRobin;
    }
    if (any.message === null) continue;
    return compilePolicy(any.type_name, any.message, at, compilation);
  }
  compilation.fail(joinPath(path, 'policies'), 'has no load balancing policy that we know');
  return defaultRoundRobin;
}

/** `message` is of type `typeName`: each case may take it for that. */
function compilePolicy(
  typeName: string,
  message: object,
  path: string,
  compilation: Compilation,
): LoadBalancingData {
  switch (typeName) {
    case `${policies}.round_robin.v3.RoundRobin`: {
      const config = message as RoundRobinProto;
      return compileRoundRobin(config, localityOfExtension(config, compilation), compilation);
    }
    case `${policies}.least_request.v3.LeastRequest`: {
      const config = message as LeastRequestProto;
      return compileLeastRequest(config, localityOfExtension(config, compilation), compilation);
    }
    case `${policies}.random.v3.Random`:
      return compileRandom(localityOfExtension(message as RandomProto, compilation));
    case `${policies}.ring_hash.v3.RingHash`:
      return compileRingHash(message as RingHashProto, path, compilation);
    case `${policies}.maglev.v3.Maglev`:
      return compileMaglev(message as MaglevProto, path, compilation);
    case `${policies}.subset.v3.Subset`: {
      const config = message as SubsetProto;
      const at = `${path}.subset_lb_policy`;
      const child = compilePolicyList(config.subset_lb_policy ?? {}, at, compilation);
      return compileSubset(config, child, path, compilation);
    }
    case `${policies}.override_host.v3.OverrideHost`: {
      const config = message as OverrideHostProto;
      const at = `${path}.fallback_policy`;
      const fallback = compilePolicyList(config.fallback_policy ?? {}, at, compilation);
      return compileOverrideHost(config, fallback, path, compilation);
    }
    case `${policies}.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin`:
      return compileClientSideWeights(
        message as ClientSideWeightedRoundRobinProto,
        path,
        compilation,
      );
    case `${policies}.wrr_locality.v3.WrrLocality`: {
      const { endpoint_picking_policy: list = {} } = message as WrrLocalityProto;
      const at = `${path}.endpoint_picking_policy`;
      return compileWrrLocality(compilePolicyList(list, at, compilation), at, compilation);
    }
    case 'remora.load_balancing_policies.peak_ewma.v1.PeakEwma':
      return compilePeakEwma(message as PeakEwmaProto, path, compilation);
    default:
      compilation.fail(path, `not supported yet (${typeName})`);
      return defaultRoundRobin;
  }
}
