// One router filter between a fake client and a fake cluster.

import { responseFlagsText } from '../../dataplane/access-log/response-flags.ts';
import type {
  RouteConfigData,
  RouteData,
  VirtualHostData,
} from '../../dataplane/api/config/route.ts';
import { RequestHeaders, ResponseHeaders, type Trailers } from '../../dataplane/api/headers.ts';
import type {
  DownstreamWatermarkCallbacks,
  ModifyHeaders,
  StreamDecoderFilterCallbacks,
} from '../../dataplane/api/http-filter.ts';
import type { OverrideHost } from '../../dataplane/api/load-balancing.ts';
import type { Route } from '../../dataplane/api/route.ts';
import { RouterAsyncClient } from '../../dataplane/router/async-client.ts';
import type { RouterConfig } from '../../dataplane/router/config.ts';
import { DynamicHosts } from '../../dataplane/router/dynamic-hosts.ts';
import { createRouteTable } from '../../dataplane/router/route-table.ts';
import { RouterFilter } from '../../dataplane/router/router.ts';
import { RouterStats } from '../../dataplane/router/stats.ts';
import { FakeConnection } from './connection.ts';
import { routeConfigData, routeData, virtualHostData } from './route-data.ts';
import { FakeStreamInfo } from './stream-info.ts';
import { FakeTimers } from './timers.ts';
import { FakeCluster, FakeClusterManager, type FakeTry } from './upstream.ts';

/** What went to the client. */
export interface Answer {
  status: number;
  fields: string[];
  body: string;
  /** A local reply. */
  isLocal: boolean;
  isEnded: boolean;
  trailers: Trailers | null;
}

export interface RouterScenarioOptions {
  readonly route?: Partial<RouteData>;
  readonly virtualHost?: Partial<VirtualHostData>;
  readonly routeConfig?: Partial<RouteConfigData>;
  readonly router?: Partial<
    Pick<RouterConfig, 'suppressEnvoyHeaders' | 'respectExpectedRqTimeout' | 'retryRuntime'>
  >;
  readonly bufferLimitBytes?: number;
}

/** See the file head. Random is 0.5: the first back-off of 25 ms lasts 12 ms. */
export class RouterScenario implements StreamDecoderFilterCallbacks {
  readonly timers = new FakeTimers();
  readonly cluster = new FakeCluster('c');
  readonly clusters = new FakeClusterManager(this.cluster);
  readonly stats = new RouterStats();
  /** Of mirrored requests. */
  readonly asyncStats = new RouterStats();
  readonly connection = new FakeConnection();
  readonly streamInfo = new FakeStreamInfo();
  readonly filter: RouterFilter;
  answer: Answer | null = null;
  /** Client is paused so many times. */
  paused = 0;
  isReset = false;
  /** The request went to another stream with that body, because of a response of that status. */
  recreated: { readonly status: number; readonly body: string } | null = null;
  overrideHost: OverrideHost | null = null;
  watermarks: DownstreamWatermarkCallbacks | null = null;
  readonly #table;
  readonly #bufferLimitBytes: number;
  #headers: RequestHeaders | null = null;

  constructor(options: RouterScenarioOptions = {}) {
    const routes = [routeData(options.route)];
    this.#table = createRouteTable(
      routeConfigData({
        virtualHosts: [virtualHostData({ routes, ...options.virtualHost })],
        ...options.routeConfig,
      }),
      { createRouteFilterConfig: () => null, dynamicHosts: () => new DynamicHosts() },
    );
    this.#bufferLimitBytes = options.bufferLimitBytes ?? 1024;
    const own: RouterConfig = {
      clusterManager: this.clusters,
      timers: this.timers,
      clock: this.timers.clock,
      random: () => 0.5,
      stats: this.asyncStats,
      dynamicStats: true,
      suppressEnvoyHeaders: false,
      respectExpectedRqTimeout: false,
      retryRuntime: null,
      asyncClient: null,
      ...options.router,
    };
    const asyncClient = new RouterAsyncClient(own, '10.9.9.9');
    this.filter = new RouterFilter({ ...own, stats: this.stats, asyncClient });
    this.filter.setDecoderFilterCallbacks(this);
  }

  /** The latest try. */
  get attempt(): FakeTry {
    return this.cluster.tries.at(-1)!;
  }

  /** `GET /p` with these fields; `endStream` false = a body follows. */
  request(fields: string[] = [], endStream = true, method = 'GET', authority = 'a.com'): this {
    this.#headers = new RequestHeaders(method, '/p', authority, 'http', fields);
    this.filter.decodeHeaders(this.#headers, endStream);
    return this;
  }

  data(text: string, endStream = false): this {
    this.filter.decodeData(Buffer.from(text), endStream);
    return this;
  }

  /** `503 UH no_healthy_upstream: no healthy upstream`, `(no answer)`, `reset ...`. */
  summary(): string {
    const flags = responseFlagsText(this.streamInfo.responseFlags, false);
    const details = this.streamInfo.responseCodeDetails;
    if (this.isReset) return `reset ${flags} ${details}`;
    if (this.answer === null) return '(no answer)';
    const { status, body } = this.answer;
    return `${status} ${flags} ${details}${body === '' ? '' : `: ${body}`}`;
  }

  /** Value of an answer's header, or null. */
  header(name: string): string | null {
    return new ResponseHeaders(0, this.answer?.fields ?? []).get(name);
  }

  // ---- callbacks ----

  route(): Route | null {
    return this.#table.match(this.#headers!, 0);
  }

  missingRoute(): null {
    return null;
  }
  refreshRoute(): Route | null {
    return this.route();
  }
  clearRouteCache(): void {}

  routeSpecificConfig(): unknown {
    return null;
  }

  allRouteSpecificConfigs(): readonly unknown[] {
    return [];
  }

  resetStream(): void {
    this.isReset = true;
  }

  streamRandom(): number {
    return 0;
  }

  continueDecoding(): void {}

  sendLocalReply(
    status: number,
    body: string,
    modify: ModifyHeaders | null,
    details: string,
  ): void {
    this.streamInfo.responseCodeDetails = details;
    if (this.answer !== null) {
      this.isReset = true;
      return;
    }
    const headers = new ResponseHeaders(status, []);
    this.route()?.finalizeResponseHeaders(headers, this.#headers, this.streamInfo);
    modify?.(headers);
    const { fields } = headers;
    this.answer = { status, fields, body, isLocal: true, isEnded: true, trailers: null };
  }

  recreateStream(response: ResponseHeaders, body: readonly Buffer[]): void {
    const text = Buffer.concat(body).toString('latin1');
    this.recreated = { status: response.status, body: text };
    this.filter.onDestroy();
  }

  encode1xxHeaders(): void {}

  encodeHeaders(headers: ResponseHeaders, endStream: boolean, details: string): void {
    this.streamInfo.responseCodeDetails = details;
    const { status, fields } = headers;
    this.answer = { status, fields, body: '', isLocal: false, isEnded: endStream, trailers: null };
  }

  encodeData(data: Buffer, endStream: boolean): void {
    this.answer!.body += data.toString('latin1');
    this.answer!.isEnded = endStream;
  }

  encodeTrailers(trailers: Trailers): void {
    this.answer!.trailers = trailers;
    this.answer!.isEnded = true;
  }

  decodingBuffer(): readonly Buffer[] {
    return [];
  }

  addDecodedData(): void {}
  replaceDecodedData(): void {}

  onDecoderFilterAboveWriteBufferHighWatermark(): void {
    this.paused++;
  }

  onDecoderFilterBelowWriteBufferLowWatermark(): void {
    this.paused--;
  }

  addDownstreamWatermarkCallbacks(callbacks: DownstreamWatermarkCallbacks): void {
    this.watermarks = callbacks;
  }

  decoderBufferLimit(): number {
    return this.#bufferLimitBytes;
  }

  setUpstreamOverrideHost(host: OverrideHost): void {
    this.overrideHost = host;
  }

  upstreamOverrideHost(): OverrideHost | null {
    return this.overrideHost;
  }
}
