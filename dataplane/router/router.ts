// The terminal HTTP filter: finds the cluster, starts tries at hosts, retries them, keeps the route's timeout,
// and hands the response down the encoder chain. One object per stream. Answers of its own go through
// sendLocalReply; a response that has begun is never replaced, only reset.
// Order of decisions, bodies, flags and details follow Envoy's router (checked against 1.40).
//
// Over 400 lines on purpose: this is one state machine (route -> try -> retry -> response), and its parts
// (upstream-request, retry/, timeouts, rewrite) are already apart.

import type { Clock } from '../../common/clock.ts';
import type { Timer, TimerService } from '../../common/timer.ts';
import { httpStatusOfGrpc, parseGrpcStatus } from '../access-log/grpc-status.ts';
import {
  type Cluster,
  type Host,
  type HttpPool,
  type LoadBalancerContext,
  OutlierResult,
  type ResourcePriority,
} from '../api/cluster.ts';
import { StreamResetReason } from '../api/codec.ts';
import {
  getField,
  type RequestHeaders,
  type ResponseHeaders,
  removeField,
  setField,
  type Trailers,
} from '../api/headers.ts';
import {
  type DownstreamWatermarkCallbacks,
  FilterDataStatus,
  FilterHeadersStatus,
  FilterTrailersStatus,
  type ModifyHeaders,
  type StreamDecoderFilter,
  type StreamDecoderFilterCallbacks,
} from '../api/http-filter.ts';
import { ResponseFlag, type StreamInfo } from '../api/stream-info.ts';
import { isTunnelStatus } from '../http/tunnel.ts';
import { keepBytes, letGo } from '../network/read-slab.ts';
import type { RouterConfig } from './config.ts';
import { RequestTrait, requestTraits } from './control-headers.ts';
import { resetBody, resetDetails, resetReasonFlag, resetReasonStatus } from './reset-reason.ts';
import {
  createRetryState,
  type RetryCallbacks,
  type RetryState,
  RetryStatus,
} from './retry/state.ts';
import { RouteEntry } from './route-entry.ts';
import { TcpUpstreamPool } from './tcp-upstream.ts';
import { finalTimeouts, setExpectedTimeout, type Timeouts } from './timeouts.ts';
import { UpstreamRequest, type UpstreamRequestParent } from './upstream-request.ts';

const ATTEMPT_COUNT = 'x-envoy-attempt-count';

/** See the file head. */
export class RouterFilter
  implements
    StreamDecoderFilter,
    UpstreamRequestParent,
    LoadBalancerContext,
    DownstreamWatermarkCallbacks,
    RetryCallbacks,
    Timeouts
{
  /** Timeouts (see timeouts.ts). */
  globalMs: number;
  perTryMs: number;
  perTryIdleMs: number;
  readonly #config: RouterConfig;
  #callbacks!: StreamDecoderFilterCallbacks;
  #headers: RequestHeaders | null;
  #route: RouteEntry | null;
  #clusterName: string;
  #cluster: Cluster | null;
  /** RequestTrait bits. */
  #traits: number;
  #retryState: RetryState | null;
  /** The current try; null before the first, during a back-off and at the end. */
  #upstream: UpstreamRequest | null;
  #attempts: number;
  /** Some try wrote something to its upstream. */
  #upstreamStarted: boolean;
  /** Body kept for retries; null = not kept (any more). */
  #body: Buffer[] | null;
  #bodyBytes: number;
  #requestTrailers: Trailers | null;
  /** -1 = the request is not complete. */
  #requestCompleteMs: number;
  #responseStarted: boolean;
  /** A gRPC response whose success shows in its trailers. */
  #isGrpcDeferred: boolean;
  /** Answered, or gone. */
  #isDone: boolean;
  /** The request is a WebSocket's. */
  #isWebSocket: boolean;
  #isTunnel: boolean;
  /** Of a tunnel whose other direction goes on. */
  #isUpstreamEnded: boolean;
  #timeoutTimer: Timer | null;
  #timeoutStatus: number;
  /** How often the client is too slow, less how often it no longer is. */
  #downstreamFull: number;

  constructor(config: RouterConfig) {
    this.globalMs = 0;
    this.perTryMs = 0;
    this.perTryIdleMs = 0;
    this.#config = config;
    this.#headers = null;
    this.#route = null;
    this.#clusterName = '';
    this.#cluster = null;
    this.#traits = 0;
    this.#retryState = null;
    this.#upstream = null;
    this.#attempts = 0;
    this.#upstreamStarted = false;
    this.#body = null;
    this.#bodyBytes = 0;
    this.#requestTrailers = null;
    this.#requestCompleteMs = -1;
    this.#responseStarted = false;
    this.#isGrpcDeferred = false;
    this.#isDone = false;
    this.#isWebSocket = false;
    this.#isTunnel = false;
    this.#isUpstreamEnded = false;
    this.#timeoutTimer = null;
    this.#timeoutStatus = 504;
    this.#downstreamFull = 0;
  }

  setDecoderFilterCallbacks(callbacks: StreamDecoderFilterCallbacks): void {
    this.#callbacks = callbacks;
  }

  // ---- request ----

  decodeHeaders(headers: RequestHeaders, endStream: boolean): FilterHeadersStatus {
    const { stats, clusterManager } = this.#config;
    stats.rqTotal++;
    this.#headers = headers;
    const route = this.#callbacks.route();
    if (route === null) {
      stats.noRoute++;
      this.streamInfo.responseFlags |= ResponseFlag.NoRouteFound;
      this.#reply(404, '', null, 'route_not_found');
      return FilterHeadersStatus.StopIteration;
    }
    if (!(route instanceof RouteEntry)) throw new Error('the route is not of this router');
    this.#route = route;
    if (route.forward === null) {
      this.#answerDirectly(route, headers);
      return FilterHeadersStatus.StopIteration;
    }
    this.#clusterName = clusterNameOf(route, headers);
    const cluster = clusterManager.getCluster(this.#clusterName);
    if (cluster === null) {
      stats.noCluster++;
      this.streamInfo.responseFlags |= ResponseFlag.NoClusterFound;
      this.#reply(route.forward.clusterNotFoundStatus, '', null, 'cluster_not_found');
      return FilterHeadersStatus.StopIteration;
    }
    this.#cluster = cluster;
    this.streamInfo.upstreamCluster = cluster.config.name;
    this.#traits = requestTraits(headers.fields);
    if (cluster.maintenanceMode()) {
      this.#refuseMaintenance(cluster);
      return FilterHeadersStatus.StopIteration;
    }
    this.#attempts = 1;
    this.streamInfo.upstreamRequestAttemptCount = 1;
    const host = cluster.chooseHost(this);
    if (host === null) {
      this.#replyNoHealthyUpstream();
      return FilterHeadersStatus.StopIteration;
    }
    this.#prepareRequest(route, headers, cluster);
    this.#callbacks.addDownstreamWatermarkCallbacks(this);
    this.#startTry(cluster, host, endStream);
    if (endStream) this.#onRequestComplete();
    // The end of such a request is the end of its tunnel: the answer is waited for from now on.
    else if (!this.#isDone && isWebSocketUpgrade(headers)) {
      this.#isWebSocket = true;
      this.#startGlobalTimeout(this.#config.timers);
    }
    return FilterHeadersStatus.StopIteration;
  }

  decodeData(data: Buffer, endStream: boolean): FilterDataStatus {
    if (this.#isDone) return FilterDataStatus.StopIterationNoBuffer;
    if (this.#retryState !== null && !this.#keepForRetry(data)) {
      return FilterDataStatus.StopIterationNoBuffer;
    }
    if (this.#upstream !== null) this.#upstream.encodeData(data, endStream);
    if (endStream) this.#onRequestComplete();
    return FilterDataStatus.StopIterationNoBuffer;
  }

  decodeTrailers(trailers: Trailers): FilterTrailersStatus {
    if (this.#isDone) return FilterTrailersStatus.StopIteration;
    this.#requestTrailers = trailers;
    if (this.#upstream !== null) this.#upstream.encodeTrailers(trailers);
    this.#onRequestComplete();
    return FilterTrailersStatus.StopIteration;
  }

  onDestroy(): void {
    this.#isDone = true;
    this.#cleanUp();
    this.#dropUpstream();
  }

  // ---- answers without an upstream ----

  #answerDirectly(route: RouteEntry, headers: RequestHeaders): void {
    this.#config.stats.rqDirectResponse++;
    const status = route.directStatus;
    route.rewritePath(headers, !this.#config.suppressEnvoyHeaders);
    let modify: ModifyHeaders | null = null;
    if (status === 201 || (status >= 300 && status < 400)) {
      const location = route.location(headers);
      modify = (response) => setField(response.fields, 'location', location);
    }
    this.#isDone = true;
    this.#callbacks.sendLocalReply(status, route.directBody, modify, 'direct_response');
  }

  #refuseMaintenance(cluster: Cluster): void {
    cluster.stats.upstreamRqMaintenanceMode++;
    this.streamInfo.responseFlags |= ResponseFlag.UpstreamOverflow;
    this.#chargeCode(503, null);
    this.#reply(503, 'maintenance mode', overloaded, 'maintenance_mode');
  }

  #replyNoHealthyUpstream(): void {
    this.streamInfo.responseFlags |= ResponseFlag.NoHealthyUpstream;
    this.#chargeCode(503, null);
    this.#reply(503, 'no healthy upstream', null, 'no_healthy_upstream');
  }

  /** The only way to a local reply once a route was found; ends the request's life here. */
  #reply(status: number, body: string, extra: ModifyHeaders | null, details: string): void {
    this.#isDone = true;
    this.#cleanUp();
    const attempts = this.#attemptsForResponse();
    const add = extra === null || this.#config.suppressEnvoyHeaders ? null : extra;
    const modify: ModifyHeaders | null =
      attempts === 0 && add === null
        ? null
        : (response) => {
            if (add !== null) add(response);
            if (attempts > 0) setField(response.fields, ATTEMPT_COUNT, String(attempts));
          };
    this.#callbacks.sendLocalReply(status, body, modify, details);
  }

  /** 0 = the response does not say. */
  #attemptsForResponse(): number {
    const include = this.#route?.virtualHost.includeAttemptCountInResponse ?? false;
    return include ? this.#attempts : 0;
  }

  // ---- tries ----

  /** Everything that is done to the head once, before the first try. */
  #prepareRequest(route: RouteEntry, headers: RequestHeaders, cluster: Cluster): void {
    const forward = route.forward!;
    const policy = route.retryPolicy;
    const { suppressEnvoyHeaders, respectExpectedRqTimeout } = this.#config;
    this.globalMs = forward.timeoutMs;
    this.perTryMs = policy === null ? 0 : policy.perTryTimeoutMs;
    this.perTryIdleMs = policy === null ? 0 : policy.perTryIdleTimeoutMs;
    const hasControls = (this.#traits & RequestTrait.Controls) !== 0;
    if (hasControls) this.#takeControls(headers);
    if (hasControls || this.perTryMs > 0) finalTimeouts(headers, this, respectExpectedRqTimeout);
    if (!suppressEnvoyHeaders) setExpectedTimeout(headers, this, 0);
    if (route.virtualHost.includeRequestAttemptCount) {
      setField(headers.fields, ATTEMPT_COUNT, '1');
    }
    route.finalizeRequestHeaders(headers, this.streamInfo, !suppressEnvoyHeaders);
    if (policy !== null || hasControls) {
      const { priority } = forward;
      this.#retryState = createRetryState(policy, headers, cluster, priority, this.#config, this);
      if (this.#retryState !== null) this.#body = [];
    }
  }

  #takeControls({ fields }: RequestHeaders): void {
    if (removeField(fields, 'x-envoy-upstream-rq-timeout-alt-response') > 0) {
      this.#timeoutStatus = 204;
    }
    removeField(fields, 'x-envoy-upstream-alt-stat-name');
    removeField(fields, 'x-envoy-hedge-on-per-try-timeout');
  }

  #startTry(cluster: Cluster, host: Host, endStream: boolean): void {
    const { priority } = this.#route!.forward!;
    const request = new UpstreamRequest(this, cluster, host, this.#headers!);
    this.#upstream = request;
    for (let i = 0; i < this.#downstreamFull; i++) request.readDisable(true);
    request.start(this.#poolOf(cluster, host, priority), endStream);
  }

  #poolOf(cluster: Cluster, host: Host, priority: ResourcePriority): HttpPool {
    const { connection } = this.#callbacks;
    const { method, authority } = this.#headers!;
    const connect = this.#route!.forward!.connect;
    if (connect !== null && (method === 'CONNECT' || (connect.allowPost && method === 'POST'))) {
      const pool = cluster.tcpPool(host, priority, connection);
      return new TcpUpstreamPool(pool, connect.proxyProtocol, connection);
    }
    // auto_sni takes the server name from the request as it goes out.
    return cluster.httpPool(host, priority, authority, connection);
  }

  /** The back-off is over. */
  onRetry(): void {
    if (this.#isDone) return;
    this.#attempts++;
    const { streamInfo } = this;
    streamInfo.upstreamRequestAttemptCount = this.#attempts;
    // The cluster may have been removed, or replaced, meanwhile.
    const cluster = this.#config.clusterManager.getCluster(this.#clusterName);
    const host = cluster === null ? null : cluster.chooseHost(this);
    if (cluster === null || host === null) {
      this.#replyNoHealthyUpstream();
      return;
    }
    this.#cluster = cluster;
    forgetTry(streamInfo);
    const headers = this.#headers!;
    if (this.#route!.virtualHost.includeRequestAttemptCount) {
      setField(headers.fields, ATTEMPT_COUNT, String(this.#attempts));
    }
    if (!this.#config.suppressEnvoyHeaders) {
      const startedMs = this.#requestCompleteMs;
      setExpectedTimeout(headers, this, startedMs === -1 ? 0 : this.clock.nowMs() - startedMs);
    }
    this.#replay(cluster, host);
  }

  /** Starts a try and gives it what has come of the request so far. */
  #replay(cluster: Cluster, host: Host): void {
    const body = this.#body!;
    const trailers = this.#requestTrailers;
    const isComplete = this.#requestCompleteMs !== -1;
    this.#startTry(cluster, host, isComplete && body.length === 0 && trailers === null);
    // A ceiling or a dead pool may have ended it at once; then #upstream is another or none.
    const request = this.#upstream;
    for (let i = 0; i < body.length && request !== null; i++) {
      if (this.#upstream !== request) return;
      request.encodeData(body[i]!, isComplete && trailers === null && i === body.length - 1);
    }
    if (trailers !== null && request !== null && this.#upstream === request) {
      request.encodeTrailers(trailers);
    }
  }

  /** False = the request was answered because it cannot be kept and no try is under way. */
  #keepForRetry(data: Buffer): boolean {
    const limit = this.#retryBufferLimit();
    if (this.#bodyBytes + data.length <= limit) {
      this.#bodyBytes += data.length;
      if (data.length > 0) this.#body!.push(keepBytes(data));
      return true;
    }
    this.#cluster!.stats.retryOrShadowAbandoned++;
    this.#dropRetryState();
    if (this.#upstream !== null) return true;
    this.#reply(
      507,
      'exceeded request buffer limit while retrying upstream',
      null,
      'request_payload_exceeded_retry_buffer_limit',
    );
    return false;
  }

  #retryBufferLimit(): number {
    const ofRoute = this.#route!.bufferLimitBytes ?? Number.POSITIVE_INFINITY;
    return Math.min(ofRoute, this.bufferLimitBytes());
  }

  #dropRetryState(): void {
    if (this.#retryState !== null) this.#retryState.cancel();
    this.#retryState = null;
    const body = this.#body;
    this.#body = null;
    if (body !== null) for (let i = 0; i < body.length; i++) letGo(body[i]!);
  }

  /** True = a retry was scheduled instead. */
  #maybeRetryReset(reason: StreamResetReason, request: UpstreamRequest): boolean {
    if (request.started) this.#upstreamStarted = true;
    if (this.#responseStarted || this.#retryState === null) return false;
    const status = this.#retryState.shouldRetryReset(reason, this.#upstreamStarted);
    if (status !== RetryStatus.Yes) {
      this.#flagRetryStatus(status);
      return false;
    }
    this.#retryState.onHostAttempted(request.host);
    if (request.hostAttempted) request.host.stats.rqError++;
    return true;
  }

  #flagRetryStatus(status: RetryStatus): void {
    if (status === RetryStatus.NoOverflow) {
      this.streamInfo.responseFlags |= ResponseFlag.UpstreamOverflow;
    } else if (status === RetryStatus.NoRetryLimitExceeded) {
      this.streamInfo.responseFlags |= ResponseFlag.UpstreamRetryLimitExceeded;
    }
  }

  // ---- response ----

  onUpstream1xx(headers: ResponseHeaders): void {
    // The client may act on it: what follows must be of the same try.
    this.#dropRetryState();
    this.#chargeCode(headers.status, this.#upstream?.host ?? null);
    this.#callbacks.encode1xxHeaders(headers);
  }

  onUpstreamHeaders(headers: ResponseHeaders, request: UpstreamRequest, endStream: boolean): void {
    const { host } = request;
    const { status } = headers;
    const isGrpc = (this.#traits & RequestTrait.Grpc) !== 0;
    const grpcStatus = isGrpc ? parseGrpcStatus(getField(headers.fields, 'grpc-status')) : -1;
    host.outlier.putHttpResponseCode(grpcStatus === -1 ? status : httpStatusOfGrpc(grpcStatus));
    if (this.#retryState !== null && this.#retryResponse(headers, request)) return;
    this.#dropRetryState();
    const route = this.#route!;
    const { suppressEnvoyHeaders } = this.#config;
    if (this.#requestCompleteMs !== -1 && !suppressEnvoyHeaders) {
      const ms = Math.floor(this.streamInfo.firstUpstreamRxByteMs - this.#requestCompleteMs);
      setField(headers.fields, 'x-envoy-upstream-service-time', String(Math.max(0, ms)));
    }
    this.#chargeResponse(headers, host);
    if (status < 500 || status > 599) this.#countSuccess(host, isGrpc, grpcStatus, endStream);
    // Formats of headers to add may ask for it.
    this.streamInfo.responseCode = headers.status;
    route.finalizeResponseHeaders(headers, this.#headers, this.streamInfo);
    const attempts = this.#attemptsForResponse();
    if (attempts > 0) setField(headers.fields, ATTEMPT_COUNT, String(attempts));
    this.#responseStarted = true;
    if (endStream) this.#onUpstreamComplete(request);
    else if (isTunnelStatus(this.#headers!.method === 'CONNECT', status)) this.#openTunnel();
    const isDeclined = this.#isWebSocket && !this.#isTunnel && status < 400;
    const details = isDeclined ? 'websocket_handshake_unsuccessful' : 'via_upstream';
    this.#callbacks.encodeHeaders(headers, endStream, details);
  }

  /** From here on the two directions end one by one, and only idle timeouts and durations apply. */
  #openTunnel(): void {
    this.#isTunnel = true;
    if (this.#timeoutTimer !== null) this.#timeoutTimer.stop();
  }

  onUpstreamData(data: Buffer, request: UpstreamRequest, endStream: boolean): void {
    if (endStream) {
      // A gRPC response ends with trailers, or it failed.
      if (this.#isGrpcDeferred) request.host.stats.rqError++;
      this.#onUpstreamComplete(request);
    }
    this.#callbacks.encodeData(data, endStream);
  }

  onUpstreamTrailers(trailers: Trailers, request: UpstreamRequest): void {
    if (this.#isGrpcDeferred) {
      const grpcStatus = parseGrpcStatus(getField(trailers, 'grpc-status'));
      if (grpcStatus !== -1 && httpStatusOfGrpc(grpcStatus) < 500) request.host.stats.rqSuccess++;
      else request.host.stats.rqError++;
    }
    this.#onUpstreamComplete(request);
    this.#callbacks.encodeTrailers(trailers);
  }

  onUpstreamReset(
    reason: StreamResetReason,
    transportFailureReason: string,
    request: UpstreamRequest,
  ): void {
    if (this.#isDone) return;
    this.#upstream = null;
    if (reason !== StreamResetReason.Overflow) {
      request.host.outlier.putResult(OutlierResult.LocalOriginConnectFailed);
    }
    if (this.#maybeRetryReset(reason, request)) return;
    const status = resetReasonStatus(reason);
    this.#chargeAbort(status, request);
    const isDropped = reason === StreamResetReason.Overflow;
    this.streamInfo.responseFlags |= resetReasonFlag(reason);
    this.#reply(
      status,
      resetBody(reason, this.#attempts > 1),
      isDropped ? overloaded : null,
      resetDetails(reason, this.#responseStarted, transportFailureReason),
    );
  }

  /** True = the response is dropped and a retry scheduled. */
  #retryResponse(headers: ResponseHeaders, request: UpstreamRequest): boolean {
    const retryState = this.#retryState!;
    const status = retryState.shouldRetryHeaders(headers);
    if (status !== RetryStatus.Yes) {
      this.#flagRetryStatus(status);
      return false;
    }
    if (this.#config.dynamicStats) this.#cluster!.stats.chargeRetriedResponse(headers.status);
    this.#upstreamStarted = true;
    retryState.onHostAttempted(request.host);
    request.host.stats.rqError++;
    this.#upstream = null;
    request.reset();
    return true;
  }

  #onUpstreamComplete(request: UpstreamRequest): void {
    const completeMs = this.#requestCompleteMs;
    if (this.#isTunnel && completeMs === -1) {
      this.#isUpstreamEnded = true;
      return;
    }
    if (completeMs !== -1 && !this.#isTunnel && this.#config.dynamicStats) {
      this.#cluster!.stats.recordRqTime(this.streamInfo.lastUpstreamRxByteMs - completeMs);
    }
    this.#isDone = true;
    this.#upstream = null;
    this.#cleanUp();
    request.complete();
  }

  // ---- timeouts ----

  #onRequestComplete(): void {
    const { clock, timers } = this.#config;
    this.#requestCompleteMs = clock.nowMs();
    if (this.#isDone) return;
    if (this.#isTunnel) {
      if (this.#isUpstreamEnded && this.#upstream !== null)
        this.#onUpstreamComplete(this.#upstream);
      return;
    }
    this.#startGlobalTimeout(timers);
    if (this.#upstream !== null) this.#upstream.onRequestComplete();
  }

  #startGlobalTimeout(timers: TimerService): void {
    if (this.globalMs <= 0) return;
    this.#timeoutTimer = timers.createTimer(onGlobalTimeout, this);
    this.#timeoutTimer.start(this.globalMs);
  }

  /** For the timer, which calls a module function. */
  onGlobalTimeout(): void {
    if (this.#isDone) return;
    const request = this.#upstream;
    this.#upstream = null;
    if (request !== null) {
      if (!request.headersReceived) {
        request.cluster.stats.upstreamRqTimeout++;
        if (request.hostAttempted) {
          request.host.stats.rqTimeout++;
          request.host.outlier.putResult(OutlierResult.LocalOriginTimeout);
        }
        this.#chargeAbort(this.#timeoutStatus, request);
      }
      request.reset();
    }
    this.#replyTimeout('response_timeout');
  }

  onPerTryTimeout(request: UpstreamRequest, isIdle: boolean): void {
    if (this.#isDone) return;
    if (!isIdle) request.cluster.stats.upstreamRqPerTryTimeout++;
    this.#upstream = null;
    request.reset();
    if (request.hostAttempted) {
      request.host.stats.rqTimeout++;
      request.host.outlier.putResult(OutlierResult.LocalOriginTimeout);
    }
    if (this.#maybeRetryReset(StreamResetReason.LocalReset, request)) return;
    this.#chargeAbort(this.#timeoutStatus, request);
    this.#replyTimeout(isIdle ? 'upstream_per_try_idle_timeout' : 'upstream_per_try_timeout');
  }

  /** max_stream_duration of the cluster. */
  onMaxStreamDuration(request: UpstreamRequest): void {
    if (this.#isDone) return;
    request.cluster.stats.upstreamRqMaxDurationReached++;
    this.#upstream = null;
    request.reset();
    if (this.#maybeRetryReset(StreamResetReason.LocalReset, request)) return;
    this.streamInfo.responseFlags |= ResponseFlag.UpstreamMaxStreamDurationReached;
    const status = this.isRequestComplete() ? 504 : 408;
    const text = 'upstream max stream duration reached';
    this.#reply(status, text, null, 'upstream_max_stream_duration_reached');
  }

  #replyTimeout(details: string): void {
    this.streamInfo.responseFlags |= ResponseFlag.UpstreamRequestTimeout;
    const body = this.#timeoutStatus === 504 ? 'upstream request timeout' : '';
    this.#reply(this.#timeoutStatus, body, null, details);
  }

  // ---- stats ----

  /** `host` null = none took part. */
  #chargeCode(status: number, host: Host | null): void {
    if (!this.#config.dynamicStats) return;
    const isInternal = (this.#traits & RequestTrait.Internal) !== 0;
    this.#cluster!.stats.chargeResponseCode(status, isInternal, host?.canary ?? false);
    if (host !== null && status >= 500 && status <= 599) host.stats.rqError++;
  }

  #chargeResponse(headers: ResponseHeaders, host: Host): void {
    const { status } = headers;
    if (!this.#config.dynamicStats) return;
    const isInternal = (this.#traits & RequestTrait.Internal) !== 0;
    const isCanary = host.canary || getField(headers.fields, 'x-envoy-upstream-canary') === 'true';
    this.#cluster!.stats.chargeResponseCode(status, isInternal, isCanary);
    if (status >= 500 && status <= 599) host.stats.rqError++;
  }

  #countSuccess(host: Host, isGrpc: boolean, grpcStatus: number, endStream: boolean): void {
    if (!isGrpc) host.stats.rqSuccess++;
    else if (!endStream) this.#isGrpcDeferred = true;
    else if (grpcStatus !== -1 && httpStatusOfGrpc(grpcStatus) < 500) host.stats.rqSuccess++;
    else host.stats.rqError++;
  }

  /** A try that ends without a response. */
  #chargeAbort(status: number, request: UpstreamRequest): void {
    const { host, hostAttempted } = request;
    if (this.#responseStarted) {
      if (this.#isGrpcDeferred) {
        host.stats.rqError++;
        this.#config.stats.rqResetAfterDownstreamResponseStarted++;
      }
      return;
    }
    this.#chargeCode(status, hostAttempted ? host : null);
    if (hostAttempted && status < 500) host.stats.rqError++;
  }

  // ---- ends ----

  #cleanUp(): void {
    if (this.#timeoutTimer !== null) this.#timeoutTimer.stop();
    this.#dropRetryState();
  }

  #dropUpstream(): void {
    const request = this.#upstream;
    this.#upstream = null;
    if (request !== null) request.reset();
  }

  // ---- for the tries (UpstreamRequestParent) ----

  get streamInfo(): StreamInfo {
    return this.#callbacks.streamInfo;
  }

  get clock(): Clock {
    return this.#config.clock;
  }

  get timers(): TimerService {
    return this.#config.timers;
  }

  isRequestComplete(): boolean {
    return this.#requestCompleteMs !== -1;
  }

  bufferLimitBytes(): number {
    const limit = this.#callbacks.decoderBufferLimit();
    return limit === 0 ? Number.POSITIVE_INFINITY : limit;
  }

  perTryTimeoutMs(): number {
    return this.perTryMs;
  }

  perTryIdleTimeoutMs(): number {
    return this.perTryIdleMs;
  }

  onUpstreamHostReady(host: Host): void {
    host.outlier.putResult(OutlierResult.LocalOriginConnectSuccess);
    this.#route!.rewriteHostTo(this.#headers!, host.hostname);
  }

  onRequestSinkFull(): void {
    this.#callbacks.onDecoderFilterAboveWriteBufferHighWatermark();
  }

  onRequestSinkDrained(): void {
    this.#callbacks.onDecoderFilterBelowWriteBufferLowWatermark();
  }

  // ---- flow control of the response ----

  onAboveWriteBufferHighWatermark(): void {
    this.#downstreamFull++;
    if (this.#upstream !== null) this.#upstream.readDisable(true);
  }

  onBelowWriteBufferLowWatermark(): void {
    if (this.#downstreamFull === 0) return;
    this.#downstreamFull--;
    if (this.#upstream !== null) this.#upstream.readDisable(false);
  }

  // ---- LoadBalancerContext ----

  get hashKey(): bigint | null {
    return null;
  }

  shouldSelectAnotherHost(host: Host): boolean {
    return this.#attempts > 1 && (this.#retryState?.shouldSelectAnotherHost(host) ?? false);
  }

  get hostSelectionRetryCount(): number {
    return this.#attempts > 1 ? (this.#retryState?.hostSelectionRetryCount ?? 1) : 1;
  }
}

function onGlobalTimeout(filter: RouterFilter): void {
  filter.onGlobalTimeout();
}

function isWebSocketUpgrade({ fields }: RequestHeaders): boolean {
  return getField(fields, 'upgrade')?.toLowerCase() === 'websocket';
}

function overloaded(response: ResponseHeaders): void {
  setField(response.fields, 'x-envoy-overloaded', 'true');
}

/** '' when a header should say it and does not: no such cluster. */
function clusterNameOf(route: RouteEntry, headers: RequestHeaders): string {
  const { cluster } = route.forward!;
  if (cluster.kind !== 'cluster_header') return route.clusterName;
  return headers.get(cluster.header) ?? '';
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
