// The HTTP connection managers that we send: Envoy's advice for edge proxies on both listeners (the
// hardened profile), because a mesh does not know which of its callers was taken over.
// Source: envoyproxy.io, "Configuring Envoy as an edge proxy".

import { packAny } from '../../proto/any.ts';
import type { FilterProto, HttpConnectionManagerProto } from '../../proto/gen/types.ts';
import { duration, wrapped } from './well-known.ts';

const CONNECTION_IDLE_MS = 3_600_000;
const STREAM_IDLE_MS = 300_000;
const REQUEST_MS = 300_000;
const REQUEST_HEADERS_MS = 10_000;

/** `own` carries what differs: stat prefix, routes, filters. */
export function connectionManager(
  own: HttpConnectionManagerProto,
  accessLogPath: string | null,
): FilterProto {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: packAny(
      'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
      {
        codec_type: 'HTTP1',
        normalize_path: wrapped(true),
        merge_slashes: true,
        path_with_escaped_slashes_action: 'UNESCAPE_AND_REDIRECT',
        common_http_protocol_options: {
          idle_timeout: duration(CONNECTION_IDLE_MS),
          headers_with_underscores_action: 'REJECT_REQUEST',
        },
        stream_idle_timeout: duration(STREAM_IDLE_MS),
        request_timeout: duration(REQUEST_MS),
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
