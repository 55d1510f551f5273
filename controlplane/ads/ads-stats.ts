// Counters of the xDS server, plain fields; metrics.ts writes them out.

import type { XdsKind } from '../cache/kinds.ts';

/** Per type; types that were never seen are not in it. */
export class KindCounts {
  readonly #counts = new Map<XdsKind, number>();

  add(kind: XdsKind): void {
    this.#counts.set(kind, this.of(kind) + 1);
  }

  of(kind: XdsKind): number {
    return this.#counts.get(kind) ?? 0;
  }

  get total(): number {
    let total = 0;
    for (const count of this.#counts.values()) total += count;
    return total;
  }

  entries(): IterableIterator<[XdsKind, number]> {
    return this.#counts.entries();
  }
}

/** Upper bounds in seconds, as Prometheus wants them. */
const PUSH_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export class Histogram {
  readonly bounds: readonly number[] = PUSH_SECONDS;
  /** One more than bounds: the last is above all of them. */
  readonly counts: number[] = new Array<number>(PUSH_SECONDS.length + 1).fill(0);
  sum = 0;
  count = 0;

  observe(seconds: number): void {
    const at = this.bounds.findIndex((bound) => seconds <= bound);
    const slot = at < 0 ? this.bounds.length : at;
    this.counts[slot] = (this.counts[slot] ?? 0) + 1;
    this.sum += seconds;
    this.count++;
  }
}

export class AdsStats {
  /** Open now. */
  streamsActive = 0;
  streamsTotal = 0;
  /** Streams that wait for their turn to be admitted. */
  streamsWaiting = 0;
  /** Streams refused because there are too many, or too many wait. */
  overloadedTotal = 0;
  /** Peers that the authenticator refused. */
  refusedTotal = 0;
  /** Streams ended because the node asked for what it may not have. */
  deniedTotal = 0;
  /** Streams that we closed because the peer broke the protocol. */
  badRequestsTotal = 0;
  /** Requests whose nonce was not the last one sent. */
  staleNonceTotal = 0;
  /** Requests for types that we do not serve. */
  unknownTypeTotal = 0;
  /** Times that a stream's requests were not read for a while because there were too many. */
  throttledTotal = 0;
  /** Streams cut off because a response was not answered in time. */
  slowStreamsTotal = 0;
  /** Streams ended because of their age. */
  agedStreamsTotal = 0;
  sentBytesTotal = 0;
  /** Requests over REST, and those answered with 304. */
  fetchesTotal = 0;
  fetchesUnchangedTotal = 0;
  readonly responsesTotal = new KindCounts();
  readonly acksTotal = new KindCounts();
  readonly nacksTotal = new KindCounts();
  readonly heartbeatsTotal = new KindCounts();
  /** From a changed snapshot to the last answer of the pass that brought it to a stream. */
  readonly pushSeconds = new Histogram();
}
