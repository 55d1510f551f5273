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

/** `listener.127.0.0.1_8080` and its Prometheus form. */
export function listenerScope(statPrefix: string): StatScope {
  return {
    prefix: `listener.${statPrefix}`,
    promPrefix: 'envoy_listener',
    labels: { envoy_listener_address: statPrefix },
  };
}
