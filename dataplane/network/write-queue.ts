// What a connection was given to write and the kernel has not taken: gathered while the turn lasts, then handed to
// the handle in one call; behind a write in flight the next one is gathered. Used by connection.ts, which says when.
//
//   add -> | chunks | late | text |  --writeTo--> | in flight |  --onWritten--> gone
//
// It keeps the slabs that chunks lie in from being read into until then.

import { KeptPieces } from './kept-pieces.ts';
import { liesInSharedSlab, type ReadSlab, slabOf } from './read-slab.ts';
import {
  type StreamHandle,
  type WriteOwner,
  writeBuffer,
  writeBuffers,
  writeText,
} from './stream-handle.ts';

/** A buffer up to this size behind a string is appended to it: one write beats one writev. */
const JOIN_BYTES = 4 * 1024;
/** What waits behind a write in flight: small pieces are put together, text is flattened when there is so much. */
const LATE_PIECE_BYTES = 512;
const LATE_TEXT_BYTES = 16 * 1024;
/** So many slabs are held behind it, before what lies in them is copied: a copy costs more than a hold. */
const LATE_SLABS = 8;

/** One per connection; see the file head. Only the connection changes it. */
export class WriteQueue {
  /** Added and not given to the handle. */
  pendingBytes: number;
  /** Given to the handle in one write that is not done; what comes meanwhile is gathered behind it. */
  inFlightBytes: number;
  readonly #owner: WriteOwner;
  /** Pending: #chunks, then #text. */
  #text: string;
  #chunks: Buffer[];
  /** Adds to #chunks while a write is in flight. */
  #late: KeptPieces | null;
  /** Slabs that #chunks lie in, and those of the write in flight. */
  #pendingSlabs: ReadSlab[] | null;
  #inFlightSlabs: ReadSlab[] | null;

  /** `owner` is told by the handle of the end of each write in flight, and calls onWritten. */
  constructor(owner: WriteOwner) {
    this.pendingBytes = 0;
    this.inFlightBytes = 0;
    this.#owner = owner;
    this.#text = '';
    this.#chunks = [];
    this.#late = null;
    this.#pendingSlabs = null;
    this.#inFlightSlabs = null;
  }

  /** Pending and in flight: what watermarks count. */
  heldBytes(): number {
    return this.pendingBytes + this.inFlightBytes;
  }

  /** Of what is in flight, as far as the handle tells. */
  unwrittenBytes(handle: StreamHandle | null): number {
    if (this.inFlightBytes === 0 || handle === null) return 0;
    return Math.min(this.inFlightBytes, handle.writeQueueSize);
  }

  /** `data` is not empty; a string holds latin1. A buffer is the queue's, but one in the shared slab is copied. */
  add(data: Buffer | string): void {
    const { length } = data;
    if (typeof data === 'string') this.#text += data;
    else if (length <= JOIN_BYTES && this.#text.length > 0) {
      this.#text += data.toString('latin1');
    } else this.#addBuffer(data);
    this.pendingBytes += length;
    if (this.inFlightBytes > 0 && this.#text.length >= LATE_TEXT_BYTES) this.#textToChunk();
  }

  #addBuffer(data: Buffer): void {
    if (this.#text.length > 0) this.#textToChunk();
    if (this.inFlightBytes > 0 && this.#isSmallPiece(data)) {
      this.#late ??= new KeptPieces(this.#chunks);
      this.#late.add(data);
      return;
    }
    this.#chunks.push(liesInSharedSlab(data) ? Buffer.from(data) : data);
    // Until it is written: the writer may be done with its slab before our turn to flush comes.
    this.#pendingSlabs = holdSlabOf(data, this.#pendingSlabs);
  }

  /** It may wait for long: what it lies in should not wait with it. */
  #isSmallPiece(data: Buffer): boolean {
    const { length } = data;
    if (length <= LATE_PIECE_BYTES) return true;
    const slabs = this.#pendingSlabs;
    if (slabs === null || slabs.length < LATE_SLABS) return false;
    return slabOf(data)?.isWastedOn(length) === true;
  }

  /**
   * Hands everything pending to the kernel in one call; only while nothing is in flight. Returns 0 = it took it all,
   * a negative errno = nothing more can be written, 1 = the write is in flight.
   */
  writeTo(handle: StreamHandle): number {
    const bytes = this.pendingBytes;
    this.pendingBytes = 0;
    this.#late = null;
    const outcome = this.#chunks.length === 0 ? this.#writeText(handle) : this.#writeChunks(handle);
    if (outcome > 0) this.inFlightBytes = bytes;
    return outcome;
  }

  #writeText(handle: StreamHandle): number {
    const text = this.#text;
    this.#text = '';
    return writeText(handle, text, this.#owner, null);
  }

  #writeChunks(handle: StreamHandle): number {
    const chunks = this.#chunks;
    if (this.#text !== '') this.#textToChunk();
    const outcome =
      chunks.length === 1
        ? writeBuffer(handle, chunks[0]!, this.#owner, chunks)
        : writeBuffers(handle, chunks, this.#owner, chunks);
    if (outcome > 0) {
      for (let i = 0; i < chunks.length; i++) {
        this.#inFlightSlabs = holdSlabOf(chunks[i]!, this.#inFlightSlabs);
      }
      this.#chunks = [];
    } else chunks.length = 0;
    this.#pendingSlabs = releaseSlabs(this.#pendingSlabs);
    return outcome;
  }

  /** The write in flight is done, or given up. */
  onWritten(): void {
    this.inFlightBytes = 0;
    this.#inFlightSlabs = releaseSlabs(this.#inFlightSlabs);
  }

  /** The connection has ended: nothing more goes to the handle. What is in flight stays until onWritten. */
  clear(): void {
    this.#text = '';
    this.#chunks = [];
    this.#late = null;
    this.pendingBytes = 0;
    this.#pendingSlabs = releaseSlabs(this.#pendingSlabs);
  }

  #textToChunk(): void {
    this.#chunks.push(Buffer.from(this.#text, 'latin1'));
    this.#text = '';
  }
}

function holdSlabOf(data: Buffer, held: ReadSlab[] | null): ReadSlab[] | null {
  const slab = slabOf(data);
  if (slab === null) return held;
  slab.hold();
  if (held === null) return [slab];
  held.push(slab);
  return held;
}

/** Returns what stands in the place of the list then. */
function releaseSlabs(held: ReadSlab[] | null): null {
  if (held !== null) for (let i = 0; i < held.length; i++) held[i]!.release();
  return null;
}
