// config.route.v3.RetryPolicy, compiled, and the words of x-envoy-retry-on / x-envoy-retry-grpc-on.

import type {
  RateLimitedBackOffData,
  RetryHostPredicateData,
  RetryPolicyData,
  RetryPriorityData,
} from '../../api/config/route.ts';
import { HeaderMatcher } from '../../matcher/header-matcher.ts';

/** Bits of a retry policy's conditions. */
export const RetryOn = {
  FiveXx: 1 << 0,
  GatewayError: 1 << 1,
  ConnectFailure: 1 << 2,
  Retriable4xx: 1 << 3,
  RefusedStream: 1 << 4,
  RetriableStatusCodes: 1 << 5,
  Reset: 1 << 6,
  RetriableHeaders: 1 << 7,
  EnvoyRateLimited: 1 << 8,
  ResetBeforeRequest: 1 << 9,
  GrpcCancelled: 1 << 10,
  GrpcDeadlineExceeded: 1 << 11,
  GrpcResourceExhausted: 1 << 12,
  GrpcUnavailable: 1 << 13,
  GrpcInternal: 1 << 14,
} as const;

/** All bits that look at a gRPC status. */
export const RETRY_ON_GRPC =
  RetryOn.GrpcCancelled |
  RetryOn.GrpcDeadlineExceeded |
  RetryOn.GrpcResourceExhausted |
  RetryOn.GrpcUnavailable |
  RetryOn.GrpcInternal;

const httpWords: Readonly<Record<string, number>> = {
  '5xx': RetryOn.FiveXx,
  'gateway-error': RetryOn.GatewayError,
  'connect-failure': RetryOn.ConnectFailure,
  'retriable-4xx': RetryOn.Retriable4xx,
  'refused-stream': RetryOn.RefusedStream,
  'retriable-status-codes': RetryOn.RetriableStatusCodes,
  reset: RetryOn.Reset,
  'retriable-headers': RetryOn.RetriableHeaders,
  'envoy-ratelimited': RetryOn.EnvoyRateLimited,
  'reset-before-request': RetryOn.ResetBeforeRequest,
};

const grpcWords: Readonly<Record<string, number>> = {
  cancelled: RetryOn.GrpcCancelled,
  'deadline-exceeded': RetryOn.GrpcDeadlineExceeded,
  'resource-exhausted': RetryOn.GrpcResourceExhausted,
  unavailable: RetryOn.GrpcUnavailable,
  internal: RetryOn.GrpcInternal,
};

const allWords: Readonly<Record<string, number>> = { ...httpWords, ...grpcWords };

function bitsOf(words: readonly string[], known: Readonly<Record<string, number>>): number {
  let bits = 0;
  for (const word of words) {
    const name = word.trim();
    if (Object.hasOwn(known, name)) bits |= known[name]!;
  }
  return bits;
}

/** Of x-envoy-retry-on; unknown words are ignored. */
export function parseRetryOn(header: string): number {
  return bitsOf(header.split(','), httpWords);
}

/** Of x-envoy-retry-grpc-on. */
export function parseRetryGrpcOn(header: string): number {
  return bitsOf(header.split(','), grpcWords);
}

/** A compiled policy; immutable. */
export interface RetryPolicy {
  readonly retryOn: number;
  readonly numRetries: number;
  /** 0 = none. */
  readonly perTryTimeoutMs: number;
  readonly perTryIdleTimeoutMs: number;
  readonly retriableStatusCodes: readonly number[];
  readonly retriableHeaders: readonly HeaderMatcher[];
  readonly retriableRequestHeaders: readonly HeaderMatcher[];
  readonly baseIntervalMs: number;
  readonly maxIntervalMs: number;
  /** Both are the policy's; else runtime may say another base. */
  readonly hasOwnBackoff: boolean;
  readonly rateLimitedBackOff: RateLimitedBackOffData | null;
  readonly hostPredicates: readonly RetryHostPredicateData[];
  readonly retryPriority: RetryPriorityData | null;
  readonly hostSelectionRetryMaxAttempts: number;
}

/** What headers alone start from: nothing is retried, one retry, back-off 25 to 250 ms. */
export const noRetryPolicy: RetryPolicy = {
  retryOn: 0,
  numRetries: 1,
  perTryTimeoutMs: 0,
  perTryIdleTimeoutMs: 0,
  retriableStatusCodes: [],
  retriableHeaders: [],
  retriableRequestHeaders: [],
  baseIntervalMs: 25,
  maxIntervalMs: 250,
  hasOwnBackoff: false,
  rateLimitedBackOff: null,
  hostPredicates: [],
  retryPriority: null,
  hostSelectionRetryMaxAttempts: 1,
};

const policiesOfClusters = new WeakMap<RetryPolicyData, RetryPolicy>();

/** The policy of a cluster's HttpProtocolOptions, compiled when it is first needed. */
export function retryPolicyOf(data: RetryPolicyData): RetryPolicy {
  let policy = policiesOfClusters.get(data);
  if (policy === undefined) {
    policy = compileRetryPolicy(data);
    policiesOfClusters.set(data, policy);
  }
  return policy;
}

export function compileRetryPolicy(data: RetryPolicyData): RetryPolicy {
  return {
    retryOn: bitsOf(data.retryOn, allWords),
    numRetries: data.numRetries,
    perTryTimeoutMs: data.perTryTimeoutMs ?? 0,
    perTryIdleTimeoutMs: data.perTryIdleTimeoutMs ?? 0,
    retriableStatusCodes: data.retriableStatusCodes,
    retriableHeaders: data.retriableHeaders.map((header) => new HeaderMatcher(header)),
    retriableRequestHeaders: data.retriableRequestHeaders.map(
      (header) => new HeaderMatcher(header),
    ),
    baseIntervalMs: data.baseIntervalMs,
    maxIntervalMs: data.maxIntervalMs,
    hasOwnBackoff: data.hasOwnBackoff,
    rateLimitedBackOff: data.rateLimitedBackOff,
    hostPredicates: data.hostPredicates,
    retryPriority: data.retryPriority,
    hostSelectionRetryMaxAttempts: data.hostSelectionRetryMaxAttempts,
  };
}
