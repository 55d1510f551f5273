// Bytes of one connection to frames. Finds where frames begin and end, whatever the pieces they come in, and checks
// what a frame says of itself (RFC 9113 4 and 6: size, stream or connection); what it means is the owner's business.
// HEADERS and DATA go to readers of their own.
//
//   bytes -> frame header -> DATA: passed on in pieces, data-reader.ts
//                          | the rest, when all of it is there: HEADERS, CONTINUATION: header-block-reader.ts
//                                                             | owner.on<Type>

import { keepBytes } from '../../network/read-slab.ts';
import type { DataReader } from './data-reader.ts';
import {
  DEFAULT_MAX_FRAME_BYTES,
  ErrorCode,
  FRAME_HEADER_BYTES,
  FrameFlag,
  FrameType,
  readUint31,
  readUint32,
} from './frames.ts';
import type { HeaderBlockReader } from './header-block-reader.ts';

/** What it asks of the codec's connection. `bytes` are the reader's: whoever keeps some copies them. */
interface FrameReaderOwner {
  /** Nothing is read any more. */
  readonly isDone: boolean;
  onRstStream(id: number, code: number): void;
  /** The payload lies from `start` to `end`. */
  onSettings(bytes: Buffer, start: number, end: number): void;
  onSettingsAck(): void;
  /** `payload`: 8 bytes. */
  onPing(payload: Buffer): void;
  onPingAck(): void;
  /** `increment` may be 0, which is wrong. */
  onWindowUpdate(id: number, increment: number): void;
  onPriority(): void;
  onPeerGoaway(lastStreamId: number, code: number): void;
  connectionError(code: ErrorCode, details: string): void;
}

/** One per connection; see the file head. */
export class FrameReader {
  /** In the middle of read(). */
  isReading: boolean;
  readonly #owner: FrameReaderOwner;
  readonly #data: DataReader;
  readonly #blocks: HeaderBlockReader;
  /** An incomplete frame that is not DATA. */
  #partial: Buffer | null;

  constructor(owner: FrameReaderOwner, data: DataReader, blocks: HeaderBlockReader) {
    this.isReading = false;
    this.#owner = owner;
    this.#data = data;
    this.#blocks = blocks;
    this.#partial = null;
  }

  /** Bytes from the connection, behind the preface. */
  read(data: Buffer): void {
    this.isReading = true;
    try {
      this.#readFrames(data);
    } finally {
      this.isReading = false;
    }
  }

  /** The connection ends: no rest is waited for. */
  stop(): void {
    this.#partial = null;
  }

  #readFrames(data: Buffer): void {
    let bytes = data;
    const partial = this.#partial;
    if (partial !== null) {
      bytes = Buffer.concat([partial, data]);
      this.#partial = null;
    }
    let pos = this.#data.isInFrame() ? this.#data.read(bytes, 0) : 0;
    const end = bytes.length;
    while (pos < end && !this.#owner.isDone) {
      const next = this.#readFrame(bytes, pos, end);
      if (next === -1) {
        this.#partial = keepBytes(pos === 0 ? bytes : bytes.subarray(pos));
        return;
      }
      pos = next;
    }
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
      this.#owner.connectionError(ErrorCode.FrameSizeError, 'http2.frame_too_large');
      return end;
    }
    const blockId = this.#blocks.streamId;
    if (blockId !== 0 && (type !== FrameType.Continuation || id !== blockId)) {
      this.#owner.connectionError(ErrorCode.ProtocolError, 'http2.continuation_expected');
      return end;
    }
    if (type === FrameType.Data) return this.#data.begin(flags, id, length, bytes, start);
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
        this.#blocks.onHeaders(flags, id, bytes, start, end);
        break;
      case FrameType.Continuation:
        this.#blocks.onContinuation(flags, bytes, start, end);
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
        this.#onGoaway(id, bytes, start, end);
        break;
      case FrameType.Priority:
        this.#onPriority(id, bytes, start, end);
        break;
      case FrameType.PushPromise:
        this.#owner.connectionError(ErrorCode.ProtocolError, 'http2.push_promise');
        break;
      // RFC 9113 4.1: unknown types are ignored.
    }
  }

  #onWindowUpdate(id: number, bytes: Buffer, start: number, end: number): void {
    if (end - start === 4) this.#owner.onWindowUpdate(id, readUint31(bytes, start));
    else this.#owner.connectionError(ErrorCode.FrameSizeError, 'http2.bad_window_update_size');
  }

  #onRstStream(id: number, bytes: Buffer, start: number, end: number): void {
    if (end - start === 4) this.#owner.onRstStream(id, readUint32(bytes, start));
    else this.#owner.connectionError(ErrorCode.FrameSizeError, 'http2.bad_rst_stream_size');
  }

  #onSettings(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    const owner = this.#owner;
    if (id !== 0) owner.connectionError(ErrorCode.ProtocolError, 'http2.settings_on_stream');
    else if ((flags & FrameFlag.Ack) === 0) owner.onSettings(bytes, start, end);
    else if (end === start) owner.onSettingsAck();
    else owner.connectionError(ErrorCode.FrameSizeError, 'http2.bad_settings_size');
  }

  #onPing(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    const owner = this.#owner;
    if (id !== 0) owner.connectionError(ErrorCode.ProtocolError, 'http2.ping_on_stream');
    else if (end - start !== 8) {
      owner.connectionError(ErrorCode.FrameSizeError, 'http2.bad_ping_size');
    } else if ((flags & FrameFlag.Ack) !== 0) owner.onPingAck();
    else owner.onPing(bytes.subarray(start, end));
  }

  #onGoaway(id: number, bytes: Buffer, start: number, end: number): void {
    const owner = this.#owner;
    if (id !== 0) owner.connectionError(ErrorCode.ProtocolError, 'http2.goaway_on_stream');
    else if (end - start < 8) {
      owner.connectionError(ErrorCode.FrameSizeError, 'http2.bad_goaway_size');
    } else owner.onPeerGoaway(readUint31(bytes, start), readUint32(bytes, start + 4));
  }

  #onPriority(id: number, bytes: Buffer, start: number, end: number): void {
    const owner = this.#owner;
    if (id === 0) owner.connectionError(ErrorCode.ProtocolError, 'http2.priority_on_connection');
    else if (end - start !== 5) {
      owner.connectionError(ErrorCode.FrameSizeError, 'http2.bad_priority_size');
    } else if (readUint31(bytes, start) === id) {
      owner.connectionError(ErrorCode.ProtocolError, 'http2.priority_on_itself');
    } else owner.onPriority();
  }
}
