// Bytes that wait, in pieces as they came, but for the small ones: a peer may send one byte at a time, and each piece
// costs a hundred more. Used wherever a body waits: for a window, a connection, a filter, another try.

import { keepBytes } from './read-slab.ts';

/** Of pieces up to this size several lie in one. */
const SMALL_BYTES = 512;
const TAIL_BYTES = 4096;

/** Its user may take pieces off the front, cut them there, and lend them to others. */
export class KeptPieces {
  /** Each is to be given back by letGo. */
  readonly pieces: Buffer[];
  /** Small ones are gathered here; null = there was none yet behind another. */
  #tail: Buffer | null = null;
  #tailBytes = 0;
  /** The piece that is the end of #tail. */
  #last: Buffer | null = null;

  /** Goes on behind `pieces`, which stay as they are. */
  constructor(pieces: Buffer[] = []) {
    this.pieces = pieces;
  }

  /** `data` is the caller's again when this returns. */
  add(data: Buffer): void {
    const { pieces } = this;
    const { length } = data;
    const last = pieces.at(-1);
    if (length > SMALL_BYTES || last === undefined || last.length > TAIL_BYTES - SMALL_BYTES) {
      pieces.push(keepBytes(data));
    } else if (last === this.#last && this.#tail !== null) this.#append(last, this.#tail, data);
    else this.#join(last, data);
  }

  /** `last` is where #tail ends; nobody has seen what lies behind. */
  #append(last: Buffer, tail: Buffer, data: Buffer): void {
    const end = this.#tailBytes + data.length;
    data.copy(tail, this.#tailBytes);
    this.#tailBytes = end;
    const joined = tail.subarray(end - data.length - last.length, end);
    this.#last = joined;
    this.pieces[this.pieces.length - 1] = joined;
  }

  /** A tail begins. */
  #join(last: Buffer, data: Buffer): void {
    if (last.length > SMALL_BYTES) {
      this.pieces.push(keepBytes(data));
      return;
    }
    const tail = Buffer.allocUnsafeSlow(TAIL_BYTES);
    last.copy(tail);
    this.#tail = tail;
    this.#tailBytes = last.length;
    this.#append(last, tail, data);
  }
}
