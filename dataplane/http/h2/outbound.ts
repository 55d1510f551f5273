// All frames that one connection writes, and the watch over a peer that makes us write more than it takes. Streams
// write heads and bodies through it, the connection and its keepalive the rest. It decides nothing: whoever writes
// knows that the windows have room, and the connection ends itself when told of a flood.
//
//   write* -> FrameWriter -> Connection
//      '----> too many wait? --at the end of the turn, still?--> owner.onOutboundFlood

import type { Http2Data } from '../../api/config/http2.ts';
import type { Connection } from '../../api/connection.ts';
import type { HeaderFields } from '../../api/headers.ts';
import { FrameWriter } from './frame-writer.ts';
import {
  type ErrorCode,
  FRAME_HEADER_BYTES,
  FrameFlag,
  FrameType,
  writeFrameHeader,
  writeUint32,
} from './frames.ts';
import { HeaderBlockWriter } from './header-block.ts';
import { HpackEncoder } from './hpack/encoder.ts';
import { Flood, type ProtocolConstraints } from './protocol-constraints.ts';

const EMPTY = Buffer.alloc(0);

/** What it asks of the codec's connection. */
interface OutboundOwner {
  readonly connection: Connection;
  readonly settings: Http2Data;
  readonly constraints: ProtocolConstraints;
  /** What is written now answers frames of a client that are just being read. */
  isAnsweringClient(): boolean;
  /** The peer does not take what it makes us write. In a tick of its own. */
  onOutboundFlood(flood: Flood): void;
}

/** One per connection; see the file head. */
export class Outbound {
  readonly #owner: OutboundOwner;
  readonly #constraints: ProtocolConstraints;
  readonly #writer: FrameWriter;
  readonly #encoder: HpackEncoder;
  readonly #blockWriter: HeaderBlockWriter;
  /** Seen, and not judged yet: that happens at the end of the turn. */
  #floodSeen: Flood;
  /** Of answers to the client's own frames. */
  #isClientsFlood: boolean;

  constructor(owner: OutboundOwner) {
    const { hpackTableSize, huffman } = owner.settings;
    this.#owner = owner;
    this.#constraints = owner.constraints;
    this.#writer = new FrameWriter(owner.connection);
    this.#encoder = new HpackEncoder(hpackTableSize, huffman);
    this.#blockWriter = new HeaderBlockWriter(this.#writer, this.#encoder);
    this.#floodSeen = Flood.None;
    this.#isClientsFlood = false;
  }

  /** Gives the connection the frames that are gathered, before it is closed. */
  flush(): void {
    this.#writer.flush();
  }

  /** RFC 7541 4.2: the next block tells both, the least that it was meanwhile and what it is now. */
  setPeerTableSize(leastBytes: number, bytes: number): void {
    this.#encoder.setPeerTableSize(leastBytes);
    this.#encoder.setPeerTableSize(bytes);
  }

  /** Bytes written. See HeaderBlockWriter.write. */
  writeHead(
    id: number,
    endStream: boolean,
    status: number,
    pseudo: HeaderFields | null,
    fields: HeaderFields,
    neverIndexed: readonly string[] | null,
  ): number {
    const block = this.#blockWriter;
    const bytes = block.write(id, endStream, status, pseudo, fields, neverIndexed);
    for (let i = 0; i < block.frames; i++) this.#count(false);
    return bytes;
  }

  /** At most a frame's payload, for which both windows have room. Bytes written. */
  writeData(id: number, payload: Buffer, endStream: boolean): number {
    this.#writer.frame(FrameType.Data, endStream ? FrameFlag.EndStream : 0, id, payload);
    this.#constraints.onDataFrameSent();
    this.#count(false);
    return payload.length + FRAME_HEADER_BYTES;
  }

  /** `id` 0 = the connection's window. */
  writeWindowUpdate(id: number, increment: number): void {
    this.#writeNumber(FrameType.WindowUpdate, id, increment);
  }

  writeReset(id: number, code: ErrorCode): void {
    this.#writeNumber(FrameType.RstStream, id, code);
  }

  #writeNumber(type: number, id: number, value: number): void {
    const writer = this.#writer;
    const at = writer.reserve(FRAME_HEADER_BYTES + 4);
    const start = writeFrameHeader(writer.memory, at, 4, type, 0, id);
    writer.commit(writeUint32(writer.memory, start, value));
    this.#count(type === FrameType.RstStream);
  }

  /** `payload`: 8 bytes, as for writePingAck. */
  writePing(payload: Buffer): void {
    this.#writer.frame(FrameType.Ping, 0, 0, payload);
    this.#count(true);
  }

  writePingAck(payload: Buffer): void {
    this.#writer.frame(FrameType.Ping, FrameFlag.Ack, 0, payload);
    this.#count(true);
  }

  /** Ours, which nobody asked for: not counted. */
  writeSettings(payload: Buffer): void {
    this.#writer.frame(FrameType.Settings, 0, 0, payload);
  }

  writeSettingsAck(): void {
    this.#writer.frame(FrameType.Settings, FrameFlag.Ack, 0, EMPTY);
    this.#count(true);
  }

  /** Not counted: few are written. */
  writeGoaway(lastStreamId: number, code: ErrorCode): void {
    const payload = Buffer.alloc(8);
    writeUint32(payload, 0, lastStreamId);
    writeUint32(payload, 4, code);
    this.#writer.frame(FrameType.Goaway, 0, 0, payload);
  }

  #count(isControl: boolean): void {
    if (!this.#constraints.onOutboundFrame(isControl, this.#writer.bytes)) return;
    if (this.#floodSeen !== Flood.None) return;
    const flood = this.#check();
    if (flood === Flood.None) return;
    this.#floodSeen = flood;
    this.#isClientsFlood = flood === Flood.OutboundControl && this.#owner.isAnsweringClient();
    // Whoever writes is in the middle of something.
    process.nextTick(judgeFlood, this);
  }

  #check(): Flood {
    const writer = this.#writer;
    const waiting = writer.gatheredBytes() + this.#owner.connection.writeBufferedBytes();
    return this.#constraints.checkOutbound(writer.bytes, waiting);
  }

  /**
   * What was written in that turn has been given to the kernel. If that took it, there is no flood, but for answers
   * to a client that asks for very many at once.
   */
  judgeFlood(): void {
    const flood = this.#isClientsFlood ? this.#floodSeen : this.#check();
    this.#floodSeen = Flood.None;
    if (flood !== Flood.None) this.#owner.onOutboundFlood(flood);
  }
}

function judgeFlood(outbound: Outbound): void {
  outbound.judgeFlood();
}
