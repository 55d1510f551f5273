// What a worker tells the main thread when a host's counter of consecutive failures reaches its
// threshold. The worker only counts; main decides (outlier/detector.ts).

import { HostWord } from '../shared-state.ts';

export type OutlierKind =
  | 'consecutive_5xx'
  | 'consecutive_gateway_failure'
  | 'consecutive_local_origin_failure';

export interface OutlierThresholdEvent {
  readonly cluster: string;
  /** `ip:port` */
  readonly address: string;
  readonly kind: OutlierKind;
}

/** Word of the host's slot that counts for `kind`. */
export const counterWord: Readonly<Record<OutlierKind, HostWord>> = {
  consecutive_5xx: HostWord.Consecutive5xx,
  consecutive_gateway_failure: HostWord.ConsecutiveGatewayFailure,
  consecutive_local_origin_failure: HostWord.ConsecutiveLocalOriginFailure,
};
