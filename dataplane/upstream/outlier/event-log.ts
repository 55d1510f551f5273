// Lines of cluster_manager.outlier_detection.event_log_path: data.cluster.v3.OutlierDetectionEvent as
// JSON, fields and order as Envoy writes them.

import type { RateThreshold } from './interval-analysis.ts';
import type { OutlierKind } from './outlier-event.ts';

const typeOf: Readonly<Record<OutlierKind, string>> = {
  consecutive_5xx: 'CONSECUTIVE_5XX',
  consecutive_gateway_failure: 'CONSECUTIVE_GATEWAY_FAILURE',
  consecutive_local_origin_failure: 'CONSECUTIVE_LOCAL_ORIGIN_FAILURE',
  success_rate: 'SUCCESS_RATE',
  success_rate_local_origin: 'SUCCESS_RATE_LOCAL_ORIGIN',
  failure_percentage: 'FAILURE_PERCENTAGE',
  failure_percentage_local_origin: 'FAILURE_PERCENTAGE_LOCAL_ORIGIN',
};

export interface LoggedHost {
  readonly clusterName: string;
  /** `ip:port` */
  readonly upstreamUrl: string;
  readonly numEjections: number;
  /** Null = nothing happened to this host before. */
  readonly secsSinceLastAction: number | null;
}

/** What it was found by, with the numbers; rates in percent. */
export type Finding =
  | { readonly kind: Exclude<OutlierKind, `success_rate${string}` | `failure_percentage${string}`> }
  | {
      readonly kind: 'success_rate' | 'success_rate_local_origin';
      readonly rate: number;
      readonly threshold: RateThreshold;
    }
  | {
      readonly kind: 'failure_percentage' | 'failure_percentage_local_origin';
      readonly rate: number;
    };

export function ejectLine(
  host: LoggedHost,
  finding: Finding,
  enforced: boolean,
  wallMs: number,
): string {
  return JSON.stringify({
    ...common(typeOf[finding.kind], host, wallMs),
    action: 'EJECT',
    num_ejections: host.numEjections,
    enforced,
    ...detail(finding),
  });
}

/** A host that is degraded from now on has a line of an ejection, in Envoy's words. */
export function degradeLine(host: LoggedHost, wallMs: number): string {
  return JSON.stringify({
    ...common('DEGRADED', host, wallMs),
    action: 'EJECT',
    num_ejections: host.numEjections,
    enforced: true,
    eject_consecutive_event: {},
  });
}

/** The type of an un-ejection is always the enum's first value, because Envoy does not set it. */
export function unejectLine(host: LoggedHost, wallMs: number): string {
  return JSON.stringify({
    ...common('CONSECUTIVE_5XX', host, wallMs),
    action: 'UNEJECT',
    num_ejections: host.numEjections,
    enforced: false,
  });
}

/** Rates are whole percents, cut off. */
function detail(finding: Finding): object {
  switch (finding.kind) {
    case 'success_rate':
    case 'success_rate_local_origin':
      return {
        eject_success_rate_event: {
          host_success_rate: Math.trunc(finding.rate),
          cluster_average_success_rate: Math.trunc(finding.threshold.average),
          cluster_success_rate_ejection_threshold: Math.trunc(finding.threshold.ejectionThreshold),
        },
      };
    case 'failure_percentage':
    case 'failure_percentage_local_origin':
      return {
        eject_failure_percentage_event: { host_success_rate: Math.trunc(finding.rate) },
      };
    default:
      return { eject_consecutive_event: {} };
  }
}

function common(type: string, host: LoggedHost, wallMs: number) {
  return {
    type,
    timestamp: new Date(wallMs).toISOString(),
    // A 64-bit number, which proto JSON writes as a string.
    ...(host.secsSinceLastAction === null
      ? {}
      : { secs_since_last_action: String(Math.trunc(host.secsSinceLastAction)) }),
    cluster_name: host.clusterName,
    upstream_url: host.upstreamUrl,
  };
}
