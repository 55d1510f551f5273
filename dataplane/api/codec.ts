// The contract between a protocol codec and what is above it. HTTP/1 and HTTP/2 present the same
// shapes, so the connection manager, the router and the pools cannot tell them apart.
// Names as in Envoy's envoy/http/codec.h: decode = towards the application, encode = away from it.

import type { ConnectionEvent } from './connection.ts';
import type { RequestHeaders, ResponseHeaders, Trailers } from './headers.ts';
import type { Protocol } from './stream-info.ts';

/** Why a stream was reset. The text forms are Envoy's (`reset reason: connection termination`). */
export const StreamResetReason = {
  LocalReset: 0,
  RemoteReset: 1,
  LocalRefusedStreamReset: 2,
  RemoteRefusedStreamReset: 3,
  /** The connection could not be made. */
  LocalConnectionFailure: 4,
  RemoteConnectionFailure: 5,
  ConnectionTimeout: 6,
  /** The connection ended while the stream was open. */
  ConnectionTermination: 7,
  /** A resource ceiling was hit; never retried. */
  Overflow: 8,
  ProtocolError: 9,
  /** HTTP/2: CONNECT_ERROR, the connection behind a CONNECT could not be made or was lost. */
  ConnectError: 10,
} as const;
export type StreamResetReason = (typeof StreamResetReason)[keyof typeof StreamResetReason];

/** Told about things that befall a stream outside the normal flow of a message. */
export interface StreamCallbacks {
  /** The stream is gone; no other callback follows. `details` is '' or a transport/codec detail. */
  onResetStream(reason: StreamResetReason, details: string): void;
  /** The peer does not read as fast as we write: stop producing (counted, see readDisable). */
  onAboveWriteBufferHighWatermark(): void;
  onBelowWriteBufferLowWatermark(): void;
}

/** The codec's side of a stream that both directions share. */
export interface Stream {
  /** At most one observer: the active stream (downstream) or the upstream request (upstream). */
  setCallbacks(callbacks: StreamCallbacks): void;
  /** Ends the stream abnormally: HTTP/1 closes the connection, HTTP/2 sends RST_STREAM. */
  resetStream(reason: StreamResetReason): void;
  /** Counted: n x true needs n x false before body bytes flow up again. */
  readDisable(disable: boolean): void;
  /** Bytes of this message on the wire so far, heads included. */
  bytesSent(): number;
  bytesReceived(): number;
}

/** Above the codec, server side: gets one request. */
export interface RequestDecoder {
  decodeHeaders(headers: RequestHeaders, endStream: boolean): void;
  /**
   * `data` is the receiver's until it returns: it lies in memory that sockets are read into again.
   * Whoever keeps bytes of it copies them (network/read-slab.ts, keepBytes); writing them to a
   * connection or another codec's stream is no keeping.
   */
  decodeData(data: Buffer, endStream: boolean): void;
  /** Ends the message. */
  decodeTrailers(trailers: Trailers): void;
}

/** Codec, server side: writes one response. */
export interface ResponseEncoder extends Stream {
  /** What the request asks to switch to: `CONNECT`, or the value of Upgrade; '' = nothing. */
  readonly upgradeType: string;
  /**
   * The codec switches when a head of 101 (2xx to CONNECT) goes through encodeHeaders; until then it holds what
   * comes. False: the request has a body, and will stay a plain request.
   */
  readonly canTunnel: boolean;
  /** HTTP/2: how long the end of the response waits for the peer's window, ms, 0 = for ever. HTTP/1: nothing. */
  setFlushTimeout(timeoutMs: number): void;
  /** 100, 102, 103; 101 goes through encodeHeaders with endStream false. */
  encode1xxHeaders(headers: ResponseHeaders): void;
  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void;
  encodeData(data: Buffer, endStream: boolean): void;
  encodeTrailers(trailers: Trailers): void;
}

/** Above the codec, client side: gets one response. */
export interface ResponseDecoder {
  decode1xxHeaders(headers: ResponseHeaders): void;
  decodeHeaders(headers: ResponseHeaders, endStream: boolean): void;
  decodeData(data: Buffer, endStream: boolean): void;
  decodeTrailers(trailers: Trailers): void;
}

/** Codec, client side: writes one request. */
export interface RequestEncoder extends Stream {
  encodeHeaders(headers: RequestHeaders, endStream: boolean): void;
  encodeData(data: Buffer, endStream: boolean): void;
  encodeTrailers(trailers: Trailers): void;
}

/** What the connection manager gives a server codec. */
export interface ServerConnectionCallbacks {
  /** A new request begins; the returned decoder gets it. */
  newStream(encoder: ResponseEncoder): RequestDecoder;
  /**
   * The peer broke the protocol before a stream existed or while its head was read. The receiver
   * answers with a local reply of `status` through `encoder`, logs and counts; the codec closes the
   * connection after that reply. `details` is Envoy's response-code detail (`http1.codec_error`).
   */
  onCodecError(error: CodecError, encoder: ResponseEncoder): void;
  /**
   * HTTP/2: the peer broke the protocol of the connection, or flooded it; GOAWAY is written. The receiver counts, sets
   * flags on the open streams and closes the connection (FlushWriteAndDelay), which resets them. `isFlood`: counted
   * by the codec already, not as a protocol error. `details` has no spaces (`http2.invalid.header.field`).
   */
  onConnectionError(details: string, isFlood: boolean): void;
}

/** A server codec as the connection manager sees it, HTTP/1 or HTTP/2. */
export interface ServerCodec {
  readonly protocol: Protocol;
  dispatch(data: Buffer, endStream: boolean): void;
  /** HTTP/2: GOAWAY that allows all streams: the client sees the end coming. HTTP/1: nothing. */
  shutdownNotice(): void;
  /** No new requests: the connection closes when the open ones are done. HTTP/1: `connection: close` says so. */
  goAway(): void;
  /** Part of a head has come, but not all (request_headers_timeout runs). */
  isReadingHead(): boolean;
  /** Answers such a head through onCodecError. */
  abortHead(error: CodecError): void;
  hasActiveStream(): boolean;
  /** Forward every event; a close ends the open streams with ConnectionTermination. */
  onConnectionEvent(event: ConnectionEvent): void;
  onAboveWriteBufferHighWatermark(): void;
  onBelowWriteBufferLowWatermark(): void;
}

/** A protocol violation found by a codec. */
export interface CodecError {
  /** Status to answer with: 400, 408, 413, 414, 417, 426, 431, 501, 505. */
  readonly status: number;
  /** Response-code detail for log and stats, e.g. `http1.invalid_header_name`. */
  readonly details: string;
  /** Plain words for the debug log. */
  readonly message: string;
}
