// The load reporter: tells a management server in its intervals how many requests went where
// (envoy.service.load_stats.v3.LoadReportingService). server/ makes one where the bootstrap has a load_stats_config.
// Main thread; touches no traffic.
//
//   stream open: an empty report --answer: which clusters, how often--> [wait interval, sample, report]*
//   stream lost: back-off, and a new stream begins without windows

import type { Clock, Random } from '../../common/clock.ts';
import { errorText } from '../../common/coded-error.ts';
import type { Logger } from '../../common/logger.ts';
import type { Timer, TimerService } from '../../common/timer.ts';
import { decodeMessage, encodeMessage } from '../../proto/any.ts';
import type {
  ClusterStatsProto,
  LoadStatsResponseProto,
  NodeProto,
} from '../../proto/gen/types.ts';
import { durationMsOr } from '../../proto/well-known.ts';
import type { ClusterSample, TakeSample } from '../api/load-sample.ts';
import type { StatField, StatScope, StatsStore } from '../api/stats.ts';
import type { AdsChannelFactory } from '../xds/ads-channel.ts';
import { AdsTransport, type TransportHandler } from '../xds/ads-transport.ts';
import { LoadWindows } from './load-window.ts';

export const LOAD_STATS_PATH = '/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats';
const REQUEST = 'envoy.service.load_stats.v3.LoadStatsRequest';
const RESPONSE = 'envoy.service.load_stats.v3.LoadStatsResponse';
const SENDS_ALL_CLUSTERS = 'envoy.lrs.supports_send_all_clusters';
const BASE_BACKOFF_MS = 5000;
const MAX_BACKOFF_MS = 30_000;
/** A server that asks for more would have the sidecar do nothing else. */
const LEAST_INTERVAL_MS = 100;

const scope: StatScope = { prefix: 'load_reporter', promPrefix: 'envoy_load_reporter', labels: {} };

/** Envoy's names, seen from the server: what it sends us are requests, what we send it are responses. */
class LoadReporterStats {
  static readonly stats: readonly StatField[] = [
    { field: 'errors', name: 'errors', kind: 'counter' },
    { field: 'requests', name: 'requests', kind: 'counter' },
    { field: 'responses', name: 'responses', kind: 'counter' },
    { field: 'retries', name: 'retries', kind: 'counter' },
  ];

  errors = 0;
  requests = 0;
  responses = 0;
  retries = 0;
}

export interface LoadReporterOptions {
  readonly channelFactory: AdsChannelFactory;
  readonly node: NodeProto;
  readonly takeSample: TakeSample;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerService;
  readonly logger: Logger;
  readonly stats: StatsStore;
  readonly connectTimeoutMs: number;
}

/** What the server asked for last. */
interface Order {
  /** Null = all. */
  readonly clusters: ReadonlySet<string> | null;
  readonly intervalMs: number;
  readonly granularity: 'locality' | 'endpoint';
}

/** See the file head. */
export class LoadReporter implements TransportHandler {
  readonly #options: LoadReporterOptions;
  readonly #transport: AdsTransport;
  readonly #stats = new LoadReporterStats();
  readonly #windows = new LoadWindows();
  readonly #timer: Timer;
  #order: Order | null = null;
  #hasOpened = false;
  /** A sample that was asked for under an earlier order, or on an earlier stream, is of no use. */
  #generation = 0;

  constructor(options: LoadReporterOptions) {
    this.#options = options;
    this.#timer = options.timers.createTimer(reportNow, this);
    this.#transport = new AdsTransport(
      {
        ...options,
        path: LOAD_STATS_PATH,
        // Its connection is no control plane's: these are not shown.
        stats: { connectedState: 0, malformedResponses: 0 },
        servers: [{ ...options, baseBackoffMs: BASE_BACKOFF_MS, maxBackoffMs: MAX_BACKOFF_MS }],
        closedText: 'load reporting stream closed',
      },
      this,
    );
    options.stats.add(scope, this.#stats);
  }

  start(): void {
    this.#transport.start();
  }

  stop(): void {
    this.#generation++;
    this.#timer.stop();
    this.#transport.stop();
  }

  // --- TransportHandler ---

  onOpen(): void {
    if (this.#hasOpened) this.#stats.retries++;
    this.#hasOpened = true;
    this.#send([]);
  }

  onMessage(bytes: Uint8Array): void {
    const decoded = decodeMessage(RESPONSE, bytes);
    if (!decoded.ok) throw new Error(decoded.errors[0]?.message ?? 'cannot be decoded');
    this.#stats.requests++;
    this.#order = orderOf(decoded.value.message);
    this.#withSample((samples) => this.#beginPeriod(samples));
  }

  onClosed(): void {
    this.#stats.errors++;
    this.#generation++;
    this.#timer.stop();
    this.#order = null;
    this.#windows.clear();
  }

  /** Timer. */
  report(): void {
    this.#withSample((samples, order) => {
      const nowMs = this.#options.clock.nowMs();
      this.#send(this.#windows.report(samples, nowMs, order.granularity));
      this.#beginPeriod(samples);
    });
  }

  #withSample(use: (samples: readonly ClusterSample[], order: Order) => void): void {
    const order = this.#order;
    if (order === null) return;
    this.#timer.stop();
    const generation = ++this.#generation;
    this.#options.takeSample(order.clusters).then(
      (samples) => {
        if (generation === this.#generation) use(samples, order);
      },
      (thrown: unknown) => {
        if (generation !== this.#generation) return;
        this.#options.logger.error({ error: errorText(thrown) }, 'no load to report');
        this.#timer.start(order.intervalMs);
      },
    );
  }

  #beginPeriod(samples: readonly ClusterSample[]): void {
    this.#windows.track(samples, this.#options.clock.nowMs());
    if (this.#order !== null) this.#timer.start(this.#order.intervalMs);
  }

  #send(clusterStats: readonly ClusterStatsProto[]): void {
    const { node } = this.#options;
    const features = [...(node.client_features ?? []), SENDS_ALL_CLUSTERS];
    const request = { node: { ...node, client_features: features }, cluster_stats: clusterStats };
    this.#transport.send(Buffer.from(encodeMessage(REQUEST, request)));
    this.#stats.responses++;
  }
}

function orderOf(response: LoadStatsResponseProto): Order {
  const intervalMs = durationMsOr(response.load_reporting_interval, 0);
  return {
    clusters: response.send_all_clusters === true ? null : new Set(response.clusters ?? []),
    intervalMs: Math.max(LEAST_INTERVAL_MS, intervalMs),
    granularity: response.report_endpoint_granularity === true ? 'endpoint' : 'locality',
  };
}

function reportNow(reporter: LoadReporter): void {
  reporter.report();
}
