// Which load balancer a cluster has: lb_policy, or the first usable entry of load_balancing_policy.

import { joinPath } from '../../common/result.ts';
import type { ClusterProto, LeastRequestProto } from '../../proto/gen/types.ts';
import {
  defaultRoundRobin,
  defaultZoneAware,
  type LeastRequestData,
  type LoadBalancingData,
} from '../api/config/load-balancing.ts';
import type { Compilation } from '../compile/compilation.ts';
import { runtimeNumber } from '../compile/matchers.ts';

const policies = 'envoy.extensions.load_balancing_policies';
const DEFAULT_CHOICE_COUNT = 2;

export function compileLoadBalancing(
  cluster: ClusterProto,
  path: string,
  compilation: Compilation,
): LoadBalancingData {
  if (cluster.load_balancing_policy !== undefined) {
    return compilePolicyList(cluster, joinPath(path, 'load_balancing_policy'), compilation);
  }
  switch (cluster.lb_policy ?? 'ROUND_ROBIN') {
    case 'LEAST_REQUEST':
      return compileLeastRequest(cluster.least_request_lb_config ?? {}, compilation);
    case 'RANDOM':
      return { kind: 'RANDOM', locality: defaultZoneAware };
    case 'LOAD_BALANCING_POLICY_CONFIG':
      compilation.fail(
        joinPath(path, 'load_balancing_policy'),
        'is required with lb_policy LOAD_BALANCING_POLICY_CONFIG',
      );
      return defaultRoundRobin;
    default:
      return defaultRoundRobin; // any other was refused by the support table
  }
}

/** Envoy takes the first policy that it knows. What nobody knows is passed over, what only we lack is not. */
function compilePolicyList(
  cluster: ClusterProto,
  path: string,
  compilation: Compilation,
): LoadBalancingData {
  const list = cluster.load_balancing_policy?.policies ?? [];
  for (const [i, policy] of list.entries()) {
    const at = `${path}.policies[${i}].typed_extension_config.typed_config`;
    const any = policy.typed_extension_config?.typed_config;
    if (any === undefined) {
      compilation.fail(at, 'is required');
      return defaultRoundRobin;
    }
    if (any.message === null) continue;
    switch (any.type_name) {
      case `${policies}.least_request.v3.LeastRequest`:
        return compileLeastRequest(any.message as LeastRequestProto, compilation); // its very type
      case `${policies}.round_robin.v3.RoundRobin`:
        return defaultRoundRobin;
      case `${policies}.random.v3.Random`:
        return { kind: 'RANDOM', locality: defaultZoneAware };
      default:
        compilation.fail(at, `not supported yet (${any.type_name})`);
        return defaultRoundRobin;
    }
  }
  compilation.fail(joinPath(path, 'policies'), 'has no load balancing policy that we know');
  return defaultRoundRobin;
}

/** Cluster.LeastRequestLbConfig and the extension LeastRequest agree in these fields. */
function compileLeastRequest(
  config: Pick<LeastRequestProto, 'choice_count' | 'active_request_bias'>,
  compilation: Compilation,
): LeastRequestData {
  const bias = config.active_request_bias;
  const activeRequestBias = bias === undefined ? 1 : runtimeNumber(bias, compilation);
  return {
    kind: 'LEAST_REQUEST',
    choiceCount: config.choice_count?.value ?? DEFAULT_CHOICE_COUNT,
    // Envoy: a negative bias is taken as 1.0.
    activeRequestBias: activeRequestBias < 0 ? 1 : activeRequestBias,
    selection: 'N_CHOICES',
    locality: defaultZoneAware,
    slowStart: null,
  };
}
