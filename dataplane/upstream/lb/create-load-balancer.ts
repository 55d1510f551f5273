// The policy that a cluster's data asks for, over its hosts of the moment.

import type { LoadBalancingData } from '../../api/config/load-balancing.ts';
import type { PrioritySet } from './host-set.ts';
import { createListBalancer } from './list-balancer.ts';
import type { LoadBalancer, LoadBalancerParts } from './load-balancer.ts';

export function createLoadBalancer(
  data: LoadBalancingData,
  hosts: PrioritySet,
  parts: LoadBalancerParts,
): LoadBalancer {
  switch (data.kind) {
    case 'ROUND_ROBIN':
    case 'LEAST_REQUEST':
    case 'RANDOM':
      return createListBalancer(data, hosts, parts);
    default:
      return data satisfies never;
  }
}
