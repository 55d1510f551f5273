// Compiled HttpConnectionManager: plain data made by extensions/network/http-connection-manager/config
// from extensions.filters.network.http_connection_manager.v3.HttpConnectionManager. Defaults = Envoy's.

import type { ExtensionData } from '../factory.ts';
import type { RouteConfigData } from './route.ts';

export interface HcmConfig {
  readonly statPrefix: string;
  readonly codecType: 'AUTO' | 'HTTP1';
  /** Exactly one of the two. */
  readonly routes:
    | { readonly kind: 'inline'; readonly config: RouteConfigData }
    | { readonly kind: 'rds'; readonly name: string };
  readonly httpFilters: readonly (ExtensionData & { readonly disabled: boolean })[];
  readonly accessLogs: readonly ExtensionData[];
  /** `server` header; default 'envoy'. */
  readonly serverName: string;
  readonly serverHeaderTransformation: 'OVERWRITE' | 'APPEND_IF_ABSENT' | 'PASS_THROUGH';
  readonly via: string;
  readonly useRemoteAddress: boolean;
  readonly skipXffAppend: boolean;
  readonly xffNumTrustedHops: number;
  /** CIDR texts; Envoy >= 1.33: none by default. */
  readonly internalCidrs: readonly string[];
  readonly internalUnixSockets: boolean;
  readonly generateRequestId: boolean;
  readonly preserveExternalRequestId: boolean;
  readonly alwaysSetRequestIdInResponse: boolean;
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
  readonly http1: {
    readonly acceptHttp10: boolean;
    readonly defaultHostForHttp10: string;
    readonly enableTrailers: boolean;
    readonly allowAbsoluteUrl: boolean;
    readonly properCaseHeaderKeys: boolean;
  };
  /** KiB, default 60. */
  readonly maxRequestHeadersKb: number;
  /** Default 100. */
  readonly maxHeadersCount: number;
  /** Milliseconds; 0 = none. Defaults: 3 600 000, 0, 300 000, 0, 0, 5 000, 1 000, 0. */
  readonly idleTimeoutMs: number;
  readonly maxConnectionDurationMs: number;
  readonly streamIdleTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly requestHeadersTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly delayedCloseTimeoutMs: number;
  readonly maxStreamDurationMs: number;
  /** 0 = unlimited. */
  readonly maxRequestsPerConnection: number;
  readonly streamErrorOnInvalidHttpMessage: boolean;
  /** Answers of the router: `x-envoy-upstream-service-time` etc. are the router filter's config. */
}
