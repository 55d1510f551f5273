// Compiled route configurations for tests: everything that a test does not say is Envoy's default.

import type {
  ForwardActionData,
  RetryPolicyData,
  RouteActionData,
  RouteConfigData,
  RouteData,
  RouteMatchData,
  VirtualHostData,
  WeightedClusterData,
} from '../../dataplane/api/config/route.ts';
import type { HeaderMutationData, HeaderMutationsData } from '../../dataplane/api/matcher-data.ts';

export const noMutations: HeaderMutationsData = { add: [], remove: [] };

export function addHeader(
  name: string,
  value: string,
  action: HeaderMutationData['action'] = 'APPEND_IF_EXISTS_OR_ADD',
): HeaderMutationsData {
  return { add: [{ name, value, action, keepEmptyValue: false }], remove: [] };
}

export function matchData(overrides: Partial<RouteMatchData> = {}): RouteMatchData {
  return {
    path: { kind: 'prefix', value: '/' },
    caseSensitive: true,
    headers: [],
    queryParameters: [],
    runtimeFraction: null,
    grpc: false,
    ...overrides,
  };
}

export function forwardAction(overrides: Partial<ForwardActionData> = {}): RouteActionData {
  return {
    kind: 'route',
    cluster: { kind: 'cluster', name: 'c' },
    clusterNotFoundStatus: 503,
    prefixRewrite: null,
    regexRewrite: null,
    hostRewrite: { kind: 'none' },
    appendXForwardedHost: false,
    timeoutMs: 15_000,
    idleTimeoutMs: null,
    retryPolicy: null,
    mirrors: [],
    metadataMatch: null,
    priority: 0,
    maxStreamDurationMs: null,
    grpcTimeoutHeader: null,
    maxGrpcTimeout: null,
    flushTimeoutMs: null,
    upgrades: [],
    hedgeOnPerTryTimeout: null,
    internalRedirect: null,
    connect: null,
    hashPolicy: [],
    ...overrides,
  };
}

export function weightedCluster(
  name: string,
  weight: number,
  overrides: Partial<WeightedClusterData> = {},
): WeightedClusterData {
  return {
    name,
    weight,
    liveWeight: null,
    requestHeaders: noMutations,
    responseHeaders: noMutations,
    hostRewriteLiteral: null,
    metadataMatch: null,
    perFilterConfig: {},
    ...overrides,
  };
}

export function retryPolicy(overrides: Partial<RetryPolicyData> = {}): RetryPolicyData {
  return {
    retryOn: ['5xx'],
    numRetries: 1,
    perTryTimeoutMs: null,
    perTryIdleTimeoutMs: null,
    retriableStatusCodes: [],
    retriableHeaders: [],
    retriableRequestHeaders: [],
    baseIntervalMs: 25,
    maxIntervalMs: 250,
    hasOwnBackoff: true,
    rateLimitedBackOff: null,
    hostPredicates: [],
    retryPriority: null,
    hostSelectionRetryMaxAttempts: 1,
    ...overrides,
  };
}

export function routeData(overrides: Partial<RouteData> = {}): RouteData {
  return {
    name: '',
    breaker: null,
    match: matchData(),
    action: forwardAction(),
    requestHeaders: noMutations,
    responseHeaders: noMutations,
    perRequestBufferLimitBytes: null,
    requestBodyBufferLimitBytes: null,
    statPrefix: '',
    perFilterConfig: {},
    ...overrides,
  };
}

export function virtualHostData(overrides: Partial<VirtualHostData> = {}): VirtualHostData {
  return {
    name: 'v',
    domains: ['*'],
    routes: [routeData()],
    requireTls: 'NONE',
    requestHeaders: noMutations,
    responseHeaders: noMutations,
    retryPolicy: null,
    hedgeOnPerTryTimeout: false,
    includeRequestAttemptCount: false,
    includeAttemptCountInResponse: false,
    includeIsTimeoutRetryHeader: false,
    perRequestBufferLimitBytes: null,
    requestBodyBufferLimitBytes: null,
    mirrors: [],
    perFilterConfig: {},
    ...overrides,
  };
}

export function routeConfigData(overrides: Partial<RouteConfigData> = {}): RouteConfigData {
  return {
    name: 'rc',
    virtualHosts: [virtualHostData()],
    requestHeaders: noMutations,
    responseHeaders: noMutations,
    vhds: null,
    internalOnlyHeaders: [],
    mostSpecificHeaderMutationsWins: false,
    ignorePortInHostMatching: false,
    maxDirectResponseBodySizeBytes: 4096,
    mirrors: [],
    perFilterConfig: {},
    ...overrides,
  };
}
