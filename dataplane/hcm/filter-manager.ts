// Drives one stream through its HTTP filters: decoders in chain order, encoders in reverse, by index. It
// owns iteration and buffering and nothing of HTTP; active-stream is above it (FilterManagerHost).
// The parts are decode-iteration, encode-iteration and chain-replies, which share chain-state.
//
//            decodeHeaders/Data/Trailers                      encodeHeaders/Data/Trailers
//   host --> decoder 0 --> decoder 1 --> router     host <-- encoder of 0 <-- encoder of 1 <-- router
//
//   a filter:  Continue --Stop...--> StopSingle | StopAll* --continueDecoding()--> Continue
//
// If every filter says Continue, no buffer object exists and nothing here allocates per call.

import type { ResponseHeaders, Trailers } from '../api/headers.ts';
import type { DownstreamWatermarkCallbacks, ModifyHeaders } from '../api/http-filter.ts';
import type { ResourceReference } from '../api/resource-compiler.ts';
import type { Route } from '../api/route.ts';
import { keepBytes } from '../network/read-slab.ts';
import { ActiveStreamFilter, type FilterIteration } from './active-stream-filter.ts';
import { sendLocalReply } from './chain-replies.ts';
import { ChainState } from './chain-state.ts';
import {
  addDecodedData,
  continueDecoding,
  decodeDataFrom,
  decodeHeadersFrom,
  decodeTrailersFrom,
} from './decode-iteration.ts';
import {
  addEncodedData,
  continueEncoding,
  encodeDataFrom,
  encodeTrailersFrom,
  startResponse,
} from './encode-iteration.ts';
import type { FilterEntry } from './filter-manager-host.ts';
import { isGrpcRequest } from './local-reply.ts';

const NO_BUFFERS: readonly Buffer[] = [];

/** One per stream. After destroyFilters() every method is without effect. */
export class FilterManager
  extends ChainState
  implements FilterIteration, DownstreamWatermarkCallbacks
{
  /** Makes the stream's filters; harmless when done already. The route decides which take part. */
  createFilterChain(entries: readonly FilterEntry[] = this.entries): void {
    if (this.isChainCreated) return;
    this.isChainCreated = true;
    const decoders = this.decoders;
    const encoders = this.encoders;
    const route = this.host.route();
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
        this.isChainBroken = true;
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
      this.host.reportBug(thrown);
      return null;
    }
  }

  /** Tells every filter that the stream is over. Nothing is called afterwards. */
  destroyFilters(): void {
    if (this.isDestroyed) return;
    this.isDestroyed = true;
    this.requestBody = null;
    this.responseBody = null;
    for (let i = 0; i < this.decoders.length; i++) this.#destroyFilter(this.decoders[i]!);
    for (let i = 0; i < this.encoders.length; i++) {
      const filter = this.encoders[i]!;
      if (filter.decoderIndex === -1) this.#destroyFilter(filter);
    }
  }

  #destroyFilter(filter: ActiveStreamFilter): void {
    try {
      filter.onDestroy();
    } catch (thrown) {
      // The other filters must still hear of the end.
      this.host.reportBug(thrown);
    }
  }

  isRemoteComplete(): boolean {
    return this.remoteComplete;
  }

  // ---- request path ----

  /** The host: whether the head was all of the request. Comes before any reply can be made. */
  noteRequestEnd(endStream: boolean): void {
    this.remoteComplete = endStream;
  }

  /** The host: the head (host.requestHeaders) passed its checks, filters may have it. Once. */
  decodeHeaders(): void {
    if (this.isChainBroken) {
      this.sendLocalReply(500, '', null, 'filter_exception');
      return;
    }
    this.isGrpcRequest = isGrpcRequest(this.host.requestHeaders!);
    decodeHeadersFrom(this, 0, this.remoteComplete);
  }

  /** The host: a piece of the request's body. */
  decodeData(data: Buffer, endStream: boolean): void {
    this.remoteComplete = endStream;
    if (this.isAnswered() || this.isDestroyed) return;
    if (this.requestReplay !== null) this.requestReplay.push(keepBytes(data));
    else decodeDataFrom(this, 0, data, endStream);
  }

  /** The host: the response that is about to be encoded opens a tunnel, whose directions end one by one. */
  openTunnel(): void {
    this.isTunnel = true;
  }

  /** The host: trailers, which end the request. */
  decodeTrailers(trailers: Trailers): void {
    this.remoteComplete = true;
    if (this.localComplete || this.isDestroyed) return;
    this.requestTrailers = trailers;
    if (this.requestReplay === null) decodeTrailersFrom(this, 0);
  }

  continueDecoding(filter: ActiveStreamFilter): void {
    continueDecoding(this, filter);
  }

  addDecodedData(filter: ActiveStreamFilter, data: Buffer): void {
    addDecodedData(this, filter, data);
  }

  replaceDecodedData(data: Buffer): void {
    this.requestReplacement = data;
  }

  decodingBuffer(): readonly Buffer[] {
    return this.requestBody === null ? NO_BUFFERS : this.requestBody.chunks;
  }

  decoderBufferLimit(): number {
    return this.bufferLimitBytes;
  }

  // ---- response path ----

  /** What the upstream said goes to the logs only. A local reply may have been first. */
  recreateStream(response: ResponseHeaders, body: readonly Buffer[]): void {
    if (this.isDestroyed || this.responseHeaders !== null) return;
    this.responseHeaders = response;
    this.host.recreateStream(response.status, body);
  }

  /** No filter of ours looks at them. */
  encode1xxHeaders(headers: ResponseHeaders): void {
    this.host.encode1xxHeaders(headers);
  }

  encodeHeaders(headers: ResponseHeaders, endStream: boolean, details: string): void {
    // A local reply may have been first: then the router's answer comes too late.
    if (this.isDestroyed || this.responseHeaders !== null) return;
    this.streamInfo.responseCodeDetails = details;
    startResponse(this, headers, endStream);
  }

  encodeData(data: Buffer, endStream: boolean): void {
    if (this.isDestroyed || this.localComplete) return;
    this.localComplete = endStream;
    if (this.responseReplay !== null) this.responseReplay.push(keepBytes(data));
    else encodeDataFrom(this, 0, data, endStream);
  }

  encodeTrailers(trailers: Trailers): void {
    if (this.isDestroyed || this.localComplete) return;
    this.localComplete = true;
    this.responseTrailers = trailers;
    if (this.responseReplay === null) encodeTrailersFrom(this, 0);
  }

  continueEncoding(filter: ActiveStreamFilter): void {
    continueEncoding(this, filter);
  }

  addEncodedData(filter: ActiveStreamFilter, data: Buffer): void {
    addEncodedData(this, filter, data);
  }

  replaceEncodedData(data: Buffer): void {
    this.responseReplacement = data;
  }

  encodingBuffer(): readonly Buffer[] {
    return this.responseBody === null ? NO_BUFFERS : this.responseBody.chunks;
  }

  // ---- local replies ----

  sendLocalReply(
    status: number,
    body: string,
    modify: ModifyHeaders | null,
    details: string,
    grpcStatus: number | null = null,
  ): void {
    sendLocalReply(this, status, body, modify, details, grpcStatus);
  }

  // ---- the rest of what filters may ask ----

  route(): Route | null {
    return this.host.route();
  }

  missingRoute(): ResourceReference | null {
    return this.host.missingRoute();
  }

  refreshRoute(): Route | null {
    return this.host.refreshRoute();
  }

  clearRouteCache(): void {
    this.host.clearRouteCache();
  }

  streamRandom(): number {
    return this.host.streamRandom();
  }

  resetStream(): void {
    if (!this.isDestroyed) this.host.resetStream();
  }

  onDecoderFilterAboveWriteBufferHighWatermark(): void {
    if (!this.isDestroyed) this.host.readDisableRequest(true);
  }

  onDecoderFilterBelowWriteBufferLowWatermark(): void {
    if (!this.isDestroyed) this.host.readDisableRequest(false);
  }

  addDownstreamWatermarkCallbacks(callbacks: DownstreamWatermarkCallbacks): void {
    this.watermarkCallbacks ??= [];
    this.watermarkCallbacks.push(callbacks);
    for (let i = 0; i < this.highWatermarks; i++) callbacks.onAboveWriteBufferHighWatermark();
  }

  /** The client does not keep up, or an encoder filter's buffer is full. Counted. */
  onAboveWriteBufferHighWatermark(): void {
    this.highWatermarks++;
    const callbacks = this.watermarkCallbacks;
    if (callbacks === null || this.isDestroyed) return;
    for (let i = 0; i < callbacks.length; i++) callbacks[i]!.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.highWatermarks--;
    const callbacks = this.watermarkCallbacks;
    if (callbacks === null || this.isDestroyed) return;
    for (let i = 0; i < callbacks.length; i++) callbacks[i]!.onBelowWriteBufferLowWatermark();
  }
}
