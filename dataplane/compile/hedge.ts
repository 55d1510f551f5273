// config.route.v3.HedgePolicy of routes and virtual hosts. Its other two fields do nothing in Envoy, and are refused.

import type { HedgePolicyProto } from '../../proto/gen/types.ts';

/** Whether a try that exceeds its time goes on beside the next one; null = there is no policy. */
export function compileHedge(policy: HedgePolicyProto | undefined): boolean | null {
  return policy === undefined ? null : (policy.hedge_on_per_try_timeout ?? false);
}
