// Active health checks: every caller's sidecar probes each instance through the instance's own sidecar, by mTLS and
// with its identity. What is probed is let in by every AuthorizationPolicy (filters/rbac), or a policy that names the
// callers of some methods would make all instances unhealthy.

import type { HealthCheckProto } from '../../proto/gen/types.ts';
import type { AllowedRequest, ServiceNode } from '../graph/graph.ts';
import type { HealthCheckSettings } from '../model/defaults.ts';
import { duration, wrapped } from './well-known.ts';

const GRPC_HEALTH_CHECK = '/grpc.health.v1.Health/Check';

export function translateHealthCheck(
  service: ServiceNode,
  settings: HealthCheckSettings,
): HealthCheckProto {
  return {
    timeout: duration(settings.timeoutMs),
    interval: duration(settings.intervalMs),
    unhealthy_threshold: wrapped(settings.unhealthyThreshold),
    healthy_threshold: wrapped(settings.healthyThreshold),
    ...probeOf(service, settings.probe),
  };
}

function probeOf(
  { id, protocol }: ServiceNode,
  probe: HealthCheckSettings['probe'],
): Partial<HealthCheckProto> {
  switch (probe.kind) {
    case 'http':
      return {
        http_health_check: {
          host: id,
          path: probe.path,
          ...(protocol === 'HTTP' ? {} : { codec_client_type: 'HTTP2' }),
        },
      };
    case 'grpc':
      return { grpc_health_check: { service_name: probe.service, authority: id } };
    case 'tcp':
      return { tcp_health_check: {} };
  }
}

/** What a probe asks the instance's sidecar for; null = it does not ask for anything. */
export function probeRequest({ probe }: HealthCheckSettings): AllowedRequest | null {
  switch (probe.kind) {
    case 'http':
      return { methods: ['GET'], paths: [probe.path] };
    case 'grpc':
      return { methods: ['POST'], paths: [GRPC_HEALTH_CHECK] };
    case 'tcp':
      return null;
  }
}
