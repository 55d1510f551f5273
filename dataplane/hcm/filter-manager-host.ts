// What a filter manager is made with and what it asks of the stream above it (active-stream implements it).

import type { Connection } from '../api/connection.ts';
import type { RequestHeaders, ResponseHeaders, Trailers } from '../api/headers.ts';
import type { HttpFilterConfig } from '../api/http-filter.ts';
import type { ResourceReference } from '../api/resource-compiler.ts';
import type { Route } from '../api/route.ts';
import type { StreamInfo } from '../api/stream-info.ts';
import type { LocalReplyRewriter } from './local-reply-rewrite.ts';

/** One entry of HCM's http_filters, compiled. */
export interface FilterEntry {
  /** Configured name: the key of per-route configs. */
  readonly name: string;
  readonly config: HttpFilterConfig;
  /** HttpFilter.disabled: takes part only where a route has a config for it. */
  readonly disabled: boolean;
}

/** What the filter manager asks of the stream. */
export interface FilterManagerHost {
  readonly connection: Connection;
  readonly streamInfo: StreamInfo;
  /** Code of ours threw: counted and logged. */
  reportBug(thrown: unknown): void;
  route(): Route | null;
  missingRoute(): ResourceReference | null;
  refreshRoute(): Route | null;
  clearRouteCache(): void;
  streamRandom(): number;
  /** Null until the request's head is known. */
  readonly requestHeaders: RequestHeaders | null;
  resetIdleTimer(): void;
  disarmRequestTimeout(): void;
  /** Null = local replies are sent as they are. */
  readonly localReplyRewriter: LocalReplyRewriter | null;
  /** A local reply of this status is about to be made. */
  onLocalReply(status: number): void;
  onRequestDataTooLarge(): void;
  onResponseDataTooLarge(): void;
  /** An internal redirect: this stream ends, another takes its place with the head as it is now. */
  recreateStream(status: number, body: readonly Buffer[]): void;
  /** The sinks of the encoder chain. */
  encode1xxHeaders(headers: ResponseHeaders): void;
  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void;
  encodeData(data: Buffer, endStream: boolean): void;
  encodeTrailers(trailers: Trailers): void;
  /** The last byte of the response left the chain. */
  onResponseComplete(): void;
  /** Abort: reset the codec's stream. */
  resetStream(): void;
  readDisableRequest(disable: boolean): void;
}
