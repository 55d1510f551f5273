// Round robin, least request and random: policies that pick out of the hosts of a priority or locality. Used by
// create-load-balancer, for clusters and for what wraps these policies.

import type { PrioritySet } from './host-set.ts';
import type { LoadBalancer, LoadBalancerParts } from './load-balancer.ts';
import { createPicker, type ListPolicyData } from './pickers.ts';
import { PriorityBalancer } from './priority-balancer.ts';
import { activeSlowStart } from './slow-start.ts';

export function createListBalancer(
  data: ListPolicyData,
  hosts: PrioritySet,
  parts: LoadBalancerParts,
): LoadBalancer {
  const slowStart =
    data.kind === 'RANDOM' ? null : activeSlowStart(data.slowStart, hosts, parts.clock);
  return new PriorityBalancer(hosts, parts, {
    locality: data.locality,
    canPeek: data.kind !== 'LEAST_REQUEST',
    createPicker: (list) => createPicker(data, list, parts.random, slowStart),
  });
}
