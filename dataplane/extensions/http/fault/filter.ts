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
import { RuntimeFraction, RuntimeValue } from '../../../matcher/runtime-value.ts';
import { PassThroughDecoderFilter } from '../../_shared/http-filter/pass-through-filter.ts';
import type { FaultData } from './data.ts';

const MAX_DELAY_DIGITS = 9;

const never = { numerator: 0, denominator: 100 };

/** Settings of the filter or of a route, compiled. */
class FaultSettings {
  readonly data: FaultData;
  readonly headers: readonly HeaderMatcher[];
  readonly downstreamNodes: ReadonlySet<string>;
  readonly maxActiveFaults: RuntimeValue;
  readonly delayPercentage: RuntimeFraction;
  /** Null = headers say it. */
  readonly fixedDelayMs: RuntimeValue | null;
  readonly abortPercentage: RuntimeFraction;
  readonly abortStatus: RuntimeValue | null;

  constructor(data: FaultData) {
    const { delay, abort } = data;
    const fixedDelayMs = delay?.fixedDelayMs ?? null;
    const status = abort === null || abort.status.kind === 'header' ? null : abort.status.status;
    this.data = data;
    this.maxActiveFaults = new RuntimeValue(data.maxActiveFaults ?? Number.POSITIVE_INFINITY);
    this.delayPercentage = new RuntimeFraction(delay?.percentage ?? never);
    this.fixedDelayMs = fixedDelayMs === null ? null : new RuntimeValue(fixedDelayMs);
    this.abortPercentage = new RuntimeFraction(abort?.percentage ?? never);
    this.abortStatus = status === null ? null : new RuntimeValue(status);
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
    const { data, fixedDelayMs, delayPercentage } = this.#settings;
    if (data.delay === null) return 0;
    const headers = this.#headers!;
    if (fixedDelayMs !== null) {
      return delayPercentage.draw(this.#config.random()) ? fixedDelayMs.number() : 0;
    }
    if (!this.#drawLowered(PERCENTAGE.delay, delayPercentage)) return 0;
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
    const { data, abortPercentage } = this.#settings;
    const { abort } = data;
    if (abort === null) return false;
    const headers = this.#headers!;
    const isHit =
      abort.status.kind === 'header'
        ? this.#drawLowered(PERCENTAGE.abort, abortPercentage)
        : abortPercentage.draw(this.#config.random());
    if (!isHit) return false;
    const http = httpStatusOf(this.#settings, headers);
    const grpc = grpcStatusOf(this.#settings, headers);
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
    const max = this.#settings.maxActiveFaults.number();
    if (stats.activeFaults >= max && !this.#isActive) {
      stats.faultsOverflow++;
      return false;
    }
    if (!this.#isActive) {
      this.#isActive = true;
      stats.activeFaults++;
    }
    return true;
  }

  /** A header may lower the numerator, never raise it. */
  #drawLowered(header: string, percentage: RuntimeFraction): boolean {
    const asked = integerHeader(this.#headers!, header) ?? Number.POSITIVE_INFINITY;
    const numerator = Math.min(asked, percentage.numerator());
    return this.#config.random() * percentage.denominator() < numerator;
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

/** First value of a header when it is a non-negative integer, else null. */
function integerHeader(headers: RequestHeaders, name: string): number | null {
  const value = getField(headers.fields, name);
  if (value === null || value.length > MAX_DELAY_DIGITS || !/^[0-9]+$/.test(value)) return null;
  return Number(value);
}

/** Null also when a header or runtime says what no response may have. */
function httpStatusOf(
  { data, abortStatus }: FaultSettings,
  headers: RequestHeaders,
): number | null {
  const kind = data.abort?.status.kind;
  if (kind === 'grpc') return null;
  const status =
    abortStatus === null
      ? (integerHeader(headers, 'x-envoy-fault-abort-request') ?? 0)
      : abortStatus.number();
  return status >= 200 && status < 600 ? status : null;
}

function grpcStatusOf(
  { data, abortStatus }: FaultSettings,
  headers: RequestHeaders,
): number | null {
  const kind = data.abort?.status.kind;
  if (kind === 'http') return null;
  return abortStatus === null
    ? integerHeader(headers, 'x-envoy-fault-abort-grpc-request')
    : abortStatus.number();
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
