// The response of the current try on its way down, its reset, and its end; and how a response opens a tunnel.
// Called by the router filter for its tries (UpstreamRequestParent). A response that has begun is never
// replaced, only reset.

import { grpcStatusIn, httpStatusOfGrpc, NO_GRPC_STATUS } from '../access-log/grpc-status.ts';
import { StreamResetReason } from '../api/codec.ts';
import { getField, type ResponseHeaders, setField, type Trailers } from '../api/headers.ts';
import { OutlierResult } from '../api/host.ts';
import { isTunnelStatus } from '../http/tunnel.ts';
import {
  attemptsForResponse,
  cleanUp,
  dropRetryState,
  giveUpRetries,
  overloaded,
  reply,
} from './answers.ts';
import {
  chargeAbort,
  chargeCode,
  chargeDrop,
  chargeResponse,
  countSuccess,
  isCharged,
} from './charges.ts';
import { RequestTrait } from './control-headers.ts';
import { setIssuedCookies } from './hash-key.ts';
import { forgetRequest, othersMayAnswer, winHedge } from './hedge.ts';
import { followRedirect } from './internal-redirect.ts';
import { resetBody, resetDetails, resetReasonFlag, resetReasonStatus } from './reset-reason.ts';
import { RetryStatus } from './retry/state.ts';
import { ATTEMPT_COUNT, type RouterStream } from './stream-state.ts';
import { maybeRetryReset, retryResponse, sendAgain } from './tries.ts';
import type { UpstreamRequest } from './upstream-request.ts';

/** The host says that it wants no more traffic; clusters without active checks pay no heed. */
const IMMEDIATE_FAIL = 'x-envoy-immediate-health-check-fail';

/** 100 and 103 go through; no retry may follow one. */
export function handle1xx(stream: RouterStream, headers: ResponseHeaders): void {
  // The client may act on it: what follows must be of the same try. A redirect still needs the body.
  if (stream.route!.redirectPolicy === null) dropRetryState(stream);
  else giveUpRetries(stream);
  chargeCode(stream, headers.status, stream.upstream?.host ?? null);
  stream.callbacks.encode1xxHeaders(headers);
}

/** The head of the response: retried, or on its way to the client. */
export function handleHeaders(
  stream: RouterStream,
  headers: ResponseHeaders,
  request: UpstreamRequest,
  endStream: boolean,
): void {
  const { host } = request;
  const { status } = headers;
  const isGrpc = (stream.traits & RequestTrait.Grpc) !== 0;
  const grpcStatus = isGrpc ? grpcStatusIn(headers.fields) : NO_GRPC_STATUS;
  const hasStatus = grpcStatus !== NO_GRPC_STATUS;
  stream.isOutlierDeferred =
    isGrpc && !hasStatus && !endStream && status === 200 && countsTrailers(request);
  // A 5xx without a status is a proxy's: no trailers will tell more.
  if (request.breakers !== null && (!isGrpc || hasStatus || endStream || status >= 500)) {
    const isError = hasStatus ? httpStatusOfGrpc(grpcStatus) >= 500 : status >= 500;
    request.breakers.end(isError, stream.clock.machineMs());
  }
  if (!stream.isOutlierDeferred) {
    host.outlier.putResponse(hasStatus ? httpStatusOfGrpc(grpcStatus) : status, headers);
  }
  const { cluster } = request;
  if (cluster.config.healthCheck !== null && getField(headers.fields, IMMEDIATE_FAIL) !== null) {
    cluster.onImmediateHealthCheckFail(host);
  }
  let couldNotRetry = false;
  if (stream.retryState !== null) {
    if (request.isRetried) couldNotRetry = stream.retryState.wouldRetryHeaders(headers);
    else {
      const retry = retryResponse(stream, headers, request, endStream);
      if (retry === RetryStatus.Yes) return;
      couldNotRetry = retry !== RetryStatus.No;
    }
  }
  if (followRedirect(stream, headers, request, endStream)) return;
  if (couldNotRetry && othersMayAnswer(stream, request)) {
    host.stats.rqError++;
    forgetRequest(stream, request);
    request.reset();
    return;
  }
  if (stream.hedged !== null) winHedge(stream, request);
  dropRetryState(stream);
  const route = stream.route!;
  const { suppressEnvoyHeaders } = stream.config;
  if (stream.requestCompleteMs !== -1 && !suppressEnvoyHeaders) {
    const ms = Math.floor(stream.streamInfo.firstUpstreamRxByteMs - stream.requestCompleteMs);
    setField(headers.fields, 'x-envoy-upstream-service-time', String(Math.max(0, ms)));
  }
  chargeResponse(stream, headers, host);
  if (status < 500 || status > 599) countSuccess(stream, host, isGrpc, grpcStatus, endStream);
  // Formats of headers to add may ask for it.
  stream.streamInfo.responseCode = headers.status;
  if (stream.issuedCookies !== null) setIssuedCookies(stream.issuedCookies, headers);
  route.finalizeResponseHeaders(headers, stream.headers, stream.streamInfo);
  const attempts = attemptsForResponse(stream);
  if (attempts > 0) setField(headers.fields, ATTEMPT_COUNT, String(attempts));
  stream.responseStarted = true;
  if (endStream) completeUpstream(stream, request);
  else if (isTunnelStatus(stream.headers!.method === 'CONNECT', status)) openTunnel(stream);
  const isDeclined = stream.isWebSocket && !stream.isTunnel && status < 400;
  const details = isDeclined ? 'websocket_handshake_unsuccessful' : 'via_upstream';
  stream.callbacks.encodeHeaders(headers, endStream, details);
}

/** remora.outlier_detection: a gRPC response counts by the status in its trailers. */
function countsTrailers({ cluster }: UpstreamRequest): boolean {
  const { outlierDetection, http } = cluster.config;
  // An error matcher looks at heads.
  return outlierDetection?.grpcStatusFromTrailers === true && http.errorMatcher === null;
}

/** The end of a gRPC response that shows there whether it succeeded. Without a status it did not. */
function chargeGrpcEnd(stream: RouterStream, grpcStatus: number, request: UpstreamRequest): void {
  const { host, breakers } = request;
  const status = httpStatusOfGrpc(grpcStatus);
  if (breakers !== null) breakers.end(status >= 500, stream.clock.machineMs());
  if (status < 500) host.stats.rqSuccess++;
  else host.stats.rqError++;
  if (stream.isOutlierDeferred) host.outlier.putHttpResponseCode(status);
}

/** From here on the two directions end one by one, and only idle timeouts and durations apply. */
function openTunnel(stream: RouterStream): void {
  stream.isTunnel = true;
  if (stream.timeoutTimer !== null) stream.timeoutTimer.stop();
}

/** A piece of the body. */
export function handleData(
  stream: RouterStream,
  data: Buffer,
  request: UpstreamRequest,
  endStream: boolean,
): void {
  if (endStream) {
    if (stream.isGrpcDeferred) chargeGrpcEnd(stream, NO_GRPC_STATUS, request);
    completeUpstream(stream, request);
  }
  stream.callbacks.encodeData(data, endStream);
}

/** Trailers, which end the response (and tell whether a gRPC one succeeded). */
export function handleTrailers(
  stream: RouterStream,
  trailers: Trailers,
  request: UpstreamRequest,
): void {
  if (stream.isGrpcDeferred) chargeGrpcEnd(stream, grpcStatusIn(trailers), request);
  completeUpstream(stream, request);
  stream.callbacks.encodeTrailers(trailers);
}

/** The try is over without a complete response: retried, or answered. */
export function handleReset(
  stream: RouterStream,
  reason: StreamResetReason,
  transportFailureReason: string,
  request: UpstreamRequest,
): void {
  endBreakers(stream, reason, request);
  if (stream.isDone) return;
  forgetRequest(stream, request);
  const isRefused = reason === StreamResetReason.RemoteRefusedStreamReset && !request.isRetried;
  if (isRefused && sendAgain(stream, request)) return;
  if (reason !== StreamResetReason.Overflow) {
    request.host.outlier.putResult(OutlierResult.LocalOriginConnectFailed);
  }
  if (maybeRetryReset(stream, reason, request)) return;
  const status = resetReasonStatus(reason);
  chargeAbort(stream, status, request);
  const isDropped = reason === StreamResetReason.Overflow;
  if (isDropped && !stream.responseStarted) chargeDrop(stream);
  if (!stream.responseStarted && othersMayAnswer(stream, request)) return;
  stream.streamInfo.responseFlags |= resetReasonFlag(reason);
  reply(
    stream,
    status,
    resetBody(reason, stream.attempts > 1),
    isDropped ? overloaded : null,
    resetDetails(reason, stream.responseStarted, transportFailureReason),
  );
}

/** A ceiling of ours, or a peer that did nothing of it, tells nothing of how the peer is. */
function endBreakers(
  stream: RouterStream,
  reason: StreamResetReason,
  { breakers }: UpstreamRequest,
): void {
  if (breakers === null) return;
  const isOurs = reason === StreamResetReason.Overflow;
  if (isOurs || reason === StreamResetReason.RemoteRefusedStreamReset) breakers.cancel();
  else breakers.end(true, stream.clock.machineMs());
}

/** The try has done its part; of a tunnel only when both directions ended. */
export function completeUpstream(stream: RouterStream, request: UpstreamRequest): void {
  const completeMs = stream.requestCompleteMs;
  if (stream.isTunnel && completeMs === -1) {
    stream.isUpstreamEnded = true;
    return;
  }
  if (completeMs !== -1 && !stream.isTunnel && isCharged(stream)) {
    const { stats } = stream.cluster!;
    const rqTimeMs = stream.streamInfo.lastUpstreamRxByteMs - completeMs;
    stats.recordRqTime(rqTimeMs);
    stats.recordZoneRqTime(request.host.zone, rqTimeMs);
  }
  stream.isDone = true;
  stream.upstream = null;
  cleanUp(stream);
  request.complete();
}
