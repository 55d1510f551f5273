// What one stream's filter chain knows: the fields of the filter manager, which decode-iteration,
// encode-iteration and chain-replies share. The manager extends this class, so that a stream's chain is one
// object; nothing outside these files may touch a field.

import type { Connection } from '../api/connection.ts';
import type { ResponseHeaders, Trailers } from '../api/headers.ts';
import {
  type DownstreamWatermarkCallbacks,
  type FilterDataStatus,
  FilterHeadersStatus,
  type FilterTrailersStatus,
  type ModifyHeaders,
} from '../api/http-filter.ts';
import type { OverrideHost } from '../api/load-balancing.ts';
import type { StreamInfo } from '../api/stream-info.ts';
import {
  type ActiveStreamFilter,
  type FilterIteration,
  IterationState,
} from './active-stream-filter.ts';
import type { BodyBuffer } from './body-buffer.ts';
import type { FilterEntry, FilterManagerHost } from './filter-manager-host.ts';

/** Bits of callState: which filter callback is running. */
export const CallState = {
  DecodeHeaders: 1,
  DecodeData: 2,
  DecodeTrailers: 4,
  EncodeHeaders: 8,
  EncodeData: 16,
  EncodeTrailers: 32,
} as const;
/** Any of the request path. */
export const DECODING = CallState.DecodeHeaders | CallState.DecodeData | CallState.DecodeTrailers;
/** Any of the response path. */
export const ENCODING = CallState.EncodeHeaders | CallState.EncodeData | CallState.EncodeTrailers;

/** An empty last piece of a body. */
export const EMPTY = Buffer.alloc(0);
/** In each of the three kinds of status the first way to stop, and the same number. */
const STOPPED = FilterHeadersStatus.StopIteration satisfies FilterDataStatus & FilterTrailersStatus;

/** A local reply that waits until the filter which asked for it has returned. */
export interface PreparedReply {
  readonly status: number;
  readonly body: string;
  readonly modify: ModifyHeaders | null;
  readonly grpcStatus: number | null;
}

/** The filter manager, as its parts see it. */
export type FilterChain = ChainState &
  FilterIteration &
  DownstreamWatermarkCallbacks & {
    /** Makes the stream's filters; harmless when done already. */
    createFilterChain(): void;
  };

/** See the file head. */
export class ChainState {
  readonly connection: Connection;
  readonly streamInfo: StreamInfo;
  responseHeaders: ResponseHeaders | null;
  responseTrailers: Trailers | null;
  /** Body of the local reply that was made, else ''. */
  localReplyBody: string;
  /** FilterIteration: set by a filter for the router. */
  upstreamOverrideHost: OverrideHost | null;
  /** The client sent gRPC, whatever filters have made of its request since; null = no filter has had it yet. */
  isGrpcRequest: boolean | null;
  readonly host: FilterManagerHost;
  readonly entries: readonly FilterEntry[];
  readonly bufferLimitBytes: number;
  readonly decoders: ActiveStreamFilter[];
  readonly encoders: ActiveStreamFilter[];
  isChainCreated: boolean;
  /** A filter could not be made. */
  isChainBroken: boolean;
  isDestroyed: boolean;
  callState: number;
  /** The request has come in whole. */
  remoteComplete: boolean;
  /** The whole response has been given to the encoder chain. */
  localComplete: boolean;
  /** The response's head has left the encoder chain. */
  responseStarted: boolean;
  encodeComplete: boolean;
  /** The request may go on behind the end of the response. */
  isTunnel: boolean;
  /** A local reply came from inside a callback: iteration must not go on. */
  decodeAborted: boolean;
  encodeAborted: boolean;
  preparedReply: PreparedReply | null;
  requestTrailers: Trailers | null;
  requestBody: BodyBuffer | null;
  /** Buffered body that is being passed on now; what the codec brings meanwhile queues behind it. */
  requestReplay: Buffer[] | null;
  /** What the filter whose decodeData / encodeData is running wants in place of its piece. */
  requestReplacement: Buffer | null;
  responseReplacement: Buffer | null;
  responseBody: BodyBuffer | null;
  responseReplay: Buffer[] | null;
  watermarkCallbacks: DownstreamWatermarkCallbacks[] | null;
  highWatermarks: number;

  constructor(host: FilterManagerHost, entries: readonly FilterEntry[], bufferLimitBytes: number) {
    this.connection = host.connection;
    this.streamInfo = host.streamInfo;
    this.responseHeaders = null;
    this.responseTrailers = null;
    this.localReplyBody = '';
    this.upstreamOverrideHost = null;
    this.isGrpcRequest = null;
    this.host = host;
    this.entries = entries;
    this.bufferLimitBytes = bufferLimitBytes;
    this.decoders = [];
    this.encoders = [];
    this.isChainCreated = false;
    this.isChainBroken = false;
    this.isDestroyed = false;
    this.callState = 0;
    this.remoteComplete = false;
    this.localComplete = false;
    this.responseStarted = false;
    this.encodeComplete = false;
    this.isTunnel = false;
    this.decodeAborted = false;
    this.encodeAborted = false;
    this.preparedReply = null;
    this.requestTrailers = null;
    this.requestBody = null;
    this.requestReplay = null;
    this.requestReplacement = null;
    this.responseReplacement = null;
    this.responseBody = null;
    this.responseReplay = null;
    this.watermarkCallbacks = null;
    this.highWatermarks = 0;
  }

  /** Then the rest of the request is of no interest to filters. */
  isAnswered(): boolean {
    return this.localComplete && !this.isTunnel;
  }
}

/** A bug in one filter costs one request: the answer is 500, or, once it has begun, its abrupt end. */
export function replyToBug(manager: FilterChain, thrown: unknown): typeof STOPPED {
  manager.host.reportBug(thrown);
  manager.sendLocalReply(500, '', null, 'filter_exception');
  return STOPPED;
}

/** Where a filter's answer to headers leaves iteration at it. */
export function stateAfter(status: FilterHeadersStatus): IterationState {
  switch (status) {
    case FilterHeadersStatus.Continue:
      return IterationState.Continue;
    case FilterHeadersStatus.StopIteration:
      return IterationState.StopSingle;
    case FilterHeadersStatus.StopAllIterationAndBuffer:
      return IterationState.StopAllBuffer;
    case FilterHeadersStatus.StopAllIterationAndWatermark:
      return IterationState.StopAllWatermark;
  }
}
