// Counters of one cluster in one worker, under Envoy's names (cluster_stats.rst).

import type { ClusterTrafficStats } from '../api/cluster.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';
import type { CollectsMore, StatField, StatKind, StatScope, StatSink } from '../api/stats.ts';
import type { TrafficCounters } from '../network/connection.ts';
import { BucketHistogram } from '../stats/histogram.ts';

/** `cluster.<name>` and its Prometheus form. */
export function clusterScope(config: Pick<ClusterConfig, 'statName'>): StatScope {
  return {
    prefix: `cluster.${config.statName}`,
    promPrefix: 'envoy_cluster',
    labels: { envoy_cluster_name: config.statName },
  };
}

const gauges = new Set(['upstreamCxActive', 'upstreamRqActive', 'upstreamRqPendingActive']);

/** upstreamRqTotal -> upstream_rq_total; http1 and 5xx keep their digits together. */
function statName(field: string): string {
  return field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function fieldList(fields: readonly string[]): readonly StatField[] {
  return fields.map((field) => {
    const kind: StatKind = gauges.has(field) ? 'gauge' : 'counter';
    return { field, name: statName(field), kind };
  });
}

export class ClusterStats implements ClusterTrafficStats, TrafficCounters, CollectsMore {
  static readonly stats: readonly StatField[] = fieldList([
    'upstreamCxTotal',
    'upstreamCxActive',
    'upstreamCxHttp1Total',
    'upstreamCxHttp2Total',
    'upstreamCxConnectFail',
    'upstreamCxConnectTimeout',
    'upstreamCxIdleTimeout',
    'upstreamCxOverflow',
    'upstreamCxDestroy',
    'upstreamCxDestroyLocal',
    'upstreamCxDestroyRemote',
    'upstreamCxDestroyWithActiveRq',
    'upstreamCxDestroyLocalWithActiveRq',
    'upstreamCxDestroyRemoteWithActiveRq',
    'upstreamCxCloseNotify',
    'upstreamCxRxBytesTotal',
    'upstreamCxTxBytesTotal',
    'upstreamCxProtocolError',
    'upstreamCxMaxRequests',
    'upstreamCxNoneHealthy',
    'upstreamRqTotal',
    'upstreamRqActive',
    'upstreamRqPendingTotal',
    'upstreamRqPendingOverflow',
    'upstreamRqPendingFailureEject',
    'upstreamRqPendingActive',
    'upstreamRqActiveOverflow',
    'upstreamRqCancelled',
    'upstreamRqMaintenanceMode',
    'upstreamRqTimeout',
    'upstreamRqPerTryTimeout',
    'upstreamRqRxReset',
    'upstreamRqTxReset',
    'upstreamRqRetry',
    'upstreamRqRetryBackoffExponential',
    'upstreamRqRetryLimitExceeded',
    'upstreamRqRetrySuccess',
    'upstreamRqRetryOverflow',
    'upstreamFlowControlPausedReadingTotal',
    'upstreamFlowControlResumedReadingTotal',
    'upstreamFlowControlBackedUpTotal',
    'upstreamFlowControlDrainedTotal',
    'retryOrShadowAbandoned',
    'lbHealthyPanic',
  ]);

  upstreamCxTotal = 0;
  upstreamCxActive = 0;
  upstreamCxHttp1Total = 0;
  upstreamCxHttp2Total = 0;
  upstreamCxConnectFail = 0;
  upstreamCxConnectTimeout = 0;
  upstreamCxIdleTimeout = 0;
  upstreamCxOverflow = 0;
  upstreamCxDestroy = 0;
  upstreamCxDestroyLocal = 0;
  upstreamCxDestroyRemote = 0;
  upstreamCxDestroyWithActiveRq = 0;
  upstreamCxDestroyLocalWithActiveRq = 0;
  upstreamCxDestroyRemoteWithActiveRq = 0;
  upstreamCxCloseNotify = 0;
  upstreamCxProtocolError = 0;
  upstreamCxMaxRequests = 0;
  upstreamCxNoneHealthy = 0;
  upstreamRqTotal = 0;
  upstreamRqActive = 0;
  upstreamRqPendingTotal = 0;
  upstreamRqPendingOverflow = 0;
  upstreamRqPendingFailureEject = 0;
  upstreamRqPendingActive = 0;
  upstreamRqActiveOverflow = 0;
  upstreamRqCancelled = 0;
  upstreamRqMaintenanceMode = 0;
  upstreamRqTimeout = 0;
  upstreamRqPerTryTimeout = 0;
  upstreamRqRxReset = 0;
  upstreamRqTxReset = 0;
  upstreamRqRetry = 0;
  upstreamRqRetryBackoffExponential = 0;
  upstreamRqRetryLimitExceeded = 0;
  upstreamRqRetrySuccess = 0;
  upstreamRqRetryOverflow = 0;
  upstreamFlowControlPausedReadingTotal = 0;
  upstreamFlowControlResumedReadingTotal = 0;
  upstreamFlowControlBackedUpTotal = 0;
  upstreamFlowControlDrainedTotal = 0;
  retryOrShadowAbandoned = 0;
  lbHealthyPanic = 0;
  rxBytesTotal = 0;
  txBytesTotal = 0;

  readonly #rqTime = new BucketHistogram();
  readonly #cxConnectMs = new BucketHistogram();
  readonly #cxLengthMs = new BucketHistogram();
  /** Responses by status; made at the first one. [all, internal, external, canary] */
  #codes: Map<number, Uint32Array> | null = null;
  /** The last status looked up: nearly every response has the same. */
  #lastStatus = 0;
  #lastCounts: Uint32Array | null = null;

  get upstreamCxRxBytesTotal(): number {
    return this.rxBytesTotal;
  }

  get upstreamCxTxBytesTotal(): number {
    return this.txBytesTotal;
  }

  chargeResponseCode(status: number, internal: boolean, canary: boolean): void {
    let counts = this.#lastCounts;
    if (counts === null || status !== this.#lastStatus) {
      this.#codes ??= new Map();
      counts = this.#codes.get(status) ?? null;
      if (counts === null) {
        counts = new Uint32Array(4);
        this.#codes.set(status, counts);
      }
      this.#lastStatus = status;
      this.#lastCounts = counts;
    }
    counts[0]!++;
    counts[internal ? 1 : 2]!++;
    if (canary) counts[3]!++;
  }

  recordRqTime(ms: number): void {
    this.#rqTime.record(ms);
  }

  recordCxConnectMs(ms: number): void {
    this.#cxConnectMs.record(ms);
  }

  recordCxLengthMs(ms: number): void {
    this.#cxLengthMs.record(ms);
  }

  collectMore(scope: StatScope, sink: StatSink): void {
    ['', 'internal.', 'external.', 'canary.'].forEach((prefix, kind) => {
      this.#collectCodes(scope, sink, prefix, kind);
    });
    for (const [name, histogram] of [
      ['upstream_rq_time', this.#rqTime],
      ['upstream_cx_connect_ms', this.#cxConnectMs],
      ['upstream_cx_length_ms', this.#cxLengthMs],
    ] as const) {
      const data = histogram.data();
      if (data !== null) sink.histogram(scope, name, data);
    }
  }

  #collectCodes(scope: StatScope, sink: StatSink, prefix: string, kind: number): void {
    const classes = new Map<number, number>();
    let completed = 0;
    for (const [status, counts] of this.#codes ?? []) {
      const count = counts[kind]!;
      if (count === 0) continue;
      completed += count;
      const statusClass = Math.floor(status / 100);
      classes.set(statusClass, (classes.get(statusClass) ?? 0) + count);
      const labels = { envoy_response_code: String(status) };
      sink.tagged(
        scope,
        `${prefix}upstream_rq_${status}`,
        `${prefix}upstream_rq`,
        labels,
        'counter',
        count,
      );
    }
    for (const [statusClass, count] of classes) {
      const labels = { envoy_response_code_class: String(statusClass) };
      const name = `${prefix}upstream_rq_${statusClass}xx`;
      sink.tagged(scope, name, `${prefix}upstream_rq_xx`, labels, 'counter', count);
    }
    if (completed > 0) sink.value(scope, `${prefix}upstream_rq_completed`, 'counter', completed);
  }
}
