// The settings of a cluster's client codecs, for pools and health checks alike.

import type { Clock, Random } from '../../common/clock.ts';
import type { TimerService } from '../../common/timer.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';
import type { Http1CodecStats } from '../http/h1/codec-stats.ts';
import type { ClientOptions } from '../http/h1/options.ts';
import type { Http2CodecStats } from '../http/h2/codec-stats.ts';
import type { Http2ClientOptions } from '../http/h2/options.ts';

export function http1ClientOptions({ http }: ClusterConfig, stats: Http1CodecStats): ClientOptions {
  return {
    ...http.http1,
    maxResponseHeadersKb: http.maxResponseHeadersKb,
    maxHeadersCount: http.maxHeadersCount,
    stats,
  };
}

export function http2ClientOptions(
  { http, perConnectionBufferLimitBytes }: ClusterConfig,
  stats: Http2CodecStats,
  parts: { readonly clock: Clock; readonly timers: TimerService; readonly random: Random },
): Http2ClientOptions {
  const { clock, timers, random } = parts;
  return {
    protocol: http.http2,
    maxHeadersCount: http.maxHeadersCount,
    maxResponseHeadersKb: http.maxResponseHeadersKb,
    bufferLimitBytes: perConnectionBufferLimitBytes,
    timers,
    clock,
    random,
    stats,
  };
}
