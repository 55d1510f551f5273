// Policies that pick by what was measured of hosts. Used by create-load-balancer.

import { defaultZoneAware, type MeasuredPolicyData } from '../../../api/config/load-balancing.ts';
import type { Steps } from '../../steps.ts';
import type { PrioritySet } from '../host-set.ts';
import type { LoadBalancer, LoadBalancerParts } from '../load-balancer.ts';
import type { Picker } from '../pickers.ts';
import { PriorityBalancer } from '../priority-balancer.ts';
import { activeSlowStart } from '../slow-start.ts';
import { ClientSideWeightsPicker, ReportedWeights } from './client-side-weights.ts';
import { PeakEwmaPicker } from './peak-ewma.ts';

/** Over hosts that were made with the meters of `data` (create-meter.ts). */
export function createMeasuredBalancer(
  data: MeasuredPolicyData,
  hosts: PrioritySet,
  parts: LoadBalancerParts,
): LoadBalancer {
  const { clock, random } = parts;
  if (data.kind === 'PEAK_EWMA') {
    return new PriorityBalancer(hosts, parts, {
      locality: defaultZoneAware,
      canPeek: false,
      createPicker: (list) => atOnce(new PeakEwmaPicker(list, data, clock, random)),
    });
  }
  const priorities = hosts.priorities.map(({ all }) => all);
  const weights = new ReportedWeights(priorities, data, clock);
  const slowStart = activeSlowStart(data.slowStart, hosts, clock);
  return new PriorityBalancer(hosts, parts, {
    locality: data.locality,
    canPeek: false,
    createPicker: (list) => atOnce(new ClientSideWeightsPicker(list, weights, random, slowStart)),
  });
}

/** No steps: it is there. */
// biome-ignore lint/correctness/useYield: as the contract has it
function* atOnce(picker: Picker): Steps<Picker> {
  return picker;
}
