// Stats of a cluster that only main knows: where its hosts come from and how many there are. Names below
// `cluster.<name>.` as Envoy's. update_attempt and friends are DNS's here; for EDS the xDS client has them.

import type { StatField } from '../../api/stats.ts';

export class MembershipStats {
  static readonly stats: readonly StatField[] = [
    { field: 'updateAttempt', name: 'update_attempt', kind: 'counter' },
    { field: 'updateSuccess', name: 'update_success', kind: 'counter' },
    { field: 'updateFailure', name: 'update_failure', kind: 'counter' },
    { field: 'updateEmpty', name: 'update_empty', kind: 'counter' },
    { field: 'updateNoRebuild', name: 'update_no_rebuild', kind: 'counter' },
    { field: 'membershipChange', name: 'membership_change', kind: 'counter' },
    { field: 'membershipTotal', name: 'membership_total', kind: 'gauge' },
    { field: 'membershipHealthy', name: 'membership_healthy', kind: 'gauge' },
    { field: 'membershipDegraded', name: 'membership_degraded', kind: 'gauge' },
    { field: 'membershipExcluded', name: 'membership_excluded', kind: 'gauge' },
    { field: 'maxHostWeight', name: 'max_host_weight', kind: 'gauge' },
    { field: 'warmingState', name: 'warming_state', kind: 'gauge' },
  ];

  updateAttempt = 0;
  updateSuccess = 0;
  updateFailure = 0;
  updateEmpty = 0;
  updateNoRebuild = 0;
  membershipChange = 0;
  membershipTotal = 0;
  membershipHealthy = 0;
  membershipDegraded = 0;
  membershipExcluded = 0;
  maxHostWeight = 0;
  /** 1 = waits for its first hosts. */
  warmingState = 0;
}
