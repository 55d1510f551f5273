// Compiled envoy.filters.network.rbac: config.ts makes it, filter.ts reads it.

import type { RbacRulesData } from '../../_shared/rbac/data.ts';

export interface NetworkRbacData {
  /** Stats hang below `<statPrefix>.rbac`; no dot at the end. */
  readonly statPrefix: string;
  /** Null = nothing is enforced. */
  readonly rules: RbacRulesData | null;
  /** Evaluated once per connection and counted, never enforced. */
  readonly shadowRules: RbacRulesData | null;
  /** Before the shadow rules' stats and metadata keys, as given. */
  readonly shadowRulesStatPrefix: string;
  /** CONTINUOUS: judged again with all bytes that come, not only with the first. */
  readonly isContinuous: boolean;
  /** A refused connection is closed after that long; 0 = at once. */
  readonly delayDenyMs: number;
}
