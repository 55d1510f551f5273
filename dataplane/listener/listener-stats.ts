// Counters below `listener.<address>.`, names as Envoy's listener docs.

import type { CollectsMore, StatField, StatScope, StatSink } from '../api/stats.ts';
import type { TrafficCounters } from '../network/connection.ts';
import { BucketHistogram } from '../stats/histogram.ts';

export class ListenerStats implements TrafficCounters, CollectsMore {
  static readonly stats: readonly StatField[] = [
    { field: 'cxTotal', name: 'downstream_cx_total', kind: 'counter' },
    { field: 'cxDestroy', name: 'downstream_cx_destroy', kind: 'counter' },
    { field: 'cxActive', name: 'downstream_cx_active', kind: 'gauge' },
    { field: 'preCxActive', name: 'downstream_pre_cx_active', kind: 'gauge' },
    { field: 'preCxTimeout', name: 'downstream_pre_cx_timeout', kind: 'counter' },
    { field: 'cxOverflow', name: 'downstream_cx_overflow', kind: 'counter' },
    { field: 'globalCxOverflow', name: 'downstream_global_cx_overflow', kind: 'counter' },
    { field: 'cxAcceptFailure', name: 'downstream_cx_accept_failure', kind: 'counter' },
    { field: 'noFilterChainMatch', name: 'no_filter_chain_match', kind: 'counter' },
    {
      field: 'transportSocketConnectTimeout',
      name: 'downstream_cx_transport_socket_connect_timeout',
      kind: 'counter',
    },
    { field: 'listenerFilterError', name: 'downstream_listener_filter_error', kind: 'counter' },
    {
      field: 'listenerFilterRemoteClose',
      name: 'downstream_listener_filter_remote_close',
      kind: 'counter',
    },
  ];

  cxTotal = 0;
  cxDestroy = 0;
  cxActive = 0;
  preCxActive = 0;
  preCxTimeout = 0;
  /** Refused by the listener's connection_limit. */
  cxOverflow = 0;
  /** Refused by the limit of the whole process. */
  globalCxOverflow = 0;
  /** accept(2) failed (no file descriptors); not in Envoy. */
  cxAcceptFailure = 0;
  noFilterChainMatch = 0;
  transportSocketConnectTimeout = 0;
  listenerFilterError = 0;
  listenerFilterRemoteClose = 0;
  rxBytesTotal = 0;
  txBytesTotal = 0;
  readonly cxLengthMs = new BucketHistogram();

  collectMore(scope: StatScope, sink: StatSink): void {
    const data = this.cxLengthMs.data();
    if (data !== null) sink.histogram(scope, 'downstream_cx_length_ms', data);
  }
}

/** `listener.<address>.worker_<n>.`: how connections are spread. */
export class WorkerListenerStats {
  static readonly stats: readonly StatField[] = [
    { field: 'cxTotal', name: 'downstream_cx_total', kind: 'counter' },
    { field: 'cxActive', name: 'downstream_cx_active', kind: 'gauge' },
  ];
  readonly #stats: ListenerStats;

  constructor(stats: ListenerStats) {
    this.#stats = stats;
  }

  get cxTotal(): number {
    return this.#stats.cxTotal;
  }

  get cxActive(): number {
    return this.#stats.cxActive;
  }
}

/** Scope of WorkerListenerStats. */
export function workerListenerScope(statPrefix: string, workerIndex: number): StatScope {
  return {
    prefix: `listener.${statPrefix}.worker_${workerIndex}`,
    promPrefix: 'envoy_listener_worker',
    labels: { envoy_worker_id: String(workerIndex), envoy_listener_address: statPrefix },
  };
}

/** What drains in this worker, below `listener_manager.`; workers do the same, so the largest counts. */
export class DrainingStats {
  static readonly stats: readonly StatField[] = [
    { field: 'filterChains', name: 'total_filter_chains_draining', kind: 'gauge-max' },
    { field: 'listeners', name: 'total_listeners_draining', kind: 'gauge-max' },
  ];

  filterChains = 0;
  listeners = 0;
}

export const listenerManagerScope: StatScope = {
  prefix: 'listener_manager',
  promPrefix: 'envoy_listener_manager',
  labels: {},
};

/** `listener.127.0.0.1_8080` and its Prometheus form. */
export function listenerScope(statPrefix: string): StatScope {
  return {
    prefix: `listener.${statPrefix}`,
    promPrefix: 'envoy_listener',
    labels: { envoy_listener_address: statPrefix },
  };
}
