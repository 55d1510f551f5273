// One HTTP connection manager as configured, alive in one worker: shared by all connections of a filter
// chain. Built from HcmConfig by extensions/network/http-connection-manager/filter; read per request.

import type { Clock } from '../../common/clock.ts';
import type { TimerService } from '../../common/timer.ts';
import type { AccessLogger } from '../api/access-log.ts';
import type { HcmConfig } from '../api/config/hcm.ts';
import type { WorkerContext } from '../api/factory.ts';
import type { RouteTable } from '../api/route.ts';
import type { StatsStore } from '../api/stats.ts';
import type { Http1CodecStats } from '../http/h1/codec-stats.ts';
import type { ServerOptions } from '../http/h1/options.ts';
import { DateHeader } from './date-header.ts';
import type { FilterEntry } from './filter-manager-host.ts';
import { ForwardedPolicy } from './forwarded.ts';
import { LocalReplyRewriter } from './local-reply-rewrite.ts';
import { type HcmStats, hcmStatHolders } from './stats.ts';

/** Envoy: per_connection_buffer_limit_bytes of listeners, default. */
const DEFAULT_BUFFER_LIMIT_BYTES = 1024 * 1024;

/** What may end a connection's keep-alive from outside. */
export interface DrainableConnection {
  startDrain(): void;
}

/** What a connection manager is made with besides its HcmConfig. */
export interface HcmParts {
  readonly filters: readonly FilterEntry[];
  readonly accessLoggers: readonly AccessLogger[];
  readonly worker: Pick<WorkerContext, 'timers' | 'clock' | 'random' | 'stats' | 'isDraining'>;
  /** Default 1 MiB. */
  readonly bufferLimitBytes?: number;
  /** What stands in x-forwarded-for for loopback peers; default: this host's first address. */
  readonly localAddress?: string;
}

export class HttpConnectionManagerConfig {
  readonly data: HcmConfig;
  readonly filters: readonly FilterEntry[];
  readonly accessLoggers: readonly AccessLogger[];
  readonly stats: HcmStats;
  readonly codecStats: Http1CodecStats;
  readonly forwarded: ForwardedPolicy;
  /** Null = local replies are sent as they are. */
  readonly localReplyRewriter: LocalReplyRewriter | null;
  readonly date: DateHeader;
  readonly clock: Clock;
  readonly timers: TimerService;
  readonly random: () => number;
  readonly bufferLimitBytes: number;
  readonly plaintextOptions: ServerOptions;
  readonly tlsOptions: ServerOptions;
  readonly #store: StatsStore;
  readonly #isProcessDraining: () => boolean;
  readonly #connections: Set<DrainableConnection>;
  #routes: RouteTable | null;
  #isDraining: boolean;

  constructor(data: HcmConfig, routes: RouteTable | null, parts: HcmParts) {
    const { worker } = parts;
    this.data = data;
    this.filters = parts.filters;
    this.accessLoggers = parts.accessLoggers;
    this.#store = worker.stats;
    const holders = hcmStatHolders(worker.stats, data.statPrefix);
    this.stats = holders.hcm;
    this.codecStats = holders.codec;
    this.forwarded = new ForwardedPolicy(data, parts.localAddress);
    this.localReplyRewriter =
      data.localReply === null ? null : new LocalReplyRewriter(data.localReply, worker.random);
    this.date = new DateHeader(worker.clock);
    this.clock = worker.clock;
    this.timers = worker.timers;
    this.random = worker.random;
    this.bufferLimitBytes = parts.bufferLimitBytes ?? DEFAULT_BUFFER_LIMIT_BYTES;
    this.plaintextOptions = this.#serverOptions('http');
    this.tlsOptions = this.#serverOptions('https');
    this.#isProcessDraining = () => worker.isDraining();
    this.#connections = new Set();
    this.#routes = routes;
    this.#isDraining = false;
  }

  /** The routes of requests that begin now; null = none have arrived yet (404 NR). */
  routes(): RouteTable | null {
    return this.#routes;
  }

  /** A new table: the next request uses it, those in progress keep theirs. */
  setRoutes(routes: RouteTable): void {
    this.#routes = routes;
  }

  /** True: responses end their connections. */
  isDraining(): boolean {
    return this.#isDraining || this.#isProcessDraining();
  }

  /** The filter chain goes away: idle connections close after drain_timeout, busy ones after their response. */
  startDrain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    for (const connection of [...this.#connections]) connection.startDrain();
  }

  /** Once, when the filter chain is gone. */
  dispose(): void {
    this.#store.remove(this.stats);
    this.#store.remove(this.codecStats);
    for (const { config } of this.filters) config.dispose?.();
  }

  addConnection(connection: DrainableConnection): void {
    this.#connections.add(connection);
  }

  removeConnection(connection: DrainableConnection): void {
    this.#connections.delete(connection);
  }

  #serverOptions(scheme: 'http' | 'https'): ServerOptions {
    const { data } = this;
    return {
      scheme,
      acceptHttp10: data.http1.acceptHttp10,
      defaultHostForHttp10: data.http1.defaultHostForHttp10,
      allowAbsoluteUrl: data.http1.allowAbsoluteUrl,
      enableTrailers: data.http1.enableTrailers,
      properCaseHeaderKeys: data.http1.properCaseHeaderKeys,
      headersWithUnderscoresAction: data.headersWithUnderscoresAction,
      maxRequestHeadersKb: data.maxRequestHeadersKb,
      maxHeadersCount: data.maxHeadersCount,
      streamErrorOnInvalidHttpMessage: data.streamErrorOnInvalidHttpMessage,
      stats: this.codecStats,
    };
  }
}
