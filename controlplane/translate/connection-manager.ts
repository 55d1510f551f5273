// The HTTP connection managers that we send. The inbound one follows Envoy's advice for edge proxies (the hardened
// profile), because a mesh does not know which of its callers was taken over; the outbound one serves its own
// application alone.
// Source: envoyproxy.io, "Configuring Envoy as an edge proxy".

import { packAny } from '../../proto/any.ts';
import type { FilterProto, HttpConnectionManagerProto } from '../../proto/gen/types.ts';
import type { ServiceNode } from '../graph/graph.ts';
import { applicationHttp2, peerHttp2 } from './http2.ts';
import { duration, wrapped } from './well-known.ts';

const CONNECTION_IDLE_MS = 3_600_000;
/** Where no route says otherwise. */
export const STREAM_IDLE_MS = 300_000;
/** Slow requests of peers; not of gRPC, whose streams may stay open in both directions. */
const REQUEST_MS = 300_000;
const REQUEST_HEADERS_MS = 10_000;

/** What holds for requests of other sidecars to `service`. */
export function fromPeers({ protocol, policy }: ServiceNode): HttpConnectionManagerProto {
  const isGrpc = protocol === 'GRPC';
  return {
    common_http_protocol_options: {
      idle_timeout: duration(CONNECTION_IDLE_MS),
      // Metadata of gRPC may have underscores; CGI-like applications, which confuse them with dashes, do not speak it.
      ...(isGrpc ? {} : { headers_with_underscores_action: 'REJECT_REQUEST' }),
    },
    http2_protocol_options: peerHttp2(policy.http2),
    ...(isGrpc ? {} : { request_timeout: duration(REQUEST_MS) }),
  };
}

/** What holds for requests of the sidecar's own application, to whomever. */
export const fromApplication: HttpConnectionManagerProto = {
  common_http_protocol_options: { idle_timeout: duration(CONNECTION_IDLE_MS) },
  http2_protocol_options: applicationHttp2,
};

/** `own` carries what differs: stat prefix, routes, filters, and one of the two above. */
export function connectionManager(
  own: HttpConnectionManagerProto,
  accessLogPath: string | null,
): FilterProto {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: packAny(
      'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
      {
        codec_type: 'AUTO',
        normalize_path: wrapped(true),
        merge_slashes: true,
        path_with_escaped_slashes_action: 'UNESCAPE_AND_REDIRECT',
        stream_idle_timeout: duration(STREAM_IDLE_MS),
        request_headers_timeout: duration(REQUEST_HEADERS_MS),
        // The application's `server` header stays: a mesh is not seen by those who use it.
        server_header_transformation: 'PASS_THROUGH',
        ...(accessLogPath === null ? {} : { access_log: [fileLog(accessLogPath)] }),
        ...own,
      },
    ),
  };
}

function fileLog(path: string): NonNullable<HttpConnectionManagerProto['access_log']>[number] {
  return {
    name: 'envoy.access_loggers.file',
    typed_config: packAny('envoy.extensions.access_loggers.file.v3.FileAccessLog', { path }),
  };
}
