// Lines of cluster_manager.outlier_detection.event_log_path: data.cluster.v3.OutlierDetectionEvent as
// JSON, fields and order as Envoy writes them.

import type { OutlierKind } from './outlier-event.ts';

const typeOf: Readonly<Record<OutlierKind, string>> = {
  consecutive_5xx: 'CONSECUTIVE_5XX',
  consecutive_gateway_failure: 'CONSECUTIVE_GATEWAY_FAILURE',
  consecutive_local_origin_failure: 'CONSECUTIVE_LOCAL_ORIGIN_FAILURE',
};

export interface LoggedHost {
  readonly clusterName: string;
  /** `ip:port` */
  readonly upstreamUrl: string;
  readonly numEjections: number;
  /** Null = nothing happened to this host before. */
  readonly secsSinceLastAction: number | null;
}

export function ejectLine(
  host: LoggedHost,
  kind: OutlierKind,
  enforced: boolean,
  wallMs: number,
): string {
  return JSON.stringify({
    ...common(typeOf[kind], host, wallMs),
    action: 'EJECT',
    num_ejections: host.numEjections,
    enforced,
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
