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
import type { UpstreamHttpConfig } from '../api/config/cluster.ts';
import { type Compilation, mapEntryPath } from '../compile/compilation.ts';
import { compileHttp1Options } from '../compile/http1.ts';

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
  /** Null = HTTP/1.1. */
  readonly http2: Http2ProtocolOptionsProto | null;
  readonly http2Path: string;
}

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
    const explicit = options.explicit_http_config;
    return {
      common: options.common_http_protocol_options ?? {},
      commonPath: joinPath(at, 'common_http_protocol_options'),
      upstream: options.upstream_http_protocol_options ?? {},
      http1: explicit?.http_protocol_options ?? {},
      http1Path: joinPath(at, 'explicit_http_config.http_protocol_options'),
      http2: explicit?.http2_protocol_options ?? null,
      http2Path: joinPath(at, 'explicit_http_config.http2_protocol_options'),
    };
  }
  return {
    common: cluster.common_http_protocol_options ?? {},
    commonPath: joinPath(path, 'common_http_protocol_options'),
    upstream: cluster.upstream_http_protocol_options ?? {},
    http1: cluster.http_protocol_options ?? {},
    http1Path: joinPath(path, 'http_protocol_options'),
    http2: cluster.http2_protocol_options ?? null,
    http2Path: joinPath(path, 'http2_protocol_options'),
  };
}

/** For a data-plane cluster. */
export function compileUpstreamHttp(
  cluster: ClusterProto,
  path: string,
  compilation: Compilation,
): UpstreamHttpConfig {
  const options = upstreamHttpOptions(cluster, path, compilation);
  const { common, http1 } = options;
  if (options.http2 !== null) {
    compilation.fail(
      options.http2Path,
      'not supported yet (HTTP/2 to upstreams, other than for a cluster that only envoy_grpc names)',
    );
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
    protocol: 'HTTP/1.1',
    autoSni: options.upstream.auto_sni ?? false,
    autoSanValidation: options.upstream.auto_san_validation ?? false,
  };
}
