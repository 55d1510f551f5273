// What the streams of both HTTP/1 codecs share: flow control, the end by reset or failure, and the switch to a
// tunnel. ServerStream and ClientStream extend it; both have the same shape from their constructor on.
//
//   message --startTunnel--> raw bytes both ways; the end of each direction is a FIN

import type { StreamCallbacks, StreamResetReason } from '../../api/codec.ts';
import type { Connection } from '../../api/connection.ts';
import { type BodyDecoder, BodyEvent } from './body-decoder.ts';
import { MessageWriter } from './message-writer.ts';

/** Chunks up to this size are moved together. */
const JOIN_BYTES = 1024;

/** See the file head. */
export abstract class Http1Stream {
  callbacks: StreamCallbacks | null;
  /** As far as their framing tells; the request of a tunnel ends with the tunnel's direction. */
  requestComplete: boolean;
  /** The final response's head is through. */
  responseStarted: boolean;
  responseComplete: boolean;
  /** Bytes after the response's head belong to another protocol. */
  isTunnel: boolean;
  received: number;
  protected isReset: boolean;
  protected readonly writer: MessageWriter;
  readonly #connection: Connection;
  #readDisableCount: number;

  constructor(connection: Connection) {
    this.callbacks = null;
    this.requestComplete = false;
    this.responseStarted = false;
    this.responseComplete = false;
    this.isTunnel = false;
    this.received = 0;
    this.isReset = false;
    this.writer = new MessageWriter(connection);
    this.#connection = connection;
    this.#readDisableCount = 0;
  }

  abstract resetStream(reason: StreamResetReason): void;

  setCallbacks(callbacks: StreamCallbacks): void {
    this.callbacks = callbacks;
  }

  /** Both directions are open, and a FIN ends only its own. */
  startTunnel(): void {
    this.isTunnel = true;
    this.requestComplete = false;
    this.writer.startTunnel();
    this.#connection.enableHalfClose(true);
  }

  /** A piece of body that is not the last, for whoever is above. */
  protected abstract passOn(data: Buffer): void;

  /**
   * Reads as much of the body as `bytes` has from `start` on and gives it up in as few pieces as it can: data that
   * is followed by the end stays behind as [body.dataStart, body.dataEnd), to go up with endStream, and small
   * chunks are moved together (a megabyte in 1-byte chunks must not become a million events; reliability row
   * H1-29). Never returns Data. body.position = where it stopped; everything, when the stream ended meanwhile.
   */
  readBody(body: BodyDecoder, bytes: Buffer, start: number): Exclude<BodyEvent, 1> {
    let pos = start;
    let dataStart = 0;
    let dataEnd = 0;
    for (;;) {
      const event = body.next(bytes, pos);
      this.received += body.position - pos;
      pos = body.position;
      if (event === BodyEvent.Data) {
        const length = body.dataEnd - body.dataStart;
        if (dataEnd === dataStart) {
          dataStart = body.dataStart;
          dataEnd = body.dataEnd;
        } else if (length <= JOIN_BYTES) {
          bytes.copyWithin(dataEnd, body.dataStart, body.dataEnd);
          dataEnd += length;
        } else {
          this.passOn(bytes.subarray(dataStart, dataEnd));
          dataStart = body.dataStart;
          dataEnd = body.dataEnd;
          if (this.isReset) {
            body.position = bytes.length;
            return BodyEvent.NeedMore;
          }
        }
        continue;
      }
      if (event === BodyEvent.NeedMore || event === BodyEvent.Error) {
        if (dataEnd > dataStart) this.passOn(bytes.subarray(dataStart, dataEnd));
      } else {
        body.dataStart = dataStart;
        body.dataEnd = dataEnd;
      }
      return event;
    }
  }

  /** The connection: the stream is over, tell nobody any more. */
  detach(): void {
    this.isReset = true;
    // Gives back what readDisable took: a stream must not leave its connection deaf.
    for (; this.#readDisableCount > 0; this.#readDisableCount--) {
      this.#connection.readDisable(false);
    }
  }

  /** The connection: the transport or the codec ended the stream; tells whoever is above. */
  fail(reason: StreamResetReason, details: string): void {
    if (this.isReset) return;
    this.detach();
    this.callbacks?.onResetStream(reason, details);
  }

  readDisable(disable: boolean): void {
    if (this.isReset) return;
    if (!disable && this.#readDisableCount === 0) return;
    this.#readDisableCount += disable ? 1 : -1;
    this.#connection.readDisable(disable);
  }

  bytesSent(): number {
    return this.writer.bytes;
  }

  bytesReceived(): number {
    return this.received;
  }
}
