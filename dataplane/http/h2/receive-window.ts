// The connection's receive window: credit goes back when bytes arrive, not when they are consumed, so that one
// stream which nobody reads cannot starve the others; only what such streams hold altogether is bounded.
//
//   size = initial_connection_window_size; at most 2 x size lie in streams that are not read

export class ReceiveWindow {
  readonly #size: number;
  #left: number;
  /** Received, and the peer has not been told that it may send as much again. */
  #owed: number;
  /** Received by streams that are not read. */
  #held: number;

  constructor(size: number) {
    this.#size = size;
    this.#left = size;
    this.#owed = 0;
    this.#held = 0;
  }

  /** `bytes` of DATA came, padding included. False = more than was allowed. */
  receive(bytes: number): boolean {
    this.#left -= bytes;
    this.#owed += bytes;
    return this.#left >= 0;
  }

  hold(bytes: number): void {
    this.#held += bytes;
  }

  release(bytes: number): void {
    this.#held -= bytes;
  }

  /** The increment that the peer is to be told of now; 0 = none. */
  takeCredit(): number {
    const credit = this.#owed;
    if (credit < this.#size / 2 || this.#held > this.#size) return 0;
    this.#owed = 0;
    this.#left += credit;
    return credit;
  }
}
