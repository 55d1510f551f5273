// The HTTP filter contract, after Envoy's envoy/http/filter.h. A filter is created per stream by its
// config's `createFilter`; hcm/filter-manager owns iteration and buffering, filters own neither.
// Read hcm/filter-manager.ts next, then extensions/http/header-mutation for a small example.

import type { Connection } from './connection.ts';
import type { RequestHeaders, ResponseHeaders, Trailers } from './headers.ts';
import type { OverrideHost } from './load-balancing.ts';
import type { ResourceReference } from './resource-compiler.ts';
import type { Route } from './route.ts';
import type { StreamInfo } from './stream-info.ts';

/** What a filter says about a head. */
export const FilterHeadersStatus = {
  /** Go on to the next filter. */
  Continue: 0,
  /** Stop here; body still comes to this filter's decodeData/encodeData. Resume by continueDecoding. */
  StopIteration: 1,
  /** Stop here and buffer body and trailers (413 / 500 past the limit) until continueDecoding. */
  StopAllIterationAndBuffer: 3,
  /** The same, but at the limit the source is read-disabled instead of an error. */
  StopAllIterationAndWatermark: 4,
} as const;
export type FilterHeadersStatus = (typeof FilterHeadersStatus)[keyof typeof FilterHeadersStatus];

/** What a filter says about a piece of body. */
export const FilterDataStatus = {
  /** Pass it on (with what was buffered before). If headers were stopped, they go first. */
  Continue: 0,
  /** Keep it in the manager's buffer; past the limit 413 (request) or 500 (response). */
  StopIterationAndBuffer: 1,
  /** Keep it; past the limit read-disable the source. */
  StopIterationAndWatermark: 2,
  /** Drop it from the manager's view: the filter has taken it. */
  StopIterationNoBuffer: 3,
} as const;
export type FilterDataStatus = (typeof FilterDataStatus)[keyof typeof FilterDataStatus];

export const FilterTrailersStatus = { Continue: 0, StopIteration: 1 } as const;
export type FilterTrailersStatus = (typeof FilterTrailersStatus)[keyof typeof FilterTrailersStatus];

/** Changes a local reply's head before it is encoded; a plain function, or null. */
export type ModifyHeaders = (headers: ResponseHeaders) => void;

/** What both directions' callbacks offer. Every method may be called until onDestroy. */
export interface StreamFilterCallbacks {
  readonly connection: Connection;
  readonly streamInfo: StreamInfo;
  /** The route of this stream: chosen at first use, then cached. Null = nothing matched. */
  route(): Route | null;
  /** Forget the cached route, after a filter changed what it was chosen by. */
  clearRouteCache(): void;
  /**
   * This filter's config for this route, most specific first (weighted cluster, route, virtual host,
   * route configuration), as its `createRouteConfig` made it; null = none.
   */
  routeSpecificConfig(): unknown;
  /** The same of every level that has one, most specific first. */
  allRouteSpecificConfigs(): readonly unknown[];
  /** Abort: downstream is reset if a response began, upstream request is dropped. */
  resetStream(): void;
  /** 64-bit-safe random for this stream, the same at every call (weighted clusters, fractions). */
  streamRandom(): number;
}

export interface StreamDecoderFilterCallbacks extends StreamFilterCallbacks {
  /** What may be asked for when there is no route; null = nothing, it is not to be had. */
  missingRoute(): ResourceReference | null;
  /** Looks for the route again, after it was asked for: its timeouts hold from now on. */
  refreshRoute(): Route | null;
  /** Resume after a Stop status. Not from inside decodeHeaders/Data/Trailers: return Continue there. */
  continueDecoding(): void;
  /**
   * Answers the client from here: the response runs through all encoder filters. A gRPC request gets
   * a trailers-only answer with the mapped grpc-status. `details` = RESPONSE_CODE_DETAILS.
   * `grpcStatus`: what a gRPC client is told, default by `status`.
   * After response headers were sent, it resets the stream instead.
   */
  sendLocalReply(
    status: number,
    body: string,
    modify: ModifyHeaders | null,
    details: string,
    grpcStatus?: number,
  ): void;
  /**
   * An internal redirect, by the terminal filter: this stream ends, logged with `response`, and another one begins
   * with the request's head as it is now and `body` (the caller's again when this returns). The request must be whole.
   */
  recreateStream(response: ResponseHeaders, body: readonly Buffer[]): void;
  /** A response from the terminal filter (router). */
  encode1xxHeaders(headers: ResponseHeaders): void;
  encodeHeaders(headers: ResponseHeaders, endStream: boolean, details: string): void;
  encodeData(data: Buffer, endStream: boolean): void;
  encodeTrailers(trailers: Trailers): void;
  /** Body buffered so far by Stop...Buffer statuses, in order; empty when none. */
  decodingBuffer(): readonly Buffer[];
  /** Adds body in front of what is still to come (used by filters that took it). */
  addDecodedData(data: Buffer): void;
  /** From inside decodeData, at most once: these bytes (none only at the end) go on in place of its piece. */
  replaceDecodedData(data: Buffer): void;
  /** The terminal filter's sink is full / writable again: the manager read-disables the client. */
  onDecoderFilterAboveWriteBufferHighWatermark(): void;
  onDecoderFilterBelowWriteBufferLowWatermark(): void;
  /** Told when the client cannot take more response (router read-disables upstream). */
  addDownstreamWatermarkCallbacks(callbacks: DownstreamWatermarkCallbacks): void;
  /** Bytes that may be buffered for this stream; the router lowers it by route config. */
  decoderBufferLimit(): number;
  /** The host that the request should go to, before any load balancing. */
  setUpstreamOverrideHost(host: OverrideHost): void;
  /** Null = nobody has set one. */
  upstreamOverrideHost(): OverrideHost | null;
}

export interface DownstreamWatermarkCallbacks {
  onAboveWriteBufferHighWatermark(): void;
  onBelowWriteBufferLowWatermark(): void;
}

export interface StreamEncoderFilterCallbacks extends StreamFilterCallbacks {
  continueEncoding(): void;
  encodingBuffer(): readonly Buffer[];
  addEncodedData(data: Buffer): void;
  /** From inside encodeData, at most once: these bytes (none only at the end) go on in place of its piece. */
  replaceEncodedData(data: Buffer): void;
  /** Replaces the response that is being encoded (only before its headers were sent on). */
  sendLocalReply(
    status: number,
    body: string,
    modify: ModifyHeaders | null,
    details: string,
    grpcStatus?: number,
  ): void;
}

/** Request path. Order of calls: decodeHeaders, decodeData*, [decodeTrailers], ..., onDestroy. */
export interface StreamDecoderFilter {
  setDecoderFilterCallbacks(callbacks: StreamDecoderFilterCallbacks): void;
  decodeHeaders(headers: RequestHeaders, endStream: boolean): FilterHeadersStatus;
  decodeData(data: Buffer, endStream: boolean): FilterDataStatus;
  decodeTrailers(trailers: Trailers): FilterTrailersStatus;
  /** The stream is over (also by reset): cancel timers and upstream work; no callbacks after it. */
  onDestroy(): void;
}

/** Response path, called in reverse order of the chain. */
export interface StreamEncoderFilter {
  setEncoderFilterCallbacks(callbacks: StreamEncoderFilterCallbacks): void;
  encodeHeaders(headers: ResponseHeaders, endStream: boolean): FilterHeadersStatus;
  encodeData(data: Buffer, endStream: boolean): FilterDataStatus;
  encodeTrailers(trailers: Trailers): FilterTrailersStatus;
  onDestroy(): void;
}

/** What one filter config puts into a stream's chain; null = not in that direction. */
export interface StreamFilter {
  readonly decoder: StreamDecoderFilter | null;
  readonly encoder: StreamEncoderFilter | null;
}

/** A filter's runtime config: immutable, shared by all streams of one listener in one worker. */
export interface HttpFilterConfig {
  createFilter(): StreamFilter;
  /** Once, when its filter chain is gone with its last stream: gives back stats, subscriptions, timers. */
  dispose?(): void;
}
