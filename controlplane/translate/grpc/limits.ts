// What documents ask for and proxyless gRPC clients do not do: for `ctl explain` and the status of the documents,
// so that nothing is lost in silence. Beside it the few rules that the translation shares with it.
// Source: gRFCs A27, A28, A31, A32, A42, A44, A50 and what the clients do (docs/proxyless-grpc.md).

import type { HttpRouteMatch } from '../../model/kinds/http-route.ts';
import type { RequestMirror } from '../../model/kinds/route-parts.ts';
import type { TrafficSettings } from '../../model/kinds/traffic-policy.ts';
import type { MeshObject } from '../../model/object.ts';

/** A field of a document, and what becomes of it. */
export interface GrpcLimit {
  /** `spec.retries.hedge`, `spec.rules[0].filters[1]`. */
  readonly field: string;
  readonly message: string;
}

const GRPC_CONDITIONS = [
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
];
/** gRPC tries them again without being told to, as nothing was sent (transparent retries). */
const NEVER_SENT = ['connect-failure', 'refused-stream', 'reset-before-request'];
/** gRFC A44: with the first one. */
const MAX_TRIES = 5;

/** What of retry_on gRPC knows; null = our default, which is what gRPC does anyway. */
export function grpcRetryConditions(retryOn: readonly string[] | null): string[] {
  return (retryOn ?? []).filter((token) => GRPC_CONDITIONS.includes(token));
}

/** False = no call of gRPC matches, or gRPC skips the route. */
export function isForGrpc({ method, queryParams }: HttpRouteMatch): boolean {
  return (method === undefined || method === 'POST') && (queryParams ?? []).length === 0;
}

/** In the order of the document; none = gRPC does all of it, or the object says nothing to callers. */
export function grpcLimits(object: MeshObject): GrpcLimit[] {
  switch (object.kind) {
    case 'MeshConfig':
      return ofSettings(object.spec.defaults ?? {}, 'spec.defaults');
    case 'TrafficPolicy':
      return [
        ...ofSettings(object.spec, 'spec'),
        ...given('spec', object.spec, { healthCheck: 'they do not probe instances' }),
      ];
    case 'HTTPRoute':
      return object.spec.rules.flatMap((rule, i) => {
        const at = `spec.rules[${i}]`;
        return [
          ...(rule.matches ?? []).flatMap((match, m) => ofMatch(match, `${at}.matches[${m}]`)),
          ...ofFilters(rule.filters, at),
          ...ofBackends(rule.backendRefs, at),
          ...given(`${at}.timeouts`, rule.timeouts, { backendRequest: 'a try has no limit' }),
          ...given(`${at}.retry`, rule.retry, { codes: 'they retry by grpc-status only' }),
        ];
      });
    case 'GRPCRoute':
      return object.spec.rules.flatMap((rule, i) => {
        const at = `spec.rules[${i}]`;
        return [...ofFilters(rule.filters, at), ...ofBackends(rule.backendRefs, at)];
      });
    default:
      return [];
  }
}

function ofMatch(match: HttpRouteMatch, at: string): GrpcLimit[] {
  if ((match.queryParams ?? []).length === 0) return [];
  return [{ field: `${at}.queryParams`, message: 'calls have none: the match is left out' }];
}

const filterMessages: Readonly<Record<string, string>> = {
  RequestRedirect: 'they cannot be redirected: the rule is left out',
  URLRewrite: 'they do not rewrite: calls go out as they are',
  RequestMirror: 'they do not mirror',
  RequestHeaderModifier: 'they do not change metadata',
  ResponseHeaderModifier: 'they do not change metadata',
};

interface Filter {
  readonly type: string;
  readonly requestMirror?: RequestMirror | undefined;
}

function ofFilters(filters: readonly Filter[] | undefined, at: string): GrpcLimit[] {
  return (filters ?? []).map(({ type }, i) => ({
    field: `${at}.filters[${i}] (${type})`,
    message: filterMessages[type] ?? 'they do not know it',
  }));
}

function ofBackends(
  refs: readonly { readonly filters?: readonly Filter[] | undefined }[] | undefined,
  at: string,
): GrpcLimit[] {
  return (refs ?? []).flatMap(({ filters }, i) => ofFilters(filters, `${at}.backendRefs[${i}]`));
}

const NO_CONNECTION_OPTIONS = 'connections are as the program opens them';

function ofSettings(settings: TrafficSettings, at: string): GrpcLimit[] {
  const { timeouts, retries, circuitBreakers, outlierDetection, http2, loadBalancing } = settings;
  return [
    ...given(`${at}.timeouts`, timeouts, {
      connect: NO_CONNECTION_OPTIONS,
      idle: 'a silent stream stays open',
    }),
    ...ofRetries(retries, `${at}.retries`),
    ...given(`${at}.circuitBreakers`, circuitBreakers, {
      maxConnections: 'of the ceilings they have maxRequests alone',
      maxPendingRequests: 'of the ceilings they have maxRequests alone',
      maxConnectionsPerInstance: 'of the ceilings they have maxRequests alone',
      maxRetries: 'of the ceilings they have maxRequests alone',
      errorRatio: 'they have no such breaker',
    }),
    ...given(`${at}.outlierDetection`, outlierDetection, {
      consecutive5xx: 'they eject by failurePercentage and successRate alone',
      consecutiveGatewayFailure: 'they eject by failurePercentage and successRate alone',
    }),
    ...(http2 === undefined ? [] : [{ field: `${at}.http2`, message: NO_CONNECTION_OPTIONS }]),
    ...ofBalancing(loadBalancing, `${at}.loadBalancing`),
  ];
}

function ofRetries(retries: TrafficSettings['retries'], at: string): GrpcLimit[] {
  if (retries === undefined) return [];
  const limits: GrpcLimit[] = [];
  const { attempts = 0, retryOn = [], backoff, hedge } = retries;
  if (attempts >= MAX_TRIES) {
    limits.push({ field: `${at}.attempts`, message: `they try ${MAX_TRIES} times in all at most` });
  }
  limits.push(...given(at, retries, { perTryTimeout: 'a try has no limit' }));
  const unknown = retryOn.filter(
    (token) => !GRPC_CONDITIONS.includes(token) && !NEVER_SENT.includes(token),
  );
  if (unknown.length > 0) {
    limits.push({
      field: `${at}.retryOn`,
      message: `they retry by grpc-status only, not on ${unknown.join(', ')}`,
    });
  }
  limits.push(
    ...given(at, retries, {
      retriableStatusCodes: 'they retry by grpc-status only',
      budgetPercent: 'they have no budget',
    }),
    ...given(`${at}.backoff`, backoff, { retryAfterUpTo: 'retry-after is not looked at' }),
  );
  if (hedge === true) limits.push({ field: `${at}.hedge`, message: 'they do not hedge' });
  return limits;
}

const balancingMessages: Readonly<Record<string, string>> = {
  RANDOM: 'ROUND_ROBIN instead',
  PEAK_EWMA: 'LEAST_REQUEST instead, grpc-js and C-core ROUND_ROBIN',
  LEAST_REQUEST: 'grpc-js and C-core take ROUND_ROBIN instead',
  CLIENT_SIDE_WEIGHTED_ROUND_ROBIN: 'grpc-js takes ROUND_ROBIN instead',
};

function ofBalancing(balancing: TrafficSettings['loadBalancing'], at: string): GrpcLimit[] {
  if (balancing === undefined) return [];
  const { policy, hashOn = [] } = balancing;
  const message = balancingMessages[policy ?? ''];
  return [
    ...(message === undefined ? [] : [{ field: `${at}.policy`, message }]),
    ...hashOn.flatMap(({ cookie, queryParameter }, i) =>
      cookie === undefined && queryParameter === undefined
        ? []
        : [{ field: `${at}.hashOn[${i}]`, message: 'they hash headers and the channel alone' }],
    ),
    ...given(at, balancing, { slowStart: 'a new instance gets its whole share at once' }),
  ];
}

/** A limit for each key of `messages` that `object` has. */
function given<T extends object>(
  at: string,
  object: T | undefined,
  messages: Readonly<Partial<Record<keyof T & string, string>>>,
): GrpcLimit[] {
  if (object === undefined) return [];
  return Object.entries(messages).flatMap(([key, message]) =>
    // The keys are of T; entries() forgets it.
    object[key as keyof T] === undefined
      ? []
      : [{ field: `${at}.${key}`, message: String(message) }],
  );
}
