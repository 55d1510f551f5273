// Drives one stream through its HTTP filters: decoders in chain order, encoders in reverse, by index. It
// owns iteration and buffering and nothing of HTTP; active-stream is above it (FilterManagerHost).
// A long file because both directions must be read side by side: each method has its mirror image.
//
//            decodeHeaders/Data/Trailers                      encodeHeaders/Data/Trailers
//   host --> decoder 0 --> decoder 1 --> router     host <-- encoder of 0 <-- encoder of 1 <-- router
//
//   a filter:  Continue --Stop...--> StopSingle | StopAll* --continueDecoding()--> Continue
//
// If every filter says Continue, no buffer object exists and nothing here allocates per call.

import { byteString } from '../../common/byte-string.ts';
import type { Connection } from '../api/connection.ts';
import { ResponseHeaders, type Trailers } from '../api/headers.ts';
import {
  type DownstreamWatermarkCallbacks,
  FilterDataStatus,
  FilterHeadersStatus,
  FilterTrailersStatus,
  type ModifyHeaders,
} from '../api/http-filter.ts';
import type { Route } from '../api/route.ts';
import type { StreamInfo } from '../api/stream-info.ts';
import { keepBytes } from '../network/read-slab.ts';
import {
  ActiveStreamFilter,
  type FilterIteration,
  IterationState,
} from './active-stream-filter.ts';
import { BodyBuffer, BufferVerdict } from './body-buffer.ts';
import type { FilterEntry, FilterManagerHost } from './filter-manager-host.ts';
import { isGrpcRequest, type LocalReply, makeGrpcReply, makeLocalReply } from './local-reply.ts';

/** Bits of #callState: which filter callback is running. */
const CallState = {
  DecodeHeaders: 1,
  DecodeData: 2,
  DecodeTrailers: 4,
  EncodeHeaders: 8,
  EncodeData: 16,
  EncodeTrailers: 32,
} as const;
const DECODING = CallState.DecodeHeaders | CallState.DecodeData | CallState.DecodeTrailers;
const ENCODING = CallState.EncodeHeaders | CallState.EncodeData | CallState.EncodeTrailers;

const EMPTY = Buffer.alloc(0);
/** In each of the three kinds of status the first way to stop, and the same number. */
const STOPPED = FilterHeadersStatus.StopIteration satisfies FilterDataStatus & FilterTrailersStatus;
const NO_BUFFERS: readonly Buffer[] = [];

interface PreparedReply {
  readonly status: number;
  readonly body: string;
  readonly modify: ModifyHeaders | null;
  readonly grpcStatus: number | null;
}

/** One per stream. After destroyFilters() every method is without effect. */
export class FilterManager implements FilterIteration {
  readonly connection: Connection;
  readonly streamInfo: StreamInfo;
  responseHeaders: ResponseHeaders | null;
  responseTrailers: Trailers | null;
  /** Body of the local reply that was made, else ''. */
  localReplyBody: string;
  readonly #host: FilterManagerHost;
  readonly #entries: readonly FilterEntry[];
  readonly #bufferLimitBytes: number;
  readonly #decoders: ActiveStreamFilter[];
  readonly #encoders: ActiveStreamFilter[];
  #isChainCreated: boolean;
  /** A filter could not be made. */
  #isChainBroken: boolean;
  #isDestroyed: boolean;
  #callState: number;
  /** The request has come in whole. */
  #remoteComplete: boolean;
  /** The whole response has been given to the encoder chain. */
  #localComplete: boolean;
  /** The response's head has left the encoder chain. */
  #responseStarted: boolean;
  #encodeComplete: boolean;
  /** The request may go on behind the end of the response. */
  #isTunnel: boolean;
  /** A local reply came from inside a callback: iteration must not go on. */
  #decodeAborted: boolean;
  #encodeAborted: boolean;
  #preparedReply: PreparedReply | null;
  #requestTrailers: Trailers | null;
  #requestBody: BodyBuffer | null;
  /** Buffered body that is being passed on now; what the codec brings meanwhile queues behind it. */
  #requestReplay: Buffer[] | null;
  #responseBody: BodyBuffer | null;
  #responseReplay: Buffer[] | null;
  #watermarkCallbacks: DownstreamWatermarkCallbacks[] | null;
  #highWatermarks: number;

  constructor(host: FilterManagerHost, entries: readonly FilterEntry[], bufferLimitBytes: number) {
    this.connection = host.connection;
    this.streamInfo = host.streamInfo;
    this.responseHeaders = null;
    this.responseTrailers = null;
    this.localReplyBody = '';
    this.#host = host;
    this.#entries = entries;
    this.#bufferLimitBytes = bufferLimitBytes;
    this.#decoders = [];
    this.#encoders = [];
    this.#isChainCreated = false;
    this.#isChainBroken = false;
    this.#isDestroyed = false;
    this.#callState = 0;
    this.#remoteComplete = false;
    this.#localComplete = false;
    this.#responseStarted = false;
    this.#encodeComplete = false;
    this.#isTunnel = false;
    this.#decodeAborted = false;
    this.#encodeAborted = false;
    this.#preparedReply = null;
    this.#requestTrailers = null;
    this.#requestBody = null;
    this.#requestReplay = null;
    this.#responseBody = null;
    this.#responseReplay = null;
    this.#watermarkCallbacks = null;
    this.#highWatermarks = 0;
  }

  /** Makes the stream's filters; harmless when done already. The route decides which take part. */
  createFilterChain(entries: readonly FilterEntry[] = this.#entries): void {
    if (this.#isChainCreated) return;
    this.#isChainCreated = true;
    const decoders = this.#decoders;
    const encoders = this.#encoders;
    const route = this.#host.route();
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!;
      if (route !== null) {
        if (route.isFilterDisabled(entry.name)) continue;
        if (entry.disabled && route.perFilterConfig(entry.name) === null) continue;
      } else if (entry.disabled) continue;
      const filter = this.#createFilter(entry);
      // Without one of its filters a chain must let nothing pass.
      if (filter === null) {
        decoders.length = 0;
        encoders.length = 0;
        this.#isChainBroken = true;
        return;
      }
      if (filter.decoder !== null) filter.decoderIndex = decoders.push(filter) - 1;
      if (filter.encoder !== null) encoders.push(filter);
    }
    encoders.reverse();
    for (let i = 0; i < encoders.length; i++) encoders[i]!.encoderIndex = i;
  }

  #createFilter({ name, config }: FilterEntry): ActiveStreamFilter | null {
    try {
      return new ActiveStreamFilter(this, name, config.createFilter());
    } catch (thrown) {
      this.#host.reportBug(thrown);
      return null;
    }
  }

  /** Tells every filter that the stream is over. Nothing is called afterwards. */
  destroyFilters(): void {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    this.#requestBody = null;
    this.#responseBody = null;
    for (let i = 0; i < this.#decoders.length; i++) this.#destroyFilter(this.#decoders[i]!);
    for (let i = 0; i < this.#encoders.length; i++) {
      const filter = this.#encoders[i]!;
      if (filter.decoderIndex === -1) this.#destroyFilter(filter);
    }
  }

  #destroyFilter(filter: ActiveStreamFilter): void {
    try {
      filter.onDestroy();
    } catch (thrown) {
      // The other filters must still hear of the end.
      this.#host.reportBug(thrown);
    }
  }

  isRemoteComplete(): boolean {
    return this.#remoteComplete;
  }

  // ---- request path ----

  /** The host: whether the head was all of the request. Comes before any reply can be made. */
  noteRequestEnd(endStream: boolean): void {
    this.#remoteComplete = endStream;
  }

  /** The host: the head (host.requestHeaders) passed its checks, filters may have it. Once. */
  decodeHeaders(): void {
    if (this.#isChainBroken) {
      this.sendLocalReply(500, '', null, 'filter_exception');
      return;
    }
    this.#decodeHeadersFrom(0, this.#remoteComplete);
  }

  /** The host: a piece of the request's body. */
  decodeData(data: Buffer, endStream: boolean): void {
    this.#remoteComplete = endStream;
    if (this.#isAnswered() || this.#isDestroyed) return;
    if (this.#requestReplay !== null) this.#requestReplay.push(keepBytes(data));
    else this.#decodeDataFrom(0, data, endStream);
  }

  /** The host: the response that is about to be encoded opens a tunnel, whose directions end one by one. */
  openTunnel(): void {
    this.#isTunnel = true;
  }

  /** Then the rest of the request is of no interest to filters. */
  #isAnswered(): boolean {
    return this.#localComplete && !this.#isTunnel;
  }

  /** The host: trailers, which end the request. */
  decodeTrailers(trailers: Trailers): void {
    this.#remoteComplete = true;
    if (this.#localComplete || this.#isDestroyed) return;
    this.#requestTrailers = trailers;
    if (this.#requestReplay === null) this.#decodeTrailersFrom(0);
  }

  #decodeHeadersFrom(start: number, endStream: boolean): void {
    const decoders = this.#decoders;
    const headers = this.#host.requestHeaders!;
    // A filter gave a bodyless request a body: later filters must not see the end in the head.
    let bodyAddedBy: ActiveStreamFilter | null = null;
    let hasReachedEnd = true;
    for (let i = start; i < decoders.length; i++) {
      const filter = decoders[i]!;
      filter.decodeEnded = endStream && bodyAddedBy === null;
      this.#callState |= CallState.DecodeHeaders;
      let status: FilterHeadersStatus;
      try {
        status = filter.decoder!.decodeHeaders(headers, filter.decodeEnded);
      } catch (thrown) {
        status = this.#onFilterThrew(thrown);
      }
      this.#callState &= ~CallState.DecodeHeaders;
      if (this.#decodeAborted) {
        this.#sendPreparedReply();
        return;
      }
      if (this.#isDestroyed) return;
      if (status !== FilterHeadersStatus.Continue) {
        filter.decodeState = stateAfter(status);
        hasReachedEnd = i === decoders.length - 1;
        break;
      }
      filter.decodeHeadersContinued = true;
      if (endStream && bodyAddedBy === null && this.#requestBody !== null) bodyAddedBy = filter;
    }
    if (bodyAddedBy !== null) {
      bodyAddedBy.decodeState = IterationState.StopSingle;
      this.continueDecoding(bodyAddedBy);
    }
    if (endStream && hasReachedEnd) this.#host.disarmRequestTimeout();
  }

  #decodeDataFrom(start: number, data: Buffer, endStream: boolean): void {
    this.#host.resetIdleTimer();
    const decoders = this.#decoders;
    let hasReachedEnd = true;
    for (let i = start; i < decoders.length; i++) {
      const filter = decoders[i]!;
      if (filter.decodeState >= IterationState.StopAllBuffer) {
        this.#bufferRequest(data, filter.decodeState === IterationState.StopAllWatermark);
        return;
      }
      if (filter.decodeEnded) return;
      filter.decodeEnded = endStream;
      this.#callState |= CallState.DecodeData;
      let status: FilterDataStatus;
      try {
        status = filter.decoder!.decodeData(data, endStream);
      } catch (thrown) {
        status = this.#onFilterThrew(thrown);
      }
      this.#callState &= ~CallState.DecodeData;
      if (this.#decodeAborted) {
        this.#sendPreparedReply();
        return;
      }
      if (this.#isDestroyed) return;
      if (status === FilterDataStatus.Continue) {
        if (filter.decodeState === IterationState.Continue) continue;
        // The headers waited at this filter: they go first, then what was buffered, then this piece.
        this.#bufferRequest(data, true);
        this.continueDecoding(filter);
        return;
      }
      filter.decodeState = IterationState.StopSingle;
      if (status !== FilterDataStatus.StopIterationNoBuffer) {
        this.#bufferRequest(data, status === FilterDataStatus.StopIterationAndWatermark);
      } else if (endStream && this.#requestBody === null && i < decoders.length - 1) {
        // The filter took the body: an empty last piece must still tell the next ones of the end.
        this.#bufferRequest(EMPTY, true);
      }
      hasReachedEnd = i === decoders.length - 1;
      break;
    }
    if (endStream && hasReachedEnd) this.#host.disarmRequestTimeout();
  }

  #decodeTrailersFrom(start: number): void {
    const decoders = this.#decoders;
    const trailers = this.#requestTrailers!;
    for (let i = start; i < decoders.length; i++) {
      const filter = decoders[i]!;
      if (filter.decodeState >= IterationState.StopAllBuffer) return;
      if (filter.decodeEnded) continue;
      filter.decodeEnded = true;
      this.#callState |= CallState.DecodeTrailers;
      let status: FilterTrailersStatus;
      try {
        status = filter.decoder!.decodeTrailers(trailers);
      } catch (thrown) {
        status = this.#onFilterThrew(thrown);
      }
      this.#callState &= ~CallState.DecodeTrailers;
      if (this.#decodeAborted) {
        this.#sendPreparedReply();
        return;
      }
      if (this.#isDestroyed) return;
      if (status === FilterTrailersStatus.Continue) {
        if (filter.decodeState === IterationState.Continue) continue;
        this.continueDecoding(filter);
        return;
      }
      filter.decodeState = IterationState.StopSingle;
      return;
    }
    this.#host.disarmRequestTimeout();
  }

  continueDecoding(filter: ActiveStreamFilter): void {
    // Answered meanwhile: there is nobody to go on for.
    if (this.#isAnswered() || this.#isDestroyed) return;
    const state = filter.decodeState;
    if (state === IterationState.Continue) return;
    filter.decodeState = IterationState.Continue;
    const next = filter.decoderIndex + 1;
    if (!filter.decodeHeadersContinued) {
      filter.decodeHeadersContinued = true;
      const isHeadAll =
        this.#remoteComplete && this.#requestBody === null && this.#requestTrailers === null;
      this.#decodeHeadersFrom(next, isHeadAll);
      if (this.#isAnswered() || this.#isDestroyed) return;
    }
    // A filter that stopped all has seen no body yet.
    const from = state >= IterationState.StopAllBuffer ? filter.decoderIndex : next;
    if (this.#requestBody !== null) this.#replayRequest(from, this.#requestBody);
    if (this.#requestTrailers !== null && !this.#localComplete && !this.#isDestroyed) {
      this.#decodeTrailersFrom(from);
    }
  }

  #replayRequest(from: number, body: BodyBuffer): void {
    this.#requestBody = null;
    const { chunks } = body;
    const isOutermost = this.#requestReplay === null;
    if (isOutermost) this.#requestReplay = chunks;
    if (body.isPaused) {
      this.#host.readDisableRequest(false);
    }
    for (let i = 0; i < chunks.length; i++) {
      const isLast = i === chunks.length - 1;
      const endStream = isLast && this.#remoteComplete && this.#requestTrailers === null;
      this.#decodeDataFrom(from, chunks[i]!, endStream);
      if (this.#isAnswered() || this.#isDestroyed) break;
    }
    if (isOutermost) this.#requestReplay = null;
  }

  /** `isStreaming`: over the limit the client is paused, else the request is answered 413. */
  #bufferRequest(data: Buffer, isStreaming: boolean): void {
    this.#requestBody ??= new BodyBuffer(this.#bufferLimitBytes);
    const verdict = this.#requestBody.add(data, isStreaming);
    if (verdict === BufferVerdict.Pause) this.#host.readDisableRequest(true);
    if (verdict !== BufferVerdict.TooLarge) return;
    this.#host.onRequestDataTooLarge();
    this.sendLocalReply(413, 'Payload Too Large', null, 'request_payload_too_large');
  }

  addDecodedData(filter: ActiveStreamFilter, data: Buffer): void {
    if (this.#isDestroyed) return;
    const isInTrailers = (this.#callState & CallState.DecodeTrailers) !== 0;
    if (isInTrailers && filter.decodeState === IterationState.Continue) {
      this.#decodeDataFrom(filter.decoderIndex + 1, data, false);
      return;
    }
    this.#bufferRequest(data, true);
  }

  decodingBuffer(): readonly Buffer[] {
    return this.#requestBody === null ? NO_BUFFERS : this.#requestBody.chunks;
  }

  decoderBufferLimit(): number {
    return this.#bufferLimitBytes;
  }

  // ---- response path ----

  /** No filter of ours looks at them. */
  encode1xxHeaders(headers: ResponseHeaders): void {
    this.#host.encode1xxHeaders(headers);
  }

  encodeHeaders(headers: ResponseHeaders, endStream: boolean, details: string): void {
    // A local reply may have been first: then the router's answer comes too late.
    if (this.#isDestroyed || this.responseHeaders !== null) return;
    this.streamInfo.responseCodeDetails = details;
    this.#startResponse(headers, endStream);
  }

  encodeData(data: Buffer, endStream: boolean): void {
    if (this.#isDestroyed || this.#localComplete) return;
    this.#localComplete = endStream;
    if (this.#responseReplay !== null) this.#responseReplay.push(keepBytes(data));
    else this.#encodeDataFrom(0, data, endStream);
  }

  encodeTrailers(trailers: Trailers): void {
    if (this.#isDestroyed || this.#localComplete) return;
    this.#localComplete = true;
    this.responseTrailers = trailers;
    if (this.#responseReplay === null) this.#encodeTrailersFrom(0);
  }

  #startResponse(headers: ResponseHeaders, endStream: boolean): void {
    this.responseHeaders = headers;
    this.#localComplete = endStream;
    if (!endStream) this.#host.resetIdleTimer();
    this.#host.disarmRequestTimeout();
    this.#encodeHeadersFrom(0, endStream);
  }

  #encodeHeadersFrom(start: number, endStream: boolean): void {
    const encoders = this.#encoders;
    const headers = this.responseHeaders!;
    let bodyAddedBy: ActiveStreamFilter | null = null;
    for (let i = start; i < encoders.length; i++) {
      const filter = encoders[i]!;
      filter.encodeEnded = endStream && bodyAddedBy === null;
      this.#callState |= CallState.EncodeHeaders;
      let status: FilterHeadersStatus;
      try {
        status = filter.encoder!.encodeHeaders(headers, filter.encodeEnded);
      } catch (thrown) {
        status = this.#onFilterThrew(thrown);
      }
      this.#callState &= ~CallState.EncodeHeaders;
      if (this.#encodeAborted || this.#isDestroyed) return;
      if (status !== FilterHeadersStatus.Continue) {
        filter.encodeState = stateAfter(status);
        if (bodyAddedBy !== null) this.#continueAddedBody(bodyAddedBy);
        return;
      }
      filter.encodeHeadersContinued = true;
      if (endStream && bodyAddedBy === null && this.#responseBody !== null) bodyAddedBy = filter;
    }
    const isHeadAll = endStream && bodyAddedBy === null;
    this.#responseStarted = true;
    this.#host.encodeHeaders(headers, isHeadAll);
    if (this.#isDestroyed) return;
    if (isHeadAll) this.#completeResponse();
    else if (bodyAddedBy !== null) this.#continueAddedBody(bodyAddedBy);
  }

  #continueAddedBody(filter: ActiveStreamFilter): void {
    filter.encodeState = IterationState.StopSingle;
    this.continueEncoding(filter);
  }

  #encodeDataFrom(start: number, data: Buffer, endStream: boolean): void {
    if (!endStream) this.#host.resetIdleTimer();
    const encoders = this.#encoders;
    for (let i = start; i < encoders.length; i++) {
      const filter = encoders[i]!;
      if (filter.encodeState >= IterationState.StopAllBuffer) {
        this.#bufferResponse(data, filter.encodeState === IterationState.StopAllWatermark);
        return;
      }
      if (filter.encodeEnded) return;
      filter.encodeEnded = endStream;
      this.#callState |= CallState.EncodeData;
      let status: FilterDataStatus;
      try {
        status = filter.encoder!.encodeData(data, endStream);
      } catch (thrown) {
        status = this.#onFilterThrew(thrown);
      }
      this.#callState &= ~CallState.EncodeData;
      if (this.#encodeAborted || this.#isDestroyed) return;
      if (status === FilterDataStatus.Continue) {
        if (filter.encodeState === IterationState.Continue) continue;
        this.#bufferResponse(data, true);
        this.continueEncoding(filter);
        return;
      }
      filter.encodeState = IterationState.StopSingle;
      if (status !== FilterDataStatus.StopIterationNoBuffer) {
        this.#bufferResponse(data, status === FilterDataStatus.StopIterationAndWatermark);
      } else if (endStream && this.#responseBody === null) {
        this.#bufferResponse(EMPTY, true);
      }
      return;
    }
    this.#host.encodeData(data, endStream);
    if (endStream && !this.#isDestroyed) this.#completeResponse();
  }

  #encodeTrailersFrom(start: number): void {
    const encoders = this.#encoders;
    const trailers = this.responseTrailers!;
    this.#host.resetIdleTimer();
    for (let i = start; i < encoders.length; i++) {
      const filter = encoders[i]!;
      if (filter.encodeState >= IterationState.StopAllBuffer) return;
      if (filter.encodeEnded) continue;
      filter.encodeEnded = true;
      this.#callState |= CallState.EncodeTrailers;
      let status: FilterTrailersStatus;
      try {
        status = filter.encoder!.encodeTrailers(trailers);
      } catch (thrown) {
        status = this.#onFilterThrew(thrown);
      }
      this.#callState &= ~CallState.EncodeTrailers;
      if (this.#encodeAborted || this.#isDestroyed) return;
      if (status === FilterTrailersStatus.Continue) {
        if (filter.encodeState === IterationState.Continue) continue;
        this.continueEncoding(filter);
        return;
      }
      filter.encodeState = IterationState.StopSingle;
      return;
    }
    if (this.#encodeComplete) return;
    this.#host.encodeTrailers(trailers);
    if (!this.#isDestroyed) this.#completeResponse();
  }

  continueEncoding(filter: ActiveStreamFilter): void {
    if (this.#encodeComplete || this.#isDestroyed) return;
    const state = filter.encodeState;
    if (state === IterationState.Continue) return;
    filter.encodeState = IterationState.Continue;
    const next = filter.encoderIndex + 1;
    if (!filter.encodeHeadersContinued) {
      filter.encodeHeadersContinued = true;
      const isHeadAll =
        this.#localComplete && this.#responseBody === null && this.responseTrailers === null;
      this.#encodeHeadersFrom(next, isHeadAll);
      if (this.#encodeComplete || this.#isDestroyed) return;
    }
    const from = state >= IterationState.StopAllBuffer ? filter.encoderIndex : next;
    if (this.#responseBody !== null) this.#replayResponse(from, this.#responseBody);
    if (this.responseTrailers !== null && !this.#encodeComplete && !this.#isDestroyed) {
      this.#encodeTrailersFrom(from);
    }
  }

  #replayResponse(from: number, body: BodyBuffer): void {
    this.#responseBody = null;
    const { chunks } = body;
    const isOutermost = this.#responseReplay === null;
    if (isOutermost) this.#responseReplay = chunks;
    if (body.isPaused) {
      this.onBelowWriteBufferLowWatermark();
    }
    for (let i = 0; i < chunks.length; i++) {
      const isLast = i === chunks.length - 1;
      const endStream = isLast && this.#localComplete && this.responseTrailers === null;
      this.#encodeDataFrom(from, chunks[i]!, endStream);
      if (this.#encodeComplete || this.#isDestroyed) break;
    }
    if (isOutermost) this.#responseReplay = null;
  }

  /** `isStreaming`: over the limit the upstream is paused, else the response becomes a 500. */
  #bufferResponse(data: Buffer, isStreaming: boolean): void {
    this.#responseBody ??= new BodyBuffer(this.#bufferLimitBytes);
    const verdict = this.#responseBody.add(data, isStreaming);
    if (verdict === BufferVerdict.Pause) this.onAboveWriteBufferHighWatermark();
    if (verdict !== BufferVerdict.TooLarge) return;
    this.#host.onResponseDataTooLarge();
    this.sendLocalReply(500, 'Internal Server Error', null, 'response_payload_too_large');
  }

  addEncodedData(filter: ActiveStreamFilter, data: Buffer): void {
    if (this.#isDestroyed) return;
    const isInTrailers = (this.#callState & CallState.EncodeTrailers) !== 0;
    if (isInTrailers && filter.encodeState === IterationState.Continue) {
      this.#encodeDataFrom(filter.encoderIndex + 1, data, false);
      return;
    }
    this.#bufferResponse(data, true);
  }

  encodingBuffer(): readonly Buffer[] {
    return this.#responseBody === null ? NO_BUFFERS : this.#responseBody.chunks;
  }

  /** A bug in one filter costs one request: the answer is 500, or, once it has begun, its abrupt end. */
  #onFilterThrew(thrown: unknown): typeof STOPPED {
    this.#host.reportBug(thrown);
    this.sendLocalReply(500, '', null, 'filter_exception');
    return STOPPED;
  }

  #completeResponse(): void {
    this.#encodeComplete = true;
    this.#host.onResponseComplete();
  }

  // ---- local replies ----

  sendLocalReply(
    status: number,
    body: string,
    modify: ModifyHeaders | null,
    details: string,
    grpcStatus: number | null = null,
  ): void {
    if (this.#isDestroyed) return;
    if (this.#encodeComplete) {
      if (this.#isTunnel) this.#host.resetStream();
      return;
    }
    if ((this.#callState & DECODING) !== 0) this.#decodeAborted = true;
    else if ((this.#callState & ENCODING) !== 0) this.#encodeAborted = true;
    this.streamInfo.responseCodeDetails = details;
    this.#host.onLocalReply(status);
    if (this.responseHeaders === null) {
      this.createFilterChain();
      const isDecoding = (this.#callState & DECODING) !== 0;
      // From inside a decoder: the reply waits until that filter has returned.
      if (isDecoding) this.#preparedReply ??= { status, body, modify, grpcStatus };
      else this.#sendReplyThroughChain(this.#makeReply({ status, body, modify, grpcStatus }));
    } else if (!this.#responseStarted) {
      this.#sendReplyToCodec(this.#makeReply({ status, body, modify, grpcStatus }));
    } else {
      this.#host.resetStream();
    }
  }

  #makeReply({ status, body, modify, grpcStatus }: PreparedReply): LocalReply {
    this.localReplyBody = body;
    const request = this.#host.requestHeaders;
    const isGrpc = request !== null && isGrpcRequest(request);
    const isHead = request !== null && request.method === 'HEAD';
    const headers = new ResponseHeaders(status, []);
    // As in Envoy: the route's response headers first, then what the sender of the reply wants.
    this.#host.route()?.finalizeResponseHeaders(headers, request, this.streamInfo);
    if (modify !== null) modify(headers);
    let bytes = byteString(body);
    let contentType = 'text/plain';
    const rewriter = this.#host.localReplyRewriter;
    if (rewriter !== null) {
      const before = headers.get('content-type');
      const rewritten = rewriter.rewrite(request, headers, this.streamInfo, body);
      // A content-type that a mapper has set stays; that of a body which is no longer sent does not.
      if (rewritten.bytes !== bytes && headers.get('content-type') === before) {
        headers.remove('content-type');
      }
      ({ bytes, contentType } = rewritten);
    }
    if (isGrpc) return makeGrpcReply(headers, isHead ? '' : bytes, grpcStatus);
    return makeLocalReply(headers, bytes, contentType, isHead);
  }

  #sendPreparedReply(): void {
    const prepared = this.#preparedReply;
    if (prepared === null || this.#isDestroyed) return;
    this.#preparedReply = null;
    this.#sendReplyThroughChain(this.#makeReply(prepared));
  }

  #sendReplyThroughChain(reply: LocalReply): void {
    this.#startResponse(reply.headers, reply.body === null);
    if (reply.body !== null && !this.#encodeComplete) this.encodeData(reply.body, true);
  }

  /** The response is already somewhere in the chain: filters must not see two heads. */
  #sendReplyToCodec(reply: LocalReply): void {
    this.responseHeaders = reply.headers;
    this.responseTrailers = null;
    this.#responseBody = null;
    this.#localComplete = true;
    this.#responseStarted = true;
    this.#encodeComplete = true;
    this.#host.encodeHeaders(reply.headers, reply.body === null);
    if (this.#isDestroyed) return;
    if (reply.body !== null) this.#host.encodeData(reply.body, true);
    if (!this.#isDestroyed) this.#host.onResponseComplete();
  }

  // ---- the rest of what filters may ask ----

  route(): Route | null {
    return this.#host.route();
  }

  clearRouteCache(): void {
    this.#host.clearRouteCache();
  }

  streamRandom(): number {
    return this.#host.streamRandom();
  }

  resetStream(): void {
    if (!this.#isDestroyed) this.#host.resetStream();
  }

  onDecoderFilterAboveWriteBufferHighWatermark(): void {
    if (!this.#isDestroyed) this.#host.readDisableRequest(true);
  }

  onDecoderFilterBelowWriteBufferLowWatermark(): void {
    if (!this.#isDestroyed) this.#host.readDisableRequest(false);
  }

  addDownstreamWatermarkCallbacks(callbacks: DownstreamWatermarkCallbacks): void {
    this.#watermarkCallbacks ??= [];
    this.#watermarkCallbacks.push(callbacks);
    for (let i = 0; i < this.#highWatermarks; i++) callbacks.onAboveWriteBufferHighWatermark();
  }

  /** The client does not keep up, or an encoder filter's buffer is full. Counted. */
  onAboveWriteBufferHighWatermark(): void {
    this.#highWatermarks++;
    const callbacks = this.#watermarkCallbacks;
    if (callbacks === null || this.#isDestroyed) return;
    for (let i = 0; i < callbacks.length; i++) callbacks[i]!.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#highWatermarks--;
    const callbacks = this.#watermarkCallbacks;
    if (callbacks === null || this.#isDestroyed) return;
    for (let i = 0; i < callbacks.length; i++) callbacks[i]!.onBelowWriteBufferLowWatermark();
  }
}

function stateAfter(status: FilterHeadersStatus): IterationState {
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
