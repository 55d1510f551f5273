// The response through the encoders, in reverse chain order, and out to the codec: iteration, buffering at a
// filter that stopped, and replay when it goes on. Called by the filter manager and chain-replies.ts;
// decode-iteration.ts is its mirror image, to be read beside it. Allocates nothing per call unless a filter stops.

import type { ResponseHeaders } from '../api/headers.ts';
import { FilterDataStatus, FilterHeadersStatus, FilterTrailersStatus } from '../api/http-filter.ts';
import { type ActiveStreamFilter, IterationState } from './active-stream-filter.ts';
import { BodyBuffer, BufferVerdict } from './body-buffer.ts';
import { CallState, EMPTY, type FilterChain, replyToBug, stateAfter } from './chain-state.ts';

/** The response's head enters the chain: the router's, or a local reply's. */
export function startResponse(
  manager: FilterChain,
  headers: ResponseHeaders,
  endStream: boolean,
): void {
  manager.responseHeaders = headers;
  manager.localComplete = endStream;
  if (!endStream) manager.host.resetIdleTimer();
  manager.host.disarmRequestTimeout();
  encodeHeadersFrom(manager, 0, endStream);
}

function encodeHeadersFrom(manager: FilterChain, start: number, endStream: boolean): void {
  const encoders = manager.encoders;
  const headers = manager.responseHeaders!;
  let bodyAddedBy: ActiveStreamFilter | null = null;
  for (let i = start; i < encoders.length; i++) {
    const filter = encoders[i]!;
    filter.encodeEnded = endStream && bodyAddedBy === null;
    manager.callState |= CallState.EncodeHeaders;
    let status: FilterHeadersStatus;
    try {
      status = filter.encoder!.encodeHeaders(headers, filter.encodeEnded);
    } catch (thrown) {
      status = replyToBug(manager, thrown);
    }
    manager.callState &= ~CallState.EncodeHeaders;
    if (manager.encodeAborted || manager.isDestroyed) return;
    if (status !== FilterHeadersStatus.Continue) {
      filter.encodeState = stateAfter(status);
      if (bodyAddedBy !== null) continueAddedBody(manager, bodyAddedBy);
      return;
    }
    filter.encodeHeadersContinued = true;
    if (endStream && bodyAddedBy === null && manager.responseBody !== null) bodyAddedBy = filter;
  }
  const isHeadAll = endStream && bodyAddedBy === null;
  manager.responseStarted = true;
  manager.host.encodeHeaders(headers, isHeadAll);
  if (manager.isDestroyed) return;
  if (isHeadAll) completeResponse(manager);
  else if (bodyAddedBy !== null) continueAddedBody(manager, bodyAddedBy);
}

function continueAddedBody(manager: FilterChain, filter: ActiveStreamFilter): void {
  filter.encodeState = IterationState.StopSingle;
  continueEncoding(manager, filter);
}

/** Gives a piece of the body to the encoders from `start` on, until one stops; behind the last is the codec. */
export function encodeDataFrom(
  manager: FilterChain,
  start: number,
  data: Buffer,
  endStream: boolean,
): void {
  if (!endStream) manager.host.resetIdleTimer();
  const encoders = manager.encoders;
  let piece = data;
  for (let i = start; i < encoders.length; i++) {
    const filter = encoders[i]!;
    if (filter.encodeState >= IterationState.StopAllBuffer) {
      bufferResponse(manager, piece, filter.encodeState === IterationState.StopAllWatermark);
      return;
    }
    if (filter.encodeEnded) return;
    filter.encodeEnded = endStream;
    manager.callState |= CallState.EncodeData;
    let status: FilterDataStatus;
    try {
      status = filter.encoder!.encodeData(piece, endStream);
    } catch (thrown) {
      status = replyToBug(manager, thrown);
    }
    manager.callState &= ~CallState.EncodeData;
    if (manager.encodeAborted || manager.isDestroyed) return;
    if (manager.responseReplacement !== null) {
      piece = manager.responseReplacement;
      manager.responseReplacement = null;
    }
    if (status === FilterDataStatus.Continue) {
      if (filter.encodeState === IterationState.Continue) continue;
      bufferResponse(manager, piece, true);
      continueEncoding(manager, filter);
      return;
    }
    filter.encodeState = IterationState.StopSingle;
    if (status !== FilterDataStatus.StopIterationNoBuffer) {
      bufferResponse(manager, piece, status === FilterDataStatus.StopIterationAndWatermark);
    } else if (endStream && manager.responseBody === null) {
      bufferResponse(manager, EMPTY, true);
    }
    return;
  }
  manager.host.encodeData(piece, endStream);
  if (endStream && !manager.isDestroyed) completeResponse(manager);
}

/** The same with the trailers, which end the response. */
export function encodeTrailersFrom(manager: FilterChain, start: number): void {
  const encoders = manager.encoders;
  const trailers = manager.responseTrailers!;
  manager.host.resetIdleTimer();
  for (let i = start; i < encoders.length; i++) {
    const filter = encoders[i]!;
    if (filter.encodeState >= IterationState.StopAllBuffer) return;
    if (filter.encodeEnded) continue;
    filter.encodeEnded = true;
    manager.callState |= CallState.EncodeTrailers;
    let status: FilterTrailersStatus;
    try {
      status = filter.encoder!.encodeTrailers(trailers);
    } catch (thrown) {
      status = replyToBug(manager, thrown);
    }
    manager.callState &= ~CallState.EncodeTrailers;
    if (manager.encodeAborted || manager.isDestroyed) return;
    if (status === FilterTrailersStatus.Continue) {
      if (filter.encodeState === IterationState.Continue) continue;
      continueEncoding(manager, filter);
      return;
    }
    filter.encodeState = IterationState.StopSingle;
    return;
  }
  if (manager.encodeComplete) return;
  manager.host.encodeTrailers(trailers);
  if (!manager.isDestroyed) completeResponse(manager);
}

/** A filter that stopped goes on: head, buffered body and trailers pass to the filters behind it. */
export function continueEncoding(manager: FilterChain, filter: ActiveStreamFilter): void {
  if (manager.encodeComplete || manager.isDestroyed) return;
  const state = filter.encodeState;
  if (state === IterationState.Continue) return;
  filter.encodeState = IterationState.Continue;
  const next = filter.encoderIndex + 1;
  if (!filter.encodeHeadersContinued) {
    filter.encodeHeadersContinued = true;
    const isHeadAll =
      manager.localComplete && manager.responseBody === null && manager.responseTrailers === null;
    encodeHeadersFrom(manager, next, isHeadAll);
    if (manager.encodeComplete || manager.isDestroyed) return;
  }
  const from = state >= IterationState.StopAllBuffer ? filter.encoderIndex : next;
  if (manager.responseBody !== null) replayResponse(manager, from, manager.responseBody);
  if (manager.responseTrailers !== null && !manager.encodeComplete && !manager.isDestroyed) {
    encodeTrailersFrom(manager, from);
  }
}

function replayResponse(manager: FilterChain, from: number, body: BodyBuffer): void {
  manager.responseBody = null;
  const { chunks } = body;
  const isOutermost = manager.responseReplay === null;
  if (isOutermost) manager.responseReplay = chunks;
  if (body.isPaused) {
    manager.onBelowWriteBufferLowWatermark();
  }
  for (let i = 0; i < chunks.length; i++) {
    const isLast = i === chunks.length - 1;
    const endStream = isLast && manager.localComplete && manager.responseTrailers === null;
    encodeDataFrom(manager, from, chunks[i]!, endStream);
    if (manager.encodeComplete || manager.isDestroyed) break;
  }
  if (isOutermost) manager.responseReplay = null;
}

/** `isStreaming`: over the limit the upstream is paused, else the response becomes a 500. */
function bufferResponse(manager: FilterChain, data: Buffer, isStreaming: boolean): void {
  manager.responseBody ??= new BodyBuffer(manager.bufferLimitBytes);
  const verdict = manager.responseBody.add(data, isStreaming);
  if (verdict === BufferVerdict.Pause) manager.onAboveWriteBufferHighWatermark();
  if (verdict !== BufferVerdict.TooLarge) return;
  manager.host.onResponseDataTooLarge();
  manager.sendLocalReply(500, 'Internal Server Error', null, 'response_payload_too_large');
}

/** A filter adds to the body: at once while it handles trailers, else to what is buffered. */
export function addEncodedData(
  manager: FilterChain,
  filter: ActiveStreamFilter,
  data: Buffer,
): void {
  if (manager.isDestroyed) return;
  const isInTrailers = (manager.callState & CallState.EncodeTrailers) !== 0;
  if (isInTrailers && filter.encodeState === IterationState.Continue) {
    encodeDataFrom(manager, filter.encoderIndex + 1, data, false);
    return;
  }
  bufferResponse(manager, data, true);
}

function completeResponse(manager: FilterChain): void {
  manager.encodeComplete = true;
  manager.host.onResponseComplete();
}
