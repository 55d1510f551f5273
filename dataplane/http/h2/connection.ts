// What both HTTP/2 codecs share: bytes to frames, settings, windows, GOAWAY, the table of streams, and the end of
// a connection whose peer breaks the rules. ServerConnection and ClientConnection extend it; they say what a
// header block is. Sans I/O but for Connection.
//
//   bytes -> frame header -> DATA: passed on in pieces | the rest: whole payload -> on<Type>
//
// One error policy: what RFC 9113 calls a connection error, and what floods us, ends the connection with GOAWAY;
// a malformed message ends its stream, or the connection (stream_error_on_invalid_http_message).

import type { Clock } from '../../../common/clock.ts';
import type { Timer, TimerService } from '../../../common/timer.ts';
import { StreamResetReason } from '../../api/codec.ts';
import type { Http2Data } from '../../api/config/http2.ts';
import { type Connection, ConnectionEvent } from '../../api/connection.ts';
import { keepBytes } from '../../network/read-slab.ts';
import type { Http2CodecStats } from './codec-stats.ts';
import {
  DEFAULT_MAX_FRAME_BYTES,
  DEFAULT_WINDOW_BYTES,
  ErrorCode,
  FRAME_HEADER_BYTES,
  FrameFlag,
  FrameType,
  readUint31,
  readUint32,
} from './frames.ts';
import { HpackDecoder, HpackStatus } from './hpack/decoder.ts';
import { Keepalive } from './keepalive.ts';
import type { Http2ClientOptions, Http2ServerOptions } from './options.ts';
import { Outbound } from './outbound.ts';
import { Flood, ProtocolConstraints } from './protocol-constraints.ts';
import { ReceiveWindow } from './receive-window.ts';
import { ResetStreams } from './reset-streams.ts';
import { SendScheduler } from './send-scheduler.ts';
import { ourSettings, PeerSettings } from './settings.ts';
import type { Http2Stream, Http2StreamOwner } from './stream.ts';

const EMPTY = Buffer.alloc(0);
/** nghttp2 has the same limit; a block of 60 KiB needs three. */
const MAX_CONTINUATIONS = 8;
/** RFC 9113 6.5.3 leaves the time open; reliability row H2-27. */
const SETTINGS_ACK_TIMEOUT_MS = 10_000;
const MAX_STREAM_ERRORS = 10;
/** See the file head. */
export abstract class Http2Connection implements Http2StreamOwner {
  readonly connection: Connection;
  readonly settings: Http2Data;
  readonly stats: Http2CodecStats;
  readonly timers: TimerService;
  readonly clock: Clock;
  /** 0 <= x < 1. */
  readonly random: () => number;
  readonly bufferLimitBytes: number;
  readonly flushTimeoutMs: number;
  readonly peer: PeerSettings;
  readonly receiveWindow: ReceiveWindow;
  readonly outbound: Outbound;
  readonly scheduler: SendScheduler;
  readonly constraints: ProtocolConstraints;
  protected readonly decoder: HpackDecoder;
  protected readonly streams: Map<number, Http2Stream>;
  protected readonly resets: ResetStreams;
  protected readonly keepalive: Keepalive;
  /** The connection is ending: nothing is read any more. */
  protected isDone: boolean;
  isAboveHighWatermark: boolean;
  /** Streams of the peer's up to here were served, or will be. */
  protected lastPeerStreamId: number;
  readonly #isServer: boolean;
  readonly #maxFields: number;
  readonly #maxListBytes: number;
  /** An incomplete frame that is not DATA. */
  #partial: Buffer | null;
  /** DATA that has begun: payload and padding still to come. Stream null = nobody wants it. */
  #dataStream: Http2Stream | null;
  #dataLeft: number;
  #paddingLeft: number;
  #dataEnds: boolean;
  /** Header block that has begun; 0 = none. */
  #blockStreamId: number;
  #blockEndsStream: boolean;
  #block: Buffer[];
  #blockBytes: number;
  #ackTimer: Timer | null;
  #isReading: boolean;
  #streamErrors: number;

  constructor(
    connection: Connection,
    options: Http2ServerOptions | Http2ClientOptions,
    isServer: boolean,
    maxHeadersKb: number,
    flushTimeoutMs: number,
  ) {
    const { protocol } = options;
    this.connection = connection;
    this.settings = protocol;
    this.stats = options.stats;
    this.timers = options.timers;
    this.clock = options.clock;
    this.random = options.random;
    this.bufferLimitBytes = options.bufferLimitBytes;
    this.flushTimeoutMs = flushTimeoutMs;
    this.peer = new PeerSettings();
    this.receiveWindow = new ReceiveWindow(protocol.initialConnectionWindowSize);
    this.constraints = new ProtocolConstraints(protocol, options.stats);
    this.outbound = new Outbound(this);
    this.scheduler = new SendScheduler(DEFAULT_WINDOW_BYTES);
    this.decoder = new HpackDecoder(protocol.hpackTableSize);
    this.streams = new Map();
    this.resets = new ResetStreams();
    this.keepalive = new Keepalive(this, options);
    this.isDone = false;
    this.isAboveHighWatermark = false;
    this.lastPeerStreamId = 0;
    this.#isServer = isServer;
    this.#maxFields = options.maxHeadersCount;
    this.#maxListBytes = maxHeadersKb * 1024;
    this.#partial = null;
    this.#dataStream = null;
    this.#dataLeft = 0;
    this.#paddingLeft = 0;
    this.#dataEnds = false;
    this.#blockStreamId = 0;
    this.#blockEndsStream = false;
    this.#block = [];
    this.#blockBytes = 0;
    this.#ackTimer = null;
    this.#isReading = false;
    this.#streamErrors = 0;
  }

  /** SETTINGS, and the connection's window; once, behind the client's preface. */
  protected begin(): void {
    const { settings } = this;
    this.outbound.writeSettings(ourSettings(settings, this.#isServer));
    const more = settings.initialConnectionWindowSize - DEFAULT_WINDOW_BYTES;
    if (more > 0) this.outbound.writeWindowUpdate(0, more);
    this.#ackTimer = this.timers.createTimer(onAckTimeout, this);
    this.#ackTimer.start(SETTINGS_ACK_TIMEOUT_MS);
    this.keepalive.start();
  }

  // -- what the two codecs differ in --------------------------------------------------------------

  /** A whole header block of `bytes` was decoded; `decoder` holds it. */
  protected abstract onHeaderBlock(id: number, endStream: boolean, bytes: number): void;
  /** Whether `id` was used by now, by either side. */
  protected abstract isIdle(id: number): boolean;
  /** What comes on `id`, whose stream is gone, was on its way before the peer knew. */
  protected isForgiven(id: number): boolean {
    return this.resets.has(id);
  }

  /** HEADERS may come on `id`: the right half of the ids. */
  protected abstract mayHaveHeaders(id: number): boolean;
  protected abstract onPeerSettings(): void;
  protected abstract onPeerGoaway(lastStreamId: number, code: number): void;
  /** GOAWAY is written: tells the owner, who closes the connection. */
  protected abstract onBroken(details: string, isFlood: boolean): void;
  protected abstract onStreamRemoved(): void;

  // -- reading ------------------------------------------------------------------------------------

  /** Bytes from the connection. */
  protected read(data: Buffer): void {
    this.#isReading = true;
    try {
      this.#readFrames(data);
    } finally {
      this.#isReading = false;
    }
  }

  #readFrames(data: Buffer): void {
    this.keepalive.onBytes();
    let bytes = data;
    const partial = this.#partial;
    if (partial !== null) {
      bytes = Buffer.concat([partial, data]);
      this.#partial = null;
    }
    let pos = this.#dataLeft + this.#paddingLeft > 0 ? this.#readData(bytes, 0) : 0;
    const end = bytes.length;
    while (pos < end && !this.isDone) {
      const next = this.#readFrame(bytes, pos, end);
      if (next === -1) {
        this.#partial = keepBytes(pos === 0 ? bytes : bytes.subarray(pos));
        return;
      }
      pos = next;
    }
  }

  /** Part of a header block has come. */
  isReadingHead(): boolean {
    return this.#blockStreamId !== 0;
  }

  protected blockStreamId(): number {
    return this.#blockStreamId;
  }

  /** Position behind one frame, or behind what is there of a DATA frame; -1 = more bytes are needed. */
  #readFrame(bytes: Buffer, pos: number, end: number): number {
    const start = pos + FRAME_HEADER_BYTES;
    if (start > end) return -1;
    const length = (bytes[pos]! << 16) | (bytes[pos + 1]! << 8) | bytes[pos + 2]!;
    const type = bytes[pos + 3]!;
    const flags = bytes[pos + 4]!;
    const id = readUint31(bytes, pos + 5);
    if (length > DEFAULT_MAX_FRAME_BYTES) {
      this.connectionError(ErrorCode.FrameSizeError, 'http2.frame_too_large');
      return end;
    }
    if (
      this.#blockStreamId !== 0 &&
      (type !== FrameType.Continuation || id !== this.#blockStreamId)
    ) {
      this.connectionError(ErrorCode.ProtocolError, 'http2.continuation_expected');
      return end;
    }
    if (type === FrameType.Data) return this.#beginData(flags, id, length, bytes, start, end);
    if (start + length > end) return -1;
    this.#onFrame(type, flags, id, bytes, start, start + length);
    return start + length;
  }

  #onFrame(
    type: number,
    flags: number,
    id: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    switch (type) {
      case FrameType.Headers:
        this.#onHeaders(flags, id, bytes, start, end);
        break;
      case FrameType.Continuation:
        this.#onContinuation(flags, bytes, start, end);
        break;
      case FrameType.WindowUpdate:
        this.#onWindowUpdate(id, bytes, start, end);
        break;
      case FrameType.RstStream:
        this.#onRstStream(id, bytes, start, end);
        break;
      case FrameType.Settings:
        this.#onSettings(flags, id, bytes, start, end);
        break;
      case FrameType.Ping:
        this.#onPing(flags, id, bytes, start, end);
        break;
      case FrameType.Goaway:
        if (id !== 0) this.connectionError(ErrorCode.ProtocolError, 'http2.goaway_on_stream');
        else if (end - start < 8) {
          this.connectionError(ErrorCode.FrameSizeError, 'http2.bad_goaway_size');
        } else this.onPeerGoaway(readUint31(bytes, start), readUint32(bytes, start + 4));
        break;
      case FrameType.Priority:
        this.#onPriority(id, bytes, start, end);
        break;
      case FrameType.PushPromise:
        this.connectionError(ErrorCode.ProtocolError, 'http2.push_promise');
        break;
      // RFC 9113 4.1: unknown types are ignored.
    }
  }

  // -- DATA ---------------------------------------------------------------------------------------

  #beginData(
    flags: number,
    id: number,
    length: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): number {
    let pos = start;
    let padding = 0;
    if ((flags & FrameFlag.Padded) !== 0) {
      if (length === 0) {
        this.connectionError(ErrorCode.FrameSizeError, 'http2.bad_padding');
        return end;
      }
      if (pos === end) return -1;
      padding = bytes[pos++]!;
      if (padding >= length) {
        this.connectionError(ErrorCode.ProtocolError, 'http2.bad_padding');
        return end;
      }
    }
    const payload = length - padding - (pos - start);
    const endStream = (flags & FrameFlag.EndStream) !== 0;
    const stream = this.streams.get(id) ?? null;
    if (!this.#acceptData(id, stream, length, payload === 0 && !endStream)) return end;
    // Before any of it goes up: a body that is too long must not get through to where its length counts.
    const isWanted = stream?.takeContent(payload, endStream) === true;
    if (this.isDone) return end;
    this.#dataStream = isWanted ? stream : null;
    this.#dataLeft = payload;
    this.#paddingLeft = padding;
    this.#dataEnds = endStream;
    if (payload === 0) {
      this.#dataStream = null;
      if (isWanted && endStream) stream?.receiveData(EMPTY, true);
    }
    return this.#dataLeft + this.#paddingLeft === 0 ? pos : this.#readData(bytes, pos);
  }

  #acceptData(id: number, stream: Http2Stream | null, length: number, isEmpty: boolean): boolean {
    const flood = this.constraints.onPayloadFrame(isEmpty);
    if (flood !== Flood.None) {
      this.#flooded(flood);
      return false;
    }
    if (id === 0 || this.isIdle(id)) {
      this.connectionError(ErrorCode.ProtocolError, 'http2.data_on_idle_stream');
      return false;
    }
    if (stream === null ? !this.isForgiven(id) : stream.remoteEnded) {
      this.connectionError(ErrorCode.StreamClosed, 'http2.data_on_closed_stream');
      return false;
    }
    const fits =
      this.receiveWindow.receive(length) && (stream === null || stream.takeWindow(length));
    if (!fits) {
      this.connectionError(ErrorCode.FlowControlError, 'http2.window_exceeded');
      return false;
    }
    this.#creditConnection();
    return true;
  }

  #readData(bytes: Buffer, start: number): number {
    let pos = start;
    if (this.#dataLeft > 0) {
      const end = Math.min(bytes.length, pos + this.#dataLeft);
      this.#dataLeft -= end - pos;
      const stream = this.#dataStream;
      const isLast = this.#dataLeft === 0;
      if (isLast) this.#dataStream = null;
      if (stream !== null && !stream.isClosed) {
        const isWhole = pos === 0 && end === bytes.length;
        stream.receiveData(isWhole ? bytes : bytes.subarray(pos, end), isLast && this.#dataEnds);
      }
      pos = end;
    }
    const skipped = Math.min(bytes.length - pos, this.#paddingLeft);
    this.#paddingLeft -= skipped;
    return pos + skipped;
  }

  /** A stream reads on what it had been holding back. */
  releaseHeld(bytes: number): void {
    this.receiveWindow.release(bytes);
    this.#creditConnection();
  }

  #creditConnection(): void {
    const credit = this.receiveWindow.takeCredit();
    if (credit > 0 && !this.isDone) this.outbound.writeWindowUpdate(0, credit);
  }

  // -- header blocks ------------------------------------------------------------------------------

  #onHeaders(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    let from = start;
    let to = end;
    if (id === 0 || !this.mayHaveHeaders(id)) {
      this.connectionError(ErrorCode.ProtocolError, 'http2.headers_on_wrong_stream');
      return;
    }
    if ((flags & FrameFlag.Padded) !== 0) to -= bytes[from++] ?? 0;
    if ((flags & FrameFlag.Priority) !== 0) {
      if (to - from >= 5 && readUint31(bytes, from) === id) {
        this.connectionError(ErrorCode.ProtocolError, 'http2.priority_on_itself');
        return;
      }
      from += 5;
    }
    if (from > to) {
      this.connectionError(ErrorCode.ProtocolError, 'http2.bad_padding');
      return;
    }
    const endStream = (flags & FrameFlag.EndStream) !== 0;
    const isWhole = (flags & FrameFlag.EndHeaders) !== 0;
    if (!this.#acceptBlock(from === to && !isWhole && !endStream)) return;
    if (isWhole) {
      this.#decodeBlock(id, endStream, bytes, from, to);
      return;
    }
    this.#blockStreamId = id;
    this.#blockEndsStream = endStream;
    this.#block = [Buffer.from(bytes.subarray(from, to))];
    this.#blockBytes = to - from;
  }

  #onContinuation(flags: number, bytes: Buffer, start: number, end: number): void {
    const id = this.#blockStreamId;
    if (id === 0) {
      this.connectionError(ErrorCode.ProtocolError, 'http2.unexpected_continuation');
      return;
    }
    const isWhole = (flags & FrameFlag.EndHeaders) !== 0;
    if (!this.#acceptBlock(start === end && !isWhole)) return;
    this.#blockBytes += end - start;
    // Huffman can make four bytes of one character, but nobody's encoder does.
    // A server's large head costs its own stream only, once it was decoded; MAX_CONTINUATIONS bounds it.
    const isTooLarge = this.#isServer && this.#blockBytes > this.#maxListBytes;
    if (isTooLarge || this.#block.length > MAX_CONTINUATIONS) {
      this.stats.headerOverflow++;
      this.connectionError(ErrorCode.EnhanceYourCalm, 'http2.continuation_flood');
      return;
    }
    this.#block.push(Buffer.from(bytes.subarray(start, end)));
    if (!isWhole) return;
    const block = Buffer.concat(this.#block);
    this.#block = [];
    this.#blockStreamId = 0;
    this.#decodeBlock(id, this.#blockEndsStream, block, 0, block.length);
  }

  #acceptBlock(isEmpty: boolean): boolean {
    const flood = this.constraints.onPayloadFrame(isEmpty);
    if (flood === Flood.None) return true;
    this.#flooded(flood);
    return false;
  }

  #decodeBlock(id: number, endStream: boolean, bytes: Buffer, start: number, end: number): void {
    const status = this.decoder.decode(bytes, start, end, this.#maxFields, this.#maxListBytes);
    if (status !== HpackStatus.Ok) {
      this.connectionError(ErrorCode.CompressionError, 'http2.compression_error');
      return;
    }
    this.onHeaderBlock(id, endStream, end - start + FRAME_HEADER_BYTES);
  }

  /** Names of the block's fields that must never be indexed; null = none. */
  protected neverIndexed(): string[] | null {
    const { neverIndexed, fields } = this.decoder;
    return neverIndexed === null ? null : neverIndexed.map((index) => fields[index] ?? '');
  }

  // -- the other frames ---------------------------------------------------------------------------

  #onPriority(id: number, bytes: Buffer, start: number, end: number): void {
    if (id === 0) this.connectionError(ErrorCode.ProtocolError, 'http2.priority_on_connection');
    else if (end - start !== 5) {
      this.connectionError(ErrorCode.FrameSizeError, 'http2.bad_priority_size');
    } else if (readUint31(bytes, start) === id) {
      this.connectionError(ErrorCode.ProtocolError, 'http2.priority_on_itself');
    } else {
      const flood = this.constraints.onPriorityFrame();
      if (flood !== Flood.None) this.#flooded(flood);
    }
  }

  #onRstStream(id: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== 4) {
      this.connectionError(ErrorCode.FrameSizeError, 'http2.bad_rst_stream_size');
      return;
    }
    if (id === 0 || this.isIdle(id)) {
      this.connectionError(ErrorCode.ProtocolError, 'http2.rst_stream_on_idle_stream');
      return;
    }
    if (this.#isServer && !this.constraints.onResetFrame(this.clock.nowMs())) {
      this.connectionError(ErrorCode.InternalError, 'http2.too_many_resets');
      return;
    }
    const stream = this.streams.get(id);
    if (stream === undefined) return;
    this.stats.rxReset++;
    const code = readUint32(bytes, start);
    if (code === ErrorCode.RefusedStream) this.stats.streamRefusedErrors++;
    const reason = this.resetReason(code);
    this.removeStream(stream);
    stream.fail(
      reason,
      reason === StreamResetReason.RemoteRefusedStreamReset
        ? 'http2.remote_refuse'
        : 'http2.remote_reset',
    );
  }

  /** What the peer's RST_STREAM says to those above. */
  protected resetReason(code: number): StreamResetReason {
    return code === ErrorCode.RefusedStream
      ? StreamResetReason.RemoteRefusedStreamReset
      : StreamResetReason.RemoteReset;
  }

  #onSettings(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (id !== 0) {
      this.connectionError(ErrorCode.ProtocolError, 'http2.settings_on_stream');
      return;
    }
    if ((flags & FrameFlag.Ack) !== 0) {
      if (end !== start) this.connectionError(ErrorCode.FrameSizeError, 'http2.bad_settings_size');
      else {
        this.#ackTimer?.stop();
        this.decoder.acknowledgeTableSize();
      }
      return;
    }
    const { peer } = this;
    const formerWindow = peer.initialWindowBytes;
    const error = peer.apply(bytes, start, end, !this.#isServer);
    if (error !== ErrorCode.NoError) {
      this.connectionError(error, 'http2.bad_settings');
      return;
    }
    this.outbound.setPeerTableSize(peer.leastHeaderTableBytes, peer.headerTableBytes);
    this.outbound.writeSettingsAck();
    if (this.isDone) return;
    const delta = peer.initialWindowBytes - formerWindow;
    if (delta !== 0 && !this.scheduler.changeWindows(this.streams, delta)) {
      this.connectionError(ErrorCode.FlowControlError, 'http2.window_overflow');
    }
    this.onPeerSettings();
  }

  #onPing(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (id !== 0) this.connectionError(ErrorCode.ProtocolError, 'http2.ping_on_stream');
    else if (end - start !== 8) {
      this.connectionError(ErrorCode.FrameSizeError, 'http2.bad_ping_size');
    } else if ((flags & FrameFlag.Ack) !== 0) this.keepalive.onAck();
    else this.outbound.writePingAck(bytes.subarray(start, end));
  }

  #onWindowUpdate(id: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== 4) {
      this.connectionError(ErrorCode.FrameSizeError, 'http2.bad_window_update_size');
      return;
    }
    const increment = readUint31(bytes, start);
    if (increment === 0 || (id !== 0 && this.isIdle(id))) {
      this.connectionError(ErrorCode.ProtocolError, 'http2.bad_window_update');
      return;
    }
    const flood = this.constraints.onWindowUpdateFrame();
    if (flood !== Flood.None) {
      this.#flooded(flood);
      return;
    }
    if (id === 0) {
      if (this.scheduler.widen(increment)) return;
      this.connectionError(ErrorCode.FlowControlError, 'http2.window_overflow');
      return;
    }
    const stream = this.streams.get(id);
    if (stream === undefined || this.scheduler.widenStream(stream, increment)) return;
    this.onStreamError(stream, ErrorCode.FlowControlError, 'http2.window_overflow');
  }

  // -- writing ------------------------------------------------------------------------------------

  /** Gives the connection the frames that are gathered, before it is closed. */
  flush(): void {
    this.outbound.flush();
  }

  /** Outbound's. */
  isAnsweringClient(): boolean {
    return this.#isServer && this.#isReading;
  }

  // -- the end ------------------------------------------------------------------------------------

  /** Ends `stream` from our side, telling the peer; the caller tells whoever is above. */
  resetStream(stream: Http2Stream, code: ErrorCode): void {
    if (stream.isClosed) return;
    this.stats.txReset++;
    this.resets.add(stream.id);
    this.outbound.writeReset(stream.id, code);
    this.removeStream(stream);
  }

  /** As resetStream for a stream that never was in the table. */
  protected refuseStream(id: number, code: ErrorCode): void {
    this.stats.txReset++;
    this.resets.add(id);
    this.outbound.writeReset(id, code);
  }

  /**
   * The peer made us reset a stream. A client could do so on purpose, to have requests begun and thrown away at
   * our cost (CVE-2025-8671, reliability row H2-17): some are forgiven.
   */
  onStreamError(stream: Http2Stream, code: ErrorCode, details: string): void {
    this.resetStream(stream, code);
    stream.fail(StreamResetReason.ProtocolError, details);
    if (this.#isServer && ++this.#streamErrors > MAX_STREAM_ERRORS) {
      this.connectionError(ErrorCode.EnhanceYourCalm, details);
    }
  }

  /** A message of `stream` breaks RFC 9113 8. */
  onMalformed(stream: Http2Stream, details: string): void {
    this.stats.rxMessagingError++;
    this.resetStream(stream, ErrorCode.ProtocolError);
    stream.fail(StreamResetReason.ProtocolError, details);
    if (!this.settings.streamErrorOnInvalidHttpMessage) {
      this.connectionError(ErrorCode.ProtocolError, details);
    }
  }

  removeStream(stream: Http2Stream): void {
    if (stream.isClosed) return;
    this.streams.delete(stream.id);
    this.scheduler.remove(stream);
    this.stats.streamsActive--;
    stream.onRemoved();
    this.onStreamRemoved();
  }

  protected addStream(stream: Http2Stream): void {
    this.streams.set(stream.id, stream);
    this.stats.streamsActive++;
    this.constraints.onStreamOpened();
  }

  /** The peer broke the rules of the connection. Idempotent. */
  protected connectionError(code: ErrorCode, details: string, isFlood = false): void {
    if (this.isDone) return;
    this.stop();
    this.outbound.writeGoaway(this.lastPeerStreamId, code);
    this.outbound.flush();
    this.onBroken(details, isFlood);
  }

  #flooded(flood: Flood): void {
    this.connectionError(ErrorCode.EnhanceYourCalm, flood, true);
  }

  /** Outbound's. */
  onOutboundFlood(flood: Flood): void {
    if (this.isDone) return;
    this.constraints.countOutboundFlood(flood);
    this.#flooded(flood);
  }

  onAckTimeout(): void {
    this.connectionError(ErrorCode.SettingsTimeout, 'http2.settings_ack_timeout');
  }

  /** Forward every event; a close ends the open streams with ConnectionTermination. */
  onConnectionEvent(event: ConnectionEvent): void {
    if (event === ConnectionEvent.Connected) return;
    this.stop();
    this.failStreams(StreamResetReason.ConnectionTermination);
  }

  /** Nothing is read any more, and nobody minds whether the peer is there. */
  protected stop(): void {
    this.isDone = true;
    this.#partial = null;
    this.#block = [];
    this.#ackTimer?.stop();
    this.keepalive.stop();
  }

  /** All that are open, oldest first. */
  protected failStreams(reason: StreamResetReason): void {
    for (const stream of [...this.streams.values()]) {
      if (stream.isClosed) continue;
      this.removeStream(stream);
      stream.fail(reason, '');
    }
  }

  onAboveWriteBufferHighWatermark(): void {
    this.isAboveHighWatermark = true;
    for (const stream of this.streams.values()) stream.callbacks?.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.isAboveHighWatermark = false;
    for (const stream of this.streams.values()) stream.callbacks?.onBelowWriteBufferLowWatermark();
  }
}

function onAckTimeout(connection: Http2Connection): void {
  connection.onAckTimeout();
}
