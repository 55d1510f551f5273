// DATA frames: passed on to their streams in the pieces they come in, padding left out, never gathered. Used by
// frame-reader.ts. Every frame is judged when it begins: its stream, both receive windows, content-length.
//
//   | frame header | pad length? | payload ...... | padding ... |
//                                 receiveData ...   skipped

import { ErrorCode, FrameFlag } from './frames.ts';
import { Flood, type ProtocolConstraints } from './protocol-constraints.ts';
import type { ReceiveWindow } from './receive-window.ts';

const EMPTY = Buffer.alloc(0);

/** A stream as far as its body goes. */
interface ReceivingStream {
  readonly isClosed: boolean;
  readonly remoteEnded: boolean;
  /** A DATA frame of `frameBytes` begins. False = more than its window. */
  takeWindow(frameBytes: number): boolean;
  /** False = it does not fit content-length, and the stream has ended. */
  takeContent(bytes: number, endStream: boolean): boolean;
  /** `data` is the reader's again when this returns. */
  receiveData(data: Buffer, endStream: boolean): void;
}

/** What it asks of the codec's connection. */
interface DataReaderOwner {
  /** Nothing is read any more. */
  readonly isDone: boolean;
  readonly streams: { get(id: number): ReceivingStream | undefined };
  readonly constraints: ProtocolConstraints;
  readonly receiveWindow: ReceiveWindow;
  /** Nobody has used `id` yet; 0 is nobody's. */
  isIdle(id: number): boolean;
  /** What comes on `id`, whose stream is gone, was on its way before the peer knew. */
  isForgiven(id: number): boolean;
  /** The connection's window has shrunk: gives some back if it is time. */
  creditConnection(): void;
  connectionError(code: ErrorCode, details: string): void;
  flooded(flood: Flood): void;
}

/** One per connection; see the file head. */
export class DataReader {
  readonly #owner: DataReaderOwner;
  /** The frame that has begun: payload and padding still to come. Stream null = nobody wants it. */
  #stream: ReceivingStream | null;
  #payloadLeft: number;
  #paddingLeft: number;
  #endsStream: boolean;

  constructor(owner: DataReaderOwner) {
    this.#owner = owner;
    this.#stream = null;
    this.#payloadLeft = 0;
    this.#paddingLeft = 0;
    this.#endsStream = false;
  }

  /** A frame has begun, and more of it is to come. */
  isInFrame(): boolean {
    return this.#payloadLeft + this.#paddingLeft > 0;
  }

  /**
   * A frame of `length` bytes behind its header begins at `start`. Returns the position behind what was there of it;
   * -1 = more bytes are needed.
   */
  begin(flags: number, id: number, length: number, bytes: Buffer, start: number): number {
    const owner = this.#owner;
    const end = bytes.length;
    let pos = start;
    let padding = 0;
    if ((flags & FrameFlag.Padded) !== 0) {
      if (length === 0) {
        owner.connectionError(ErrorCode.FrameSizeError, 'http2.bad_padding');
        return end;
      }
      if (pos === end) return -1;
      padding = bytes[pos++]!;
      if (padding >= length) {
        owner.connectionError(ErrorCode.ProtocolError, 'http2.bad_padding');
        return end;
      }
    }
    const payload = length - padding - (pos - start);
    const endStream = (flags & FrameFlag.EndStream) !== 0;
    const stream = owner.streams.get(id) ?? null;
    if (!this.#accept(id, stream, length, payload === 0 && !endStream)) return end;
    // Before any of it goes up: a body that is too long must not get through to where its length counts.
    const isWanted = stream?.takeContent(payload, endStream) === true;
    if (owner.isDone) return end;
    this.#stream = isWanted ? stream : null;
    this.#payloadLeft = payload;
    this.#paddingLeft = padding;
    this.#endsStream = endStream;
    if (payload === 0) {
      this.#stream = null;
      if (isWanted && endStream) stream?.receiveData(EMPTY, true);
    }
    return this.isInFrame() ? this.read(bytes, pos) : pos;
  }

  /** False = the connection has ended. */
  #accept(id: number, stream: ReceivingStream | null, length: number, isEmpty: boolean): boolean {
    const owner = this.#owner;
    const flood = owner.constraints.onPayloadFrame(isEmpty);
    if (flood !== Flood.None) {
      owner.flooded(flood);
      return false;
    }
    if (owner.isIdle(id)) {
      owner.connectionError(ErrorCode.ProtocolError, 'http2.data_on_idle_stream');
      return false;
    }
    if (stream === null ? !owner.isForgiven(id) : stream.remoteEnded) {
      owner.connectionError(ErrorCode.StreamClosed, 'http2.data_on_closed_stream');
      return false;
    }
    const fits =
      owner.receiveWindow.receive(length) && (stream === null || stream.takeWindow(length));
    if (!fits) {
      owner.connectionError(ErrorCode.FlowControlError, 'http2.window_exceeded');
      return false;
    }
    owner.creditConnection();
    return true;
  }

  /** What is there at `start` of the frame that has begun. Returns the position behind it. */
  read(bytes: Buffer, start: number): number {
    let pos = start;
    if (this.#payloadLeft > 0) {
      const end = Math.min(bytes.length, pos + this.#payloadLeft);
      this.#payloadLeft -= end - pos;
      const stream = this.#stream;
      const isLast = this.#payloadLeft === 0;
      if (isLast) this.#stream = null;
      if (stream !== null && !stream.isClosed) {
        const isWhole = pos === 0 && end === bytes.length;
        stream.receiveData(isWhole ? bytes : bytes.subarray(pos, end), isLast && this.#endsStream);
      }
      pos = end;
    }
    const skipped = Math.min(bytes.length - pos, this.#paddingLeft);
    this.#paddingLeft -= skipped;
    return pos + skipped;
  }
}
