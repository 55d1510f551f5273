// A compiled route configuration: plain, frozen data made by config/route from
// config.route.v3.RouteConfiguration; router/route-table builds the runtime table from it.

import type {
  FractionData,
  HeaderMatcherData,
  HeaderMutationsData,
  OrderedMutationData,
  RegexRewriteData,
  StringMatcherData,
} from '../matcher-data.ts';
import type { MetadataEntry, MetadataMatch } from '../metadata-match.ts';
import type { RuntimeNumber } from '../runtime.ts';
import type { ConfigSource } from './config-source.ts';
import type { RouteBreakerData } from './error-ratio-breaker.ts';
import type { HashPolicyData } from './hash-policy.ts';
import type { UpstreamProxyProtocolConfig } from './proxy-protocol.ts';

/** Per-filter overrides: by the HTTP filter's configured name. */
export type PerFilterConfigData = Readonly<
  Record<string, { readonly extension: string; readonly data: unknown; readonly disabled: boolean }>
>;

export interface RouteConfigData {
  readonly name: string;
  /** Null = `virtualHosts` are all there are. */
  readonly vhds: VhdsData | null;
  readonly virtualHosts: readonly VirtualHostData[];
  readonly requestHeaders: HeaderMutationsData;
  readonly responseHeaders: HeaderMutationsData;
  readonly internalOnlyHeaders: readonly string[];
  readonly mostSpecificHeaderMutationsWins: boolean;
  readonly ignorePortInHostMatching: boolean;
  readonly maxDirectResponseBodySizeBytes: number;
  /** For virtual hosts without mirrors. */
  readonly mirrors: readonly MirrorPolicyData[];
  readonly perFilterConfig: PerFilterConfigData;
}

/** RouteConfiguration.vhds: virtual hosts that come one by one, some when a request asks for them. */
export interface VhdsData {
  /** resourceId of the route configuration, at the source of its virtual hosts. */
  readonly id: string;
  /** Their names on the wire begin with this and '/'; then comes the host that was asked for, or any other name. */
  readonly namespace: string;
  readonly source: ConfigSource;
}

/** A VirtualHost that came by VHDS. */
export interface VirtualHostResource {
  /** VhdsData.id of whose it is. */
  readonly owner: string;
  /** On the wire. */
  readonly name: string;
  readonly host: VirtualHostData;
}

export interface VirtualHostData {
  readonly name: string;
  /** Lower-case; `*`, `*.suffix`, `prefix.*` or exact. */
  readonly domains: readonly string[];
  readonly routes: readonly RouteData[];
  readonly requireTls: 'NONE' | 'EXTERNAL_ONLY' | 'ALL';
  readonly requestHeaders: HeaderMutationsData;
  readonly responseHeaders: HeaderMutationsData;
  readonly retryPolicy: RetryPolicyData | null;
  /** hedge_policy of routes without one. */
  readonly hedgeOnPerTryTimeout: boolean;
  readonly includeRequestAttemptCount: boolean;
  readonly includeAttemptCountInResponse: boolean;
  readonly includeIsTimeoutRetryHeader: boolean;
  readonly perRequestBufferLimitBytes: number | null;
  /** Goes before every perRequestBufferLimitBytes, of the virtual host, too. */
  readonly requestBodyBufferLimitBytes: number | null;
  /** For routes without mirrors. */
  readonly mirrors: readonly MirrorPolicyData[];
  readonly perFilterConfig: PerFilterConfigData;
}

export interface RouteData {
  readonly name: string;
  /** Null = none. Not Envoy's. */
  readonly breaker: RouteBreakerData | null;
  readonly match: RouteMatchData;
  readonly action: RouteActionData;
  readonly requestHeaders: HeaderMutationsData;
  readonly responseHeaders: HeaderMutationsData;
  readonly perRequestBufferLimitBytes: number | null;
  /** Goes before every perRequestBufferLimitBytes, of the virtual host, too. */
  readonly requestBodyBufferLimitBytes: number | null;
  readonly statPrefix: string;
  readonly perFilterConfig: PerFilterConfigData;
}

export interface RouteMatchData {
  readonly path:
    | { readonly kind: 'prefix'; readonly value: string }
    | { readonly kind: 'path'; readonly value: string }
    | { readonly kind: 'path_separated_prefix'; readonly value: string }
    | { readonly kind: 'safe_regex'; readonly value: string }
    /** CONNECT requests, whatever their authority. */
    | { readonly kind: 'connect'; readonly value: '' };
  /** Default true; not for regex. */
  readonly caseSensitive: boolean;
  readonly headers: readonly HeaderMatcherData[];
  readonly queryParameters: readonly QueryParameterMatcherData[];
  readonly runtimeFraction: FractionData | null;
  /** match.grpc was set: content-type application/grpc only. */
  readonly grpc: boolean;
}

export interface QueryParameterMatcherData {
  readonly name: string;
  /** null = whether it is there decides. */
  readonly matcher: StringMatcherData | null;
  /** Without a matcher: false = matches requests that lack it. */
  readonly present: boolean;
}

export type RouteActionData =
  | ({ readonly kind: 'route' } & ForwardActionData)
  | ({ readonly kind: 'redirect' } & RedirectActionData)
  | { readonly kind: 'direct_response'; readonly status: number; readonly body: string };

export interface ForwardActionData {
  readonly cluster:
    | { readonly kind: 'cluster'; readonly name: string }
    | { readonly kind: 'cluster_header'; readonly header: string }
    | {
        readonly kind: 'weighted';
        readonly headerName: string;
        /** By the hash of hashPolicy. */
        readonly usesHashPolicy: boolean;
        readonly clusters: readonly WeightedClusterData[];
      };
  readonly clusterNotFoundStatus: number;
  /** Empty = none. */
  readonly hashPolicy: readonly HashPolicyData[];
  readonly prefixRewrite: string | null;
  readonly regexRewrite: RegexRewriteData | null;
  readonly hostRewrite:
    | { readonly kind: 'none' }
    | { readonly kind: 'literal'; readonly value: string }
    | { readonly kind: 'auto' }
    | { readonly kind: 'header'; readonly header: string }
    | { readonly kind: 'path_regex'; readonly rewrite: RegexRewriteData };
  readonly appendXForwardedHost: boolean;
  /** Default 15 000; 0 = none. */
  readonly timeoutMs: number;
  /** null = HCM's stream_idle_timeout; 0 = none. */
  readonly idleTimeoutMs: number | null;
  readonly retryPolicy: RetryPolicyData | null;
  /** request_mirror_policies; empty = the virtual host's. A cluster's go before all (UpstreamHttpConfig). */
  readonly mirrors: readonly MirrorPolicyData[];
  /** `envoy.lb` of metadata_match; null = none. */
  readonly metadataMatch: MetadataMatch | null;
  readonly priority: 0 | 1;
  readonly maxStreamDurationMs: number | null;
  /** max_stream_duration.grpc_timeout_header_max and _offset; null = there is no _max. */
  readonly grpcTimeoutHeader: GrpcTimeoutData | null;
  /** max_grpc_timeout and grpc_timeout_offset, deprecated: instead of timeoutMs for gRPC requests. */
  readonly maxGrpcTimeout: GrpcTimeoutData | null;
  /** null = HCM's; 0 = none. */
  readonly flushTimeoutMs: number | null;
  /** upgrade_configs. */
  readonly upgrades: readonly { readonly type: string; readonly enabled: boolean }[];
  /** hedge_policy; null = the virtual host's. */
  readonly hedgeOnPerTryTimeout: boolean | null;
  /** internal_redirect_policy; null = all redirects are the client's to follow. */
  readonly internalRedirect: InternalRedirectPolicyData | null;
  /** Null = CONNECT is forwarded as one; else it ends here and its bytes go to the cluster's host. */
  readonly connect: ConnectData | null;
}

/** RouteAction.RequestMirrorPolicy: a copy of the request goes to that cluster, too; its answer is dropped. */
export interface MirrorPolicyData {
  readonly cluster:
    | { readonly kind: 'cluster'; readonly name: string }
    | { readonly kind: 'cluster_header'; readonly header: string };
  /** Null = all requests. */
  readonly fraction: FractionData | null;
  /** Its host gets `-shadow` before the port (unless hostRewriteLiteral says what it is). */
  readonly appendsShadowSuffix: boolean;
  readonly mutations: readonly OrderedMutationData[];
  /** '' = the request's. */
  readonly hostRewriteLiteral: string;
}

/** RouteAction.InternalRedirectPolicy with defaults filled in. */
export interface InternalRedirectPolicyData {
  /** Of one request of a client; default 1. */
  readonly maxInternalRedirects: number;
  /** Some of 301, 302, 303, 307, 308; default 302. */
  readonly redirectResponseCodes: readonly number[];
  /** All of them must agree. */
  readonly predicates: readonly InternalRedirectPredicateData[];
  readonly allowCrossSchemeRedirect: boolean;
  /** Lower-case names: the next request has what the response has of them, and nothing else. */
  readonly responseHeadersToCopy: readonly string[];
}

/** What extensions of category internal-redirect-predicate compile to. */
export type InternalRedirectPredicateData =
  /** From one route to the same target but once. */
  | { readonly kind: 'previous_routes' }
  | { readonly kind: 'allow_listed_routes'; readonly routes: readonly string[] }
  /** Not from http to https. */
  | { readonly kind: 'safe_cross_scheme' };

/** Bounds of what a client's grpc-timeout does. */
export interface GrpcTimeoutData {
  /** Milliseconds; 0 = whatever the client asks for. */
  readonly maxMs: number;
  /** Taken off what the client asks for. */
  readonly offsetMs: number;
}

/** RouteAction.UpgradeConfig.ConnectConfig. */
export interface ConnectData {
  /** POST is taken for a CONNECT too. */
  readonly allowPost: boolean;
  /** The PROXY header that begins the connection to the host; null = none. */
  readonly proxyProtocol: UpstreamProxyProtocolConfig | null;
}

export interface WeightedClusterData {
  readonly name: string;
  readonly weight: number;
  /** With a runtime_key_prefix: what counts instead. */
  readonly liveWeight: RuntimeNumber | null;
  readonly requestHeaders: HeaderMutationsData;
  readonly responseHeaders: HeaderMutationsData;
  readonly hostRewriteLiteral: string | null;
  /** Its own merged over the route's; null = neither has one. */
  readonly metadataMatch: MetadataMatch | null;
  readonly perFilterConfig: PerFilterConfigData;
}

export interface RedirectActionData {
  readonly httpsRedirect: boolean;
  readonly schemeRedirect: string;
  readonly hostRedirect: string;
  readonly portRedirect: number;
  readonly path:
    | { readonly kind: 'none' }
    | { readonly kind: 'path'; readonly value: string }
    | { readonly kind: 'prefix'; readonly value: string }
    | { readonly kind: 'regex'; readonly rewrite: RegexRewriteData };
  /** 301, 302, 303, 307, 308. */
  readonly status: number;
  readonly stripQuery: boolean;
}

/** config.route.v3.RetryPolicy with defaults filled in (spec 2.10). */
export interface RetryPolicyData {
  /** Tokens as given; unknown ones are ignored by router/retry. */
  readonly retryOn: readonly string[];
  /** Default 1. */
  readonly numRetries: number;
  /** null = the route timeout. */
  readonly perTryTimeoutMs: number | null;
  readonly perTryIdleTimeoutMs: number | null;
  readonly retriableStatusCodes: readonly number[];
  readonly retriableHeaders: readonly HeaderMatcherData[];
  readonly retriableRequestHeaders: readonly HeaderMatcherData[];
  /** Default 25. */
  readonly baseIntervalMs: number;
  /** Default 10 x base. */
  readonly maxIntervalMs: number;
  /** retry_back_off was said. */
  readonly hasOwnBackoff: boolean;
  readonly rateLimitedBackOff: RateLimitedBackOffData | null;
  readonly hostPredicates: readonly RetryHostPredicateData[];
  readonly retryPriority: RetryPriorityData | null;
  /** Default 1. */
  readonly hostSelectionRetryMaxAttempts: number;
}

/** RetryPolicy.RateLimitedRetryBackOff: the response says how long to wait. */
export interface RateLimitedBackOffData {
  /** The first of them that says a time that may be used counts. Names are lower-case. */
  readonly resetHeaders: readonly {
    readonly name: string;
    readonly format: 'SECONDS' | 'UNIX_TIMESTAMP';
  }[];
  /** Longer ones are not used; default 300 000. */
  readonly maxIntervalMs: number;
}

/** Which hosts a retry avoids. */
export type RetryHostPredicateData =
  | { readonly kind: 'previous_hosts' }
  | { readonly kind: 'omit_canary_hosts' }
  /** Hosts whose metadata has all of these; empty = none. */
  | { readonly kind: 'omit_host_metadata'; readonly metadata: readonly MetadataEntry[] };

/** envoy.retry_priorities.previous_priorities. */
export interface RetryPriorityData {
  /** > 0 */
  readonly updateFrequency: number;
}
