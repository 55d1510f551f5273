// Compiled envoy.filters.http.rbac (extensions.filters.http.rbac.v3.RBAC / RBACPerRoute): config.ts makes it,
// filter.ts reads it.

import type { RbacRulesData } from '../../_shared/rbac/data.ts';

export interface RbacData {
  /** Null = nothing is enforced by this config. */
  readonly rules: RbacRulesData | null;
  /** Evaluated and counted, never enforced. */
  readonly shadowRules: RbacRulesData | null;
  /** Put before the stat names of the filter, '' or as given (`prefix.`). */
  readonly rulesStatPrefix: string;
  readonly shadowRulesStatPrefix: string;
  readonly trackPerRuleStats: boolean;
}

/** Per route: null = RBAC is switched off for the route (RBACPerRoute without `rbac`). */
export type RbacRouteData = RbacData | null;
