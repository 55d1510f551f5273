// Bounds what one read of an HTTP/2 connection does to the others, and what requests cost that are reset right behind
// their head: those over the bound begin in later turns, if they still exist then (http.max_requests_per_io_cycle).
// One per HTTP/2 connection; connection-manager asks.

import type { RequestDecoder } from '../api/codec.ts';
import type { RequestHeaders, Trailers } from '../api/headers.ts';
import { KeptPieces } from '../network/kept-pieces.ts';

/** A request as it is seen here. */
export interface DeferredRequest {
  /** Its turn has come. False = it was over before. */
  startDeferred(): boolean;
}

export class DeferredRequests {
  readonly #mostPerTurn: number;
  #startedInRead: number;
  /** Null = none waits. */
  #waiting: DeferredRequest[] | null;

  constructor(mostPerTurn: number) {
    // 0 would let no request begin; Envoy takes it for 1.
    this.#mostPerTurn = Math.max(1, mostPerTurn);
    this.#startedInRead = 0;
    this.#waiting = null;
  }

  /** Bytes of the connection are about to be read. */
  onRead(): void {
    this.#startedInRead = 0;
  }

  /** `isSuspect`: whatever the bound, this request waits for the next turn. */
  mustWait(request: DeferredRequest, isSuspect: boolean): boolean {
    const waiting = this.#waiting;
    if (waiting !== null) {
      // Behind the others: requests begin in their order.
      waiting.push(request);
      return true;
    }
    if (!isSuspect && this.#startedInRead++ < this.#mostPerTurn) return false;
    this.#waiting = [request];
    setImmediate(startSome, this);
    return true;
  }

  /** For startSome() below: a turn later. */
  startSome(): void {
    const waiting = this.#waiting ?? [];
    const most = this.#mostPerTurn;
    let started = 0;
    let at = 0;
    while (at < waiting.length && started < most) if (waiting[at++]!.startDeferred()) started++;
    if (at === waiting.length) {
      this.#waiting = null;
      return;
    }
    this.#waiting = waiting.slice(at);
    setImmediate(startSome, this);
  }
}

function startSome(requests: DeferredRequests): void {
  requests.startSome();
}

/** What came of a request while it waits. Its stream is read-disabled: little can follow the head. */
export class HeldRequest {
  readonly headers: RequestHeaders;
  /** Null = none came. */
  trailers: Trailers | null;
  readonly #body: KeptPieces;
  #endStream: boolean;

  constructor(headers: RequestHeaders, endStream: boolean) {
    this.headers = headers;
    this.trailers = null;
    this.#body = new KeptPieces();
    this.#endStream = endStream;
  }

  addData(data: Buffer, endStream: boolean): void {
    this.#body.add(data);
    this.#endStream = endStream;
  }

  isHeadAll(): boolean {
    return this.#endStream && this.#body.pieces.length === 0;
  }

  /** Passes on what came behind the head. */
  replay(to: RequestDecoder & { isFinished(): boolean }): void {
    const { pieces } = this.#body;
    const last = pieces.length - 1;
    for (let i = 0; i <= last && !to.isFinished(); i++) {
      to.decodeData(pieces[i]!, i === last && this.#endStream);
    }
    if (this.trailers !== null && !to.isFinished()) to.decodeTrailers(this.trailers);
  }
}
