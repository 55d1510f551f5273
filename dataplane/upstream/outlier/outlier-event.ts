// The ways in which a host can stand out, and what workers tell the main thread about it. Workers only count;
// main decides (outlier/detector.ts).

import { HostWord } from '../shared-state.ts';

/** Found by a worker, when a counter of failures in a row reaches its threshold. */
export type ConsecutiveKind =
  | 'consecutive_5xx'
  | 'consecutive_gateway_failure'
  | 'consecutive_local_origin_failure';

/** Found by main at an interval's end, by comparing hosts. */
export type IntervalKind =
  | 'success_rate'
  | 'success_rate_local_origin'
  | 'failure_percentage'
  | 'failure_percentage_local_origin';

/** What leads to an ejection. */
export type OutlierKind = ConsecutiveKind | IntervalKind;

/** From a worker. `degraded`: a response said x-envoy-degraded. */
export interface OutlierReport {
  readonly cluster: string;
  /** `ip:port` */
  readonly address: string;
  readonly kind: ConsecutiveKind | 'degraded';
}

/** Word of the host's slot that counts for `kind`. */
export const counterWord: Readonly<Record<ConsecutiveKind, HostWord>> = {
  consecutive_5xx: HostWord.Consecutive5xx,
  consecutive_gateway_failure: HostWord.ConsecutiveGatewayFailure,
  consecutive_local_origin_failure: HostWord.ConsecutiveLocalOriginFailure,
};
