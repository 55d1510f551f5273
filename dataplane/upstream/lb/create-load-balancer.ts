// The policy that a cluster's data asks for, over its hosts of the moment.

import type { LoadBalancingData } from '../../api/config/load-balancing.ts';
import type { PrioritySet } from './host-set.ts';
import type { LoadBalancer, LoadBalancerParts } from './load-balancer.ts';
import { createPicker } from './pickers.ts';
import { PriorityBalancer } from './priority-balancer.ts';

export function createLoadBalancer(
  data: LoadBalancingData,
  hosts: PrioritySet,
  parts: LoadBalancerParts,
): LoadBalancer {
  const canPeek = data.kind !== 'LEAST_REQUEST';
  return new PriorityBalancer(hosts, parts, canPeek, (list) =>
    createPicker(data, list, parts.random),
  );
}
