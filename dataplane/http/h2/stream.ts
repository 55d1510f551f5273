// What the streams of both HTTP/2 codecs share: bodies both ways with flow control, the queue of what waits for
// window, and the end by reset or failure. ServerStream and ClientStream extend it; both have the same shape
// from their constructor on.
//
//   open --END_STREAM sent--> half-closed (local) --END_STREAM received--> closed
//     '--END_STREAM received--> half-closed (remote) --END_STREAM sent-----^     RST_STREAM, either way: closed

import type { Timer, TimerService } from '../../../common/timer.ts';
import { type StreamCallbacks, StreamResetReason } from '../../api/codec.ts';
import type { Http2Data } from '../../api/config/http2.ts';
import type { HeaderFields, Trailers } from '../../api/headers.ts';
import { KeptPieces } from '../../network/kept-pieces.ts';
import { letGo } from '../../network/read-slab.ts';
import type { Http2CodecStats } from './codec-stats.ts';
import { ErrorCode, FRAME_HEADER_BYTES } from './frames.ts';
import { MESSAGING_RULE } from './heads.ts';
import type { ReceiveWindow } from './receive-window.ts';
import type { PeerSettings } from './settings.ts';

const EMPTY = Buffer.alloc(0);
/** A peer that takes less than this in a whole flush timeout is as good as gone. */
const MIN_FLUSH_PROGRESS_BYTES = 16 * 1024;

/** Writes frames; writeHead and writeData return the bytes written. */
interface StreamOutbound {
  writeHead(
    id: number,
    endStream: boolean,
    status: number,
    pseudo: HeaderFields | null,
    fields: HeaderFields,
    neverIndexed: readonly string[] | null,
  ): number;
  /** At most a frame's payload, for which both windows have room. */
  writeData(id: number, payload: Buffer, endStream: boolean): number;
  writeWindowUpdate(id: number, increment: number): void;
}

interface StreamScheduler {
  /** What the peer still takes on the whole connection. */
  window: number;
  /** The stream has something to write, and waits for that window. */
  addBlocked(stream: Http2Stream): void;
}

/** What a stream asks of its connection. */
export interface Http2StreamOwner {
  readonly settings: Http2Data;
  readonly stats: Http2CodecStats;
  readonly timers: TimerService;
  /** 0 <= x < 1. */
  readonly random: () => number;
  readonly bufferLimitBytes: number;
  /** 0 = what waits for window waits for ever. */
  readonly flushTimeoutMs: number;
  readonly peer: PeerSettings;
  readonly receiveWindow: ReceiveWindow;
  readonly outbound: StreamOutbound;
  readonly scheduler: StreamScheduler;
  readonly isAboveHighWatermark: boolean;
  /** The stream reads on what it had been holding back. */
  releaseHeld(bytes: number): void;
  /** Both directions have ended. */
  removeStream(stream: Http2Stream): void;
  /** Tells the peer; the caller tells whoever is above. */
  resetStream(stream: Http2Stream, code: ErrorCode): void;
  /** The message breaks RFC 9113 8. */
  onMalformed(stream: Http2Stream, details: string): void;
  /** The peer's mistake ends this stream only, while there are not too many of them. */
  onStreamError(stream: Http2Stream, code: ErrorCode, details: string): void;
}

/** See the file head. */
export abstract class Http2Stream {
  readonly id: number;
  callbacks: StreamCallbacks | null;
  /** END_STREAM was sent / received. */
  localEnded: boolean;
  remoteEnded: boolean;
  /** Not in the connection's table any more. */
  isClosed: boolean;
  /** What the peer still takes; below 0 after it made its window smaller. */
  sendWindow: number;
  /** Bytes of `content-length` that have not come; -1 = it said none. */
  contentLeft: number;
  protected readonly owner: Http2StreamOwner;
  protected headSent: boolean;
  /** An upgrade or CONNECT was let through: both directions end on their own. */
  isTunnel: boolean;
  #receiveWindow: number;
  /** Consumed, and the peer was not told. */
  #owed: number;
  /** Came while reading was disabled. */
  #held: number;
  #readDisableCount: number;
  #waiting: KeptPieces | null;
  #waitingBytes: number;
  #waitingEnd: boolean;
  #waitingTrailers: Trailers | null;
  #isAboveHighWatermark: boolean;
  #flushTimeoutMs: number;
  #flushTimer: Timer | null;
  #flushMark: number;
  #sent: number;
  #received: number;

  constructor(owner: Http2StreamOwner, id: number) {
    this.id = id;
    this.callbacks = null;
    this.localEnded = false;
    this.remoteEnded = false;
    this.isClosed = false;
    this.sendWindow = owner.peer.initialWindowBytes;
    this.contentLeft = -1;
    this.owner = owner;
    this.headSent = false;
    this.isTunnel = false;
    this.#receiveWindow = owner.settings.initialStreamWindowSize;
    this.#owed = 0;
    this.#held = 0;
    this.#readDisableCount = 0;
    this.#waiting = null;
    this.#waitingBytes = 0;
    this.#waitingEnd = false;
    this.#waitingTrailers = null;
    this.#isAboveHighWatermark = false;
    this.#flushTimeoutMs = owner.flushTimeoutMs;
    this.#flushTimer = null;
    this.#flushMark = 0;
    this.#sent = 0;
    this.#received = 0;
  }

  setCallbacks(callbacks: StreamCallbacks): void {
    this.callbacks = callbacks;
  }

  bytesSent(): number {
    return this.#sent;
  }

  bytesReceived(): number {
    return this.#received;
  }

  // -- receiving --------------------------------------------------------------------------------

  /** For whoever is above. */
  protected abstract onBody(data: Buffer, endStream: boolean): void;
  protected abstract onTrailers(trailers: Trailers): void;

  countReceived(bytes: number): void {
    this.#received += bytes;
  }

  /** A DATA frame of `frameBytes` begins. False = more than its window. */
  takeWindow(frameBytes: number): boolean {
    this.#received += frameBytes + FRAME_HEADER_BYTES;
    this.#receiveWindow -= frameBytes;
    if (this.#readDisableCount > 0) {
      this.#held += frameBytes;
      this.owner.receiveWindow.hold(frameBytes);
    } else this.#owed += frameBytes;
    return this.#receiveWindow >= 0;
  }

  /** DATA with so much payload begins. False = it does not fit content-length, and the stream has ended. */
  takeContent(bytes: number, endStream: boolean): boolean {
    if (this.contentLeft === -1) return true;
    this.contentLeft -= bytes;
    if (this.contentLeft >= 0 && (!endStream || this.contentLeft === 0)) return true;
    this.onBadContent();
    return false;
  }

  /** The body is not as long as it should be. */
  protected onBadContent(): void {
    this.owner.onMalformed(this, MESSAGING_RULE);
  }

  /** A piece of a DATA frame, or the end of the body. */
  receiveData(data: Buffer, endStream: boolean): void {
    if (endStream) this.remoteEnded = true;
    this.onBody(data, endStream);
    if (endStream) this.#onDirectionEnd();
    else this.#giveCredit();
  }

  receiveTrailers(trailers: Trailers): void {
    if (this.contentLeft > 0) {
      this.onBadContent();
      return;
    }
    this.remoteEnded = true;
    this.onTrailers(trailers);
    this.#onDirectionEnd();
  }

  /** A head with END_STREAM was passed on. */
  protected endReceiving(): void {
    this.#onDirectionEnd();
  }

  readDisable(disable: boolean): void {
    if (this.isClosed) return;
    if (disable) {
      this.#readDisableCount++;
      return;
    }
    if (this.#readDisableCount === 0 || --this.#readDisableCount > 0) return;
    const held = this.#held;
    if (held === 0) return;
    this.#held = 0;
    this.#owed += held;
    this.owner.releaseHeld(held);
    this.#giveCredit();
  }

  #giveCredit(): void {
    if (this.remoteEnded || this.isClosed) return;
    const credit = this.#owed;
    if (credit < this.owner.settings.initialStreamWindowSize / 2) return;
    this.#owed = 0;
    this.#receiveWindow += credit;
    this.owner.outbound.writeWindowUpdate(this.id, credit);
  }

  // -- sending ----------------------------------------------------------------------------------

  protected sendHead(
    status: number,
    pseudo: HeaderFields | null,
    fields: HeaderFields,
    neverIndexed: readonly string[] | null,
    endStream: boolean,
  ): void {
    this.headSent = true;
    this.#sent += this.owner.outbound.writeHead(
      this.id,
      endStream,
      status,
      pseudo,
      fields,
      neverIndexed,
    );
    if (endStream) this.#onLocalEnd();
  }

  /** 100, 102, 103. */
  protected sendInformational(status: number, fields: HeaderFields): void {
    this.#sent += this.owner.outbound.writeHead(this.id, false, status, null, fields, null);
  }

  encodeData(data: Buffer, endStream: boolean): void {
    if (this.isClosed || this.localEnded || this.#waitingEnd) return;
    const { length } = data;
    const sent = this.#waitingBytes > 0 ? 0 : this.#write(data, endStream);
    // The connection may have broken meanwhile.
    if (this.isClosed) return;
    if (sent === length && (!endStream || this.localEnded)) return;
    this.#waitingEnd = endStream;
    if (sent < length) {
      this.#waiting ??= new KeptPieces();
      this.#waiting.add(sent === 0 ? data : data.subarray(sent));
      this.#addWaiting(length - sent);
    }
    if (endStream) this.armFlushTimer();
  }

  encodeTrailers(trailers: Trailers): void {
    if (this.isClosed || this.localEnded || this.#waitingEnd) return;
    if (this.isTunnel) {
      // RFC 9113 8.5: nothing but DATA; what they say means nothing to either end.
      this.encodeData(EMPTY, true);
      return;
    }
    if (this.#waitingBytes > 0) {
      this.#waitingEnd = true;
      this.#waitingTrailers = trailers;
      this.armFlushTimer();
    } else this.#writeTrailers(trailers);
  }

  /** The window, or the connection's, is larger: writes up to `most` of what waits. */
  writeWaiting(most: number): void {
    if (this.#waiting === null || this.isClosed) return;
    const waiting = this.#waiting.pieces;
    let written = 0;
    while (waiting.length > 0 && written < most) {
      const data = waiting[0]!;
      const isLast = waiting.length === 1;
      const sent = this.#write(data, isLast && this.#waitingEnd && this.#waitingTrailers === null);
      written += sent;
      // Then onRemoved has given back what waited.
      if (this.isClosed) return;
      if (sent < data.length) {
        waiting[0] = data.subarray(sent);
        break;
      }
      waiting.shift();
      letGo(data);
    }
    if (written === 0) return;
    this.#addWaiting(-written);
    if (this.#waitingBytes === 0) {
      this.#waiting = null;
      this.#flushTimer?.stop();
      const trailers = this.#waitingTrailers;
      this.#waitingTrailers = null;
      if (trailers !== null) this.#writeTrailers(trailers);
    }
  }

  hasWaiting(): boolean {
    return this.#waitingBytes > 0;
  }

  /** Returns how much of `data` was written. */
  #write(data: Buffer, endStream: boolean): number {
    const { owner } = this;
    const { length } = data;
    if (length === 0) {
      if (endStream) {
        this.#sent += owner.outbound.writeData(this.id, EMPTY, true);
        this.#onLocalEnd();
      }
      return 0;
    }
    const { scheduler } = owner;
    let at = 0;
    while (at < length) {
      const room = Math.min(this.sendWindow, scheduler.window, owner.peer.maxFrameBytes);
      if (room <= 0) return at;
      const end = Math.min(length, at + room);
      const isLast = endStream && end === length;
      const payload = at === 0 && end === length ? data : data.subarray(at, end);
      this.sendWindow -= end - at;
      scheduler.window -= end - at;
      this.#sent += owner.outbound.writeData(this.id, payload, isLast);
      if (isLast) this.#onLocalEnd();
      at = end;
    }
    return length;
  }

  #writeTrailers(trailers: Trailers): void {
    // Without a field there is nothing to say but the end.
    if (trailers.length === 0) this.#sent += this.owner.outbound.writeData(this.id, EMPTY, true);
    else this.#sent += this.owner.outbound.writeHead(this.id, true, 0, null, trailers, null);
    this.#onLocalEnd();
  }

  #addWaiting(bytes: number): void {
    const { owner } = this;
    this.#waitingBytes += bytes;
    owner.stats.pendingSendBytes += bytes;
    if (bytes > 0 && this.sendWindow > 0) owner.scheduler.addBlocked(this);
    const limit = owner.bufferLimitBytes;
    if (limit === 0) return;
    if (!this.#isAboveHighWatermark && this.#waitingBytes > limit) {
      this.#isAboveHighWatermark = true;
      this.callbacks?.onAboveWriteBufferHighWatermark();
    } else if (this.#isAboveHighWatermark && this.#waitingBytes <= limit / 2) {
      this.#isAboveHighWatermark = false;
      this.callbacks?.onBelowWriteBufferLowWatermark();
    }
  }

  /** Instead of the connection's, for what ends from now on. */
  setFlushTimeout(timeoutMs: number): void {
    this.#flushTimeoutMs = timeoutMs;
  }

  /** stream_flush_timeout: everything is here, and the peer does not take it. */
  protected armFlushTimer(): void {
    const timeoutMs = this.#flushTimeoutMs;
    if (timeoutMs === 0 || this.#waitingBytes === 0) return;
    this.#flushMark = this.#waitingBytes;
    this.#flushTimer ??= this.owner.timers.createTimer(onFlushTimeout, this);
    this.#flushTimer.start(timeoutMs);
  }

  onFlushTimeout(): void {
    if (this.isClosed) return;
    if (this.#flushMark - this.#waitingBytes >= MIN_FLUSH_PROGRESS_BYTES) {
      this.armFlushTimer();
      return;
    }
    this.owner.stats.txFlushTimeout++;
    this.owner.resetStream(this, ErrorCode.Cancel);
    this.fail(StreamResetReason.LocalReset, 'http2.tx_flush_timeout');
  }

  // -- the end ----------------------------------------------------------------------------------

  #onLocalEnd(): void {
    this.localEnded = true;
    this.#onDirectionEnd();
  }

  #onDirectionEnd(): void {
    if (this.isClosed) return;
    if (this.localEnded && this.remoteEnded) this.owner.removeStream(this);
    else if (this.localEnded) this.onLocalEndFirst();
    else this.onRemoteEndFirst();
  }

  /** END_STREAM was sent while the peer's was not received. */
  protected abstract onLocalEndFirst(): void;
  /** The peer's END_STREAM came while ours was not sent. */
  protected abstract onRemoteEndFirst(): void;

  /** The caller gets no onResetStream for its own reset. */
  abstract resetStream(reason: StreamResetReason): void;

  /** The connection: the stream is out of the table, in whatever way it ended. */
  onRemoved(): void {
    this.isClosed = true;
    this.#flushTimer?.stop();
    if (this.#held > 0) this.owner.releaseHeld(this.#held);
    this.#held = 0;
    if (this.#waitingBytes > 0) this.owner.stats.pendingSendBytes -= this.#waitingBytes;
    this.#waitingBytes = 0;
    if (this.#waiting !== null) for (const data of this.#waiting.pieces) letGo(data);
    this.#waiting = null;
  }

  /** The peer, the transport or the codec ended the stream (it is removed); tells whoever is above. */
  fail(reason: StreamResetReason, details: string): void {
    this.callbacks?.onResetStream(reason, details);
  }
}

function onFlushTimeout(stream: Http2Stream): void {
  stream.onFlushTimeout();
}
