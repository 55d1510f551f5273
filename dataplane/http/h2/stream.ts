// What the streams of both HTTP/2 codecs share: bodies both ways with flow control, and the end by reset or failure.
// Sending, and what waits for window, is sending-half.ts. ServerStream and ClientStream extend it; both have the same
// shape from their constructor on.
//
//   open --END_STREAM sent--> half-closed (local) --END_STREAM received--> closed
//     '--END_STREAM received--> half-closed (remote) --END_STREAM sent-----^     RST_STREAM, either way: closed

import { type StreamCallbacks, StreamResetReason } from '../../api/codec.ts';
import type { Http2Data } from '../../api/config/http2.ts';
import type { Trailers } from '../../api/headers.ts';
import { ErrorCode, FRAME_HEADER_BYTES } from './frames.ts';
import { MESSAGING_RULE } from './heads.ts';
import type { Outbound } from './outbound.ts';
import type { ReceiveWindow } from './receive-window.ts';
import { SendingHalf, type SendingOwner } from './sending-half.ts';

interface StreamEnds {
  /** Both directions have ended. */
  remove(stream: Http2Stream): void;
  /** Tells the peer; the caller tells whoever is above. */
  reset(stream: Http2Stream, code: ErrorCode): void;
  /** Tells both. */
  breakOff(stream: Http2Stream, code: ErrorCode, reason: StreamResetReason, details: string): void;
}

/** What a stream asks of its connection. */
export interface Http2StreamOwner extends SendingOwner {
  readonly settings: Http2Data;
  /** 0 <= x < 1. */
  readonly random: () => number;
  readonly receiveWindow: ReceiveWindow;
  readonly outbound: Pick<Outbound, 'writeHead' | 'writeData' | 'writeWindowUpdate'>;
  readonly isAboveHighWatermark: boolean;
  /** The stream reads on what it had been holding back. */
  releaseHeld(bytes: number): void;
  readonly streams: StreamEnds;
  /** The message breaks RFC 9113 8. */
  onMalformed(stream: Http2Stream, details: string): void;
  /** The peer's mistake ends this stream only, while there are not too many of them. */
  onStreamError(stream: Http2Stream, code: ErrorCode, details: string): void;
}

/** See the file head. */
export abstract class Http2Stream extends SendingHalf<Http2StreamOwner> {
  /** END_STREAM was received. */
  remoteEnded: boolean;
  /** Bytes of `content-length` that have not come; -1 = it said none. */
  contentLeft: number;
  #receiveWindow: number;
  /** Consumed, and the peer was not told. */
  #owed: number;
  /** Came while reading was disabled. */
  #held: number;
  #readDisableCount: number;
  #received: number;

  constructor(owner: Http2StreamOwner, id: number) {
    super(owner, id);
    this.remoteEnded = false;
    this.contentLeft = -1;
    this.#receiveWindow = owner.settings.initialStreamWindowSize;
    this.#owed = 0;
    this.#held = 0;
    this.#readDisableCount = 0;
    this.#received = 0;
  }

  setCallbacks(callbacks: StreamCallbacks): void {
    this.callbacks = callbacks;
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

  // -- the end ----------------------------------------------------------------------------------

  protected override onLocalEnd(): void {
    this.#onDirectionEnd();
  }

  #onDirectionEnd(): void {
    if (this.isClosed) return;
    if (this.localEnded && this.remoteEnded) this.owner.streams.remove(this);
    else if (this.localEnded) this.onLocalEndFirst();
    else this.onRemoteEndFirst();
  }

  /** END_STREAM was sent while the peer's was not received: the usual order for a client. */
  protected onLocalEndFirst(): void {}
  /** The peer's END_STREAM came while ours was not sent: the usual order for a server. */
  protected onRemoteEndFirst(): void {}

  /** The caller gets no onResetStream for its own reset. */
  abstract resetStream(reason: StreamResetReason): void;

  /** The connection: the stream is out of the table, in whatever way it ended. */
  onRemoved(): void {
    this.isClosed = true;
    if (this.#held > 0) this.owner.releaseHeld(this.#held);
    this.#held = 0;
    this.dropWaiting();
  }

  protected override onFlushFailed(): void {
    this.owner.stats.txFlushTimeout++;
    const reason = StreamResetReason.LocalReset;
    this.owner.streams.breakOff(this, ErrorCode.Cancel, reason, 'http2.tx_flush_timeout');
  }

  /** The peer, the transport or the codec ended the stream (it is removed); tells whoever is above. */
  fail(reason: StreamResetReason, details: string): void {
    this.callbacks?.onResetStream(reason, details);
  }
}
