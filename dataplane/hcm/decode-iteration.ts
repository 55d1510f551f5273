// The request through the decoders, in chain order: iteration, buffering at a filter that stopped, and replay
// when it goes on. Called by the filter manager; encode-iteration.ts is its mirror image, to be read beside it.
// Allocates nothing per call unless a filter stops.

import { FilterDataStatus, FilterHeadersStatus, FilterTrailersStatus } from '../api/http-filter.ts';
import { type ActiveStreamFilter, IterationState } from './active-stream-filter.ts';
import { BodyBuffer, BufferVerdict } from './body-buffer.ts';
import { sendPreparedReply } from './chain-replies.ts';
import { CallState, EMPTY, type FilterChain, replyToBug, stateAfter } from './chain-state.ts';

/** Gives the head to the decoders from `start` on, until one stops. */
export function decodeHeadersFrom(manager: FilterChain, start: number, endStream: boolean): void {
  const decoders = manager.decoders;
  const headers = manager.host.requestHeaders!;
  // A filter gave a bodyless request a body: later filters must not see the end in the head.
  let bodyAddedBy: ActiveStreamFilter | null = null;
  let hasReachedEnd = true;
  for (let i = start; i < decoders.length; i++) {
    const filter = decoders[i]!;
    filter.decodeEnded = endStream && bodyAddedBy === null;
    manager.callState |= CallState.DecodeHeaders;
    let status: FilterHeadersStatus;
    try {
      status = filter.decoder!.decodeHeaders(headers, filter.decodeEnded);
    } catch (thrown) {
      status = replyToBug(manager, thrown);
    }
    manager.callState &= ~CallState.DecodeHeaders;
    if (manager.decodeAborted) {
      sendPreparedReply(manager);
      return;
    }
    if (manager.isDestroyed) return;
    if (status !== FilterHeadersStatus.Continue) {
      filter.decodeState = stateAfter(status);
      hasReachedEnd = i === decoders.length - 1;
      break;
    }
    filter.decodeHeadersContinued = true;
    if (endStream && bodyAddedBy === null && manager.requestBody !== null) bodyAddedBy = filter;
  }
  if (bodyAddedBy !== null) {
    bodyAddedBy.decodeState = IterationState.StopSingle;
    continueDecoding(manager, bodyAddedBy);
  }
  if (endStream && hasReachedEnd) manager.host.disarmRequestTimeout();
}

/** The same with a piece of the body; what a stopped filter does not take is buffered. */
export function decodeDataFrom(
  manager: FilterChain,
  start: number,
  data: Buffer,
  endStream: boolean,
): void {
  manager.host.resetIdleTimer();
  const decoders = manager.decoders;
  let piece = data;
  let hasReachedEnd = true;
  for (let i = start; i < decoders.length; i++) {
    const filter = decoders[i]!;
    if (filter.decodeState >= IterationState.StopAllBuffer) {
      bufferRequest(manager, piece, filter.decodeState === IterationState.StopAllWatermark);
      return;
    }
    if (filter.decodeEnded) return;
    filter.decodeEnded = endStream;
    manager.callState |= CallState.DecodeData;
    let status: FilterDataStatus;
    try {
      status = filter.decoder!.decodeData(piece, endStream);
    } catch (thrown) {
      status = replyToBug(manager, thrown);
    }
    manager.callState &= ~CallState.DecodeData;
    if (manager.decodeAborted) {
      sendPreparedReply(manager);
      return;
    }
    if (manager.isDestroyed) return;
    if (manager.requestReplacement !== null) {
      piece = manager.requestReplacement;
      manager.requestReplacement = null;
    }
    if (status === FilterDataStatus.Continue) {
      if (filter.decodeState === IterationState.Continue) continue;
      // The headers waited at this filter: they go first, then what was buffered, then this piece.
      bufferRequest(manager, piece, true);
      continueDecoding(manager, filter);
      return;
    }
    filter.decodeState = IterationState.StopSingle;
    if (status !== FilterDataStatus.StopIterationNoBuffer) {
      bufferRequest(manager, piece, status === FilterDataStatus.StopIterationAndWatermark);
    } else if (endStream && manager.requestBody === null && i < decoders.length - 1) {
      // The filter took the body: an empty last piece must still tell the next ones of the end.
      bufferRequest(manager, EMPTY, true);
    }
    hasReachedEnd = i === decoders.length - 1;
    break;
  }
  if (endStream && hasReachedEnd) manager.host.disarmRequestTimeout();
}

/** The same with the trailers. */
export function decodeTrailersFrom(manager: FilterChain, start: number): void {
  const decoders = manager.decoders;
  const trailers = manager.requestTrailers!;
  for (let i = start; i < decoders.length; i++) {
    const filter = decoders[i]!;
    if (filter.decodeState >= IterationState.StopAllBuffer) return;
    if (filter.decodeEnded) continue;
    filter.decodeEnded = true;
    manager.callState |= CallState.DecodeTrailers;
    let status: FilterTrailersStatus;
    try {
      status = filter.decoder!.decodeTrailers(trailers);
    } catch (thrown) {
      status = replyToBug(manager, thrown);
    }
    manager.callState &= ~CallState.DecodeTrailers;
    if (manager.decodeAborted) {
      sendPreparedReply(manager);
      return;
    }
    if (manager.isDestroyed) return;
    if (status === FilterTrailersStatus.Continue) {
      if (filter.decodeState === IterationState.Continue) continue;
      continueDecoding(manager, filter);
      return;
    }
    filter.decodeState = IterationState.StopSingle;
    return;
  }
  manager.host.disarmRequestTimeout();
}

/** A filter that stopped goes on: head, buffered body and trailers pass to the filters behind it. */
export function continueDecoding(manager: FilterChain, filter: ActiveStreamFilter): void {
  // Answered meanwhile: there is nobody to go on for.
  if (manager.isAnswered() || manager.isDestroyed) return;
  const state = filter.decodeState;
  if (state === IterationState.Continue) return;
  filter.decodeState = IterationState.Continue;
  const next = filter.decoderIndex + 1;
  if (!filter.decodeHeadersContinued) {
    filter.decodeHeadersContinued = true;
    const isHeadAll =
      manager.remoteComplete && manager.requestBody === null && manager.requestTrailers === null;
    decodeHeadersFrom(manager, next, isHeadAll);
    if (manager.isAnswered() || manager.isDestroyed) return;
  }
  // A filter that stopped all has seen no body yet.
  const from = state >= IterationState.StopAllBuffer ? filter.decoderIndex : next;
  if (manager.requestBody !== null) replayRequest(manager, from, manager.requestBody);
  if (manager.requestTrailers !== null && !manager.localComplete && !manager.isDestroyed) {
    decodeTrailersFrom(manager, from);
  }
}

function replayRequest(manager: FilterChain, from: number, body: BodyBuffer): void {
  manager.requestBody = null;
  const { chunks } = body;
  const isOutermost = manager.requestReplay === null;
  if (isOutermost) manager.requestReplay = chunks;
  if (body.isPaused) {
    manager.host.readDisableRequest(false);
  }
  for (let i = 0; i < chunks.length; i++) {
    const isLast = i === chunks.length - 1;
    const endStream = isLast && manager.remoteComplete && manager.requestTrailers === null;
    decodeDataFrom(manager, from, chunks[i]!, endStream);
    if (manager.isAnswered() || manager.isDestroyed) break;
  }
  if (isOutermost) manager.requestReplay = null;
}

/** `isStreaming`: over the limit the client is paused, else the request is answered 413. */
function bufferRequest(manager: FilterChain, data: Buffer, isStreaming: boolean): void {
  manager.requestBody ??= new BodyBuffer(manager.bufferLimitBytes);
  const verdict = manager.requestBody.add(data, isStreaming);
  if (verdict === BufferVerdict.Pause) manager.host.readDisableRequest(true);
  if (verdict !== BufferVerdict.TooLarge) return;
  manager.host.onRequestDataTooLarge();
  manager.sendLocalReply(413, 'Payload Too Large', null, 'request_payload_too_large');
}

/** A filter adds to the body: at once while it handles trailers, else to what is buffered. */
export function addDecodedData(
  manager: FilterChain,
  filter: ActiveStreamFilter,
  data: Buffer,
): void {
  if (manager.isDestroyed) return;
  const isInTrailers = (manager.callState & CallState.DecodeTrailers) !== 0;
  if (isInTrailers && filter.decodeState === IterationState.Continue) {
    decodeDataFrom(manager, filter.decoderIndex + 1, data, false);
    return;
  }
  bufferRequest(manager, data, true);
}
