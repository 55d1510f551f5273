// One HTTP filter of one stream: the filter's two halves, how far iteration got at them, and the callbacks
// object that they are given. filter-manager owns the state and drives it; this class only holds and forwards.

import type { Connection } from '../api/connection.ts';
import type { ResponseHeaders, Trailers } from '../api/headers.ts';
import type {
  DownstreamWatermarkCallbacks,
  ModifyHeaders,
  StreamDecoderFilter,
  StreamDecoderFilterCallbacks,
  StreamEncoderFilter,
  StreamEncoderFilterCallbacks,
  StreamFilter,
} from '../api/http-filter.ts';
import type { OverrideHost } from '../api/load-balancing.ts';
import type { ResourceReference } from '../api/resource-compiler.ts';
import type { Route } from '../api/route.ts';
import type { StreamInfo } from '../api/stream-info.ts';

/** Where iteration stands at one filter, per direction. */
export const IterationState = {
  Continue: 0,
  /** Stopped after headers or body: this filter still gets what comes. */
  StopSingle: 1,
  /** Stopped for everything: what comes is buffered before this filter. */
  StopAllBuffer: 2,
  StopAllWatermark: 3,
} as const;
export type IterationState = (typeof IterationState)[keyof typeof IterationState];

const NO_CONFIGS: readonly unknown[] = [];

/** What a filter's callbacks ask of the filter manager. */
export interface FilterIteration {
  readonly connection: Connection;
  readonly streamInfo: StreamInfo;
  route(): Route | null;
  missingRoute(): ResourceReference | null;
  refreshRoute(): Route | null;
  clearRouteCache(): void;
  resetStream(): void;
  streamRandom(): number;
  sendLocalReply(
    status: number,
    body: string,
    modify: ModifyHeaders | null,
    details: string,
    grpcStatus?: number,
  ): void;
  continueDecoding(filter: ActiveStreamFilter): void;
  continueEncoding(filter: ActiveStreamFilter): void;
  addDecodedData(filter: ActiveStreamFilter, data: Buffer): void;
  addEncodedData(filter: ActiveStreamFilter, data: Buffer): void;
  replaceDecodedData(data: Buffer): void;
  replaceEncodedData(data: Buffer): void;
  decodingBuffer(): readonly Buffer[];
  encodingBuffer(): readonly Buffer[];
  recreateStream(response: ResponseHeaders, body: readonly Buffer[]): void;
  encode1xxHeaders(headers: ResponseHeaders): void;
  encodeHeaders(headers: ResponseHeaders, endStream: boolean, details: string): void;
  encodeData(data: Buffer, endStream: boolean): void;
  encodeTrailers(trailers: Trailers): void;
  onDecoderFilterAboveWriteBufferHighWatermark(): void;
  onDecoderFilterBelowWriteBufferLowWatermark(): void;
  addDownstreamWatermarkCallbacks(callbacks: DownstreamWatermarkCallbacks): void;
  decoderBufferLimit(): number;
  upstreamOverrideHost: OverrideHost | null;
}

export class ActiveStreamFilter
  implements StreamDecoderFilterCallbacks, StreamEncoderFilterCallbacks
{
  readonly connection: Connection;
  readonly streamInfo: StreamInfo;
  readonly decoder: StreamDecoderFilter | null;
  readonly encoder: StreamEncoderFilter | null;
  /** Place in the manager's decoders / encoders, -1 = not in that direction. */
  decoderIndex: number;
  encoderIndex: number;
  decodeState: IterationState;
  encodeState: IterationState;
  /** The next filter has had the headers (or may have them as soon as iteration goes on). */
  decodeHeadersContinued: boolean;
  encodeHeadersContinued: boolean;
  /** This filter has seen the end of the message. */
  decodeEnded: boolean;
  encodeEnded: boolean;
  readonly #iteration: FilterIteration;
  readonly #name: string;

  constructor(iteration: FilterIteration, name: string, filter: StreamFilter) {
    this.connection = iteration.connection;
    this.streamInfo = iteration.streamInfo;
    this.decoder = filter.decoder;
    this.encoder = filter.encoder;
    this.decoderIndex = -1;
    this.encoderIndex = -1;
    this.decodeState = IterationState.Continue;
    this.encodeState = IterationState.Continue;
    this.decodeHeadersContinued = false;
    this.encodeHeadersContinued = false;
    this.decodeEnded = false;
    this.encodeEnded = false;
    this.#iteration = iteration;
    this.#name = name;
    if (this.decoder !== null) this.decoder.setDecoderFilterCallbacks(this);
    if (this.encoder !== null) this.encoder.setEncoderFilterCallbacks(this);
  }

  onDestroy(): void {
    if (this.decoder !== null) this.decoder.onDestroy();
    // Most filters are one object with two halves; those are told once.
    if (this.encoder !== null && !Object.is(this.encoder, this.decoder)) this.encoder.onDestroy();
  }

  route(): Route | null {
    return this.#iteration.route();
  }

  missingRoute(): ResourceReference | null {
    return this.#iteration.missingRoute();
  }

  refreshRoute(): Route | null {
    return this.#iteration.refreshRoute();
  }

  clearRouteCache(): void {
    this.#iteration.clearRouteCache();
  }

  routeSpecificConfig(): unknown {
    const route = this.#iteration.route();
    return route === null ? null : route.perFilterConfig(this.#name);
  }

  allRouteSpecificConfigs(): readonly unknown[] {
    const route = this.#iteration.route();
    return route === null ? NO_CONFIGS : route.allPerFilterConfigs(this.#name);
  }

  resetStream(): void {
    this.#iteration.resetStream();
  }

  streamRandom(): number {
    return this.#iteration.streamRandom();
  }

  sendLocalReply(
    status: number,
    body: string,
    modify: ModifyHeaders | null,
    details: string,
    grpcStatus?: number,
  ): void {
    this.#iteration.sendLocalReply(status, body, modify, details, grpcStatus);
  }

  continueDecoding(): void {
    this.#iteration.continueDecoding(this);
  }

  continueEncoding(): void {
    this.#iteration.continueEncoding(this);
  }

  addDecodedData(data: Buffer): void {
    this.#iteration.addDecodedData(this, data);
  }

  addEncodedData(data: Buffer): void {
    this.#iteration.addEncodedData(this, data);
  }

  replaceDecodedData(data: Buffer): void {
    this.#iteration.replaceDecodedData(data);
  }

  replaceEncodedData(data: Buffer): void {
    this.#iteration.replaceEncodedData(data);
  }

  decodingBuffer(): readonly Buffer[] {
    return this.#iteration.decodingBuffer();
  }

  encodingBuffer(): readonly Buffer[] {
    return this.#iteration.encodingBuffer();
  }

  recreateStream(response: ResponseHeaders, body: readonly Buffer[]): void {
    this.#iteration.recreateStream(response, body);
  }

  encode1xxHeaders(headers: ResponseHeaders): void {
    this.#iteration.encode1xxHeaders(headers);
  }

  encodeHeaders(headers: ResponseHeaders, endStream: boolean, details: string): void {
    this.#iteration.encodeHeaders(headers, endStream, details);
  }

  encodeData(data: Buffer, endStream: boolean): void {
    this.#iteration.encodeData(data, endStream);
  }

  encodeTrailers(trailers: Trailers): void {
    this.#iteration.encodeTrailers(trailers);
  }

  onDecoderFilterAboveWriteBufferHighWatermark(): void {
    this.#iteration.onDecoderFilterAboveWriteBufferHighWatermark();
  }

  onDecoderFilterBelowWriteBufferLowWatermark(): void {
    this.#iteration.onDecoderFilterBelowWriteBufferLowWatermark();
  }

  addDownstreamWatermarkCallbacks(callbacks: DownstreamWatermarkCallbacks): void {
    this.#iteration.addDownstreamWatermarkCallbacks(callbacks);
  }

  decoderBufferLimit(): number {
    return this.#iteration.decoderBufferLimit();
  }

  setUpstreamOverrideHost(host: OverrideHost): void {
    this.#iteration.upstreamOverrideHost = host;
  }

  upstreamOverrideHost(): OverrideHost | null {
    return this.#iteration.upstreamOverrideHost;
  }
}
