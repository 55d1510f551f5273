// Compiled HttpConnectionManager: plain data made by extensions/network/http-connection-manager/config
// from extensions.filters.network.http_connection_manager.v3.HttpConnectionManager. Defaults = Envoy's.

import type { ExtensionData } from '../factory.ts';
import type { HeaderMutationsData, StringMatcherData } from '../matcher-data.ts';
import type { RuntimeNumber } from '../runtime.ts';
import type { AccessLogFilterData, AccessLogFormatData } from './access-log.ts';
import type { Http1Data } from './http1.ts';
import type { Http2Data } from './http2.ts';
import type { RouteConfigData } from './route.ts';
import type { ScopedRoutesData } from './scoped-routes.ts';

/** One of original_ip_detection_extensions. */
export type OriginalIpDetectionData =
  | {
      readonly kind: 'xff';
      readonly numTrustedHops: number;
      /** CIDR texts; [] = count hops instead. */
      readonly trustedCidrs: readonly string[];
      readonly skipXffAppend: boolean;
    }
  | {
      readonly kind: 'custom_header';
      /** Lower-case. */
      readonly headerName: string;
      /** The address may make the request internal. */
      readonly isTrusted: boolean;
      /** 400 to 511; 0 = go on without an address. */
      readonly rejectStatus: number;
    };

/** request_id_extension of type UuidRequestIdConfig; its fields end up in HcmConfig. */
export interface UuidRequestIdData {
  readonly packTraceReason: boolean;
}

/** The body of a local reply: text is sent as text/plain, JSON as application/json, unless it says otherwise. */
export interface LocalReplyFormatData {
  readonly format: AccessLogFormatData;
  readonly contentType: string;
}

/** LocalReplyConfig.mappers: the first whose filter matches changes the reply. */
export interface LocalReplyMapperData {
  readonly filter: AccessLogFilterData;
  /** Null = as it is. */
  readonly status: number | null;
  readonly body: string | null;
  readonly format: LocalReplyFormatData | null;
  readonly headers: HeaderMutationsData;
}

export interface LocalReplyData {
  readonly mappers: readonly LocalReplyMapperData[];
  /** Null = the body alone. */
  readonly format: LocalReplyFormatData | null;
}

export interface HcmConfig {
  readonly statPrefix: string;
  readonly codecType: 'AUTO' | 'HTTP1' | 'HTTP2';
  readonly routes:
    | { readonly kind: 'inline'; readonly config: RouteConfigData }
    | { readonly kind: 'rds'; readonly name: string }
    | ScopedRoutesData;
  readonly httpFilters: readonly (ExtensionData & { readonly disabled: boolean })[];
  /** upgrade_configs; `type` is lower-case, filters null = httpFilters. */
  readonly upgrades: readonly {
    readonly type: string;
    readonly enabled: boolean;
    readonly filters: HcmConfig['httpFilters'] | null;
  }[];
  readonly accessLogs: readonly ExtensionData[];
  /** `server` header; default 'envoy'. */
  readonly serverName: string;
  readonly serverHeaderTransformation: 'OVERWRITE' | 'APPEND_IF_ABSENT' | 'PASS_THROUGH';
  readonly via: string;
  readonly useRemoteAddress: boolean;
  readonly skipXffAppend: boolean;
  readonly xffNumTrustedHops: number;
  readonly appendXForwardedPort: boolean;
  /** In their order; only without useRemoteAddress. [] = x-forwarded-for by xffNumTrustedHops. */
  readonly originalIpDetection: readonly OriginalIpDetectionData[];
  /** scheme_header_transformation.scheme_to_overwrite; '' = what the connection or a trusted hop says. */
  readonly schemeToOverwrite: '' | 'http' | 'https';
  /** scheme_header_transformation.match_upstream: the upstream is told the scheme that it is reached by. */
  readonly schemeMatchesUpstream: boolean;
  /** CIDR texts; Envoy >= 1.33: none by default. */
  readonly internalCidrs: readonly string[];
  readonly internalUnixSockets: boolean;
  readonly generateRequestId: boolean;
  readonly preserveExternalRequestId: boolean;
  readonly alwaysSetRequestIdInResponse: boolean;
  /** UuidRequestIdConfig: false = the trace decision is not written into ids. */
  readonly packTraceReason: boolean;
  readonly forwardClientCertDetails:
    | 'SANITIZE'
    | 'FORWARD_ONLY'
    | 'APPEND_FORWARD'
    | 'SANITIZE_SET'
    | 'ALWAYS_FORWARD_ONLY';
  readonly setCurrentClientCertDetails: {
    readonly subject: boolean;
    readonly dns: boolean;
    readonly uri: boolean;
    readonly cert: boolean;
    readonly chain: boolean;
    readonly issuer: boolean;
    readonly format: 'TEXT' | 'JSON';
  };
  readonly normalizePath: boolean;
  readonly mergeSlashes: boolean;
  readonly pathWithEscapedSlashesAction:
    | 'KEEP_UNCHANGED'
    | 'REJECT_REQUEST'
    | 'UNESCAPE_AND_REDIRECT'
    | 'UNESCAPE_AND_FORWARD';
  readonly stripMatchingHostPort: boolean;
  readonly stripAnyHostPort: boolean;
  readonly stripTrailingHostDot: boolean;
  readonly headersWithUnderscoresAction: 'ALLOW' | 'REJECT_REQUEST' | 'DROP_HEADER';
  readonly suppressEnvoyHeaders: boolean;
  readonly http1: Http1Data & {
    readonly acceptHttp10: boolean;
    readonly defaultHostForHttp10: string;
    readonly allowAbsoluteUrl: boolean;
    readonly allowCustomMethods: boolean;
    /** Protocols that are taken out of `upgrade`. */
    readonly ignoredUpgrades: readonly StringMatcherData[];
  };
  readonly http2: Http2Data;
  /** 100 and other informational responses of upstreams go to clients, and `expect` to upstreams. */
  readonly proxy100Continue: boolean;
  /** The end of maxConnectionDuration waits for a response that can say `connection: close`. */
  readonly http1SafeMaxConnectionDuration: boolean;
  /** KiB, default 60. */
  readonly maxRequestHeadersKb: number;
  /** Default 100. */
  readonly maxHeadersCount: number;
  /** HTTP/2: how long a response waits for its client's window; ms, 0 = for ever. Null = as the idle timeout. */
  readonly streamFlushTimeoutMs: number | null;
  /** Milliseconds; 0 = none. Defaults: 3 600 000, 0, 300 000, 0, 0, 5 000, 1 000, 0. */
  readonly idleTimeoutMs: number;
  readonly maxConnectionDurationMs: number;
  readonly streamIdleTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly requestHeadersTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly delayedCloseTimeoutMs: number;
  /** 0..100: up to so much is added to maxConnectionDurationMs and drainTimeoutMs, by chance per connection. */
  readonly maxConnectionDurationJitterPercent: number;
  readonly drainTimeoutJitterPercent: number;
  readonly maxStreamDurationMs: number;
  /** 0 = unlimited. */
  readonly maxRequestsPerConnection: number;
  /** When a connection ends because its client resets most of what it asks for. */
  readonly prematureResets: {
    /** Runtime key overload.premature_reset_total_stream_count, default 500: judged by so many requests. */
    readonly totalStreamCount: RuntimeNumber;
    /** overload.premature_reset_min_stream_lifetime_seconds, default 1: who lived longer was not reset early. */
    readonly minStreamLifetimeS: RuntimeNumber;
  };
  /** Runtime key http.max_requests_per_io_cycle: more requests of one read begin in the next turn. 0 counts as 1. */
  readonly maxRequestsPerIoCycle: RuntimeNumber;
  /** Of HTTP/1; for HTTP/2 it is in `http2`. */
  readonly streamErrorOnInvalidHttpMessage: boolean;
  /** Null = local replies as they are. */
  readonly localReply: LocalReplyData | null;
  /** Answers of the router: `x-envoy-upstream-service-time` etc. are the router filter's config. */
}
