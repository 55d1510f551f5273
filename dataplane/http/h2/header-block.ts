// Heads and trailers to HEADERS and CONTINUATION frames. Called by outbound.ts; names that belong to HTTP/1
// connections are left out by the HPACK encoder.

import type { HeaderFields } from '../../api/headers.ts';
import { type FrameWriter, MAX_RESERVE_BYTES } from './frame-writer.ts';
import { FRAME_HEADER_BYTES, FrameFlag, FrameType, writeFrameHeader } from './frames.ts';
import type { HpackEncoder } from './hpack/encoder.ts';

/** Room for the table size updates that a block may begin with, and for :status. */
const BLOCK_START_BYTES = 32;
/** Room that a field takes beside its characters. */
const FIELD_BYTES = 16;

/** One HEADERS frame, if it fits. Made once per connection; write() is called once per block. */
export class HeaderBlockWriter {
  readonly #writer: FrameWriter;
  readonly #encoder: HpackEncoder;
  /** Frames of the block that was written last. */
  frames: number;

  constructor(writer: FrameWriter, encoder: HpackEncoder) {
    this.#writer = writer;
    this.#encoder = encoder;
    this.frames = 0;
  }

  /**
   * `pseudo` = [name, value, ...] before the rest; `status` 0 = no :status; `neverIndexed` = names among `fields`.
   * Returns the bytes written.
   */
  write(
    streamId: number,
    endStream: boolean,
    status: number,
    pseudo: HeaderFields | null,
    fields: HeaderFields,
    neverIndexed: readonly string[] | null,
  ): number {
    const writer = this.#writer;
    const most = blockBytes(pseudo, fields);
    if (most > MAX_RESERVE_BYTES) {
      return this.#writeLarge(streamId, endStream, status, pseudo, fields, neverIndexed, most);
    }
    const at = writer.reserve(FRAME_HEADER_BYTES + most);
    const { memory } = writer;
    const start = at + FRAME_HEADER_BYTES;
    const end = this.#encode(memory, start, status, pseudo, fields, neverIndexed);
    const flags = FrameFlag.EndHeaders | (endStream ? FrameFlag.EndStream : 0);
    writeFrameHeader(memory, at, end - start, FrameType.Headers, flags, streamId);
    writer.commit(end);
    this.frames = 1;
    return end - at;
  }

  #encode(
    out: Buffer,
    start: number,
    status: number,
    pseudo: HeaderFields | null,
    fields: HeaderFields,
    neverIndexed: readonly string[] | null,
  ): number {
    const encoder = this.#encoder;
    let at = encoder.beginBlock(out, start);
    if (status !== 0) at = encoder.encodeStatus(out, at, status);
    if (pseudo !== null) {
      for (let i = 0; i < pseudo.length; i += 2) {
        at = encoder.encodeField(out, at, pseudo[i]!, pseudo[i + 1]!, false);
      }
    }
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i]!;
      const isSecret = neverIndexed?.includes(name) === true;
      at = encoder.encodeField(out, at, name, fields[i + 1]!, isSecret);
    }
    return at;
  }

  /** Frames of the size that every peer takes. */
  #writeLarge(
    streamId: number,
    endStream: boolean,
    status: number,
    pseudo: HeaderFields | null,
    fields: HeaderFields,
    neverIndexed: readonly string[] | null,
    most: number,
  ): number {
    const block = Buffer.allocUnsafeSlow(most);
    const length = this.#encode(block, 0, status, pseudo, fields, neverIndexed);
    this.frames = 0;
    let at = 0;
    do {
      const end = Math.min(length, at + MAX_RESERVE_BYTES);
      const type = at === 0 ? FrameType.Headers : FrameType.Continuation;
      let flags = end === length ? FrameFlag.EndHeaders : 0;
      if (at === 0 && endStream) flags |= FrameFlag.EndStream;
      this.#writer.frame(type, flags, streamId, block.subarray(at, end));
      this.frames++;
      at = end;
    } while (at < length);
    return length + this.frames * FRAME_HEADER_BYTES;
  }
}

function blockBytes(pseudo: HeaderFields | null, fields: HeaderFields): number {
  let bytes = BLOCK_START_BYTES;
  if (pseudo !== null) {
    for (let i = 0; i < pseudo.length; i++) bytes += pseudo[i]!.length + FIELD_BYTES / 2;
  }
  for (let i = 0; i < fields.length; i++) bytes += fields[i]!.length + FIELD_BYTES / 2;
  return bytes;
}
