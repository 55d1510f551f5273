// Requests of our own: through a cluster, with no client behind them (mirrored requests; questions that filters ask
// other services). Implemented by router/async-client.ts.

import type { ResponseDecoder } from './codec.ts';
import type { RequestHeaders, Trailers } from './headers.ts';

/** One per router configuration; its requests count below `http.async-client.`. */
export interface AsyncClient {
  /**
   * Sends `headers`, which are the client's from now on; x-envoy-internal and x-forwarded-for are added. Null: there is
   * no such cluster, nothing was sent and nobody is told. The answer may come before this returns.
   */
  start(
    headers: RequestHeaders,
    endStream: boolean,
    options: AsyncRequestOptions,
  ): AsyncRequest | null;
}

export interface AsyncRequestOptions {
  readonly cluster: string;
  /** From the end of the request to the end of the response; 0 = none. */
  readonly timeoutMs: number;
  /** What may wait for the upstream before sendData complains. */
  readonly bufferLimitBytes: number;
  /** Null = the answer is dropped. */
  readonly observer: AsyncObserver | null;
}

/** Gets one answer: the upstream's, or what the router says in its place (503, 504). */
export interface AsyncObserver extends Omit<ResponseDecoder, 'decode1xxHeaders'> {
  /** The answer had begun and will not end. */
  onReset(): void;
}

export interface AsyncRequest {
  /** False = not taken: more than bufferLimitBytes wait for an upstream that does not read. Wait, or give up. */
  sendData(data: Buffer, endStream: boolean): boolean;
  /** Ends the request. */
  sendTrailers(trailers: Trailers): void;
  /** Nobody is told. Harmless when it is over. */
  cancel(): void;
}
