// One HTTP connection manager as configured, alive in one worker: shared by all connections of a filter
// chain. Built from HcmConfig by extensions/network/http-connection-manager/filter; read per request.

import type { Clock } from '../../common/clock.ts';
import type { TimerService } from '../../common/timer.ts';
import type { AccessLogger } from '../api/access-log.ts';
import type { HcmConfig } from '../api/config/hcm.ts';
import type { Connection } from '../api/connection.ts';
import type { DrainSequence } from '../api/drain.ts';
import type { WorkerContext } from '../api/factory.ts';
import type { RouteTable } from '../api/route.ts';
import type { StatsStore } from '../api/stats.ts';
import type { ServerOptions } from '../http/h1/options.ts';
import type { Http2ServerOptions } from '../http/h2/options.ts';
import { compileStringMatcher } from '../matcher/string-matcher.ts';
import { DateHeader } from './date-header.ts';
import { endMsOf, isDrainClose } from './drain-close.ts';
import type { FilterEntry } from './filter-manager-host.ts';
import { ForwardedPolicy } from './forwarded.ts';
import { LocalReplyRewriter } from './local-reply-rewrite.ts';
import {
  type HcmStatHolders,
  type HcmStats,
  hcmStatHolders,
  ListenerHttpStats,
  listenerHttpScope,
} from './stats.ts';
import { StreamTimersPool } from './stream-timers.ts';
import { Upgrades } from './upgrades.ts';

/** Envoy: per_connection_buffer_limit_bytes of listeners, default. */
const DEFAULT_BUFFER_LIMIT_BYTES = 1024 * 1024;

/** What may end a connection's keep-alive from outside. */
export interface DrainableConnection {
  /** The connection ends, at a time that fits its protocol and `drain`. */
  startListenerDrain(drain: DrainSequence): void;
}

/** What a connection manager is made with besides its HcmConfig. */
export interface HcmParts {
  readonly filters: readonly FilterEntry[];
  /** Of HcmConfig.upgrades, at the same places; null = `filters`. */
  readonly upgradeFilters?: readonly (readonly FilterEntry[] | null)[];
  readonly accessLoggers: readonly AccessLogger[];
  readonly worker: Pick<
    WorkerContext,
    'timers' | 'clock' | 'random' | 'stats' | 'healthchecksFail' | 'reportBug'
  >;
  /** Listener.drain_type MODIFY_ONLY. Default false. */
  readonly ignoresHealthchecksFail?: boolean;
  /** Default 1 MiB. */
  readonly bufferLimitBytes?: number;
  /** Absent = nothing is counted for a listener. */
  readonly listenerStatPrefix?: string;
  /** What stands in x-forwarded-for for loopback peers; default: this host's first address. */
  readonly localAddress?: string;
}

export class HttpConnectionManagerConfig {
  readonly data: HcmConfig;
  readonly filters: readonly FilterEntry[];
  readonly upgrades: Upgrades;
  readonly accessLoggers: readonly AccessLogger[];
  readonly stats: HcmStats;
  readonly forwarded: ForwardedPolicy;
  /** Null = local replies are sent as they are. */
  readonly localReplyRewriter: LocalReplyRewriter | null;
  readonly date: DateHeader;
  readonly clock: Clock;
  readonly timers: TimerService;
  readonly random: () => number;
  /** WorkerContext.reportBug. */
  readonly reportBug: (thrown: unknown) => void;
  readonly bufferLimitBytes: number;
  readonly streamTimers: StreamTimersPool;
  readonly #http1Plaintext: ServerOptions;
  readonly #http1Tls: ServerOptions;
  readonly #http2Plaintext: Http2ServerOptions;
  readonly #http2Tls: Http2ServerOptions;
  readonly #holders: HcmStatHolders;
  readonly #store: StatsStore;
  readonly #listenerStats: ListenerHttpStats;
  readonly #healthchecksFail: () => boolean;
  readonly #connections: Set<DrainableConnection>;
  #routes: RouteTable | null;
  #drain: DrainSequence | null;

  constructor(data: HcmConfig, routes: RouteTable | null, parts: HcmParts) {
    const { worker } = parts;
    this.data = data;
    this.filters = parts.filters;
    this.upgrades = new Upgrades(data.upgrades, parts.upgradeFilters ?? [], parts.filters);
    this.accessLoggers = parts.accessLoggers;
    this.#store = worker.stats;
    this.#holders = hcmStatHolders(worker.stats, data.statPrefix);
    this.stats = this.#holders.hcm;
    this.#listenerStats = new ListenerHttpStats(this.stats);
    const { listenerStatPrefix } = parts;
    if (listenerStatPrefix !== undefined) {
      worker.stats.add(listenerHttpScope(listenerStatPrefix, data.statPrefix), this.#listenerStats);
    }
    this.forwarded = new ForwardedPolicy(data, parts.localAddress);
    this.localReplyRewriter =
      data.localReply === null ? null : new LocalReplyRewriter(data.localReply, worker.random);
    this.date = new DateHeader(worker.clock);
    this.clock = worker.clock;
    this.timers = worker.timers;
    this.random = worker.random;
    this.reportBug = (thrown) => worker.reportBug(thrown);
    this.bufferLimitBytes = parts.bufferLimitBytes ?? DEFAULT_BUFFER_LIMIT_BYTES;
    this.streamTimers = new StreamTimersPool(worker.timers, worker.clock);
    this.#http1Plaintext = this.#http1Options('http');
    this.#http1Tls = this.#http1Options('https');
    this.#http2Plaintext = this.#http2Options('http');
    this.#http2Tls = this.#http2Options('https');
    this.#healthchecksFail = parts.ignoresHealthchecksFail
      ? () => false
      : () => worker.healthchecksFail();
    this.#connections = new Set();
    this.#routes = routes;
    this.#drain = null;
  }

  /** The routes of requests that begin now; null = none have arrived yet (404 NR). */
  routes(): RouteTable | null {
    return this.#routes;
  }

  /** A new table: the next request uses it, those in progress keep theirs. */
  setRoutes(routes: RouteTable): void {
    this.#routes = routes;
  }

  /** `ms` and up to `percent` of it more, by chance. */
  jittered(ms: number, percent: number): number {
    return percent === 0 ? ms : ms * (1 + (this.random() * percent) / 100);
  }

  /** Envoy's DrainDecision.drainClose: the response that is about to begin ends its connection. */
  drainClose(): boolean {
    if (this.#healthchecksFail()) return true;
    const drain = this.#drain;
    return drain !== null && isDrainClose(drain, this.clock.nowMs(), this.random);
  }

  /** The filter chain goes away: responses and idle connections end as `drain` says. The sooner one wins. */
  startDrain(drain: DrainSequence): void {
    const former = this.#drain;
    if (former !== null && endMsOf(former) <= endMsOf(drain)) return;
    this.#drain = drain;
    for (const connection of [...this.#connections]) connection.startListenerDrain(drain);
  }

  /** Once, when the filter chain is gone. */
  dispose(): void {
    this.#store.remove(this.#holders.hcm);
    this.#store.remove(this.#holders.http1);
    this.#store.remove(this.#holders.http2);
    this.#store.remove(this.#listenerStats);
    this.streamTimers.dispose();
    for (const { config } of this.filters) config.dispose?.();
    for (const { config } of this.upgrades.ownFilters()) config.dispose?.();
  }

  addConnection(connection: DrainableConnection): void {
    this.#connections.add(connection);
    if (this.#drain !== null) connection.startListenerDrain(this.#drain);
  }

  removeConnection(connection: DrainableConnection): void {
    this.#connections.delete(connection);
  }

  http1OptionsOf(connection: Connection): ServerOptions {
    return connection.tls === null ? this.#http1Plaintext : this.#http1Tls;
  }

  http2OptionsOf(connection: Connection): Http2ServerOptions {
    return connection.tls === null ? this.#http2Plaintext : this.#http2Tls;
  }

  #http1Options(scheme: 'http' | 'https'): ServerOptions {
    const { data } = this;
    return {
      scheme,
      ...data.http1,
      ignoredUpgrades: data.http1.ignoredUpgrades.map(compileStringMatcher),
      headersWithUnderscoresAction: data.headersWithUnderscoresAction,
      maxRequestHeadersKb: data.maxRequestHeadersKb,
      maxHeadersCount: data.maxHeadersCount,
      streamErrorOnInvalidHttpMessage: data.streamErrorOnInvalidHttpMessage,
      stats: this.#holders.http1,
    };
  }

  #http2Options(scheme: 'http' | 'https'): Http2ServerOptions {
    const { data } = this;
    return {
      scheme,
      protocol: data.http2,
      headersWithUnderscoresAction: data.headersWithUnderscoresAction,
      maxRequestHeadersKb: data.maxRequestHeadersKb,
      maxHeadersCount: data.maxHeadersCount,
      streamFlushTimeoutMs: data.streamFlushTimeoutMs ?? data.streamIdleTimeoutMs,
      bufferLimitBytes: this.bufferLimitBytes,
      timers: this.timers,
      clock: this.clock,
      random: this.random,
      stats: this.#holders.http2,
    };
  }
}
