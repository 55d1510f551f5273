// What both HTTP/2 codecs share: settings, the table of streams, windows, resets, GOAWAY, and the end of a connection
// whose peer breaks the rules. ServerConnection and ClientConnection extend it; they say what a header block is.
// Sans I/O but for Connection.
//
//   bytes -> FrameReader -> HeaderBlockReader | DataReader | on<Type> here
//   streams -> SendScheduler: may I? -> Outbound -> Connection
//
// One error policy: what RFC 9113 calls a connection error, and what floods us, ends the connection with GOAWAY;
// a malformed message ends its stream, or the connection (stream_error_on_invalid_http_message).

import type { Clock } from '../../../common/clock.ts';
import type { Timer, TimerService } from '../../../common/timer.ts';
import { StreamResetReason } from '../../api/codec.ts';
import type { Http2Data } from '../../api/config/http2.ts';
import { type Connection, ConnectionEvent } from '../../api/connection.ts';
import type { Http2CodecStats } from './codec-stats.ts';
import { DataReader } from './data-reader.ts';
import { FrameReader } from './frame-reader.ts';
import { DEFAULT_WINDOW_BYTES, ErrorCode } from './frames.ts';
import { HeaderBlockReader } from './header-block-reader.ts';
import { Keepalive } from './keepalive.ts';
import type { Http2ClientOptions, Http2ServerOptions } from './options.ts';
import { Outbound } from './outbound.ts';
import { Flood, ProtocolConstraints } from './protocol-constraints.ts';
import { ReceiveWindow } from './receive-window.ts';
import { SendScheduler } from './send-scheduler.ts';
import { ourSettings, PeerSettings } from './settings.ts';
import type { Http2Stream, Http2StreamOwner } from './stream.ts';
import { StreamTable } from './stream-table.ts';

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
  readonly streams: StreamTable;
  protected readonly headerBlocks: HeaderBlockReader;
  protected readonly keepalive: Keepalive;
  /** The connection is ending: nothing is read any more. */
  isDone: boolean;
  isAboveHighWatermark: boolean;
  /** Streams of the peer's up to here were served, or will be. */
  protected lastPeerStreamId: number;
  readonly #isServer: boolean;
  readonly #reader: FrameReader;
  #ackTimer: Timer | null;
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
    this.streams = new StreamTable(this);
    this.headerBlocks = new HeaderBlockReader(this, {
      tableBytes: protocol.hpackTableSize,
      maxFields: options.maxHeadersCount,
      maxListBytes: maxHeadersKb * 1024,
      boundsBlocks: isServer,
    });
    this.keepalive = new Keepalive(this, options);
    this.isDone = false;
    this.isAboveHighWatermark = false;
    this.lastPeerStreamId = 0;
    this.#isServer = isServer;
    this.#reader = new FrameReader(this, new DataReader(this), this.headerBlocks);
    this.#ackTimer = null;
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

  /** A whole header block of `bytes` was decoded; `headerBlocks.decoder` holds it. */
  abstract onHeaderBlock(id: number, endStream: boolean, bytes: number): void;
  /** Nobody has used `id` yet; 0 is nobody's. */
  abstract isIdle(id: number): boolean;
  /** What comes on `id`, whose stream is gone, was on its way before the peer knew. */
  isForgiven(id: number): boolean {
    return this.streams.isForgiven(id);
  }

  /** HEADERS may come on `id`: the right half of the ids, without 0. */
  abstract mayHaveHeaders(id: number): boolean;
  protected abstract onPeerSettings(): void;
  abstract onPeerGoaway(lastStreamId: number, code: number): void;
  /** GOAWAY is written: tells the owner, who closes the connection. */
  protected abstract onBroken(details: string, isFlood: boolean): void;
  abstract onStreamRemoved(): void;

  // -- reading ------------------------------------------------------------------------------------

  /** Bytes from the connection. */
  protected read(data: Buffer): void {
    this.keepalive.onBytes();
    this.#reader.read(data);
  }

  /** Part of a header block has come. */
  isReadingHead(): boolean {
    return this.headerBlocks.streamId !== 0;
  }

  /** A stream reads on what it had been holding back. */
  releaseHeld(bytes: number): void {
    this.receiveWindow.release(bytes);
    this.creditConnection();
  }

  /** Tells the peer, when it is time, what it may send on the whole connection. */
  creditConnection(): void {
    const credit = this.receiveWindow.takeCredit();
    if (credit > 0 && !this.isDone) this.outbound.writeWindowUpdate(0, credit);
  }

  // -- frames but HEADERS and DATA; what they say of themselves is right --------------------------

  onPriority(): void {
    const flood = this.constraints.onPriorityFrame();
    if (flood !== Flood.None) this.flooded(flood);
  }

  onRstStream(id: number, code: number): void {
    if (this.isIdle(id)) {
      this.connectionError(ErrorCode.ProtocolError, 'http2.rst_stream_on_idle_stream');
      return;
    }
    const stream = this.streams.get(id);
    // It crosses our own: who resets what was answered already costs us nothing.
    if (stream === undefined && this.isForgiven(id)) return;
    if (this.#isServer && !this.constraints.onResetFrame(this.clock.nowMs())) {
      this.connectionError(ErrorCode.InternalError, 'http2.too_many_resets');
      return;
    }
    if (stream === undefined) return;
    this.stats.rxReset++;
    if (code === ErrorCode.RefusedStream) this.stats.streamRefusedErrors++;
    const reason = this.resetReason(code);
    this.streams.remove(stream);
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

  onSettings(bytes: Buffer, start: number, end: number): void {
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
    if (delta !== 0 && !this.scheduler.changeWindows(this.streams.values(), delta)) {
      this.connectionError(ErrorCode.FlowControlError, 'http2.window_overflow');
      return;
    }
    this.onPeerSettings();
  }

  onSettingsAck(): void {
    this.#ackTimer?.stop();
    this.headerBlocks.decoder.acknowledgeTableSize();
  }

  onPing(payload: Buffer): void {
    this.outbound.writePingAck(payload);
  }

  onPingAck(): void {
    this.keepalive.onAck();
  }

  onWindowUpdate(id: number, increment: number): void {
    if (increment === 0 || (id !== 0 && this.isIdle(id))) {
      this.connectionError(ErrorCode.ProtocolError, 'http2.bad_window_update');
      return;
    }
    const flood = this.constraints.onWindowUpdateFrame();
    if (flood !== Flood.None) {
      this.flooded(flood);
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
    return this.#isServer && this.#reader.isReading;
  }

  // -- the end ------------------------------------------------------------------------------------

  /**
   * The peer made us reset a stream. A client could do so on purpose, to have requests begun and thrown away at
   * our cost (CVE-2025-8671, reliability row H2-17): some are forgiven.
   */
  onStreamError(stream: Http2Stream, code: ErrorCode, details: string): void {
    this.streams.breakOff(stream, code, StreamResetReason.ProtocolError, details);
    if (this.#isServer && ++this.#streamErrors > MAX_STREAM_ERRORS) {
      this.connectionError(ErrorCode.EnhanceYourCalm, details);
    }
  }

  /** A message of `stream` breaks RFC 9113 8. */
  onMalformed(stream: Http2Stream, details: string): void {
    this.stats.rxMessagingError++;
    const { streams } = this;
    streams.breakOff(stream, ErrorCode.ProtocolError, StreamResetReason.ProtocolError, details);
    if (!this.settings.streamErrorOnInvalidHttpMessage) {
      this.connectionError(ErrorCode.ProtocolError, details);
    }
  }

  /** The peer broke the rules of the connection. Idempotent. */
  connectionError(code: ErrorCode, details: string, isFlood = false): void {
    if (this.isDone) return;
    this.stop();
    this.outbound.writeGoaway(this.lastPeerStreamId, code);
    this.outbound.flush();
    this.onBroken(details, isFlood);
  }

  /** Envoy's limit that `flood` names is broken; it is counted already. */
  flooded(flood: Flood): void {
    this.connectionError(ErrorCode.EnhanceYourCalm, flood, true);
  }

  /** Outbound's. */
  onOutboundFlood(flood: Flood): void {
    if (this.isDone) return;
    this.constraints.countOutboundFlood(flood);
    this.flooded(flood);
  }

  onAckTimeout(): void {
    this.connectionError(ErrorCode.SettingsTimeout, 'http2.settings_ack_timeout');
  }

  /** Forward every event; a close ends the open streams with ConnectionTermination. */
  onConnectionEvent(event: ConnectionEvent): void {
    if (event === ConnectionEvent.Connected) return;
    this.stop();
    this.streams.failAll(StreamResetReason.ConnectionTermination);
  }

  /** Nothing is read any more, and nobody minds whether the peer is there. */
  protected stop(): void {
    this.isDone = true;
    this.#reader.stop();
    this.headerBlocks.stop();
    this.#ackTimer?.stop();
    this.keepalive.stop();
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
