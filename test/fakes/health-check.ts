// Configs of active health checks as config/ would fill them in, for tests.

import type {
  GrpcCheckData,
  HealthCheckConfig,
  HttpCheckData,
  TcpCheckData,
} from '../../dataplane/api/config/health-check.ts';

export const httpCheck: HttpCheckData = {
  kind: 'HTTP',
  protocol: 'HTTP/1.1',
  host: '',
  path: '/health',
  method: 'GET',
  send: new Uint8Array(),
  headers: { add: [], remove: [] },
  expectedStatuses: [{ start: 200, end: 201 }],
  retriableStatuses: [],
  receive: [],
  responseBufferBytes: 1024,
  serviceName: null,
};

export const tcpCheck: TcpCheckData = {
  kind: 'TCP',
  send: new Uint8Array(),
  receive: [],
  proxyProtocol: null,
};

export const grpcCheck: GrpcCheckData = {
  kind: 'GRPC',
  serviceName: '',
  authority: '',
  metadata: { add: [], remove: [] },
};

/** Every second, thresholds of 3 and 2, HTTP; give what the test is about. */
export function healthCheck(given: Partial<HealthCheckConfig> = {}): HealthCheckConfig {
  return {
    timeoutMs: 500,
    intervalMs: 1000,
    initialJitterMs: 0,
    intervalJitterMs: 0,
    intervalJitterPercent: 0,
    unhealthyThreshold: 3,
    healthyThreshold: 2,
    altPort: null,
    reuseConnection: true,
    noTrafficIntervalMs: 60_000,
    noTrafficHealthyIntervalMs: 60_000,
    unhealthyIntervalMs: 1000,
    unhealthyEdgeIntervalMs: 1000,
    healthyEdgeIntervalMs: 1000,
    eventLogPaths: [],
    alwaysLogFailures: false,
    alwaysLogSuccess: false,
    alpnProtocols: [],
    checker: httpCheck,
    ...given,
  };
}
