// Settings and callbacks of the two HTTP/2 codecs. Shared by every connection of a listener or a cluster:
// built once, never per connection.

import type { Clock } from '../../../common/clock.ts';
import type { TimerService } from '../../../common/timer.ts';
import type { CodecError } from '../../api/codec.ts';
import type { Http2Data } from '../../api/config/http2.ts';
import type { Http2CodecStats } from './codec-stats.ts';

interface CommonOptions {
  readonly protocol: Http2Data;
  /** Default 100; more fields of one message (cookie crumbs included) reset its stream. */
  readonly maxHeadersCount: number;
  /** A stream whose buffered body is above this tells its source to stop; half of it lets it go on. */
  readonly bufferLimitBytes: number;
  readonly timers: TimerService;
  readonly clock: Clock;
  /** 0 <= x < 1. */
  readonly random: () => number;
  readonly stats: Http2CodecStats;
}

/** Server side (downstream). */
export interface Http2ServerOptions extends CommonOptions {
  /** Of a request that does not say: 'https' when the downstream socket is TLS. */
  readonly scheme: 'http' | 'https';
  /** Envoy: headers_with_underscores_action, default ALLOW. */
  readonly headersWithUnderscoresAction: 'ALLOW' | 'REJECT_REQUEST' | 'DROP_HEADER';
  /** Whole header list, KiB; default 60. */
  readonly maxRequestHeadersKb: number;
  /** HCM.stream_flush_timeout (default: stream_idle_timeout), ms; 0 = for ever. */
  readonly streamFlushTimeoutMs: number;
}

/** Client side (upstream). */
export interface Http2ClientOptions extends CommonOptions {
  /** Whole header list, KiB; Envoy's default for HTTP/2: 60. */
  readonly maxResponseHeadersKb: number;
}

/** What a client codec tells the pool that owns it. Connection events go to the pool directly. */
export interface Http2ClientCallbacks {
  /** A stream is over, however it ended; `activeStreams()` counts it no more. Ask canOpenStream(). */
  onStreamClosed(): void;
  /**
   * GOAWAY came: no more streams here. Those above its last stream are reset with RemoteRefusedStreamReset right
   * after this call. `isError`: it named an error.
   */
  onGoAway(isError: boolean): void;
  /** The peer's SETTINGS changed maxStreams(), up or down; also called for its first SETTINGS. */
  onSettings(): void;
  /** The peer broke the protocol; the codec resets all streams and closes the connection right after this call. */
  onProtocolError(error: CodecError): void;
}
