// When a request's timeouts begin and what they do: the route's, the try's, and the cluster's
// max_stream_duration. Called by the router filter, its tries and the timer. The lengths are in timeouts.ts.

import type { TimerService } from '../../common/timer.ts';
import { StreamResetReason } from '../api/codec.ts';
import { OutlierResult } from '../api/host.ts';
import { ResponseFlag } from '../api/stream-info.ts';
import { reply, replyTimeout } from './answers.ts';
import { chargeAbort } from './charges.ts';
import { forgetRequest, handleSoftTimeout } from './hedge.ts';
import { completeUpstream } from './response.ts';
import type { RouterStream } from './stream-state.ts';
import { maybeRetryReset } from './tries.ts';
import type { UpstreamRequest } from './upstream-request.ts';

/** The client has sent all: the timeouts count from now. */
export function completeRequest(stream: RouterStream): void {
  const { clock, timers } = stream.config;
  stream.requestCompleteMs = clock.nowMs();
  if (stream.isDone) return;
  if (stream.isTunnel) {
    if (stream.isUpstreamEnded && stream.upstream !== null)
      completeUpstream(stream, stream.upstream);
    return;
  }
  startGlobalTimeout(stream, timers);
  if (stream.upstream !== null) stream.upstream.onRequestComplete();
}

/** Starts the route's timeout, if it has one. */
export function startGlobalTimeout(stream: RouterStream, timers: TimerService): void {
  if (stream.globalMs <= 0) return;
  stream.timeoutTimer = timers.createTimer(onGlobalTimeout, stream);
  stream.timeoutTimer.start(stream.globalMs);
}

function onGlobalTimeout(stream: RouterStream): void {
  if (stream.isDone) return;
  const { upstream, hedged } = stream;
  stream.upstream = null;
  stream.hedged = null;
  if (upstream !== null) timeOut(stream, upstream);
  if (hedged !== null) for (const request of hedged) timeOut(stream, request);
  replyTimeout(stream, 'response_timeout');
}

function timeOut(stream: RouterStream, request: UpstreamRequest): void {
  if (!request.headersReceived) {
    request.cluster.stats.upstreamRqTimeout++;
    if (request.hostAttempted) {
      request.host.stats.rqTimeout++;
      if (!request.isTimeoutReported) {
        request.host.outlier.putResult(OutlierResult.LocalOriginTimeout);
      }
    }
    chargeAbort(stream, stream.timeoutStatus, request);
    failBreakers(stream, request);
  }
  request.reset();
}

/** It took too long, and is about to be reset. */
function failBreakers(stream: RouterStream, { breakers }: UpstreamRequest): void {
  if (breakers !== null) breakers.end(true, stream.clock.machineMs());
}

/** per_try_timeout, or with `isIdle` per_try_idle_timeout. */
export function handlePerTryTimeout(
  stream: RouterStream,
  request: UpstreamRequest,
  isIdle: boolean,
): void {
  if (stream.isDone) return;
  if (stream.hedgesOnPerTryTimeout) {
    handleSoftTimeout(stream, request);
    return;
  }
  const { stats } = request.cluster;
  if (isIdle) stats.upstreamRqPerTryIdleTimeout++;
  else stats.upstreamRqPerTryTimeout++;
  stream.upstream = null;
  failBreakers(stream, request);
  request.reset();
  if (request.hostAttempted) {
    request.host.stats.rqTimeout++;
    request.host.outlier.putResult(OutlierResult.LocalOriginTimeout);
  }
  if (maybeRetryReset(stream, StreamResetReason.LocalReset, request)) {
    stream.isTimeoutRetry = true;
    return;
  }
  chargeAbort(stream, stream.timeoutStatus, request);
  replyTimeout(stream, isIdle ? 'upstream_per_try_idle_timeout' : 'upstream_per_try_timeout');
}

/** max_stream_duration of the cluster. */
export function handleMaxStreamDuration(stream: RouterStream, request: UpstreamRequest): void {
  if (stream.isDone) return;
  request.cluster.stats.upstreamRqMaxDurationReached++;
  forgetRequest(stream, request);
  failBreakers(stream, request);
  request.reset();
  if (maybeRetryReset(stream, StreamResetReason.LocalReset, request)) return;
  stream.streamInfo.responseFlags |= ResponseFlag.UpstreamMaxStreamDurationReached;
  const status = stream.isRequestComplete() ? 504 : 408;
  const text = 'upstream max stream duration reached';
  reply(stream, status, text, null, 'upstream_max_stream_duration_reached');
}
