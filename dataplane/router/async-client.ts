// api/async-client.ts by means of the router: each request runs through a router filter of its own, as if a connection
// manager stood above it, with a route that says cluster and timeout (Envoy: AsyncStreamImpl). So it is balanced,
// limited and counted as any other. Made with the router's configuration; shadow.ts is its first user.

import type {
  AsyncClient,
  AsyncObserver,
  AsyncRequest,
  AsyncRequestOptions,
} from '../api/async-client.ts';
import type {
  ForwardActionData,
  RouteConfigData,
  RouteData,
  VirtualHostData,
} from '../api/config/route.ts';
import type { SocketAddress } from '../api/connection.ts';
import { getField, type RequestHeaders, ResponseHeaders, setField } from '../api/headers.ts';
import type { DownstreamWatermarkCallbacks, ModifyHeaders } from '../api/http-filter.ts';
import type { Route } from '../api/route.ts';
import type { StreamInfo } from '../api/stream-info.ts';
import { HttpStreamInfo } from '../http/stream-info.ts';
import type { RouterConfig } from './config.ts';
import { RouteEntry } from './route-entry.ts';
import { RouterFilter } from './router.ts';
import type { RouterCallbacks } from './stream-state.ts';
import { compileRouteConfigLevel, VirtualHost } from './virtual-host.ts';

/** 53 bits, the most that a number holds exactly. */
const RANDOM_RANGE = 2 ** 53;

/** See the file head. */
export class RouterAsyncClient implements AsyncClient {
  readonly #config: RouterConfig;
  readonly #localAddress: string;

  /** `localAddress`: this host's, for x-forwarded-for. */
  constructor(config: RouterConfig, localAddress: string) {
    this.#config = config;
    this.#localAddress = localAddress;
  }

  start(
    headers: RequestHeaders,
    endStream: boolean,
    options: AsyncRequestOptions,
  ): AsyncRequest | null {
    if (this.#config.clusterManager.getCluster(options.cluster) === null) return null;
    const { fields } = headers;
    setField(fields, 'x-envoy-internal', 'true');
    const before = getField(fields, 'x-forwarded-for') ?? '';
    const forwardedFor = before === '' ? this.#localAddress : `${before},${this.#localAddress}`;
    setField(fields, 'x-forwarded-for', forwardedFor);
    const stream = new AsyncStream(this.#config, options, this.#localAddress);
    stream.sendHeaders(headers, endStream);
    return stream;
  }
}

/** What stands above one router filter. */
class AsyncStream implements AsyncRequest, RouterCallbacks {
  readonly connection = null;
  readonly streamInfo: StreamInfo;
  readonly #filter: RouterFilter;
  readonly #route: RouteEntry;
  readonly #observer: AsyncObserver | null;
  readonly #bufferLimitBytes: number;
  readonly #random: number;
  /** How often the upstream was too slow, less how often it no longer is. */
  #full: number;
  /** Given to it meanwhile. */
  #bytesWhileFull: number;
  #responseStarted: boolean;
  #isOver: boolean;

  constructor(config: RouterConfig, options: AsyncRequestOptions, localAddress: string) {
    const { clock } = config;
    const own: SocketAddress = { ip: localAddress, port: 0 };
    this.streamInfo = new HttpStreamInfo(
      {
        id: 0,
        remoteAddress: own,
        localAddress: own,
        tls: null,
        requestedServerName: '',
      },
      '',
      '',
      clock.nowMs(),
      clock.wallMs(),
    );
    this.#route = routeTo(options.cluster, options.timeoutMs);
    this.#observer = options.observer;
    this.#bufferLimitBytes = options.bufferLimitBytes;
    this.#random = Math.floor(config.random() * RANDOM_RANGE);
    this.#full = 0;
    this.#bytesWhileFull = 0;
    this.#responseStarted = false;
    this.#isOver = false;
    this.#filter = new RouterFilter(config);
    this.#filter.setDecoderFilterCallbacks(this);
  }

  sendHeaders(headers: RequestHeaders, endStream: boolean): void {
    this.#filter.decodeHeaders(headers, endStream);
  }

  sendData(data: Buffer, endStream: boolean): boolean {
    if (this.#isOver) return true;
    if (this.#full > 0) this.#bytesWhileFull += data.length;
    if (this.#bytesWhileFull > this.#bufferLimitBytes) return false;
    this.#filter.decodeData(data, endStream);
    return true;
  }

  sendTrailers(trailers: string[]): void {
    if (!this.#isOver) this.#filter.decodeTrailers(trailers);
  }

  cancel(): void {
    this.#finish();
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#filter.onDestroy();
  }

  // ---- the answer ----

  sendLocalReply(status: number, body: string, modify: ModifyHeaders | null): void {
    if (this.#isOver) return;
    if (this.#responseStarted) {
      this.resetStream();
      return;
    }
    const headers = new ResponseHeaders(status, []);
    modify?.(headers);
    this.encodeHeaders(headers, body === '');
    if (body !== '') this.encodeData(Buffer.from(body), true);
  }

  /** Of no interest to anybody. */
  encode1xxHeaders(): void {}

  encodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    if (this.#isOver) return;
    this.#responseStarted = true;
    if (endStream) this.#finish();
    this.#observer?.decodeHeaders(headers, endStream);
  }

  encodeData(data: Buffer, endStream: boolean): void {
    if (this.#isOver) return;
    if (endStream) this.#finish();
    this.#observer?.decodeData(data, endStream);
  }

  encodeTrailers(trailers: string[]): void {
    if (this.#isOver) return;
    this.#finish();
    this.#observer?.decodeTrailers(trailers);
  }

  resetStream(): void {
    if (this.#isOver) return;
    this.#finish();
    this.#observer?.onReset();
  }

  // ---- flow control ----

  onDecoderFilterAboveWriteBufferHighWatermark(): void {
    this.#full++;
  }

  onDecoderFilterBelowWriteBufferLowWatermark(): void {
    this.#full--;
    if (this.#full === 0) this.#bytesWhileFull = 0;
  }

  /** Whoever gets the answer takes it as fast as it comes. */
  addDownstreamWatermarkCallbacks(_callbacks: DownstreamWatermarkCallbacks): void {}

  decoderBufferLimit(): number {
    return this.#bufferLimitBytes;
  }

  // ---- the rest of what a connection manager offers ----

  route(): Route {
    return this.#route;
  }

  /** There is but one route. */
  clearRouteCache(): void {}

  streamRandom(): number {
    return this.#random;
  }

  /** Its route follows no redirects. */
  recreateStream(): void {}

  upstreamOverrideHost(): null {
    return null;
  }
}

const noMutations = { add: [], remove: [] };

const forward: Omit<ForwardActionData, 'cluster' | 'timeoutMs'> = {
  clusterNotFoundStatus: 503,
  metadataMatch: null,
  prefixRewrite: null,
  regexRewrite: null,
  hostRewrite: { kind: 'none' },
  appendXForwardedHost: false,
  idleTimeoutMs: null,
  retryPolicy: null,
  mirrors: [],
  priority: 0,
  maxStreamDurationMs: null,
  grpcTimeoutHeader: null,
  maxGrpcTimeout: null,
  flushTimeoutMs: null,
  upgrades: [],
  hedgeOnPerTryTimeout: null,
  internalRedirect: null,
  connect: null,
  hashPolicy: [],
};

const route: Omit<RouteData, 'action'> = {
  name: '',
  breaker: null,
  match: {
    path: { kind: 'prefix', value: '/' },
    caseSensitive: true,
    headers: [],
    queryParameters: [],
    runtimeFraction: null,
    grpc: false,
  },
  requestHeaders: noMutations,
  responseHeaders: noMutations,
  perRequestBufferLimitBytes: null,
  requestBodyBufferLimitBytes: null,
  statPrefix: '',
  perFilterConfig: {},
};

const host: VirtualHostData = {
  name: '',
  domains: ['*'],
  routes: [],
  requireTls: 'NONE',
  requestHeaders: noMutations,
  responseHeaders: noMutations,
  retryPolicy: null,
  hedgeOnPerTryTimeout: false,
  includeRequestAttemptCount: false,
  includeAttemptCountInResponse: false,
  includeIsTimeoutRetryHeader: false,
  perRequestBufferLimitBytes: null,
  requestBodyBufferLimitBytes: null,
  mirrors: [],
  perFilterConfig: {},
};

const routes: RouteConfigData = {
  name: '',
  vhds: null,
  virtualHosts: [host],
  requestHeaders: noMutations,
  responseHeaders: noMutations,
  internalOnlyHeaders: [],
  mostSpecificHeaderMutationsWins: false,
  ignorePortInHostMatching: false,
  maxDirectResponseBodySizeBytes: 0,
  mirrors: [],
  perFilterConfig: {},
};

const virtualHost = new VirtualHost(
  host,
  compileRouteConfigLevel(routes, () => null),
);

/** Envoy: NullRouteImpl, made for each request too. */
function routeTo(cluster: string, timeoutMs: number): RouteEntry {
  const to = { kind: 'cluster', name: cluster } as const;
  const action = { kind: 'route', cluster: to, timeoutMs, ...forward } as const;
  return new RouteEntry({ ...route, action }, virtualHost, null);
}
