// Config sources with every field at its default.

import type { GrpcApiConfig, GrpcServiceConfig } from '../../dataplane/api/config/config-source.ts';

export function grpcService(overrides: Partial<GrpcServiceConfig> = {}): GrpcServiceConfig {
  return {
    target: {
      clusterName: 'xds',
      addresses: ['127.0.0.1:1'],
      authority: '',
      connectTimeoutMs: 5000,
      tls: null,
      keepalive: null,
    },
    initialMetadata: [],
    backoffBaseMs: 500,
    backoffMaxMs: 30_000,
    maxReceiveMessageBytes: null,
    ...overrides,
  };
}

export function grpcApi(overrides: Partial<GrpcApiConfig> = {}): GrpcApiConfig {
  return {
    protocol: 'DELTA_GRPC',
    services: [grpcService()],
    setNodeOnFirstMessageOnly: false,
    rateLimit: null,
    ...overrides,
  };
}
