// The policy that a cluster's data asks for, over its hosts of the moment.

import type { LoadBalancingData } from '../../api/config/load-balancing.ts';
import { ThreadAwareBalancer } from './hashing/thread-aware-balancer.ts';
import type { HostIndex } from './host-index.ts';
import type { PrioritySet } from './host-set.ts';
import { createListBalancer } from './list-balancer.ts';
import type { LoadBalancer, LoadBalancerParts } from './load-balancer.ts';
import { createMeasuredBalancer } from './measured/measured-balancer.ts';
import { OverrideHostBalancer } from './override-host/override-host-balancer.ts';
import { SubsetBalancer } from './subset/subset-balancer.ts';

export function createLoadBalancer(
  data: LoadBalancingData,
  hosts: PrioritySet,
  parts: LoadBalancerParts,
  index: HostIndex,
): LoadBalancer {
  switch (data.kind) {
    case 'ROUND_ROBIN':
    case 'LEAST_REQUEST':
    case 'RANDOM':
      return createListBalancer(data, hosts, parts);
    case 'RING_HASH':
    case 'MAGLEV':
      return new ThreadAwareBalancer(data, hosts, parts, index.hashTables);
    case 'CLIENT_SIDE_WEIGHTED_ROUND_ROBIN':
    case 'PEAK_EWMA':
      return createMeasuredBalancer(data, hosts, parts);
    case 'SUBSET':
      return new SubsetBalancer(data, hosts, parts, index.subsets.of(data, parts.stats), (subset) =>
        createLoadBalancer(data.child, subset, parts, index),
      );
    case 'OVERRIDE_HOST': {
      const fallback = createLoadBalancer(data.fallback, hosts, parts, index);
      return new OverrideHostBalancer(data, index, fallback);
    }
    default:
      return data satisfies never;
  }
}
