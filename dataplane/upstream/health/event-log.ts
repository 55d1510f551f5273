// Lines of a health check's event log: data.core.v3.HealthCheckEvent as JSON, fields and order as Envoy
// writes them.

import type { PlacedHost } from '../../api/config/cluster.ts';
import type { HealthCheckConfig } from '../../api/config/health-check.ts';

/** data.core.v3.HealthCheckFailureType. */
export type FailureType = 'ACTIVE' | 'PASSIVE' | 'NETWORK' | 'NETWORK_TIMEOUT';

/** What happened; `httpStatus` 0 = no response, or none over HTTP. */
export type HealthEvent =
  | {
      readonly kind: 'eject_unhealthy_event';
      readonly failureType: FailureType;
      readonly httpStatus: number;
    }
  | { readonly kind: 'add_healthy_event'; readonly firstCheck: boolean }
  | {
      readonly kind: 'health_check_failure_event';
      readonly failureType: FailureType;
      readonly firstCheck: boolean;
      readonly httpStatus: number;
    }
  | { readonly kind: 'degraded_healthy_host' }
  | { readonly kind: 'no_longer_degraded_host' }
  | { readonly kind: 'successful_health_check_event' };

/** One line without its end. */
export function healthEventLine(
  type: HealthCheckConfig['checker']['kind'],
  clusterName: string,
  host: PlacedHost,
  event: HealthEvent,
  wallMs: number,
): string {
  const body = { [event.kind]: bodyOf(event) };
  // In the order of the fields' numbers.
  const isBeforeTimestamp =
    event.kind === 'eject_unhealthy_event' || event.kind === 'add_healthy_event';
  const isLast = event.kind === 'successful_health_check_event';
  const { region, zone, subZone } = host.locality;
  return JSON.stringify({
    health_checker_type: type,
    host: {
      socket_address: {
        protocol: 'TCP',
        address: host.address,
        port_value: host.port,
        resolver_name: '',
        ipv4_compat: false,
        network_namespace_filepath: '',
      },
    },
    cluster_name: clusterName,
    ...(isBeforeTimestamp ? body : {}),
    timestamp: new Date(wallMs).toISOString(),
    ...(isBeforeTimestamp || isLast ? {} : body),
    ...(host.metadata === null
      ? {}
      : { metadata: { filter_metadata: host.metadata, typed_filter_metadata: {} } }),
    locality: { region, zone, sub_zone: subZone },
    ...(isLast ? body : {}),
  });
}

function bodyOf(event: HealthEvent): unknown {
  switch (event.kind) {
    case 'eject_unhealthy_event':
      return { failure_type: event.failureType, http_status_code: event.httpStatus };
    case 'add_healthy_event':
      return { first_check: event.firstCheck };
    case 'health_check_failure_event':
      return {
        failure_type: event.failureType,
        first_check: event.firstCheck,
        http_status_code: event.httpStatus,
      };
    default:
      return {};
  }
}
