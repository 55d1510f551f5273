// Which instance a cluster's calls go to.

import { packAny } from '../../proto/any.ts';
import type { ClusterProto, TypedExtensionConfigProto } from '../../proto/gen/types.ts';
import type { TrafficPolicySettings } from '../model/defaults.ts';
import { duration, wrapped } from './well-known.ts';

const policies = 'envoy.extensions.load_balancing_policies';

export function translateLoadBalancing({
  policy,
  choiceCount,
  slowStartMs,
}: TrafficPolicySettings['loadBalancing']): Partial<ClusterProto> {
  const slowStart =
    slowStartMs === 0 ? {} : { slow_start_config: { slow_start_window: duration(slowStartMs) } };
  switch (policy) {
    case 'LEAST_REQUEST':
      return {
        lb_policy: policy,
        least_request_lb_config: { choice_count: wrapped(choiceCount), ...slowStart },
      };
    case 'ROUND_ROBIN':
      return {
        lb_policy: policy,
        ...(slowStartMs === 0 ? {} : { round_robin_lb_config: slowStart }),
      };
    case 'CONSISTENT_HASH':
      return { lb_policy: 'MAGLEV' };
    case 'CLIENT_SIDE_WEIGHTED_ROUND_ROBIN':
      return extensions({
        name: 'envoy.load_balancing_policies.client_side_weighted_round_robin',
        typed_config: packAny(
          `${policies}.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin`,
          {},
        ),
      });
    case 'PEAK_EWMA':
      return extensions(
        {
          name: 'remora.load_balancing_policies.peak_ewma',
          typed_config: packAny('xds.type.v3.TypedStruct', {
            type_url: 'type.googleapis.com/remora.load_balancing_policies.peak_ewma.v1.PeakEwma',
            value: { choice_count: choiceCount },
          }),
        },
        // An Envoy passes over what it does not know.
        {
          name: 'envoy.load_balancing_policies.least_request',
          typed_config: packAny(`${policies}.least_request.v3.LeastRequest`, {
            choice_count: wrapped(choiceCount),
          }),
        },
      );
    default:
      return { lb_policy: policy };
  }
}

/** The first that the sidecar knows counts. */
function extensions(...list: readonly TypedExtensionConfigProto[]): Partial<ClusterProto> {
  return {
    load_balancing_policy: {
      policies: list.map((config) => ({ typed_extension_config: config })),
    },
  };
}
