// core.v3.Http2ProtocolOptions, compiled: part of HcmConfig and UpstreamHttpConfig. Defaults are those that a
// running Envoy 1.40 announces or counts by.

/** connection_keepalive: PING after silence. */
export interface KeepaliveData {
  /** 0 = only before the first request on a connection that was idle for idleIntervalMs. */
  readonly intervalMs: number;
  /** The connection closes when the PING has not been answered by then. */
  readonly timeoutMs: number;
  /** 0..100 of intervalMs, added at random; default 15. */
  readonly intervalJitterPercent: number;
  /** Before a new stream on a connection that was silent for so long; 0 = never. */
  readonly idleIntervalMs: number;
}

export interface Http2Data {
  /** SETTINGS_HEADER_TABLE_SIZE, and the most that our encoder uses of the peer's; default 4096. */
  readonly hpackTableSize: number;
  /** Server: SETTINGS_MAX_CONCURRENT_STREAMS. Client: at most so many at once, whatever the peer allows. Default 1024. */
  readonly maxConcurrentStreams: number;
  /** Bytes, default 16 MiB. */
  readonly initialStreamWindowSize: number;
  /** Bytes, default 24 MiB. */
  readonly initialConnectionWindowSize: number;
  /** RFC 8441 and plain CONNECT; default false. */
  readonly allowConnect: boolean;
  /** Frames waiting to be written, default 10 000. */
  readonly maxOutboundFrames: number;
  /** PING, SETTINGS and RST_STREAM frames among them, default 1 000. */
  readonly maxOutboundControlFrames: number;
  /** Frames in a row that carry nothing and end nothing, default 1. */
  readonly maxConsecutiveInboundFramesWithEmptyPayload: number;
  /** Default 100. */
  readonly maxInboundPriorityFramesPerStream: number;
  /** Default 10. */
  readonly maxInboundWindowUpdateFramesPerDataFrameSent: number;
  /** RST_STREAM frames that a client may send at once, default 1 000, and per second, default 33; servers only. */
  readonly streamResetBurst: number;
  readonly streamResetRate: number;
  /** A malformed message ends its stream only; default false: its connection. */
  readonly streamErrorOnInvalidHttpMessage: boolean;
  /** [identifier, value] pairs, sent with the first SETTINGS as they are. */
  readonly customSettings: readonly (readonly [number, number])[];
  /** Null = no PINGs. */
  readonly keepalive: KeepaliveData | null;
  /** Encode header strings with Huffman; default false: it costs CPU (bench/micro/hpack.ts). */
  readonly huffman: boolean;
}

/** Http2ProtocolOptions without a field set. */
export const defaultHttp2: Http2Data = Object.freeze({
  hpackTableSize: 4096,
  maxConcurrentStreams: 1024,
  initialStreamWindowSize: 16 * 1024 * 1024,
  initialConnectionWindowSize: 24 * 1024 * 1024,
  allowConnect: false,
  maxOutboundFrames: 10_000,
  maxOutboundControlFrames: 1000,
  maxConsecutiveInboundFramesWithEmptyPayload: 1,
  maxInboundPriorityFramesPerStream: 100,
  maxInboundWindowUpdateFramesPerDataFrameSent: 10,
  streamResetBurst: 1000,
  streamResetRate: 33,
  streamErrorOnInvalidHttpMessage: false,
  customSettings: [],
  keepalive: null,
  huffman: false,
});
