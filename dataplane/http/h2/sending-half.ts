// The half of a stream that sends: its send window, and the queue of what waits for window, with the end or the
// trailers behind it. Http2Stream extends it, so that a stream stays one object.
//
//   encodeData -> both windows have room: DATA | rest waits -> writeWaiting ... -> trailers or END_STREAM -> onLocalEnd
//
// More than the buffer limit waits: the high watermark, for whoever is above. A peer that does not take what is there
// loses the stream (stream_flush_timeout).

import type { Timer, TimerService } from '../../../common/timer.ts';
import type { StreamCallbacks } from '../../api/codec.ts';
import type { HeaderFields, Trailers } from '../../api/headers.ts';
import { KeptPieces } from '../../network/kept-pieces.ts';
import { letGo } from '../../network/read-slab.ts';
import type { Http2CodecStats } from './codec-stats.ts';
import type { Outbound } from './outbound.ts';
import type { SendScheduler } from './send-scheduler.ts';
import type { PeerSettings } from './settings.ts';

const EMPTY = Buffer.alloc(0);
/** A peer that takes less than this in a whole flush timeout is as good as gone. */
const MIN_FLUSH_PROGRESS_BYTES = 16 * 1024;

/** What the sending half asks of its connection. */
export interface SendingOwner {
  readonly stats: Http2CodecStats;
  readonly timers: TimerService;
  readonly bufferLimitBytes: number;
  /** 0 = what waits for window waits for ever. */
  readonly flushTimeoutMs: number;
  readonly peer: PeerSettings;
  readonly outbound: Pick<Outbound, 'writeHead' | 'writeData'>;
  readonly scheduler: Pick<SendScheduler, 'window' | 'addBlocked'>;
}

/** See the file head. */
export abstract class SendingHalf<Owner extends SendingOwner> {
  readonly id: number;
  callbacks: StreamCallbacks | null;
  /** END_STREAM was sent. */
  localEnded: boolean;
  /** Not in the connection's table any more. */
  isClosed: boolean;
  /** What the peer still takes; below 0 after it made its window smaller. */
  sendWindow: number;
  /** An upgrade or CONNECT was let through: both directions end on their own. */
  isTunnel: boolean;
  protected readonly owner: Owner;
  protected headSent: boolean;
  #waiting: KeptPieces | null;
  #waitingBytes: number;
  #waitingEnd: boolean;
  #waitingTrailers: Trailers | null;
  #isAboveHighWatermark: boolean;
  #flushTimeoutMs: number;
  #flushTimer: Timer | null;
  #flushMark: number;
  #sent: number;

  constructor(owner: Owner, id: number) {
    this.id = id;
    this.callbacks = null;
    this.localEnded = false;
    this.isClosed = false;
    this.sendWindow = owner.peer.initialWindowBytes;
    this.isTunnel = false;
    this.owner = owner;
    this.headSent = false;
    this.#waiting = null;
    this.#waitingBytes = 0;
    this.#waitingEnd = false;
    this.#waitingTrailers = null;
    this.#isAboveHighWatermark = false;
    this.#flushTimeoutMs = owner.flushTimeoutMs;
    this.#flushTimer = null;
    this.#flushMark = 0;
    this.#sent = 0;
  }

  /** END_STREAM was sent; the stream may have ended with it. */
  protected abstract onLocalEnd(): void;
  /** The peer has not taken what waits in time: the stream ends. */
  protected abstract onFlushFailed(): void;

  /** Frame headers included. */
  bytesSent(): number {
    return this.#sent;
  }

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
    if (endStream) this.#end();
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
        this.#end();
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
      if (isLast) this.#end();
      at = end;
    }
    return length;
  }

  #writeTrailers(trailers: Trailers): void {
    // Without a field there is nothing to say but the end.
    if (trailers.length === 0) this.#sent += this.owner.outbound.writeData(this.id, EMPTY, true);
    else this.#sent += this.owner.outbound.writeHead(this.id, true, 0, null, trailers, null);
    this.#end();
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
    this.onFlushFailed();
  }

  #end(): void {
    this.localEnded = true;
    this.onLocalEnd();
  }

  /** The stream has ended, in whatever way: nothing waits any more. */
  protected dropWaiting(): void {
    this.#flushTimer?.stop();
    if (this.#waitingBytes > 0) this.owner.stats.pendingSendBytes -= this.#waitingBytes;
    this.#waitingBytes = 0;
    if (this.#waiting !== null) for (const data of this.#waiting.pieces) letGo(data);
    this.#waiting = null;
  }
}

function onFlushTimeout(half: SendingHalf<SendingOwner>): void {
  half.onFlushTimeout();
}
