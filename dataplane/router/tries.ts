// The tries of one request: starting one, keeping the body for the next, deciding whether there is a next,
// and replaying the request into it. Called by the router filter's parts. The rules of retrying are in
// retry/, one try is upstream-request.ts (which also heals a connection found stale).

import type { Cluster, HttpPool, ResourcePriority } from '../api/cluster.ts';
import type { StreamResetReason } from '../api/codec.ts';
import { type ResponseHeaders, setField } from '../api/headers.ts';
import type { Host } from '../api/host.ts';
import { ResponseFlag, type StreamInfo } from '../api/stream-info.ts';
import { ReadSlab } from '../network/read-slab.ts';
import {
  dropBody,
  dropRetryState,
  reply,
  replyBreakerOpen,
  replyNoHealthyUpstream,
} from './answers.ts';
import { passBreakers } from './breaker-pass.ts';
import { RetryStatus } from './retry/state.ts';
import { ATTEMPT_COUNT, type RouterStream } from './stream-state.ts';
import { TcpUpstreamPool } from './tcp-upstream.ts';
import { setExpectedTimeout } from './timeouts.ts';
import { UpstreamRequest } from './upstream-request.ts';

/** Tells the upstream of a retry whether the try before took too long. */
const IS_TIMEOUT_RETRY = 'x-envoy-is-timeout-retry';
/** So much of a body is kept where only a refusal by the peer could make it needed again. */
const RESEND_BODY_BYTES = 64 * 1024;
/** Larger pieces are copied into one slab: fresh memory costs eight times as much (bench/micro/kept-body.ts). */
const FRESH_COPY_BYTES = 4 * 1024;
/** The peer is leaving, other connections will take the request: each refusal costs it a new connection. */
const MAX_RESENDS_GOING_AWAY = 10;
/** The peer stays and is busy: sending everything again and again would make that worse. */
const MAX_RESENDS = 3;

/** Starts a try at `host`; it is the current one even if it ends at once. */
export function startTry(
  stream: RouterStream,
  cluster: Cluster,
  host: Host,
  endStream: boolean,
  isAgain = false,
): void {
  // Before there is a pool: one that gets no request would count among max_connection_pools for ever.
  const pass = passBreakers(stream.route!, cluster, host, stream.clock);
  if (typeof pass === 'string') {
    // A hedged request still has another try.
    const { hedged } = stream;
    if (hedged === null || hedged.length === 0) replyBreakerOpen(stream, cluster, pass);
    else cluster.stats.upstreamRqErrorRatioBreakerOpen++;
    return;
  }
  const pool = poolOf(stream, cluster, host, stream.route!.forward!.priority);
  if (pool === null) {
    if (pass !== null) pass.cancel();
    // max_connection_pools; as Envoy answers.
    replyNoHealthyUpstream(stream);
    return;
  }
  const request = new UpstreamRequest(stream, cluster, host, stream.headers!, pass);
  stream.upstream = request;
  for (let i = 0; i < stream.downstreamFull; i++) request.readDisable(true);
  request.start(pool, endStream, isAgain);
}

function poolOf(
  stream: RouterStream,
  cluster: Cluster,
  host: Host,
  priority: ResourcePriority,
): HttpPool | null {
  const { connection } = stream.callbacks;
  const { method, authority } = stream.headers!;
  const connect = stream.route!.forward!.connect;
  // Requests of our own are no tunnels.
  const isConnect = connect !== null && connection !== null;
  if (isConnect && (method === 'CONNECT' || (connect.allowPost && method === 'POST'))) {
    const pool = cluster.tcpPool(host, priority, connection);
    return new TcpUpstreamPool(pool, connect.proxyProtocol, connection);
  }
  // auto_sni takes the server name from the request as it goes out.
  const { protocol } = stream.streamInfo;
  return cluster.httpPool(host, priority, authority, connection, protocol);
}

/** The back-off is over. */
export function startRetry(stream: RouterStream): void {
  if (stream.isDone) return;
  stream.isRetryPending = false;
  stream.attempts++;
  stream.streamInfo.upstreamRequestAttemptCount = stream.attempts;
  const host = nextHost(stream);
  if (host === null) return;
  const headers = stream.headers!;
  if (stream.route!.virtualHost.includeRequestAttemptCount) {
    setField(headers.fields, ATTEMPT_COUNT, String(stream.attempts));
  }
  if (stream.route!.virtualHost.includeIsTimeoutRetryHeader) {
    setField(headers.fields, IS_TIMEOUT_RETRY, String(stream.isTimeoutRetry));
  }
  const startedMs = stream.requestCompleteMs;
  const elapsedMs = startedMs === -1 ? 0 : stream.clock.nowMs() - startedMs;
  setExpectedTimeout(headers, stream, elapsedMs, !stream.config.suppressEnvoyHeaders);
  replay(stream, stream.cluster!, host, false);
}

/**
 * The peer has told that it did nothing of the request (RFC 9113 8.7): it is sent again, whatever its method and
 * without a retry policy, if all of it is still there (ADR 16). False = it is not, or too often.
 */
export function sendAgain(stream: RouterStream, request: UpstreamRequest): boolean {
  const most = request.peerIsGoingAway() ? MAX_RESENDS_GOING_AWAY : MAX_RESENDS;
  if (stream.responseStarted || stream.body === null || stream.resends >= most) return false;
  stream.resends++;
  stream.cluster!.stats.upstreamRqUnprocessed++;
  const host = nextHost(stream);
  if (host !== null) replay(stream, stream.cluster!, host, true);
  return true;
}

/** Where the next try goes; null = nowhere, and the request was answered. */
function nextHost(stream: RouterStream): Host | null {
  // The cluster may have been removed, or replaced, meanwhile.
  const cluster = stream.config.clusterManager.getCluster(stream.clusterName);
  const host = cluster === null ? null : cluster.chooseHost(stream);
  if (cluster === null || host === null) {
    replyNoHealthyUpstream(stream);
    return null;
  }
  stream.cluster = cluster;
  forgetTry(stream.streamInfo);
  return host;
}

/** Starts a try and gives it what has come of the request so far. */
function replay(stream: RouterStream, cluster: Cluster, host: Host, isAgain: boolean): void {
  const body = stream.body!.pieces;
  const trailers = stream.requestTrailers;
  const isComplete = stream.requestCompleteMs !== -1;
  const endStream = isComplete && body.length === 0 && trailers === null;
  startTry(stream, cluster, host, endStream, isAgain);
  // A ceiling or a dead pool may have ended it at once; then the current one is another or none.
  const request = stream.upstream;
  for (let i = 0; i < body.length && request !== null; i++) {
    if (stream.upstream !== request) return;
    request.encodeData(body[i]!, isComplete && trailers === null && i === body.length - 1);
  }
  if (trailers !== null && request !== null && stream.upstream === request) {
    request.encodeTrailers(trailers);
  }
}

/** False = the request was answered because it cannot be kept and no try is under way. */
export function keepBody(stream: RouterStream, data: Buffer): boolean {
  const isNeeded = stream.retryState !== null || stream.route!.redirectPolicy !== null;
  const limit = Math.min(
    isNeeded ? Number.POSITIVE_INFINITY : RESEND_BODY_BYTES,
    bodyLimit(stream),
  );
  if (stream.bodyBytes + data.length <= limit) {
    stream.bodyBytes += data.length;
    const body = stream.body!;
    if (data.length === 0) return true;
    if (isNeeded || data.length <= FRESH_COPY_BYTES) body.add(data);
    else body.pieces.push(keepForResend(stream, data));
    return true;
  }
  if (!isNeeded) {
    dropBody(stream);
    return true;
  }
  stream.cluster!.stats.retryOrShadowAbandoned++;
  dropRetryState(stream);
  if (stream.upstream !== null) return true;
  reply(
    stream,
    507,
    'exceeded request buffer limit while retrying upstream',
    null,
    'request_payload_exceeded_retry_buffer_limit',
  );
  return false;
}

/** letGo gives it back. */
function keepForResend(stream: RouterStream, data: Buffer): Buffer {
  let slab = stream.bodySlab;
  if (slab === null) {
    slab = ReadSlab.take(RESEND_BODY_BYTES);
    stream.bodySlab = slab;
  } else slab.hold();
  const at = stream.bodySlabBytes;
  stream.bodySlabBytes = at + data.length;
  data.copy(slab.memory, at);
  return slab.memory.subarray(at, stream.bodySlabBytes);
}

/** Envoy: a limit of the route goes before the listener's, also where it is larger. */
function bodyLimit(stream: RouterStream): number {
  return stream.route!.bufferLimitBytes ?? stream.bufferLimitBytes();
}

/** True = a retry was scheduled instead. */
export function maybeRetryReset(
  stream: RouterStream,
  reason: StreamResetReason,
  request: UpstreamRequest,
): boolean {
  if (request.started) stream.upstreamStarted = true;
  // A hedged one has its successor.
  if (stream.responseStarted || stream.retryState === null || request.isRetried) return false;
  const status = stream.retryState.shouldRetryReset(reason, stream.upstreamStarted);
  if (status !== RetryStatus.Yes) {
    flagRetryStatus(stream, status);
    return false;
  }
  stream.isTimeoutRetry = false;
  stream.isRetryPending = true;
  if (request.hostAttempted) request.host.stats.rqError++;
  return true;
}

/** Yes = the response is dropped and a retry scheduled. `endStream`: the head is all of it. */
export function retryResponse(
  stream: RouterStream,
  headers: ResponseHeaders,
  request: UpstreamRequest,
  endStream: boolean,
): RetryStatus {
  const retryState = stream.retryState!;
  const status = retryState.shouldRetryHeaders(headers);
  if (status !== RetryStatus.Yes) {
    flagRetryStatus(stream, status);
    return status;
  }
  if (stream.config.dynamicStats) stream.cluster!.stats.chargeRetriedResponse(headers.status);
  stream.upstreamStarted = true;
  stream.isTimeoutRetry = false;
  stream.isRetryPending = true;
  request.host.stats.rqError++;
  stream.upstream = null;
  // A connection on which nothing is under way any more is kept.
  if (endStream) request.complete();
  else request.reset();
  return status;
}

/** Why a retry did not come, for the log. */
export function flagRetryStatus(stream: RouterStream, status: RetryStatus): void {
  if (status === RetryStatus.NoOverflow) {
    stream.streamInfo.responseFlags |= ResponseFlag.UpstreamOverflow;
  } else if (status === RetryStatus.NoRetryLimitExceeded) {
    stream.streamInfo.responseFlags |= ResponseFlag.UpstreamRetryLimitExceeded;
  }
}

/** The client is gone: so are the tries. */
export function dropUpstream(stream: RouterStream): void {
  const { upstream, hedged } = stream;
  stream.upstream = null;
  stream.hedged = null;
  if (upstream !== null) upstream.reset();
  if (hedged !== null) for (const request of hedged) request.reset();
}

/** A log line tells of the last try only. */
function forgetTry(info: StreamInfo): void {
  info.upstreamHost = null;
  info.upstreamHostName = '';
  info.upstreamLocalAddress = null;
  info.upstreamTls = null;
  info.upstreamProtocol = '';
  info.upstreamTransportFailureReason = '';
  info.firstUpstreamTxByteMs = -1;
  info.lastUpstreamTxByteMs = -1;
  info.firstUpstreamRxByteMs = -1;
  info.lastUpstreamRxByteMs = -1;
}
