// Body that waits at a filter which stopped iteration. filter-manager makes one per direction when a filter
// first asks for it and forgets it when iteration goes on.

import { KeptPieces } from '../network/kept-pieces.ts';

export const BufferVerdict = {
  Fits: 0,
  /** Over the limit for the first time: pause the source until the buffer is taken. */
  Pause: 1,
  /** Over the limit, and the filter insists on the whole body. */
  TooLarge: 2,
} as const;
export type BufferVerdict = (typeof BufferVerdict)[keyof typeof BufferVerdict];

export class BodyBuffer {
  readonly chunks: Buffer[];
  /** The source was paused for this buffer. */
  isPaused: boolean;
  readonly #limitBytes: number;
  readonly #kept: KeptPieces;
  #bytes: number;

  /** 0 = no limit. */
  constructor(limitBytes: number) {
    this.#kept = new KeptPieces();
    this.chunks = this.#kept.pieces;
    this.isPaused = false;
    this.#limitBytes = limitBytes;
    this.#bytes = 0;
  }

  /** `isStreaming`: past the limit the source may be paused instead of the message refused. */
  add(data: Buffer, isStreaming: boolean): BufferVerdict {
    this.#kept.add(data);
    this.#bytes += data.length;
    const isOver = this.#limitBytes > 0 && this.#bytes > this.#limitBytes;
    if (!isOver || this.isPaused) return BufferVerdict.Fits;
    if (!isStreaming) return BufferVerdict.TooLarge;
    this.isPaused = true;
    return BufferVerdict.Pause;
  }
}
