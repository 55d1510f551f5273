// The open streams of one connection, and how they leave: at their own end, reset by us, or all together. Keeps in
// mind which were reset. Who resets, and what it means for the connection, is decided elsewhere.
//
//   add -> open -> remove | reset: RST_STREAM | failAll -> stream.onRemoved -> owner.onStreamRemoved

import type { StreamResetReason } from '../../api/codec.ts';
import type { Http2CodecStats } from './codec-stats.ts';
import type { ErrorCode } from './frames.ts';
import type { ProtocolConstraints } from './protocol-constraints.ts';
import { ResetStreams } from './reset-streams.ts';
import type { Http2Stream } from './stream.ts';

/** What it asks of the codec's connection. */
interface StreamTableOwner {
  readonly stats: Http2CodecStats;
  readonly constraints: ProtocolConstraints;
  readonly outbound: { writeReset(id: number, code: ErrorCode): void };
  readonly scheduler: { remove(stream: Http2Stream): void };
  onStreamRemoved(): void;
}

/** One per connection; see the file head. */
export class StreamTable {
  readonly #owner: StreamTableOwner;
  readonly #streams: Map<number, Http2Stream>;
  readonly #resets: ResetStreams;

  constructor(owner: StreamTableOwner) {
    this.#owner = owner;
    this.#streams = new Map();
    this.#resets = new ResetStreams();
  }

  get size(): number {
    return this.#streams.size;
  }

  get(id: number): Http2Stream | undefined {
    return this.#streams.get(id);
  }

  /** Oldest first. A stream that ends meanwhile may be left out. */
  values(): Iterable<Http2Stream> {
    return this.#streams.values();
  }

  add(stream: Http2Stream): void {
    const { stats, constraints } = this.#owner;
    this.#streams.set(stream.id, stream);
    stats.streamsActive++;
    constraints.onStreamOpened();
  }

  /** Idempotent. */
  remove(stream: Http2Stream): void {
    if (stream.isClosed) return;
    const owner = this.#owner;
    this.#streams.delete(stream.id);
    owner.scheduler.remove(stream);
    owner.stats.streamsActive--;
    stream.onRemoved();
    owner.onStreamRemoved();
  }

  /** Ends `stream` from our side, telling the peer; the caller tells whoever is above. Idempotent. */
  reset(stream: Http2Stream, code: ErrorCode): void {
    if (stream.isClosed) return;
    this.refuse(stream.id, code);
    this.remove(stream);
  }

  /** Ends `stream` from our side because of what the peer did: tells both it and whoever is above. */
  breakOff(stream: Http2Stream, code: ErrorCode, reason: StreamResetReason, details: string): void {
    this.reset(stream, code);
    stream.fail(reason, details);
  }

  /** As reset, for a stream that never was in the table. */
  refuse(id: number, code: ErrorCode): void {
    this.#owner.stats.txReset++;
    this.#resets.add(id);
    this.#owner.outbound.writeReset(id, code);
  }

  /** What comes on `id` from now on was on its way before the peer knew that the stream has ended. */
  forgive(id: number): void {
    this.#resets.add(id);
  }

  /** See forgive; a stream that we reset is forgiven. */
  isForgiven(id: number): boolean {
    return this.#resets.has(id);
  }

  /** All that are open, oldest first; those above are told `reason`. */
  failAll(reason: StreamResetReason): void {
    for (const stream of [...this.#streams.values()]) {
      if (stream.isClosed) continue;
      this.remove(stream);
      stream.fail(reason, '');
    }
  }
}
