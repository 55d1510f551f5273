// Who may send when: the connection's send window, and the streams that wait for it in turns. Streams take from the
// window and put themselves on the list; the connection says what the peer gives.
//
//   [stream, stream, ...]  --window opens: 16 KiB of the first--> behind the last, if it has more

import { MAX_WINDOW_BYTES } from './frames.ts';

/** A blocked stream writes so much before the next one's turn. */
const TURN_BYTES = 16 * 1024;

/** A stream as far as sending goes. */
interface SendingStream {
  /** What the peer takes of this stream; below 0 after it made its windows smaller. */
  sendWindow: number;
  hasWaiting(): boolean;
  /** Writes up to `most` bytes of what waits, as far as both windows go. */
  writeWaiting(most: number): void;
}

/** One per connection; see the file head. */
export class SendScheduler {
  /** What the peer still takes on the whole connection. */
  window: number;
  /** Streams that have something to write and window of their own: they wait for the connection's. */
  readonly #blocked: Set<SendingStream>;

  constructor(window: number) {
    this.window = window;
    this.#blocked = new Set();
  }

  /** `stream` has something to write, and its own window is open. */
  addBlocked(stream: SendingStream): void {
    this.#blocked.add(stream);
  }

  /** Streams that have ended. */
  remove(stream: SendingStream): void {
    this.#blocked.delete(stream);
  }

  /** WINDOW_UPDATE of the connection. False = more than a window can be: a connection error. */
  widen(increment: number): boolean {
    this.window += increment;
    if (this.window > MAX_WINDOW_BYTES) return false;
    this.#writeBlocked();
    return true;
  }

  /** WINDOW_UPDATE of `stream`. False = more than a window can be: a stream error. */
  widenStream(stream: SendingStream, increment: number): boolean {
    stream.sendWindow += increment;
    if (stream.sendWindow > MAX_WINDOW_BYTES) return false;
    if (!stream.hasWaiting()) return true;
    stream.writeWaiting(Number.POSITIVE_INFINITY);
    if (stream.hasWaiting() && stream.sendWindow > 0) this.#blocked.add(stream);
    else this.#blocked.delete(stream);
    return true;
  }

  /**
   * RFC 9113 6.9.2: open streams change by the difference, below 0 if need be. False = more than a window can be: a
   * connection error.
   */
  changeWindows(streams: Iterable<SendingStream>, delta: number): boolean {
    for (const stream of streams) {
      stream.sendWindow += delta;
      if (stream.sendWindow > MAX_WINDOW_BYTES) return false;
      if (stream.hasWaiting() && stream.sendWindow > 0) this.#blocked.add(stream);
    }
    if (delta > 0) this.#writeBlocked();
    return true;
  }

  /** In turns, so that one large body does not take all that the peer gives: who had its turn is the last. */
  #writeBlocked(): void {
    for (const stream of this.#blocked) {
      if (this.window <= 0) return;
      this.#blocked.delete(stream);
      stream.writeWaiting(TURN_BYTES);
      if (stream.hasWaiting() && stream.sendWindow > 0) this.#blocked.add(stream);
    }
  }
}
