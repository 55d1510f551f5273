// The terminal HTTP filter: finds the cluster, starts tries at hosts, retries them, keeps the route's timeout,
// and hands the response down the encoder chain. One object per stream. Answers of its own go through
// sendLocalReply; a response that has begun is never replaced, only reset.
// Order of decisions, bodies, flags and details follow Envoy's router (checked against 1.40).
// This file is the request's way and the filter's face; the parts are named in stream-state.ts.

import type { Clock } from '../../common/clock.ts';
import type { TimerService } from '../../common/timer.ts';
import type { StreamResetReason } from '../api/codec.ts';
import type { HashCookieData } from '../api/config/hash-policy.ts';
import type { Connection } from '../api/connection.ts';
import type { RequestHeaders, ResponseHeaders, Trailers } from '../api/headers.ts';
import { type Host, OutlierResult } from '../api/host.ts';
import {
  type DownstreamWatermarkCallbacks,
  FilterDataStatus,
  FilterHeadersStatus,
  FilterTrailersStatus,
  type StreamDecoderFilter,
} from '../api/http-filter.ts';
import type {
  LoadBalancerContext,
  OverrideHost,
  PriorityLoad,
  PriorityOf,
} from '../api/load-balancing.ts';
import type { MetadataMatch } from '../api/metadata-match.ts';
import type { CookieIssuer } from '../api/request-hasher.ts';
import { ResponseFlag, type StreamInfo } from '../api/stream-info.ts';
import {
  answerDirectly,
  cleanUp,
  refuseMaintenance,
  refuseOverload,
  reply,
  replyNoHealthyUpstream,
} from './answers.ts';
import { requestTraits } from './control-headers.ts';
import { hashKeyOf, issueCookie } from './hash-key.ts';
import { metadataMatchOf } from './metadata-match.ts';
import { clusterNameOf, isWebSocketUpgrade, prepareRequest } from './prepare-request.ts';
import {
  completeRequest,
  handleMaxStreamDuration,
  handlePerTryTimeout,
  startGlobalTimeout,
} from './request-timeouts.ts';
import { handle1xx, handleData, handleHeaders, handleReset, handleTrailers } from './response.ts';
import type { RetryCallbacks } from './retry/state.ts';
import { RouteEntry } from './route-entry.ts';
import {
  copyForShadows,
  dropShadows,
  sendShadowData,
  sendShadowTrailers,
  startShadows,
} from './shadow.ts';
import { type RouterCallbacks, RouterState } from './stream-state.ts';
import { dropUpstream, keepBody, startRetry, startTry } from './tries.ts';
import type { UpstreamRequest, UpstreamRequestParent } from './upstream-request.ts';

/** So many hosts are looked at for one whose breaker lets requests through. */
const HOST_BREAKER_ATTEMPTS = 16;

/** See the file head. */
export class RouterFilter
  extends RouterState
  implements
    StreamDecoderFilter,
    UpstreamRequestParent,
    LoadBalancerContext,
    CookieIssuer,
    DownstreamWatermarkCallbacks,
    RetryCallbacks
{
  setDecoderFilterCallbacks(callbacks: RouterCallbacks): void {
    this.callbacks = callbacks;
  }

  decodeHeaders(headers: RequestHeaders, endStream: boolean): FilterHeadersStatus {
    const { stats, clusterManager } = this.config;
    stats.rqTotal++;
    this.headers = headers;
    const route = this.callbacks.route();
    if (route === null) {
      stats.noRoute++;
      this.streamInfo.responseFlags |= ResponseFlag.NoRouteFound;
      reply(this, 404, '', null, 'route_not_found');
      return FilterHeadersStatus.StopIteration;
    }
    if (!(route instanceof RouteEntry)) throw new Error('the route is not of this router');
    this.route = route;
    if (route.forward === null) {
      answerDirectly(this, route, headers);
      return FilterHeadersStatus.StopIteration;
    }
    this.clusterName = clusterNameOf(route, headers);
    const cluster = clusterManager.getCluster(this.clusterName);
    if (cluster === null) {
      stats.noCluster++;
      this.streamInfo.responseFlags |= ResponseFlag.NoClusterFound;
      reply(this, route.forward.clusterNotFoundStatus, '', null, 'cluster_not_found');
      return FilterHeadersStatus.StopIteration;
    }
    this.cluster = cluster;
    this.streamInfo.upstreamCluster = cluster.config.name;
    this.traits = requestTraits(headers.fields);
    if (cluster.maintenanceMode()) {
      refuseMaintenance(this, cluster);
      return FilterHeadersStatus.StopIteration;
    }
    const dropped = cluster.dropOverload();
    if (dropped !== null) {
      refuseOverload(this, dropped);
      return FilterHeadersStatus.StopIteration;
    }
    this.attempts = 1;
    this.streamInfo.upstreamRequestAttemptCount = 1;
    const host = cluster.chooseHost(this);
    if (host === null) {
      replyNoHealthyUpstream(this);
      return FilterHeadersStatus.StopIteration;
    }
    prepareRequest(this, route, headers, cluster);
    const shadowHead = copyForShadows(this);
    this.callbacks.addDownstreamWatermarkCallbacks(this);
    startTry(this, cluster, host, endStream);
    if (shadowHead !== null) startShadows(this, shadowHead, endStream);
    if (endStream) completeRequest(this);
    // The end of such a request is the end of its tunnel: the answer is waited for from now on.
    else if (!this.isDone && isWebSocketUpgrade(headers)) {
      this.isWebSocket = true;
      startGlobalTimeout(this, this.config.timers);
    }
    return FilterHeadersStatus.StopIteration;
  }

  decodeData(data: Buffer, endStream: boolean): FilterDataStatus {
    if (this.isDone) return FilterDataStatus.StopIterationNoBuffer;
    if (this.shadows !== null) sendShadowData(this, this.shadows, data, endStream);
    if (this.body !== null && !keepBody(this, data)) {
      return FilterDataStatus.StopIterationNoBuffer;
    }
    if (this.upstream !== null) this.upstream.encodeData(data, endStream);
    if (endStream) completeRequest(this);
    return FilterDataStatus.StopIterationNoBuffer;
  }

  decodeTrailers(trailers: Trailers): FilterTrailersStatus {
    if (this.isDone) return FilterTrailersStatus.StopIteration;
    if (this.shadows !== null) sendShadowTrailers(this, this.shadows, trailers);
    this.requestTrailers = trailers;
    if (this.upstream !== null) this.upstream.encodeTrailers(trailers);
    completeRequest(this);
    return FilterTrailersStatus.StopIteration;
  }

  onDestroy(): void {
    this.isDone = true;
    cleanUp(this);
    dropUpstream(this);
    dropShadows(this);
  }

  // ---- for the tries (UpstreamRequestParent) ----

  onUpstream1xx(headers: ResponseHeaders): void {
    handle1xx(this, headers);
  }

  onUpstreamHeaders(headers: ResponseHeaders, request: UpstreamRequest, endStream: boolean): void {
    handleHeaders(this, headers, request, endStream);
  }

  onUpstreamData(data: Buffer, request: UpstreamRequest, endStream: boolean): void {
    handleData(this, data, request, endStream);
  }

  onUpstreamTrailers(trailers: Trailers, request: UpstreamRequest): void {
    handleTrailers(this, trailers, request);
  }

  onUpstreamReset(
    reason: StreamResetReason,
    transportFailureReason: string,
    request: UpstreamRequest,
  ): void {
    handleReset(this, reason, transportFailureReason, request);
  }

  onPerTryTimeout(request: UpstreamRequest, isIdle: boolean): void {
    handlePerTryTimeout(this, request, isIdle);
  }

  onMaxStreamDuration(request: UpstreamRequest): void {
    handleMaxStreamDuration(this, request);
  }

  get streamInfo(): StreamInfo {
    return this.callbacks.streamInfo;
  }

  get clock(): Clock {
    return this.config.clock;
  }

  get timers(): TimerService {
    return this.config.timers;
  }

  isRequestComplete(): boolean {
    return this.requestCompleteMs !== -1;
  }

  bufferLimitBytes(): number {
    const limit = this.callbacks.decoderBufferLimit();
    return limit === 0 ? Number.POSITIVE_INFINITY : limit;
  }

  perTryTimeoutMs(): number {
    return this.perTryMs;
  }

  perTryIdleTimeoutMs(): number {
    return this.perTryIdleMs;
  }

  streamDurationMs(): number {
    return this.streamMs;
  }

  onHostAttempted(host: Host): void {
    if (this.retryState !== null) this.retryState.onHostAttempted(host);
  }

  onUpstreamHostReady(host: Host): void {
    host.outlier.putResult(OutlierResult.LocalOriginConnectSuccess);
    this.route!.rewriteHostTo(this.headers!, host.hostname);
  }

  onRequestSinkFull(): void {
    this.callbacks.onDecoderFilterAboveWriteBufferHighWatermark();
  }

  onRequestSinkDrained(): void {
    this.callbacks.onDecoderFilterBelowWriteBufferLowWatermark();
  }

  // ---- flow control of the response ----

  onAboveWriteBufferHighWatermark(): void {
    this.downstreamFull++;
    if (this.upstream !== null) this.upstream.readDisable(true);
    if (this.hedged !== null) for (const request of this.hedged) request.readDisable(true);
  }

  onBelowWriteBufferLowWatermark(): void {
    if (this.downstreamFull === 0) return;
    this.downstreamFull--;
    if (this.upstream !== null) this.upstream.readDisable(false);
    if (this.hedged !== null) for (const request of this.hedged) request.readDisable(false);
  }

  // ---- retries ----

  /** The back-off is over. */
  onRetry(): void {
    startRetry(this);
  }

  // ---- LoadBalancerContext ----

  hashKey(): bigint | null {
    return hashKeyOf(this);
  }

  issueCookie(cookie: HashCookieData): string {
    return issueCookie(this, cookie);
  }

  get metadataMatch(): MetadataMatch | null {
    return metadataMatchOf(this);
  }

  /** Not of a retry, as in Envoy: that host has just failed. */
  get overrideHost(): OverrideHost | null {
    return this.attempts > 1 ? null : this.callbacks.upstreamOverrideHost();
  }

  get downstreamConnection(): Connection | null {
    return this.callbacks.connection;
  }

  get requestHeaders(): RequestHeaders | null {
    return this.headers;
  }

  priorityLoad(original: PriorityLoad, priorityOf?: PriorityOf): PriorityLoad {
    const { retryState } = this;
    if (this.attempts <= 1 || retryState === null) return original;
    return retryState.priorityLoad(original, priorityOf);
  }

  shouldSelectAnotherHost(host: Host): boolean {
    if (host.breaker !== null && !host.breaker.allows(this.clock.machineMs())) return true;
    return this.attempts > 1 && (this.retryState?.shouldSelectAnotherHost(host) ?? false);
  }

  get hostSelectionRetryCount(): number {
    const attempts = this.attempts > 1 ? (this.retryState?.hostSelectionRetryCount ?? 1) : 1;
    const hasHostBreakers = this.cluster !== null && this.cluster.config.hostBreaker !== null;
    return hasHostBreakers ? Math.max(attempts, HOST_BREAKER_ATTEMPTS) : attempts;
  }
}
