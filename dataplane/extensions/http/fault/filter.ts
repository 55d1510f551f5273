// envoy.filters.http.fault, worker half: delays and aborts a share of the requests.
//
//   decodeHeaders: overflow? target? --> delay --> (timer) --> abort or continueDecoding
//                                   '--------------------------^

import type { Random } from '../../../../common/clock.ts';
import type { Timer, TimerService } from '../../../../common/timer.ts';
import type { HttpFilterContext, HttpFilterFactory } from '../../../api/factory.ts';
import { getField, type RequestHeaders } from '../../../api/headers.ts';
import {
  FilterDataStatus,
  FilterHeadersStatus,
  FilterTrailersStatus,
  type HttpFilterConfig,
  type StreamFilter,
} from '../../../api/http-filter.ts';
import type { FractionData } from '../../../api/matcher-data.ts';
import type {
  CollectsMore,
  StatField,
  StatScope,
  StatSink,
  StatsStore,
} from '../../../api/stats.ts';
import { ResponseFlag } from '../../../api/stream-info.ts';
import { httpStatScope } from '../../../hcm/stats.ts';
import { HeaderMatcher, matchesAllHeaders } from '../../../matcher/header-matcher.ts';
import { PassThroughDecoderFilter } from '../../_shared/http-filter/pass-through-filter.ts';
import type { FaultAbortData, FaultData } from './data.ts';

const MAX_DELAY_DIGITS = 9;

/** Settings of the filter or of a route, compiled. */
class FaultSettings {
  readonly data: FaultData;
  readonly headers: readonly HeaderMatcher[];
  readonly downstreamNodes: ReadonlySet<string>;

  constructor(data: FaultData) {
    this.data = data;
    this.headers = data.headers.map((header) => new HeaderMatcher(header));
    this.downstreamNodes = new Set(data.downstreamNodes);
  }
}

interface DownstreamClusterCounts {
  aborts: number;
  delays: number;
}

/** `http.<stat_prefix>.fault.*`. */
class FaultStats implements CollectsMore {
  static readonly stats: readonly StatField[] = [
    { field: 'abortsInjected', name: 'fault.aborts_injected', kind: 'counter' },
    { field: 'delaysInjected', name: 'fault.delays_injected', kind: 'counter' },
    { field: 'faultsOverflow', name: 'fault.faults_overflow', kind: 'counter' },
    { field: 'activeFaults', name: 'fault.active_faults', kind: 'gauge' },
  ];
  abortsInjected = 0;
  delaysInjected = 0;
  faultsOverflow = 0;
  activeFaults = 0;
  /** By x-envoy-downstream-service-cluster. Bounded: the name comes from the peer. */
  readonly #byCluster = new Map<string, DownstreamClusterCounts>();

  ofCluster(name: string): DownstreamClusterCounts | null {
    let counts = this.#byCluster.get(name) ?? null;
    if (counts === null && this.#byCluster.size < MAX_DOWNSTREAM_CLUSTERS) {
      counts = { aborts: 0, delays: 0 };
      this.#byCluster.set(name, counts);
    }
    return counts;
  }

  collectMore(scope: StatScope, sink: StatSink): void {
    for (const [name, { aborts, delays }] of this.#byCluster) {
      const labels = { envoy_fault_downstream_cluster: name };
      sink.tagged(
        scope,
        `fault.${name}.aborts_injected`,
        'fault_aborts_injected',
        labels,
        'counter',
        aborts,
      );
      sink.tagged(
        scope,
        `fault.${name}.delays_injected`,
        'fault_delays_injected',
        labels,
        'counter',
        delays,
      );
    }
  }
}

const MAX_DOWNSTREAM_CLUSTERS = 100;

class FaultFilterConfig implements HttpFilterConfig {
  readonly settings: FaultSettings;
  readonly stats: FaultStats;
  readonly timers: TimerService;
  readonly random: Random;
  readonly #store: StatsStore;

  constructor(data: FaultData, context: HttpFilterContext) {
    this.settings = new FaultSettings(data);
    this.stats = new FaultStats();
    this.timers = context.worker.timers;
    this.random = context.worker.random;
    this.#store = context.worker.stats;
    this.#store.add(httpStatScope(context.statPrefix), this.stats);
  }

  createFilter(): StreamFilter {
    return new FaultFilter(this);
  }

  dispose(): void {
    this.#store.remove(this.stats);
  }
}

class FaultFilter extends PassThroughDecoderFilter {
  readonly #config: FaultFilterConfig;
  #settings: FaultSettings;
  #headers: RequestHeaders | null;
  #delayTimer: Timer | null;
  #isDelaying: boolean;
  /** This stream counts in active_faults. */
  #isActive: boolean;

  constructor(config: FaultFilterConfig) {
    super();
    this.#config = config;
    this.#settings = config.settings;
    this.#headers = null;
    this.#delayTimer = null;
    this.#isDelaying = false;
    this.#isActive = false;
  }

  override decodeHeaders(headers: RequestHeaders): FilterHeadersStatus {
    const callbacks = this.decoderCallbacks!;
    const route = callbacks.routeSpecificConfig();
    if (route instanceof FaultSettings) this.#settings = route;
    const settings = this.#settings;
    if (!this.#isTarget(settings, headers)) return FilterHeadersStatus.Continue;
    this.#headers = headers;
    const delayMs = this.#delayMs();
    if (delayMs > 0 && this.#enterFault()) {
      this.#startDelay(delayMs);
      return FilterHeadersStatus.StopIteration;
    }
    return this.#maybeAbort() ? FilterHeadersStatus.StopIteration : FilterHeadersStatus.Continue;
  }

  override decodeData(): FilterDataStatus {
    return this.#isDelaying
      ? FilterDataStatus.StopIterationAndWatermark
      : FilterDataStatus.Continue;
  }

  override decodeTrailers(): FilterTrailersStatus {
    return this.#isDelaying ? FilterTrailersStatus.StopIteration : FilterTrailersStatus.Continue;
  }

  override onDestroy(): void {
    this.#delayTimer?.stop();
    this.#isDelaying = false;
    if (this.#isActive) this.#config.stats.activeFaults--;
    this.#isActive = false;
  }

  /** The delay is over. */
  onDelayElapsed(): void {
    if (!this.#isDelaying) return;
    this.#isDelaying = false;
    if (!this.#maybeAbort()) this.decoderCallbacks!.continueDecoding();
  }

  #isTarget(settings: FaultSettings, headers: RequestHeaders): boolean {
    const { data } = settings;
    if (data.delay === null && data.abort === null) return false;
    if (data.upstreamCluster !== '' && !this.#leadsTo(data.upstreamCluster)) return false;
    if (settings.downstreamNodes.size > 0) {
      const node = getField(headers.fields, 'x-envoy-downstream-service-node');
      if (node === null || !settings.downstreamNodes.has(node)) return false;
    }
    return matchesAllHeaders(settings.headers, headers);
  }

  #leadsTo(cluster: string): boolean {
    const route = this.decoderCallbacks!.route();
    return route !== null && route.clusterName === cluster;
  }

  #delayMs(): number {
    const { delay } = this.#settings.data;
    if (delay === null) return 0;
    const headers = this.#headers!;
    if (delay.fixedDelayMs !== null) {
      return this.#draw(delay.percentage) ? delay.fixedDelayMs : 0;
    }
    const percentage = loweredBy(headers, PERCENTAGE.delay, delay.percentage);
    if (!this.#draw(percentage)) return 0;
    return integerHeader(headers, 'x-envoy-fault-delay-request') ?? 0;
  }

  #startDelay(delayMs: number): void {
    this.#config.stats.delaysInjected++;
    this.#countForCluster('delays');
    this.decoderCallbacks!.streamInfo.responseFlags |= ResponseFlag.DelayInjected;
    this.#isDelaying = true;
    this.#delayTimer = this.#config.timers.createTimer(onDelayElapsed, this);
    this.#delayTimer.start(delayMs);
  }

  /** True when the request was answered. */
  #maybeAbort(): boolean {
    const { abort } = this.#settings.data;
    if (abort === null) return false;
    const headers = this.#headers!;
    const percentage =
      abort.status.kind === 'header'
        ? loweredBy(headers, PERCENTAGE.abort, abort.percentage)
        : abort.percentage;
    if (!this.#draw(percentage)) return false;
    const http = httpStatusOf(abort, headers);
    const grpc = grpcStatusOf(abort, headers);
    if (http === null && grpc === null) return false;
    if (!this.#enterFault()) return false;
    this.#config.stats.abortsInjected++;
    this.#countForCluster('aborts');
    const callbacks = this.decoderCallbacks!;
    callbacks.streamInfo.responseFlags |= ResponseFlag.FaultInjected;
    const status = http ?? 200;
    if (grpc === null) {
      callbacks.sendLocalReply(status, 'fault filter abort', null, 'fault_filter_abort');
    } else {
      callbacks.sendLocalReply(status, 'fault filter abort', null, 'fault_filter_abort', grpc);
    }
    return true;
  }

  /** Takes a place under max_active_faults, once per stream; false = overflow. */
  #enterFault(): boolean {
    const { stats } = this.#config;
    const { maxActiveFaults } = this.#settings.data;
    if (maxActiveFaults !== null && stats.activeFaults >= maxActiveFaults && !this.#isActive) {
      stats.faultsOverflow++;
      return false;
    }
    if (!this.#isActive) {
      this.#isActive = true;
      stats.activeFaults++;
    }
    return true;
  }

  #draw(percentage: FractionData): boolean {
    const { numerator, denominator } = percentage;
    if (numerator <= 0) return false;
    return this.#config.random() * denominator < numerator;
  }

  #countForCluster(fault: keyof DownstreamClusterCounts): void {
    if (this.#settings.data.disableDownstreamClusterStats) return;
    const cluster = getField(this.#headers!.fields, 'x-envoy-downstream-service-cluster');
    if (cluster === null || cluster === '') return;
    const counts = this.#config.stats.ofCluster(cluster);
    if (counts !== null) counts[fault]++;
  }
}

function onDelayElapsed(filter: FaultFilter): void {
  filter.onDelayElapsed();
}

const PERCENTAGE = {
  abort: 'x-envoy-fault-abort-request-percentage',
  delay: 'x-envoy-fault-delay-request-percentage',
} as const;

/** A header may lower the configured numerator, never raise it. */
function loweredBy(headers: RequestHeaders, name: string, configured: FractionData): FractionData {
  const asked = integerHeader(headers, name);
  if (asked === null || asked >= configured.numerator) return configured;
  return { numerator: asked, denominator: configured.denominator };
}

/** First value of a header when it is a non-negative integer, else null. */
function integerHeader(headers: RequestHeaders, name: string): number | null {
  const value = getField(headers.fields, name);
  if (value === null || value.length > MAX_DELAY_DIGITS || !/^[0-9]+$/.test(value)) return null;
  return Number(value);
}

function httpStatusOf(abort: FaultAbortData, headers: RequestHeaders): number | null {
  switch (abort.status.kind) {
    case 'http':
      return abort.status.status;
    case 'grpc':
      return null;
    case 'header': {
      const status = integerHeader(headers, 'x-envoy-fault-abort-request');
      return status !== null && status >= 200 && status < 600 ? status : null;
    }
  }
}

function grpcStatusOf(abort: FaultAbortData, headers: RequestHeaders): number | null {
  switch (abort.status.kind) {
    case 'http':
      return null;
    case 'grpc':
      return abort.status.status;
    case 'header':
      return integerHeader(headers, 'x-envoy-fault-abort-grpc-request');
  }
}

/** The worker half; data is FaultData, per route too. */
export const fault: HttpFilterFactory = {
  name: 'envoy.filters.http.fault',
  create(data: unknown, context: HttpFilterContext): HttpFilterConfig {
    // The contract between the halves: config.ts made it.
    return new FaultFilterConfig(data as FaultData, context);
  },
  createRouteConfig(data: unknown): unknown {
    return new FaultSettings(data as FaultData);
  },
};
