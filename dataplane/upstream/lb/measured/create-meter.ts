// Which hosts are measured, and how: by their cluster's policy, wherever it stands within others.

import type { Clock } from '../../../../common/clock.ts';
import type { LoadBalancingData } from '../../../api/config/load-balancing.ts';
import type { HostMeter } from '../../../api/host.ts';
import type { SlotRef } from '../../shared-state.ts';
import { WeightMeter } from './client-side-weights.ts';
import { LatencyMeter } from './peak-ewma.ts';

/** A meter for one more host; null = the policy measures nothing. */
export function createMeter(
  data: LoadBalancingData,
  slot: SlotRef,
  clock: Clock,
): HostMeter | null {
  switch (data.kind) {
    case 'CLIENT_SIDE_WEIGHTED_ROUND_ROBIN':
      return new WeightMeter(data, slot, clock);
    case 'PEAK_EWMA':
      return new LatencyMeter(data, clock);
    case 'SUBSET':
      return createMeter(data.child, slot, clock);
    case 'OVERRIDE_HOST':
      return createMeter(data.fallback, slot, clock);
    default:
      return null;
  }
}
