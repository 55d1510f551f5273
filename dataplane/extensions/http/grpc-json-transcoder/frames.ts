// gRPC's message frames, written for requests and taken apart for responses, however their bytes are cut.

import { FRAME_HEADER_BYTES } from '../../_shared/grpc/frame-scanner.ts';
import { ByteQueue } from './byte-queue.ts';
import type { ByteWriter } from './byte-writer.ts';

/** Room for the header of a frame that is all the writer will hold. */
export function beginFrame(out: ByteWriter): void {
  out.reserve(FRAME_HEADER_BYTES);
  out.length = FRAME_HEADER_BYTES;
}

export function endFrame(out: ByteWriter): void {
  out.buffer[0] = 0;
  out.buffer.writeUInt32BE(out.length - FRAME_HEADER_BYTES, 1);
}

/** Collects the frames of one direction of a stream. Whoever feeds it keeps `bytes` in bounds. */
export class FrameReader {
  /** Flags of the message that `next` gave. */
  flags = 0;
  readonly #queue = new ByteQueue();
  /** Of the message that comes next; -1 = its header is not whole. */
  #length = -1;

  /** Of a frame that is not whole yet, its header included. */
  get bytes(): number {
    return this.#queue.length + (this.#length === -1 ? 0 : FRAME_HEADER_BYTES);
  }

  push(data: Buffer): void {
    this.#queue.push(data);
  }

  /** The next whole message, or null. */
  next(): Buffer | null {
    if (this.#length === -1) {
      if (this.#queue.length < FRAME_HEADER_BYTES) return null;
      const header = this.#queue.take(FRAME_HEADER_BYTES);
      this.flags = header[0]!;
      this.#length = header.readUInt32BE(1);
    }
    if (this.#queue.length < this.#length) return null;
    const message = this.#queue.take(this.#length);
    this.#length = -1;
    return message;
  }

  /** Why the body may not end here, or ''. */
  endError(): string {
    if (this.#length !== -1) {
      return `Incomplete gRPC frame expected size: ${this.#length} actual size: ${this.#queue.length}`;
    }
    return this.#queue.length === 0 ? '' : 'Incomplete gRPC frame header received';
  }
}
