// Counts the frames that a peer can make cheap for itself and dear for us, per connection (Envoy:
// source/common/http/http2/protocol_constraints.cc; defaults in api/config/http2.ts). Says that a limit is broken;
// connection.ts ends the connection.
//
//   outbound   frames written that the peer has not taken: PING and SETTINGS floods, responses nobody reads
//   inbound    empty frames in a row, PRIORITY, WINDOW_UPDATE beyond what the streams explain

import type { Http2Data } from '../../api/config/http2.ts';
import type { Http2CodecStats } from './codec-stats.ts';

/** What limit was broken; details as Envoy words them. */
export const Flood = {
  None: '',
  Outbound: 'http2.outbound_frames_flood',
  OutboundControl: 'http2.outbound_control_frames_flood',
  EmptyFrames: 'http2.inbound_empty_frames_flood',
  Priority: 'http2.inbound_priority_frames_flood',
  WindowUpdate: 'http2.inbound_window_update_frames_flood',
} as const;
export type Flood = (typeof Flood)[keyof typeof Flood];

/** A mark per so many frames tells later how many of them the peer has taken. */
const FRAMES_PER_MARK = 32;

/** Frames of one kind that were written, and how many of them may still wait. */
class OutboundFrames {
  #written = 0;
  #taken = 0;
  readonly #markBytes: number[] = [];
  readonly #markFrames: number[] = [];

  /** `bytesWritten` = all bytes of the connection so far. */
  add(bytesWritten: number): void {
    if (++this.#written % FRAMES_PER_MARK !== 0) return;
    this.#markBytes.push(bytesWritten);
    this.#markFrames.push(this.#written);
  }

  /** At most so many wait. */
  waiting(): number {
    return this.#written - this.#taken;
  }

  /** The peer has taken all bytes up to `bytesTaken`; `isAll`: nothing waits. */
  settle(bytesTaken: number, isAll: boolean): void {
    let passed = 0;
    while (passed < this.#markBytes.length && this.#markBytes[passed]! <= bytesTaken) {
      this.#taken = this.#markFrames[passed++]!;
    }
    if (isAll) {
      this.#taken = this.#written;
      passed = this.#markBytes.length;
    }
    if (passed === 0) return;
    this.#markBytes.splice(0, passed);
    this.#markFrames.splice(0, passed);
  }
}

/** Resets that a client may still send: so many at once, and so many more with each second (nghttp2_ratelim). */
class ResetAllowance {
  readonly #burst: number;
  readonly #perSecond: number;
  #left: number;
  #second: number;

  constructor(burst: number, perSecond: number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#left = burst;
    this.#second = 0;
  }

  /** False = there is none left. */
  take(nowMs: number): boolean {
    const second = Math.floor(nowMs / 1000);
    if (second > this.#second) {
      const gain = this.#perSecond * (second - this.#second);
      this.#left = Math.min(this.#burst, this.#left + gain);
      this.#second = second;
    }
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}

export class ProtocolConstraints {
  readonly #limits: Http2Data;
  readonly #stats: Http2CodecStats;
  readonly #outbound: OutboundFrames;
  readonly #outboundControl: OutboundFrames;
  readonly #resets: ResetAllowance;
  #openedStreams: number;
  #priorityFrames: number;
  #windowUpdateFrames: number;
  #outboundDataFrames: number;
  #emptyFramesInARow: number;

  constructor(limits: Http2Data, stats: Http2CodecStats) {
    this.#limits = limits;
    this.#stats = stats;
    this.#outbound = new OutboundFrames();
    this.#outboundControl = new OutboundFrames();
    this.#resets = new ResetAllowance(limits.streamResetBurst, limits.streamResetRate);
    this.#openedStreams = 0;
    this.#priorityFrames = 0;
    this.#windowUpdateFrames = 0;
    this.#outboundDataFrames = 0;
    this.#emptyFramesInARow = 0;
  }

  onStreamOpened(): void {
    this.#openedStreams++;
  }

  onDataFrameSent(): void {
    this.#outboundDataFrames++;
  }

  /** A frame was written: the connection has now written `bytesWritten`. True = ask checkOutbound. */
  onOutboundFrame(isControl: boolean, bytesWritten: number): boolean {
    this.#outbound.add(bytesWritten);
    if (isControl) this.#outboundControl.add(bytesWritten);
    return (
      this.#outbound.waiting() > this.#limits.maxOutboundFrames ||
      this.#outboundControl.waiting() > this.#limits.maxOutboundControlFrames
    );
  }

  /** Of `bytesWritten`, `waitingBytes` have not been taken by the peer. Counts nothing: see countOutboundFlood. */
  checkOutbound(bytesWritten: number, waitingBytes: number): Flood {
    const taken = bytesWritten - waitingBytes;
    this.#outbound.settle(taken, waitingBytes === 0);
    this.#outboundControl.settle(taken, waitingBytes === 0);
    if (this.#outbound.waiting() > this.#limits.maxOutboundFrames) return Flood.Outbound;
    const isControlFlood = this.#outboundControl.waiting() > this.#limits.maxOutboundControlFrames;
    return isControlFlood ? Flood.OutboundControl : Flood.None;
  }

  countOutboundFlood(flood: Flood): void {
    if (flood === Flood.Outbound) this.#stats.outboundFlood++;
    else this.#stats.outboundControlFlood++;
  }

  /** DATA, HEADERS or CONTINUATION. `isEmpty`: carries nothing and ends nothing. */
  onPayloadFrame(isEmpty: boolean): Flood {
    if (!isEmpty) {
      this.#emptyFramesInARow = 0;
      return Flood.None;
    }
    if (++this.#emptyFramesInARow <= this.#limits.maxConsecutiveInboundFramesWithEmptyPayload) {
      return Flood.None;
    }
    this.#stats.inboundEmptyFramesFlood++;
    return Flood.EmptyFrames;
  }

  /** RST_STREAM of a client; `nowMs` from Clock.nowMs. False = too many (Envoy's codec: a protocol error). */
  onResetFrame(nowMs: number): boolean {
    return this.#resets.take(nowMs);
  }

  onPriorityFrame(): Flood {
    const { maxInboundPriorityFramesPerStream } = this.#limits;
    if (++this.#priorityFrames <= maxInboundPriorityFramesPerStream * (1 + this.#openedStreams)) {
      return Flood.None;
    }
    this.#stats.inboundPriorityFramesFlood++;
    return Flood.Priority;
  }

  onWindowUpdateFrame(): Flood {
    const { maxInboundWindowUpdateFramesPerDataFrameSent } = this.#limits;
    const allowed =
      5 +
      2 *
        (this.#openedStreams +
          maxInboundWindowUpdateFramesPerDataFrameSent * this.#outboundDataFrames);
    if (++this.#windowUpdateFrames <= allowed) return Flood.None;
    this.#stats.inboundWindowUpdateFramesFlood++;
    return Flood.WindowUpdate;
  }
}
