// HTTP/2 on each hop of a call. All windows are small, as Envoy advises for proxies at the edge: what a slow reader
// makes us hold is bounded by them.
//
//   application --h2c or HTTP/1.1--> outbound --mTLS, ALPN h2--> inbound --h2c--> application
//                                    (AUTO)                      (AUTO)
//
// Between sidecars both ends send PINGs: neither may hold a silent stream of a peer that is gone. To an application
// none are sent; gRPC servers end connections whose client asks more often than they like (ENHANCE_YOUR_CALM).

import type { Http2ProtocolOptionsProto } from '../../proto/gen/types.ts';
import {
  DEFAULT_CONNECTION_WINDOW_BYTES,
  DEFAULT_STREAM_WINDOW_BYTES,
  type Http2Settings,
} from '../model/defaults.ts';
import { duration, wrapped } from './well-known.ts';

/** Between two sidecars, for either end. */
export function peerHttp2(settings: Http2Settings): Http2ProtocolOptionsProto {
  return {
    max_concurrent_streams: wrapped(settings.maxConcurrentStreams),
    initial_stream_window_size: wrapped(settings.initialStreamWindowSize),
    initial_connection_window_size: wrapped(settings.initialConnectionWindowSize),
    ...(settings.keepalive === null
      ? {}
      : {
          connection_keepalive: {
            interval: duration(settings.keepalive.intervalMs),
            timeout: duration(settings.keepalive.timeoutMs),
          },
        }),
  };
}

/** Between a sidecar and its application, for either direction. A client of ours may have as many streams as Envoy allows by default: gRPC clients queue what is above the limit. */
export const applicationHttp2: Http2ProtocolOptionsProto = {
  initial_stream_window_size: wrapped(DEFAULT_STREAM_WINDOW_BYTES),
  initial_connection_window_size: wrapped(DEFAULT_CONNECTION_WINDOW_BYTES),
};
