// Where the messages of a gRPC body begin and end, however its bytes are cut. Used by the filters that count,
// encode or look for messages; keeps no bytes, and judges none: a flags byte may have any value.
//
//   | flags, 1 byte | length of the message, 4 bytes big-endian | message |   (PROTOCOL-HTTP2.md, Length-Prefixed-Message)

/** Bytes before each message. */
export const FRAME_HEADER_BYTES = 5;

/** One per direction of a stream. */
export class FrameScanner {
  /** Messages that have begun. */
  messages: number;
  #headerLeft: number;
  #length: number;
  /** Of the message, once its header is whole. */
  #bodyLeft: number;

  constructor() {
    this.messages = 0;
    this.#headerLeft = FRAME_HEADER_BYTES;
    this.#length = 0;
    this.#bodyLeft = 0;
  }

  /** Nothing, or whole messages only, went before. */
  get isBetweenMessages(): boolean {
    return this.#headerLeft === FRAME_HEADER_BYTES && this.#bodyLeft === 0;
  }

  /** Goes through all of `data`; returns how many messages begin in it. */
  scan(data: Buffer): number {
    const before = this.messages;
    for (let at = 0; at < data.length; ) at = this.advance(data, at);
    return this.messages - before;
  }

  /** Goes on at `from` to the end of that message or of `data`; returns where that is. */
  advance(data: Buffer, from: number): number {
    let at = from;
    if (this.#bodyLeft === 0) {
      while (this.#headerLeft > 0 && at < data.length) {
        if (this.#headerLeft === FRAME_HEADER_BYTES) this.messages++;
        // Multiplied, not shifted: lengths of 2 GiB and more stay positive.
        else this.#length = this.#length * 256 + data[at]!;
        this.#headerLeft--;
        at++;
      }
      if (this.#headerLeft > 0) return at;
      this.#bodyLeft = this.#length;
      this.#length = 0;
    }
    const taken = Math.min(this.#bodyLeft, data.length - at);
    this.#bodyLeft -= taken;
    if (this.#bodyLeft === 0) this.#headerLeft = FRAME_HEADER_BYTES;
    return at + taken;
  }
}

/** `flags` and length in front of a message, or of a gRPC-Web frame of trailers (flag 0x80). */
export function frameHeader(flags: number, messageBytes: number): Buffer {
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  header[0] = flags;
  header.writeUInt32BE(messageBytes, 1);
  return header;
}
