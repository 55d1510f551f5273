// One HTTP request, from its head to its access log line. Made by connection-manager for each stream of the
// codec; above it is the codec (RequestDecoder, StreamCallbacks), below it the filter chain (its host).
//
//   newStream -> decodeHeaders: checks -> client identity -> route -> filters -> ... -> response -> finish
//                     '--------- local reply of the connection manager ------------'
//
// finish() runs exactly once, whatever ends the stream: stats, filters' onDestroy, access logs, release.

import type { AccessLogger, LogContext } from '../api/access-log.ts';
import {
  type CodecError,
  type RequestDecoder,
  type ResponseEncoder,
  type StreamCallbacks,
  StreamResetReason,
} from '../api/codec.ts';
import type { Connection } from '../api/connection.ts';
import {
  getField,
  type RequestHeaders,
  ResponseHeaders,
  removeField,
  setField,
  type Trailers,
} from '../api/headers.ts';
import type { ModifyHeaders } from '../api/http-filter.ts';
import type { ResourceReference } from '../api/resource-compiler.ts';
import type { Route, RouteTable } from '../api/route.ts';
import type { StreamInfo } from '../api/stream-info.ts';
import { type Protocol, ResponseFlag } from '../api/stream-info.ts';
import { reasonPhrase } from '../http/codes.ts';
import { HttpStreamInfo } from '../http/stream-info.ts';
import { isTunnelStatus } from '../http/tunnel.ts';
import type { HttpConnectionManagerConfig } from './config.ts';
import { HeldRequest } from './deferred-requests.ts';
import { FilterManager } from './filter-manager.ts';
import type { FilterManagerHost } from './filter-manager-host.ts';
import {
  CONNECTION_HEADER_REJECTED,
  RequestScan,
  scanRequest,
  scanResponse,
} from './header-sanitize.ts';
import type { LocalReplyRewriter } from './local-reply-rewrite.ts';
import { checkTarget, normalizeHost } from './path-checks.ts';
import { finishResponseHead } from './response-head.ts';
import { NO_DURATION, streamDurationMs } from './stream-duration.ts';
import type { StreamTimers, TimedStream } from './stream-timers.ts';
import { isBrokenHandshake } from './upgrades.ts';

/** What a stream asks of its connection. */
export interface StreamOwner {
  readonly connection: Connection;
  readonly config: HttpConnectionManagerConfig;
  readonly filterChainName: string;
  /** What network filters left for the requests of the connection; null = nothing. */
  connectionFilterState(): StreamInfo['filterState'];
  readonly isHttp2: boolean;
  protocol(): Protocol;
  /**
   * Asked when a response's head is written; `isLast` = it should be the connection's last. True: it says so
   * (`connection: close`). HTTP/2 says it in a frame, and goes on with the other streams.
   */
  closesAfterResponse(isLast: boolean): boolean;
  /** Another stream for the answer to the same request (internal redirect), behind the end of the former one. */
  reopenStream(encoder: ResponseEncoder): ActiveStream;
  /** The request has to wait: startDeferred() of the stream will be called. */
  mustDefer(stream: ActiveStream): boolean;
  borrowTimers(): StreamTimers;
  onStreamFinished(stream: ActiveStream, timers: StreamTimers): void;
}

/** A scan is read before the next can begin: one serves every stream of the worker. */
const scan = new RequestScan();

const GRPC_DEADLINE_EXCEEDED = 4;
/** 53 bits, the most that a number holds exactly. */
const RANDOM_RANGE = 2 ** 53;
const NOT_DRAWN = -1;

export class ActiveStream
  implements RequestDecoder, StreamCallbacks, FilterManagerHost, TimedStream, LogContext
{
  readonly connection: Connection;
  readonly streamInfo: HttpStreamInfo;
  readonly encoder: ResponseEncoder;
  /** Null before the head came and when the codec refused it. */
  requestHeaders: RequestHeaders | null;
  /** Its place in the connection's list, the connection manager's. */
  index: number;
  readonly #owner: StreamOwner;
  readonly #config: HttpConnectionManagerConfig;
  readonly #filterManager: FilterManager;
  readonly #timers: StreamTimers;
  readonly #routes: RouteTable | null;
  /** What came before the request was let begin; null = it has begun. */
  #held: HeldRequest | null;
  /** The head passed all checks: routes may be chosen by it. */
  #isRoutable: boolean;
  #route: Route | null;
  #isRouteCached: boolean;
  #random: number;
  #idleTimeoutMs: number;
  /** This response must be the connection's last. */
  #isLastResponse: boolean;
  /** The codec has been given the end of the response, or was told to reset: what follows is no abort. */
  #isEnding: boolean;
  #isFinished: boolean;
  /** The request to switch protocols was let through. */
  #isUpgrade: boolean;
  /** The protocol is switched: the directions end one by one. */
  #isTunnel: boolean;
  /** The upstream's direction has ended, the client's has not. */
  #isTunnelHalfOpen: boolean;
  /** Connection and Upgrade of the 101; null = it is none. */
  #tunnelFields: string[] | null;

  constructor(owner: StreamOwner, encoder: ResponseEncoder) {
    const { config } = owner;
    const nowMs = config.clock.nowMs();
    this.connection = owner.connection;
    this.encoder = encoder;
    this.streamInfo = new HttpStreamInfo(
      owner.connection,
      owner.filterChainName,
      owner.protocol(),
      nowMs,
      config.clock.wallMs(),
    );
    const filterState = owner.connectionFilterState();
    if (filterState !== null) this.streamInfo.filterState = new Map(filterState);
    this.#owner = owner;
    this.#config = config;
    this.#filterManager = new FilterManager(this, config.filters, config.bufferLimitBytes);
    this.#timers = owner.borrowTimers();
    this.#routes = config.routes();
    this.requestHeaders = null;
    this.index = 0;
    this.#held = null;
    this.#isRoutable = false;
    this.#route = null;
    this.#isRouteCached = false;
    this.#random = NOT_DRAWN;
    this.#idleTimeoutMs = config.data.streamIdleTimeoutMs;
    this.#isLastResponse = false;
    this.#isEnding = false;
    this.#isFinished = false;
    this.#isUpgrade = false;
    this.#isTunnel = false;
    this.#isTunnelHalfOpen = false;
    this.#tunnelFields = null;
    this.#timers.stream = this;
    config.stats.rqTotal++;
    config.stats.rqActive++;
    if (owner.isHttp2) config.stats.rqHttp2Total++;
    else config.stats.rqHttp1Total++;
    encoder.setCallbacks(this);
    const { data } = config;
    if (this.#idleTimeoutMs > 0) this.#timers.startIdle(this.#idleTimeoutMs, nowMs);
    if (data.requestTimeoutMs > 0) this.#timers.startRequest(data.requestTimeoutMs, nowMs);
    if (data.maxStreamDurationMs > 0) {
      this.#timers.startMaxDuration(data.maxStreamDurationMs, nowMs);
    }
  }

  // ---- from the codec ----

  decodeHeaders(headers: RequestHeaders, endStream: boolean): void {
    if (this.#owner.mustDefer(this)) {
      // For the log, should it end here.
      this.requestHeaders = headers;
      this.#held = new HeldRequest(headers, endStream);
      if (!endStream) this.encoder.readDisable(true);
      return;
    }
    this.#begin(headers, endStream);
  }

  /** Its turn has come. False = it was over before. */
  startDeferred(): boolean {
    const held = this.#held;
    this.#held = null;
    if (held === null || this.#isFinished) return false;
    const isHeadAll = held.isHeadAll();
    this.#begin(held.headers, isHeadAll);
    if (isHeadAll) return true;
    held.replay(this);
    if (!this.#isFinished) this.encoder.readDisable(false);
    return true;
  }

  isFinished(): boolean {
    return this.#isFinished;
  }

  #begin(headers: RequestHeaders, endStream: boolean): void {
    this.requestHeaders = headers;
    const info = this.streamInfo;
    // The codec makes the stream when the head is complete, so this is the same moment.
    if (endStream) info.lastDownstreamRxByteMs = info.startMs;
    this.#filterManager.noteRequestEnd(endStream);
    const { upgradeType } = this.encoder;
    const connectionField = upgradeType === '' ? null : getField(headers.fields, 'connection');
    scan.keepsExpect = this.#config.data.proxy100Continue;
    scan.hasScheme = this.#owner.isHttp2;
    scanRequest(headers.fields, scan);
    if (!scan.isValid) {
      this.requestHeaders = null;
      this.onCodecError({ status: 400, details: CONNECTION_HEADER_REJECTED, message: '' });
      return;
    }
    if (scan.expectsContinue) this.#sendContinue();
    if (scan.dropsHost) headers.authority = '';
    if (!this.#checkTarget(headers)) return;
    normalizeHost(headers, this.#config.data, this.connection.localAddress.port);
    const client = this.#config.forwarded.apply(
      headers,
      scan,
      this.connection,
      this.#routes === null ? [] : this.#routes.internalOnlyHeadersOf(headers),
    );
    if (typeof client === 'number') {
      this.#refuse(client, 'rejecting_because_detection_failed');
      return;
    }
    info.downstreamRemoteAddress = client;
    info.schemeMatchesUpstream = this.#config.data.schemeMatchesUpstream;
    this.#startFilters(headers, upgradeType, connectionField);
  }

  /** The head has passed all checks. */
  #startFilters(
    headers: RequestHeaders,
    upgradeType: string,
    connectionField: string | null,
  ): void {
    this.#isRoutable = true;
    const route = this.route();
    // Without a route the answer is 404, whatever was asked for.
    if (upgradeType !== '' && !this.#acceptUpgrade(headers, connectionField) && route !== null) {
      this.#refuseUpgrade();
      return;
    }
    this.#filterManager.createFilterChain();
    if (route !== null) this.#startRouteTimeouts(route);
    this.#filterManager.decodeHeaders();
  }

  #startRouteTimeouts(route: Route): void {
    if (route.idleTimeoutMs !== null) this.#overrideIdleTimeout(route.idleTimeoutMs);
    this.#overrideFlushTimeout(route);
    const { maxStreamDurationMs } = this.#config.data;
    const durationMs = streamDurationMs(this.requestHeaders!, route, maxStreamDurationMs);
    // From the start of the stream.
    if (durationMs === NO_DURATION) this.#timers.stopMaxDuration();
    else this.#timers.startMaxDuration(durationMs, this.streamInfo.startMs);
  }

  /**
   * Begins with the head of a request that was redirected here. Whose it is has been found out: the rest is done again,
   * as Envoy does.
   */
  #beginAgain(headers: RequestHeaders, former: HttpStreamInfo, body: readonly Buffer[]): void {
    this.requestHeaders = headers;
    this.streamInfo.goOnFrom(former);
    this.#filterManager.noteRequestEnd(body.length === 0);
    if (!this.#checkTarget(headers)) return;
    normalizeHost(headers, this.#config.data, this.connection.localAddress.port);
    this.#startFilters(headers, '', null);
    for (let i = 0; i < body.length && !this.#isFinished; i++) {
      this.decodeData(body[i]!, i === body.length - 1);
    }
  }

  decodeData(data: Buffer, endStream: boolean): void {
    if (this.#held !== null) {
      this.#held.addData(data, endStream);
      return;
    }
    const info = this.streamInfo;
    info.bytesReceived += data.length;
    if (endStream) info.lastDownstreamRxByteMs = this.#config.clock.nowMs();
    if (endStream && this.#isTunnelHalfOpen) this.#isEnding = true;
    this.#filterManager.decodeData(data, endStream);
    if (endStream && this.#isTunnelHalfOpen) this.#finish();
  }

  decodeTrailers(trailers: Trailers): void {
    if (this.#held !== null) {
      this.#held.trailers = trailers;
      return;
    }
    this.streamInfo.lastDownstreamRxByteMs = this.#config.clock.nowMs();
    this.resetIdleTimer();
    this.#filterManager.decodeTrailers(trailers);
  }

  /** The codec refuses the request: answers for it. Without a whole head the log shows none, as in Envoy. */
  onCodecError(error: CodecError): void {
    this.streamInfo.responseFlags |= ResponseFlag.DownstreamProtocolError;
    this.#isLastResponse = true;
    this.#filterManager.sendLocalReply(
      error.status,
      reasonPhrase(error.status),
      null,
      error.details,
    );
  }

  /** The head did not come in time (request_headers_timeout). */
  onHeadersTimeout(): void {
    this.#isLastResponse = !this.#owner.isHttp2;
    this.#filterManager.sendLocalReply(
      408,
      'request header timeout',
      null,
      'request_header_timeout',
    );
  }

  onResetStream(reason: StreamResetReason, details: string): void {
    if (this.#isEnding) return;
    this.#config.stats.rqRxReset++;
    const info = this.streamInfo;
    if (reason === StreamResetReason.ProtocolError) {
      info.responseFlags |= ResponseFlag.DownstreamProtocolError;
    } else if (reason === StreamResetReason.RemoteReset) {
      info.responseFlags |= ResponseFlag.DownstreamRemoteReset;
    }
    if (details !== '') info.responseCodeDetails = details;
    this.#finish();
  }

  /** Nothing is left to do for the client but to write what it is owed. */
  isEnding(): boolean {
    return this.#isEnding;
  }

  /** The connection is closed for what its client did, here or on another stream; onResetStream follows. */
  onCondemned(details: string, flag: number): void {
    if (this.#isEnding) return;
    this.streamInfo.responseFlags |= flag;
    this.streamInfo.responseCodeDetails = details;
  }

  /** The connection ends while this stream is open; onResetStream follows. */
  onConnectionClose(isRemote: boolean): void {
    if (this.#isEnding) return;
    const info = this.streamInfo;
    if (isRemote) info.responseFlags |= ResponseFlag.DownstreamConnectionTermination;
    info.responseCodeDetails = isRemote
      ? 'downstream_remote_disconnect'
      : 'downstream_local_disconnect';
  }

  onAboveWriteBufferHighWatermark(): void {
    this.#filterManager.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.#filterManager.onBelowWriteBufferLowWatermark();
  }

  // ---- checks before routing ----

  #checkTarget(headers: RequestHeaders): boolean {
    const { data, stats } = this.#config;
    const verdict = checkTarget(headers, data, stats);
    if (verdict === null) return true;
    const { location } = verdict;
    const modify: ModifyHeaders | null =
      location === '' ? null : (response) => setField(response.fields, 'location', location);
    this.#filterManager.sendLocalReply(verdict.status, '', modify, verdict.details);
    return false;
  }

  #refuse(status: number, details: string): void {
    this.#filterManager.sendLocalReply(status, '', null, details);
  }

  /** Lets a request to switch protocols through, with the headers that ask for it, to filters of its own. */
  #acceptUpgrade(headers: RequestHeaders, connectionField: string | null): boolean {
    const { upgradeType, canTunnel } = this.encoder;
    if (!canTunnel || isBrokenHandshake(upgradeType, headers)) return false;
    const { upgrades, stats } = this.#config;
    const filters = upgrades.filtersFor(upgradeType, this.route());
    if (filters === null) return false;
    this.#isUpgrade = true;
    stats.cxUpgradesTotal++;
    stats.cxUpgradesActive++;
    const { fields } = headers;
    // It says 0, and what follows is no content.
    removeField(fields, 'content-length');
    if (headers.method !== 'CONNECT') {
      fields.push('connection', connectionField ?? 'upgrade', 'upgrade', upgradeType);
    }
    this.#filterManager.createFilterChain(filters);
    return true;
  }

  #refuseUpgrade(): void {
    // What follows an upgrade request may be in another protocol: never read it as a request.
    this.#isLastResponse = true;
    this.#config.stats.rqWsOnNonWsRoute++;
    this.#refuse(403, 'upgrade_failed');
  }

  /** Dropped unless proxy_100_continue: the client has had a 100 already (Envoy: the same for 103). */
  encode1xxHeaders(headers: ResponseHeaders): void {
    if (!this.#config.data.proxy100Continue) return;
    scanResponse(headers.fields);
    this.#config.stats.chargeResponse(headers.status);
    this.encoder.encode1xxHeaders(headers);
  }

  #sendContinue(): void {
    this.#config.stats.chargeResponse(100);
    this.encoder.encode1xxHeaders(new ResponseHeaders(100, []));
  }

  #overrideIdleTimeout(timeoutMs: number): void {
    this.#idleTimeoutMs = timeoutMs;
    if (timeoutMs > 0) this.resetIdleTimer();
    else this.#timers.stopIdle();
  }

  /** Envoy: the route's; else, if the connection manager has none of its own, the route's idle timeout. */
  #overrideFlushTimeout(route: Route): void {
    const fallsBack = this.#config.data.streamFlushTimeoutMs === null;
    const timeoutMs = route.flushTimeoutMs ?? (fallsBack ? route.idleTimeoutMs : null);
    if (timeoutMs !== null) this.encoder.setFlushTimeout(timeoutMs);
  }

  // ---- timeouts ----

  onStreamIdleTimeout(): void {
    this.#config.stats.rqIdleTimeout++;
    this.streamInfo.responseFlags |= ResponseFlag.StreamIdleTimeout;
    this.#filterManager.sendLocalReply(
      this.#timeoutStatus(),
      'stream timeout',
      null,
      'stream_idle_timeout',
    );
  }

  onRequestTimeout(): void {
    this.#config.stats.rqTimeout++;
    this.#filterManager.sendLocalReply(408, 'request timeout', null, 'request_overall_timeout');
  }

  onMaxStreamDuration(): void {
    this.#config.stats.rqMaxDurationReached++;
    this.#filterManager.sendLocalReply(
      this.#timeoutStatus(),
      'downstream duration timeout',
      null,
      'max_duration_timeout',
      GRPC_DEADLINE_EXCEEDED,
    );
  }

  /** Whose fault it was: 408 while the client still sends, 504 once it waits for us. */
  #timeoutStatus(): number {
    return this.#filterManager.isRemoteComplete() ? 504 : 408;
  }

  // ---- for the filter manager ----

  reportBug(thrown: unknown): void {
    this.#config.reportBug(thrown);
  }

  route(): Route | null {
    if (this.#isRouteCached || !this.#isRoutable) return this.#route;
    this.#isRouteCached = true;
    const routes = this.#routes;
    const route =
      routes === null
        ? null
        : routes.match(this.requestHeaders!, this.streamRandom(), this.streamInfo);
    this.#route = route;
    this.streamInfo.routeName = route === null ? '' : route.name;
    this.streamInfo.virtualHostName = route === null ? '' : route.virtualHostName;
    // Envoy: %UPSTREAM_CLUSTER% is the route's, also when a filter answers before the router is reached.
    this.streamInfo.upstreamCluster = route === null ? '' : route.clusterName;
    return route;
  }

  clearRouteCache(): void {
    this.#isRouteCached = false;
  }

  missingRoute(): ResourceReference | null {
    const routes = this.#routes;
    return routes === null || !this.#isRoutable ? null : routes.missing(this.requestHeaders!);
  }

  refreshRoute(): Route | null {
    this.#isRouteCached = false;
    const route = this.route();
    if (route !== null) this.#startRouteTimeouts(route);
    return route;
  }

  streamRandom(): number {
    if (this.#random === NOT_DRAWN) {
      this.#random = Math.floor(this.#config.random() * RANDOM_RANGE);
    }
    return this.#random;
  }

  resetIdleTimer(): void {
    if (this.#idleTimeoutMs > 0) {
      this.#timers.startIdle(this.#idleTimeoutMs, this.#config.clock.nowMs());
    }
  }

  disarmRequestTimeout(): void {
    this.#timers.stopRequest();
  }

  get localReplyRewriter(): LocalReplyRewriter | null {
    return this.#config.localReplyRewriter;
  }

  onLocalReply(status: number): void {
    // A client that sends what cannot be understood is not to be trusted with framing either.
    // With HTTP/2 its other streams have nothing to do with it.
    if (status !== 400 || this.#owner.isHttp2) return;
    if (!this.#config.data.streamErrorOnInvalidHttpMessage) this.#isLastResponse = true;
  }

  recreateStream(status: number, body: readonly Buffer[]): void {
    const headers = this.requestHeaders!;
    this.streamInfo.responseCode = status;
    this.streamInfo.responseCodeDetails = 'internal_redirect';
    this.#finish();
    // Its end may have been one too many (premature resets).
    if (!this.connection.isOpen()) return;
    this.#owner.reopenStream(this.encoder).#beginAgain(headers, this.streamInfo, body);
  }

  onRequestDataTooLarge(): void {
    this.#config.stats.rqTooLarge++;
  }

  onResponseDataTooLarge(): void {
    this.#config.stats.rsTooLarge++;
  }

  readDisableRequest(disable: boolean): void {
    const { stats } = this.#config;
    if (disable) stats.flowControlPausedReadingTotal++;
    else stats.flowControlResumedReadingTotal++;
    this.encoder.readDisable(disable);
  }

  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    const config = this.#config;
    const { stats } = config;
    const { fields } = headers;
    if (this.#isUpgrade && !endStream) this.#noteTunnel(headers);
    finishResponseHead(headers, this.requestHeaders, config);
    if (this.#isTunnel) {
      if (this.#tunnelFields !== null) fields.push(...this.#tunnelFields);
    } else {
      if (!this.#filterManager.isRemoteComplete()) {
        if (!this.#owner.isHttp2) this.#isLastResponse = true;
        stats.rqResponseBeforeRqComplete++;
      }
      if (this.#owner.closesAfterResponse(this.#isLastResponse)) fields.push('connection', 'close');
    }
    // Checks would drown the rest.
    if (!this.streamInfo.isHealthCheck) stats.chargeResponse(headers.status);
    this.streamInfo.responseCode = headers.status;
    const nowMs = config.clock.nowMs();
    this.streamInfo.firstDownstreamTxByteMs = nowMs;
    if (endStream) this.streamInfo.lastDownstreamTxByteMs = nowMs;
    if (!endStream && this.#isDeclinedUpgrade(headers)) {
      this.#endDeclinedUpgrade(headers);
      return;
    }
    this.#isEnding = endStream;
    this.encoder.encodeHeaders(headers, endStream);
  }

  /** RFC 8441 5: to an HTTP/2 client every 2xx opens the tunnel, and what follows is in its protocol. */
  #isDeclinedUpgrade({ status }: ResponseHeaders): boolean {
    if (!this.#owner.isHttp2 || this.#isTunnel || status > 299 || status < 200) return false;
    return this.encoder.upgradeType !== '';
  }

  /** Envoy: the head is all, so that the client sees its tunnel closed; whoever still sends a body is stopped. */
  #endDeclinedUpgrade(headers: ResponseHeaders): void {
    removeField(headers.fields, 'content-length');
    this.#isEnding = true;
    this.#config.stats.rqRxReset++;
    this.encoder.encodeHeaders(headers, true);
    this.#finish();
  }

  /** From this response's head on the stream is a tunnel, if its status says so. */
  #noteTunnel({ status, fields }: ResponseHeaders): void {
    if (!isTunnelStatus(this.encoder.upgradeType === 'CONNECT', status)) return;
    this.#isTunnel = true;
    this.#filterManager.openTunnel();
    const protocol = getField(fields, 'upgrade');
    if (status !== 101 || protocol === null) return;
    this.#tunnelFields = [
      'connection',
      getField(fields, 'connection') ?? 'upgrade',
      'upgrade',
      protocol,
    ];
  }

  encodeData(data: Buffer, endStream: boolean): void {
    this.streamInfo.bytesSent += data.length;
    if (endStream) this.streamInfo.lastDownstreamTxByteMs = this.#config.clock.nowMs();
    this.#isEnding = endStream && (!this.#isTunnel || this.#filterManager.isRemoteComplete());
    this.encoder.encodeData(data, endStream);
  }

  encodeTrailers(trailers: Trailers): void {
    this.streamInfo.lastDownstreamTxByteMs = this.#config.clock.nowMs();
    this.#isEnding = !this.#isTunnel || this.#filterManager.isRemoteComplete();
    this.encoder.encodeTrailers(trailers);
  }

  onResponseComplete(): void {
    if (!this.#filterManager.isRemoteComplete()) {
      if (this.#isTunnel) {
        this.#isTunnelHalfOpen = true;
        return;
      }
      // Envoy counts the reset by which it drops the rest of the request here.
      this.#config.stats.rqRxReset++;
    }
    this.#finish();
  }

  resetStream(): void {
    if (this.#isFinished) return;
    this.#config.stats.rqTxReset++;
    this.#isEnding = true;
    // RFC 9113 8.5: the end of what was behind a tunnel has a code of its own.
    const isTcp = this.#isTunnel && this.encoder.upgradeType === 'CONNECT';
    const { LocalReset, RemoteConnectionFailure } = StreamResetReason;
    this.encoder.resetStream(isTcp ? RemoteConnectionFailure : LocalReset);
    this.#finish();
  }

  #finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    const { stats, clock, accessLoggers } = this.#config;
    const info = this.streamInfo;
    const nowMs = clock.nowMs();
    info.endMs = nowMs;
    stats.rqActive--;
    if (this.#isUpgrade) stats.cxUpgradesActive--;
    stats.rqTime.record(nowMs - info.startMs);
    this.#timers.release();
    this.#filterManager.destroyFilters();
    info.connectionTerminationDetails = this.connection.connectionTerminationDetails;
    for (let i = 0; i < accessLoggers.length; i++) this.#log(accessLoggers[i]!);
    this.#owner.onStreamFinished(this, this.#timers);
  }

  #log(logger: AccessLogger): void {
    try {
      logger.log(this);
    } catch (thrown) {
      this.#config.reportBug(thrown);
    }
  }

  // ---- what access logs read ----

  get responseHeaders(): ResponseHeaders | null {
    return this.#filterManager.responseHeaders;
  }

  get responseTrailers(): Trailers | null {
    return this.#filterManager.responseTrailers;
  }

  get localReplyBody(): string {
    return this.#filterManager.localReplyBody;
  }
}
