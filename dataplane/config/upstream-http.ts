// How a cluster speaks HTTP: HttpProtocolOptions in typed_extension_protocol_options, or the deprecated
// fields of the cluster itself that say the same.

import { joinPath } from '../../common/result.ts';
import type {
  ClusterProto,
  Http1ProtocolOptionsProto,
  Http2ProtocolOptionsProto,
  HttpProtocolOptionsProto,
  UpstreamHttpProtocolOptionsProto,
  UpstreamsHttpHttpProtocolOptionsProto,
} from '../../proto/gen/types.ts';
import { durationMsOr, wrapperOr } from '../../proto/well-known.ts';
import type { UpstreamHttpConfig, UpstreamProtocol } from '../api/config/cluster.ts';
import type { HashPolicyData } from '../api/config/hash-policy.ts';
import type { MirrorPolicyData, RetryPolicyData } from '../api/config/route.ts';
import type { ResponsePredicateData } from '../api/matcher-data.ts';
import { type Compilation, mapEntryPath } from '../compile/compilation.ts';
import { compileHashPolicies } from '../compile/hash-policy.ts';
import { compileHttp1Options } from '../compile/http1.ts';
import { compileHttp2Options } from '../compile/http2.ts';
import { compileMirrors } from '../compile/request-mirror.ts';
import { compileResponsePredicate } from '../compile/response-predicate.ts';
import { compileRetryPolicy } from '../compile/retry-policy.ts';

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const HOUR_MS = 3_600_000;
const DEFAULT_MAX_RESPONSE_HEADERS_KB = 60;
const DEFAULT_MAX_HEADERS_COUNT = 100;

/** The options of a cluster wherever it has them, each with the path it stands at. */
export interface UpstreamHttpOptions {
  readonly common: HttpProtocolOptionsProto;
  readonly commonPath: string;
  readonly upstream: UpstreamHttpProtocolOptionsProto;
  readonly http1: Http1ProtocolOptionsProto;
  readonly http1Path: string;
  /** Null = not given. */
  readonly http2: Http2ProtocolOptionsProto | null;
  readonly http2Path: string;
  readonly protocol: UpstreamProtocol;
  readonly protocolPath: string;
  readonly retryPolicy: RetryPolicyData | null;
  readonly mirrors: readonly MirrorPolicyData[];
  readonly hashPolicy: readonly HashPolicyData[];
  readonly errorMatcher: ResponsePredicateData | null;
}

/** The three ways to say which protocol, with their options. */
type ProtocolChoice = Pick<
  UpstreamHttpOptions,
  'http1' | 'http1Path' | 'http2' | 'http2Path' | 'protocol' | 'protocolPath'
>;

/** Finds the options; what is not known in typed_extension_protocol_options is an error. */
export function upstreamHttpOptions(
  cluster: ClusterProto,
  path: string,
  compilation: Compilation,
): UpstreamHttpOptions {
  const mapPath = joinPath(path, 'typed_extension_protocol_options');
  for (const [key, any] of Object.entries(cluster.typed_extension_protocol_options ?? {})) {
    const at = mapEntryPath(mapPath, key);
    if (any.type_name !== HTTP_OPTIONS || any.message === null) {
      compilation.fail(
        at,
        any.message === null
          ? `unknown type '${any.type_url}'`
          : `not supported yet (${any.type_name})`,
      );
      continue;
    }
    const options = any.message as UpstreamsHttpHttpProtocolOptionsProto; // decoded as that very type
    return {
      common: options.common_http_protocol_options ?? {},
      commonPath: joinPath(at, 'common_http_protocol_options'),
      upstream: options.upstream_http_protocol_options ?? {},
      ...protocolChoice(options, at),
      retryPolicy:
        options.retry_policy === undefined
          ? null
          : compileRetryPolicy(options.retry_policy, joinPath(at, 'retry_policy'), compilation),
      mirrors: compileMirrors(options.request_mirror_policies, at, compilation, false),
      hashPolicy: compileHashPolicies(
        options.hash_policy,
        joinPath(at, 'hash_policy'),
        compilation,
      ),
      errorMatcher: errorMatcherOf(options, at, compilation),
    };
  }
  return {
    common: cluster.common_http_protocol_options ?? {},
    commonPath: joinPath(path, 'common_http_protocol_options'),
    upstream: cluster.upstream_http_protocol_options ?? {},
    ...deprecatedChoice(cluster, path, compilation),
    retryPolicy: null,
    mirrors: [],
    hashPolicy: [],
    errorMatcher: null,
  };
}

function errorMatcherOf(
  { outlier_detection: detection }: UpstreamsHttpHttpProtocolOptionsProto,
  path: string,
  compilation: Compilation,
): ResponsePredicateData | null {
  if (detection?.error_matcher === undefined) return null;
  const at = joinPath(path, 'outlier_detection.error_matcher');
  return compileResponsePredicate(detection.error_matcher, at, compilation);
}

function protocolChoice(
  options: UpstreamsHttpHttpProtocolOptionsProto,
  path: string,
): ProtocolChoice {
  const { explicit_http_config: explicit, auto_config: auto } = options;
  const downstream = options.use_downstream_protocol_config;
  if (auto !== undefined) return choice('auto', auto, joinPath(path, 'auto_config'));
  if (downstream !== undefined) {
    const protocol =
      downstream.http2_protocol_options === undefined ? 'downstream' : 'downstream-or-http2';
    return choice(protocol, downstream, joinPath(path, 'use_downstream_protocol_config'));
  }
  const protocol = explicit?.http2_protocol_options === undefined ? 'HTTP/1.1' : 'HTTP/2';
  return choice(protocol, explicit ?? {}, joinPath(path, 'explicit_http_config'));
}

/** The cluster's own fields. Envoy: ClusterInfoImpl and ProtocolOptionsConfigImpl's constructor for them. */
function deprecatedChoice(
  cluster: ClusterProto,
  path: string,
  compilation: Compilation,
): ProtocolChoice {
  const hasHttp2 = cluster.http2_protocol_options !== undefined;
  if (cluster.protocol_selection === 'USE_DOWNSTREAM_PROTOCOL') {
    return choice(hasHttp2 ? 'downstream-or-http2' : 'downstream', cluster, path);
  }
  if (hasHttp2 && cluster.http_protocol_options !== undefined) {
    compilation.fail(
      joinPath(path, 'http2_protocol_options'),
      "both HTTP1 and HTTP2 options may only be configured with non-default 'protocol_selection' values",
    );
  }
  return choice(hasHttp2 ? 'HTTP/2' : 'HTTP/1.1', cluster, path);
}

interface ProtocolOptions {
  readonly http_protocol_options?: Http1ProtocolOptionsProto | undefined;
  readonly http2_protocol_options?: Http2ProtocolOptionsProto | undefined;
}

function choice(
  protocol: UpstreamProtocol,
  options: ProtocolOptions,
  path: string,
): ProtocolChoice {
  return {
    protocol,
    protocolPath: path,
    http1: options.http_protocol_options ?? {},
    http1Path: joinPath(path, 'http_protocol_options'),
    http2: options.http2_protocol_options ?? null,
    http2Path: joinPath(path, 'http2_protocol_options'),
  };
}

/** For a data-plane cluster. `hasTls`: its connections can choose by ALPN. */
export function compileUpstreamHttp(
  cluster: ClusterProto,
  path: string,
  hasTls: boolean,
  compilation: Compilation,
): UpstreamHttpConfig {
  const options = upstreamHttpOptions(cluster, path, compilation);
  const { common, http1, protocol } = options;
  if (protocol === 'auto' && !hasTls) {
    compilation.fail(
      options.protocolPath,
      `ALPN configured for cluster ${cluster.name ?? ''} which has a non-ALPN transport socket`,
    );
  }
  if (common.max_connection_duration_jitter !== undefined) {
    const at = joinPath(options.commonPath, 'max_connection_duration_jitter');
    compilation.fail(at, 'not supported yet (on clusters)');
  }
  const maxRequests = common.max_requests_per_connection ?? cluster.max_requests_per_connection;
  return {
    idleTimeoutMs: durationMsOr(common.idle_timeout, HOUR_MS),
    maxRequestsPerConnection: wrapperOr(maxRequests, 0),
    maxConnectionDurationMs: durationMsOr(common.max_connection_duration, 0),
    maxStreamDurationMs: durationMsOr(common.max_stream_duration, 0),
    maxResponseHeadersKb: wrapperOr(
      common.max_response_headers_kb,
      DEFAULT_MAX_RESPONSE_HEADERS_KB,
    ),
    maxHeadersCount: wrapperOr(common.max_headers_count, DEFAULT_MAX_HEADERS_COUNT),
    http1: {
      ...compileHttp1Options(http1, options.http1Path, compilation),
      sendFullyQualifiedUrl: http1.send_fully_qualified_url ?? false,
    },
    http2: compileHttp2Options(options.http2 ?? undefined, options.http2Path, compilation),
    protocol,
    autoSni: options.upstream.auto_sni ?? false,
    autoSanValidation: options.upstream.auto_san_validation ?? false,
    retryPolicy: options.retryPolicy,
    mirrors: options.mirrors,
    hashPolicy: options.hashPolicy,
    errorMatcher: options.errorMatcher,
  };
}
