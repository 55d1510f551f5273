// Hedging (HedgePolicy.hedge_on_per_try_timeout): a try that answers too late is not given up; another one begins
// beside it, and the first good response wins. The tries of one request are then
//
//   stream.upstream   the latest, the only one that may still be retried; null during a back-off
//   stream.hedged     those before it, each of which has been retried already; null = there are none
//
// Called by response.ts, request-timeouts.ts and tries.ts. A request that is not hedged costs a comparison with null.

import { OutlierResult } from '../api/host.ts';
import { RetryStatus } from './retry/state.ts';
import type { RouterStream } from './stream-state.ts';
import { flagRetryStatus } from './tries.ts';
import type { UpstreamRequest } from './upstream-request.ts';

/** per_try_timeout or per_try_idle_timeout where the request is hedged: the try goes on. */
export function handleSoftTimeout(stream: RouterStream, request: UpstreamRequest): void {
  if (request.hostAttempted) request.host.outlier.putResult(OutlierResult.LocalOriginTimeout);
  request.isTimeoutReported = true;
  const { retryState } = stream;
  if (stream.responseStarted || retryState === null || request.isRetried) return;
  const status = retryState.shouldHedge();
  if (status !== RetryStatus.Yes) {
    flagRetryStatus(stream, status);
    return;
  }
  stream.isTimeoutRetry = true;
  stream.isRetryPending = true;
  request.isRetried = true;
  request.lastTxMs = stream.streamInfo.lastUpstreamTxByteMs;
  stream.upstream = null;
  stream.hedged ??= [];
  stream.hedged.push(request);
}

/** Somebody else may still answer: another try that has not, or the one that a back-off is for. */
export function othersMayAnswer(stream: RouterStream, request: UpstreamRequest): boolean {
  if (stream.isRetryPending) return true;
  const { upstream, hedged } = stream;
  if (upstream !== null && upstream !== request) return true;
  return hedged?.some((other) => other !== request) === true;
}

/** The try is over, or no longer wanted. */
export function forgetRequest(stream: RouterStream, request: UpstreamRequest): void {
  if (stream.upstream === request) stream.upstream = null;
  const { hedged } = stream;
  if (hedged === null) return;
  const at = hedged.indexOf(request);
  if (at !== -1) hedged.splice(at, 1);
}

/** Its response goes to the client: the others end, and the log line tells of this one. */
export function winHedge(stream: RouterStream, request: UpstreamRequest): void {
  const { upstream, hedged } = stream;
  stream.upstream = request;
  stream.hedged = null;
  if (upstream !== null && upstream !== request) upstream.reset();
  if (hedged !== null) for (const other of hedged) if (other !== request) other.reset();
  request.describeAgain();
}
