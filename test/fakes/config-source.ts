// Config sources with every field at its default.

import type {
  GrpcApiConfig,
  GrpcServiceConfig,
  GrpcSource,
  PathSource,
  RestSource,
} from '../../dataplane/api/config/config-source.ts';

export function grpcSource(api: Partial<GrpcApiConfig> = {}, key = 'grpc'): GrpcSource {
  return { kind: 'grpc', key, initialFetchTimeoutMs: 15_000, api: grpcApi(api) };
}

export function restSource(overrides: Partial<RestSource> = {}): RestSource {
  return {
    kind: 'rest',
    key: 'rest',
    initialFetchTimeoutMs: 15_000,
    target: grpcService().target,
    refreshDelayMs: 1000,
    requestTimeoutMs: 1000,
    ...overrides,
  };
}

export function pathSource(path: string, overrides: Partial<PathSource> = {}): PathSource {
  return {
    kind: 'path',
    key: `path ${path}`,
    initialFetchTimeoutMs: 15_000,
    path,
    watchedDirectory: '',
    watchModify: false,
    pollIntervalMs: 0,
    ...overrides,
  };
}

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
