// What the router knows of one stream: the fields of the router filter, which its parts (prepare-request,
// tries, response, request-timeouts, answers, charges) share. The filter extends this class, so that a stream
// is one object; nothing outside these files may touch a field.

import type { Timer } from '../../common/timer.ts';
import type { AsyncRequest } from '../api/async-client.ts';
import type { Cluster } from '../api/cluster.ts';
import type { Connection } from '../api/connection.ts';
import type { RequestHeaders, Trailers } from '../api/headers.ts';
import type { StreamDecoderFilterCallbacks } from '../api/http-filter.ts';
import type { LoadBalancerContext } from '../api/load-balancing.ts';
import type { CookieIssuer } from '../api/request-hasher.ts';
import type { KeptPieces } from '../network/kept-pieces.ts';
import type { ReadSlab } from '../network/read-slab.ts';
import type { RouterConfig } from './config.ts';
import type { RetryCallbacks, RetryState } from './retry/state.ts';
import type { RouteEntry } from './route-entry.ts';
import type { Timeouts } from './timeouts.ts';
import type { UpstreamRequest, UpstreamRequestParent } from './upstream-request.ts';

/** Which try this is, to the upstream and (if the virtual host says so) to the client. */
export const ATTEMPT_COUNT = 'x-envoy-attempt-count';

/** What the router asks of what is above it: a connection manager, or nobody but the sender (async-client.ts). */
export interface RouterCallbacks
  extends Pick<
    StreamDecoderFilterCallbacks,
    | 'streamInfo'
    | 'route'
    | 'clearRouteCache'
    | 'recreateStream'
    | 'streamRandom'
    | 'sendLocalReply'
    | 'encode1xxHeaders'
    | 'encodeHeaders'
    | 'encodeData'
    | 'encodeTrailers'
    | 'onDecoderFilterAboveWriteBufferHighWatermark'
    | 'onDecoderFilterBelowWriteBufferLowWatermark'
    | 'addDownstreamWatermarkCallbacks'
    | 'decoderBufferLimit'
    | 'upstreamOverrideHost'
  > {
  /** The client's; null = the request is our own. */
  readonly connection: Connection | null;
}

/** The router filter, as its parts see it. */
export type RouterStream = RouterState &
  UpstreamRequestParent &
  LoadBalancerContext &
  CookieIssuer &
  RetryCallbacks;

/** See the file head. */
export class RouterState implements Timeouts {
  /** Timeouts (see timeouts.ts). */
  globalMs: number;
  isFromGrpc: boolean;
  perTryMs: number;
  perTryIdleMs: number;
  streamMs: number;
  hedgesOnPerTryTimeout: boolean;
  readonly config: RouterConfig;
  callbacks!: RouterCallbacks;
  headers: RequestHeaders | null;
  route: RouteEntry | null;
  clusterName: string;
  cluster: Cluster | null;
  /** RequestTrait bits. */
  traits: number;
  retryState: RetryState | null;
  /** The current try; null before the first, during a back-off and at the end. */
  upstream: UpstreamRequest | null;
  /** Earlier tries that go on beside it (hedge.ts); null = there are none. */
  hedged: UpstreamRequest[] | null;
  /** A back-off runs. */
  isRetryPending: boolean;
  attempts: number;
  /** The try before the coming one took longer than it may. */
  isTimeoutRetry: boolean;
  /** How often a peer refused it unprocessed and it was sent again. */
  resends: number;
  /** Some try wrote something to its upstream. */
  upstreamStarted: boolean;
  /** Body kept for another try; null = not kept (any more). */
  body: KeptPieces | null;
  bodyBytes: number;
  /** What the larger pieces of such a body lie in; null = none is. */
  bodySlab: ReadSlab | null;
  bodySlabBytes: number;
  requestTrailers: Trailers | null;
  /** Copies that get the body as it comes; null = there are none (any more). */
  shadows: AsyncRequest[] | null;
  /** -1 = the request is not complete. */
  requestCompleteMs: number;
  responseStarted: boolean;
  /** A gRPC response whose success shows in its trailers. */
  isGrpcDeferred: boolean;
  /** One that outlier detection, too, counts by its trailers (OutlierDetectionConfig). */
  isOutlierDeferred: boolean;
  /** Answered, or gone. */
  isDone: boolean;
  /** The request is a WebSocket's. */
  isWebSocket: boolean;
  isTunnel: boolean;
  /** Of a tunnel whose other direction goes on. */
  isUpstreamEnded: boolean;
  timeoutTimer: Timer | null;
  timeoutStatus: number;
  /** Values of set-cookie for the response: cookies that hash policies gave; null = none. */
  issuedCookies: string[] | null;
  /** How often the client is too slow, less how often it no longer is. */
  downstreamFull: number;

  constructor(config: RouterConfig) {
    this.globalMs = 0;
    this.isFromGrpc = false;
    this.perTryMs = 0;
    this.perTryIdleMs = 0;
    this.streamMs = -1;
    this.hedgesOnPerTryTimeout = false;
    this.config = config;
    this.headers = null;
    this.route = null;
    this.clusterName = '';
    this.cluster = null;
    this.traits = 0;
    this.retryState = null;
    this.upstream = null;
    this.hedged = null;
    this.isRetryPending = false;
    this.attempts = 0;
    this.isTimeoutRetry = false;
    this.resends = 0;
    this.upstreamStarted = false;
    this.body = null;
    this.bodyBytes = 0;
    this.bodySlab = null;
    this.bodySlabBytes = 0;
    this.requestTrailers = null;
    this.shadows = null;
    this.requestCompleteMs = -1;
    this.responseStarted = false;
    this.isGrpcDeferred = false;
    this.isOutlierDeferred = false;
    this.isDone = false;
    this.isWebSocket = false;
    this.isTunnel = false;
    this.isUpstreamEnded = false;
    this.timeoutTimer = null;
    this.timeoutStatus = 504;
    this.issuedCookies = null;
    this.downstreamFull = 0;
  }
}
