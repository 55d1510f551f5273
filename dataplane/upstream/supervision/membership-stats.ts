// Stats of a cluster that only main knows: where its hosts come from and how many there are. Names below
// `cluster.<name>.` as Envoy's. update_attempt and friends are DNS's here; for EDS the xDS client has them.

import type { CollectsMore, StatField, StatScope, StatSink } from '../../api/stats.ts';

/** The hosts of a cluster, counted. */
export interface Membership {
  readonly total: number;
  readonly healthy: number;
  readonly degraded: number;
  /** Of all, those that do not count in the arithmetic of priorities. */
  readonly excluded: number;
  readonly maxWeight: number;
}

export class MembershipStats implements CollectsMore {
  static readonly stats: readonly StatField[] = [
    { field: 'updateAttempt', name: 'update_attempt', kind: 'counter' },
    { field: 'updateSuccess', name: 'update_success', kind: 'counter' },
    { field: 'updateFailure', name: 'update_failure', kind: 'counter' },
    { field: 'updateEmpty', name: 'update_empty', kind: 'counter' },
    { field: 'updateNoRebuild', name: 'update_no_rebuild', kind: 'counter' },
    { field: 'membershipChange', name: 'membership_change', kind: 'counter' },
    { field: 'warmingState', name: 'warming_state', kind: 'gauge' },
  ];

  updateAttempt = 0;
  updateSuccess = 0;
  updateFailure = 0;
  updateEmpty = 0;
  updateNoRebuild = 0;
  membershipChange = 0;
  /** 1 = waits for its first hosts, or for their first checks. */
  warmingState = 0;
  readonly #count: () => Membership;

  /** `count` is asked at a collection only: ten thousand hosts that fail one by one would be counted as often. */
  constructor(count: () => Membership) {
    this.#count = count;
  }

  collectMore(scope: StatScope, sink: StatSink): void {
    const { total, healthy, degraded, excluded, maxWeight } = this.#count();
    sink.value(scope, 'membership_total', 'gauge', total);
    sink.value(scope, 'membership_healthy', 'gauge', healthy);
    sink.value(scope, 'membership_degraded', 'gauge', degraded);
    sink.value(scope, 'membership_excluded', 'gauge', excluded);
    sink.value(scope, 'max_host_weight', 'gauge', maxWeight);
  }
}
