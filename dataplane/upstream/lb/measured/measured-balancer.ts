// Policies that pick by what was measured of hosts. Used by create-load-balancer.

import { defaultZoneAware, type MeasuredPolicyData } from '../../../api/config/load-balancing.ts';
import type { PrioritySet } from '../host-set.ts';
import type { LoadBalancer, LoadBalancerParts } from '../load-balancer.ts';
import { PriorityBalancer } from '../priority-balancer.ts';
import { ClientSideWeightsPicker } from './client-side-weights.ts';
import { PeakEwmaPicker } from './peak-ewma.ts';

/** Over hosts that were made with the meters of `data` (create-meter.ts). */
export function createMeasuredBalancer(
  data: MeasuredPolicyData,
  hosts: PrioritySet,
  parts: LoadBalancerParts,
): LoadBalancer {
  const { clock, random } = parts;
  return new PriorityBalancer(hosts, parts, {
    // Neither has a locality config of its own; Envoy's is the default one, too.
    locality: defaultZoneAware,
    canPeek: false,
    createPicker: (list) =>
      data.kind === 'PEAK_EWMA'
        ? new PeakEwmaPicker(list, data, clock, random)
        : new ClientSideWeightsPicker(list, data, clock, random),
  });
}
