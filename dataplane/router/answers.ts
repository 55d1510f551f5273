// Answers that the router gives itself (local replies), and what every end of a stream's life here needs:
// the timer stopped, the retries given up. Called by the router filter's parts; nothing here starts a try.

import type { Cluster } from '../api/cluster.ts';
import { type RequestHeaders, type ResponseHeaders, setField } from '../api/headers.ts';
import type { ModifyHeaders } from '../api/http-filter.ts';
import { ResponseFlag } from '../api/stream-info.ts';
import { letGo } from '../network/read-slab.ts';
import type { BreakerScope } from './breaker-pass.ts';
import { chargeCode, chargeDrop } from './charges.ts';
import type { RouteEntry } from './route-entry.ts';
import { ATTEMPT_COUNT, type RouterStream } from './stream-state.ts';

/** The only way to a local reply once a route was found; ends the request's life here. */
export function reply(
  stream: RouterStream,
  status: number,
  body: string,
  extra: ModifyHeaders | null,
  details: string,
): void {
  stream.isDone = true;
  cleanUp(stream);
  const attempts = attemptsForResponse(stream);
  const add = extra === null || stream.config.suppressEnvoyHeaders ? null : extra;
  const modify: ModifyHeaders | null =
    attempts === 0 && add === null
      ? null
      : (response) => {
          if (add !== null) add(response);
          if (attempts > 0) setField(response.fields, ATTEMPT_COUNT, String(attempts));
        };
  stream.callbacks.sendLocalReply(status, body, modify, details);
}

/** The route has an answer of its own: direct_response or redirect. */
export function answerDirectly(
  stream: RouterStream,
  route: RouteEntry,
  headers: RequestHeaders,
): void {
  stream.config.stats.rqDirectResponse++;
  const status = route.directStatus;
  route.rewritePath(headers, !stream.config.suppressEnvoyHeaders);
  let modify: ModifyHeaders | null = null;
  if (status === 201 || (status >= 300 && status < 400)) {
    const location = route.location(headers);
    modify = (response) => setField(response.fields, 'location', location);
  }
  stream.isDone = true;
  stream.callbacks.sendLocalReply(status, route.directBody, modify, 'direct_response');
}

/** The cluster is in maintenance mode (upstream.maintenance_mode). */
export function refuseMaintenance(stream: RouterStream, cluster: Cluster): void {
  cluster.stats.upstreamRqMaintenanceMode++;
  stream.streamInfo.responseFlags |= ResponseFlag.UpstreamOverflow;
  chargeCode(stream, 503, null);
  chargeDrop(stream);
  reply(stream, 503, 'maintenance mode', overloaded, 'maintenance_mode');
}

/** Discovery says that the cluster has too much to do. `details`: what Cluster.dropOverload said. */
export function refuseOverload(
  stream: RouterStream,
  details: 'drop_overload' | 'unconditional_drop_overload',
): void {
  const isAll = details === 'unconditional_drop_overload';
  stream.streamInfo.responseFlags |= isAll
    ? ResponseFlag.UnconditionalDropOverload
    : ResponseFlag.DropOverLoad;
  chargeCode(stream, 503, null);
  chargeDrop(stream);
  stream.cluster!.stats.loadDropOverload++;
  const body = isAll ? 'unconditional drop overload' : 'drop overload';
  reply(stream, 503, body, isAll ? droppedAll : droppedSome, details);
}

/** Too many requests failed: an error-ratio breaker is open, or has its probes. */
export function replyBreakerOpen(
  stream: RouterStream,
  cluster: Cluster,
  scope: BreakerScope,
): void {
  cluster.stats.upstreamRqErrorRatioBreakerOpen++;
  stream.streamInfo.responseFlags |= ResponseFlag.ErrorRatioBreakerOpen;
  chargeCode(stream, 503, null);
  const body = 'upstream error ratio breaker is open';
  reply(stream, 503, body, overloaded, `error_ratio_breaker_open{${scope}}`);
}

/** The cluster has no host for this request, or is gone. */
export function replyNoHealthyUpstream(stream: RouterStream): void {
  const override = stream.overrideHost;
  const status = override?.strict === true ? override.statusIfMissing : 503;
  stream.streamInfo.responseFlags |= ResponseFlag.NoHealthyUpstream;
  chargeCode(stream, status, null);
  reply(stream, status, 'no healthy upstream', null, 'no_healthy_upstream');
}

/** `details`: which of the timeouts it was. */
export function replyTimeout(stream: RouterStream, details: string): void {
  stream.streamInfo.responseFlags |= ResponseFlag.UpstreamRequestTimeout;
  const body = stream.timeoutStatus === 504 ? 'upstream request timeout' : '';
  reply(stream, stream.timeoutStatus, body, null, details);
}

/** 0 = the response does not say. */
export function attemptsForResponse(stream: RouterStream): number {
  const include = stream.route?.virtualHost.includeAttemptCountInResponse ?? false;
  return include ? stream.attempts : 0;
}

/** Nothing may fire or be retried any more. */
export function cleanUp(stream: RouterStream): void {
  if (stream.timeoutTimer !== null) stream.timeoutTimer.stop();
  dropRetryState(stream);
}

/** From here on the current try is the last; its body need not be kept. */
export function dropRetryState(stream: RouterStream): void {
  giveUpRetries(stream);
  dropBody(stream);
}

/** The same, with the body kept. */
export function giveUpRetries(stream: RouterStream): void {
  if (stream.retryState !== null) stream.retryState.cancel();
  stream.retryState = null;
  stream.isRetryPending = false;
}

/** It is too large to be kept, or needed no more. */
export function dropBody(stream: RouterStream): void {
  const body = stream.body;
  stream.body = null;
  stream.bodySlab = null;
  if (body !== null) for (const piece of body.pieces) letGo(piece);
}

/** Tells the client that a ceiling, not a fault, turned it away. */
export function overloaded(response: ResponseHeaders): void {
  setField(response.fields, 'x-envoy-overloaded', 'true');
}

function droppedSome(response: ResponseHeaders): void {
  setField(response.fields, 'x-envoy-drop-overload', 'true');
}

function droppedAll(response: ResponseHeaders): void {
  setField(response.fields, 'x-envoy-unconditional-drop-overload', 'true');
}
