// What the streams of both HTTP/1 codecs share: flow control, the end by reset or failure, and the switch to a
// tunnel. ServerStream and ClientStream extend it; both have the same shape from their constructor on.
//
//   message --startTunnel--> raw bytes both ways; the end of each direction is a FIN

import type { StreamCallbacks, StreamResetReason } from '../../api/codec.ts';
import type { Connection } from '../../api/connection.ts';
import { MessageWriter } from './message-writer.ts';

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
