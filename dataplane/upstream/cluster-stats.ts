// Counters of one cluster in one worker, below `cluster.<name>.`, names as Envoy's. Pools, the router and
// tcp_proxy increment fields; everything else happens at a collection. Outlives changes of the cluster's
// config, so that counters never go back.

import type { ClusterTrafficStats, GrpcCallStats, GrpcProtocol } from '../api/cluster.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';
import type { CollectsMore, StatField, StatScope, StatSink } from '../api/stats.ts';
import type { TrafficCounters } from '../network/connection.ts';
import { BucketHistogram } from '../stats/histogram.ts';
import { ClusterGrpcStats } from './grpc-stats.ts';
import type { PriorityResources } from './resource-manager.ts';

const gauges = [
  'upstreamCxActive',
  'upstreamRqActive',
  'upstreamRqPendingActive',
  'lbSubsetsActive',
] as const;

const counters = [
  'upstreamCxTotal',
  'upstreamCxHttp1Total',
  'upstreamCxHttp2Total',
  'upstreamCxConnectFail',
  'upstreamCxConnectTimeout',
  'upstreamCxConnectAttemptsExceeded',
  'upstreamCxIdleTimeout',
  'upstreamCxMaxDurationReached',
  'upstreamCxOverflow',
  'upstreamCxPoolOverflow',
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
  'upstreamRqPendingTotal',
  'upstreamRqPendingOverflow',
  'upstreamRqPendingFailureEject',
  'upstreamRqActiveOverflow',
  'upstreamRqCancelled',
  'upstreamRqMaintenanceMode',
  'upstreamRqTimeout',
  'upstreamRqErrorRatioBreakerOpen',
  'errorRatioBreakerOpened',
  'upstreamRqPerTryTimeout',
  'upstreamRqPerTryIdleTimeout',
  'upstreamRqMaxDurationReached',
  'upstreamRqRxReset',
  'upstreamRqTxReset',
  'upstreamRqRetry',
  'upstreamRqRetryBackoffExponential',
  'upstreamRqRetryBackoffRatelimited',
  'upstreamRqRetryLimitExceeded',
  'upstreamRqRetrySuccess',
  'upstreamRqRetryOverflow',
  'upstreamRqStaleConnection',
  'upstreamRqUnprocessed',
  'upstreamFlowControlPausedReadingTotal',
  'upstreamFlowControlResumedReadingTotal',
  'upstreamFlowControlBackedUpTotal',
  'upstreamFlowControlDrainedTotal',
  'retryOrShadowAbandoned',
  'upstreamInternalRedirectSucceededTotal',
  'upstreamInternalRedirectFailedTotal',
  'originalDstHostInvalid',
  'originalDstHostOverflow',
  'lbHealthyPanic',
  'lbSubsetsCreated',
  'lbSubsetsRemoved',
  'lbSubsetsSelected',
  'lbSubsetsFallback',
  'lbSubsetsFallbackPanic',
  'lbLocalClusterNotOk',
  'lbRecalculateZoneStructures',
  'lbZoneClusterTooSmall',
  'lbZoneNoCapacityLeft',
  'lbZoneRoutingAllDirectly',
  'lbZoneRoutingSampled',
  'lbZoneRoutingCrossZone',
] as const;

const MIN_STATUS = 100;
const MAX_STATUS = 599;

export class ClusterStats implements ClusterTrafficStats, TrafficCounters, CollectsMore {
  static readonly stats: readonly StatField[] = [
    ...gauges.map((field) => ({ field, name: snakeCase(field), kind: 'gauge' as const })),
    ...counters.map((field) => ({ field, name: snakeCase(field), kind: 'counter' as const })),
  ];

  upstreamCxTotal = 0;
  upstreamCxActive = 0;
  upstreamCxHttp1Total = 0;
  upstreamCxHttp2Total = 0;
  upstreamCxConnectFail = 0;
  upstreamCxConnectTimeout = 0;
  /** tcp_proxy gave up after max_connect_attempts. */
  upstreamCxConnectAttemptsExceeded = 0;
  upstreamCxIdleTimeout = 0;
  upstreamCxMaxDurationReached = 0;
  upstreamCxOverflow = 0;
  upstreamCxPoolOverflow = 0;
  upstreamCxDestroy = 0;
  upstreamCxDestroyLocal = 0;
  upstreamCxDestroyRemote = 0;
  upstreamCxDestroyWithActiveRq = 0;
  upstreamCxDestroyLocalWithActiveRq = 0;
  upstreamCxDestroyRemoteWithActiveRq = 0;
  upstreamCxCloseNotify = 0;
  upstreamCxProtocolError = 0;
  upstreamCxMaxRequests = 0;
  upstreamRqStaleConnection = 0;
  upstreamRqUnprocessed = 0;
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
  loadDropped = 0;
  loadDropOverload = 0;
  upstreamRqTimeout = 0;
  upstreamRqErrorRatioBreakerOpen = 0;
  errorRatioBreakerOpened = 0;
  upstreamRqPerTryTimeout = 0;
  upstreamRqPerTryIdleTimeout = 0;
  upstreamRqMaxDurationReached = 0;
  upstreamRqRxReset = 0;
  upstreamRqTxReset = 0;
  upstreamRqRetry = 0;
  upstreamRqRetryBackoffExponential = 0;
  upstreamRqRetryBackoffRatelimited = 0;
  upstreamRqRetryLimitExceeded = 0;
  upstreamRqRetrySuccess = 0;
  upstreamRqRetryOverflow = 0;
  upstreamFlowControlPausedReadingTotal = 0;
  upstreamFlowControlResumedReadingTotal = 0;
  upstreamFlowControlBackedUpTotal = 0;
  upstreamFlowControlDrainedTotal = 0;
  retryOrShadowAbandoned = 0;
  upstreamInternalRedirectSucceededTotal = 0;
  upstreamInternalRedirectFailedTotal = 0;
  originalDstHostInvalid = 0;
  /** Not Envoy's: hosts that were not made because there were too many. */
  originalDstHostOverflow = 0;
  lbHealthyPanic = 0;
  lbSubsetsActive = 0;
  lbSubsetsCreated = 0;
  lbSubsetsRemoved = 0;
  lbSubsetsSelected = 0;
  lbSubsetsFallback = 0;
  lbSubsetsFallbackPanic = 0;
  lbLocalClusterNotOk = 0;
  lbRecalculateZoneStructures = 0;
  lbZoneClusterTooSmall = 0;
  lbZoneNoCapacityLeft = 0;
  lbZoneRoutingAllDirectly = 0;
  lbZoneRoutingSampled = 0;
  lbZoneRoutingCrossZone = 0;
  /** TrafficCounters, by which connections count their bytes. */
  rxBytesTotal = 0;
  txBytesTotal = 0;

  /** Null = the cluster has no subsets. */
  #subsetDuplicates: number | null = null;
  readonly #rqTime = new BucketHistogram();
  readonly #cxConnectMs = new BucketHistogram();
  readonly #cxLengthMs = new BucketHistogram();
  readonly #rqPerCx = new BucketHistogram();
  /** Null until the first response: an idle cluster pays nothing. */
  #codes: ResponseCodes | null = null;
  #internalCodes: ResponseCodes | null = null;
  #externalCodes: ResponseCodes | null = null;
  #canaryCodes: ResponseCodes | null = null;
  #retriedCodes: ResponseCodes | null = null;
  #grpc: ClusterGrpcStats | null = null;
  readonly #ownZone: string;
  /** By zone of hosts: as many as discovery names. */
  readonly #zones = new Map<string, ZoneStats>();

  /** `ownZone`: the sidecar's; '' = not known. */
  constructor(ownZone = '') {
    this.#ownZone = ownZone;
  }

  get upstreamCxRxBytesTotal(): number {
    return this.rxBytesTotal;
  }

  set upstreamCxRxBytesTotal(bytes: number) {
    this.rxBytesTotal = bytes;
  }

  get upstreamCxTxBytesTotal(): number {
    return this.txBytesTotal;
  }

  set upstreamCxTxBytesTotal(bytes: number) {
    this.txBytesTotal = bytes;
  }

  /** Hosts that no request reaches because their subset (single_host_per_subset) has another of their priority. */
  setSubsetDuplicates(count: number): void {
    this.#subsetDuplicates = count;
  }

  chargeResponseCode(status: number, internal: boolean, canary: boolean): void {
    this.#codes ??= new ResponseCodes('');
    this.#codes.count(status);
    if (internal) {
      this.#internalCodes ??= new ResponseCodes('internal.');
      this.#internalCodes.count(status);
    } else {
      this.#externalCodes ??= new ResponseCodes('external.');
      this.#externalCodes.count(status);
    }
    if (canary) {
      this.#canaryCodes ??= new ResponseCodes('canary.');
      this.#canaryCodes.count(status);
    }
  }

  chargeZone(zone: string, status: number): void {
    this.#zoneOf(zone)?.codes.count(status);
  }

  recordZoneRqTime(zone: string, ms: number): void {
    this.#zoneOf(zone)?.rqTime.record(ms);
  }

  /** Null = one of the two zones is not known. */
  #zoneOf(zone: string): ZoneStats | null {
    if (zone === '' || this.#ownZone === '') return null;
    let stats = this.#zones.get(zone);
    if (stats === undefined) {
      stats = new ZoneStats(`zone.${this.#ownZone}.${zone}.`);
      this.#zones.set(zone, stats);
    }
    return stats;
  }

  chargeRetriedResponse(status: number): void {
    this.#retriedCodes ??= new ResponseCodes('retry.');
    this.#retriedCodes.count(status);
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

  /** Requests that one connection carried in its life. */
  recordRqPerCx(requests: number): void {
    this.#rqPerCx.record(requests);
  }

  grpcCalls(protocol: GrpcProtocol, service: string, method: string): GrpcCallStats {
    this.#grpc ??= new ClusterGrpcStats();
    return this.#grpc.of(protocol, service, method);
  }

  collectMore(scope: StatScope, sink: StatSink): void {
    this.#codes?.collect(scope, sink);
    this.#grpc?.collect(scope, sink);
    this.#internalCodes?.collect(scope, sink);
    this.#externalCodes?.collect(scope, sink);
    this.#canaryCodes?.collect(scope, sink);
    this.#retriedCodes?.collect(scope, sink);
    for (const zone of this.#zones.values()) zone.collect(scope, sink);
    if (this.#subsetDuplicates !== null) {
      const name = 'lb_subsets_single_host_per_subset_duplicate';
      // The same in each worker that has chosen hosts.
      sink.value(scope, name, 'gauge-max', this.#subsetDuplicates);
    }
    collectHistogram(scope, sink, 'upstream_rq_time', this.#rqTime);
    collectHistogram(scope, sink, 'upstream_cx_connect_ms', this.#cxConnectMs);
    collectHistogram(scope, sink, 'upstream_cx_length_ms', this.#cxLengthMs);
    collectHistogram(scope, sink, 'upstream_rq_per_cx', this.#rqPerCx);
  }
}

/** What one zone's hosts answered. */
class ZoneStats {
  readonly #prefix: string;
  readonly codes: ResponseCodes;
  readonly rqTime = new BucketHistogram();

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.codes = new ResponseCodes(prefix);
  }

  collect(scope: StatScope, sink: StatSink): void {
    this.codes.collect(scope, sink);
    collectHistogram(scope, sink, `${this.#prefix}upstream_rq_time`, this.rqTime);
  }
}

/** upstream_rq_200, upstream_rq_2xx and upstream_rq_completed below one prefix. */
class ResponseCodes {
  readonly #prefix: string;
  readonly #counts = new Float64Array(MAX_STATUS - MIN_STATUS + 1);
  /** HTTP/2 has statuses that nobody gave a meaning. */
  #unknown = 0;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  count(status: number): void {
    const at = status - MIN_STATUS;
    if (at >= 0 && at < this.#counts.length) this.#counts[at] = this.#counts[at]! + 1;
    else this.#unknown++;
  }

  collect(scope: StatScope, sink: StatSink): void {
    const prefix = this.#prefix;
    let completed = this.#unknown;
    const classes = [0, 0, 0, 0, 0];
    for (let at = 0; at < this.#counts.length; at++) {
      const count = this.#counts[at]!;
      if (count === 0) continue;
      const status = String(at + MIN_STATUS);
      completed += count;
      classes[Math.trunc(at / 100)]! += count;
      const labels = { envoy_response_code: status };
      const name = `${prefix}upstream_rq_${status}`;
      sink.tagged(scope, name, `${prefix}upstream_rq`, labels, 'counter', count);
    }
    for (const [i, count] of classes.entries()) {
      if (count === 0) continue;
      const labels = { envoy_response_code_class: String(i + 1) };
      const name = `${prefix}upstream_rq_${i + 1}xx`;
      sink.tagged(scope, name, `${prefix}upstream_rq_xx`, labels, 'counter', count);
    }
    if (this.#unknown > 0) {
      sink.value(scope, `${prefix}upstream_rq_unknown`, 'counter', this.#unknown);
    }
    sink.value(scope, `${prefix}upstream_rq_completed`, 'counter', completed);
  }
}

function collectHistogram(
  scope: StatScope,
  sink: StatSink,
  name: string,
  histogram: BucketHistogram,
): void {
  const data = histogram.data();
  if (data !== null) sink.histogram(scope, name, data);
}

const priorityNames = ['default', 'high'] as const;

/** Gauges `circuit_breakers.<priority>.*` of a live cluster. Every worker sees the same shared counts. */
export class CircuitBreakerStats implements CollectsMore {
  static readonly stats: readonly StatField[] = [];
  readonly #resources: readonly [PriorityResources, PriorityResources];
  readonly #trackRemaining: readonly boolean[];
  readonly #hasBudget: readonly boolean[];

  constructor(
    resources: readonly [PriorityResources, PriorityResources],
    thresholds: ClusterConfig['circuitBreakers'],
  ) {
    this.#resources = resources;
    this.#trackRemaining = thresholds.map(({ trackRemaining }) => trackRemaining);
    this.#hasBudget = thresholds.map(({ retryBudget }) => retryBudget !== null);
  }

  collectMore(scope: StatScope, sink: StatSink): void {
    for (const priority of [0, 1] as const) {
      const { connections, connectionPools, pendingRequests, requests, retries } =
        this.#resources[priority];
      const prefix = `circuit_breakers.${priorityNames[priority]}.`;
      const gauges = [
        ['cx_open', 'remaining_cx', connections],
        ['cx_pool_open', 'remaining_cx_pools', connectionPools],
        ['rq_pending_open', 'remaining_pending', pendingRequests],
        ['rq_open', 'remaining_rq', requests],
        ['rq_retry_open', 'remaining_retries', retries],
      ] as const;
      for (const [open, remaining, resource] of gauges) {
        const count = resource.count();
        const left = Math.max(0, resource.max() - count);
        // Envoy: a ceiling of 0 that nobody came up to is not open.
        sink.value(scope, `${prefix}${open}`, 'gauge-max', left === 0 && count > 0 ? 1 : 0);
        if (!this.#trackRemaining[priority]) continue;
        // Envoy: a budget depends on too much for this.
        const isBudget = resource === retries && this.#hasBudget[priority];
        const shown = isBudget ? 0 : Math.min(left, Number.MAX_SAFE_INTEGER);
        sink.value(scope, `${prefix}${remaining}`, 'gauge-max', shown);
      }
    }
  }
}

/** `cluster.<name>` and its Prometheus form; `below` is '' or e.g. 'http1'. */
export function clusterScope({ statName }: Pick<ClusterConfig, 'statName'>, below = ''): StatScope {
  return {
    prefix: below === '' ? `cluster.${statName}` : `cluster.${statName}.${below}`,
    promPrefix: below === '' ? 'envoy_cluster' : `envoy_cluster_${below}`,
    labels: { envoy_cluster_name: statName },
  };
}

/** `upstreamCxHttp1Total` -> `upstream_cx_http1_total` */
function snakeCase(field: string): string {
  return field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
