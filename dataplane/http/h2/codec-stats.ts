// Counters of the HTTP/2 codec. One holder per scope: `http2.` at the root for downstream,
// `cluster.<name>.http2.` for upstream (names as Envoy 1.40 shows them).

import type { StatField } from '../../api/stats.ts';

/** Incremented by the codecs, registered by whoever owns the scope. */
export class Http2CodecStats {
  static readonly stats: readonly StatField[] = [
    {
      field: 'droppedHeadersWithUnderscores',
      name: 'dropped_headers_with_underscores',
      kind: 'counter',
    },
    { field: 'goawaySent', name: 'goaway_sent', kind: 'counter' },
    { field: 'headerOverflow', name: 'header_overflow', kind: 'counter' },
    { field: 'headersCbNoStream', name: 'headers_cb_no_stream', kind: 'counter' },
    { field: 'inboundEmptyFramesFlood', name: 'inbound_empty_frames_flood', kind: 'counter' },
    {
      field: 'inboundPriorityFramesFlood',
      name: 'inbound_priority_frames_flood',
      kind: 'counter',
    },
    {
      field: 'inboundWindowUpdateFramesFlood',
      name: 'inbound_window_update_frames_flood',
      kind: 'counter',
    },
    { field: 'keepaliveTimeout', name: 'keepalive_timeout', kind: 'counter' },
    { field: 'outboundControlFlood', name: 'outbound_control_flood', kind: 'counter' },
    { field: 'outboundFlood', name: 'outbound_flood', kind: 'counter' },
    {
      field: 'requestsRejectedWithUnderscoresInHeaders',
      name: 'requests_rejected_with_underscores_in_headers',
      kind: 'counter',
    },
    { field: 'rxMessagingError', name: 'rx_messaging_error', kind: 'counter' },
    { field: 'rxReset', name: 'rx_reset', kind: 'counter' },
    { field: 'streamRefusedErrors', name: 'stream_refused_errors', kind: 'counter' },
    { field: 'trailers', name: 'trailers', kind: 'counter' },
    { field: 'txFlushTimeout', name: 'tx_flush_timeout', kind: 'counter' },
    { field: 'txReset', name: 'tx_reset', kind: 'counter' },
    { field: 'streamsActive', name: 'streams_active', kind: 'gauge' },
    { field: 'pendingSendBytes', name: 'pending_send_bytes', kind: 'gauge' },
  ];
  droppedHeadersWithUnderscores = 0;
  goawaySent = 0;
  headerOverflow = 0;
  /** Frames of a header block for a stream that is gone already. */
  headersCbNoStream = 0;
  inboundEmptyFramesFlood = 0;
  inboundPriorityFramesFlood = 0;
  inboundWindowUpdateFramesFlood = 0;
  keepaliveTimeout = 0;
  outboundControlFlood = 0;
  outboundFlood = 0;
  requestsRejectedWithUnderscoresInHeaders = 0;
  rxMessagingError = 0;
  rxReset = 0;
  /** The peer refused a stream (REFUSED_STREAM, or above its GOAWAY's last stream). */
  streamRefusedErrors = 0;
  trailers = 0;
  /** A stream whose peer gave no window until stream_flush_timeout. */
  txFlushTimeout = 0;
  txReset = 0;
  streamsActive = 0;
  /** Body bytes that wait for window. */
  pendingSendBytes = 0;
}
