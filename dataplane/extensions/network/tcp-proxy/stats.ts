// Counters below `tcp.<stat_prefix>.`, names as Envoy's.

import type { CollectsMore, StatField, StatScope, StatSink } from '../../../api/stats.ts';

/** A connection that can say what waits in it. */
export interface BufferingProxy {
  clientBufferedBytes(): number;
  earlyBytes(): number;
}

export class TcpProxyStats implements CollectsMore {
  static readonly stats: readonly StatField[] = [
    { field: 'cxTotal', name: 'downstream_cx_total', kind: 'counter' },
    { field: 'cxNoRoute', name: 'downstream_cx_no_route', kind: 'counter' },
    { field: 'rxBytesTotal', name: 'downstream_cx_rx_bytes_total', kind: 'counter' },
    { field: 'txBytesTotal', name: 'downstream_cx_tx_bytes_total', kind: 'counter' },
    {
      field: 'pausedReadingTotal',
      name: 'downstream_flow_control_paused_reading_total',
      kind: 'counter',
    },
    {
      field: 'resumedReadingTotal',
      name: 'downstream_flow_control_resumed_reading_total',
      kind: 'counter',
    },
    { field: 'earlyDataReceived', name: 'early_data_received_count_total', kind: 'counter' },
    { field: 'idleTimeout', name: 'idle_timeout', kind: 'counter' },
    { field: 'maxDuration', name: 'max_downstream_connection_duration', kind: 'counter' },
    { field: 'upstreamFlushTotal', name: 'upstream_flush_total', kind: 'counter' },
    { field: 'upstreamFlushActive', name: 'upstream_flush_active', kind: 'gauge' },
  ];

  cxTotal = 0;
  cxNoRoute = 0;
  rxBytesTotal = 0;
  txBytesTotal = 0;
  pausedReadingTotal = 0;
  resumedReadingTotal = 0;
  /** Connections whose first bytes came before the upstream connection was up. */
  earlyDataReceived = 0;
  idleTimeout = 0;
  maxDuration = 0;
  upstreamFlushTotal = 0;
  upstreamFlushActive = 0;
  /** Connections that are open. */
  readonly live = new Set<BufferingProxy>();

  /** Summed up when somebody asks: nothing is counted per chunk. */
  collectMore(scope: StatScope, sink: StatSink): void {
    let txBytes = 0;
    let rxBytes = 0;
    for (const proxy of this.live) {
      txBytes += proxy.clientBufferedBytes();
      rxBytes += proxy.earlyBytes();
    }
    sink.value(scope, 'downstream_cx_tx_bytes_buffered', 'gauge', txBytes);
    sink.value(scope, 'downstream_cx_rx_bytes_buffered', 'gauge', rxBytes);
  }
}

export function tcpProxyScope(statPrefix: string): StatScope {
  return {
    prefix: `tcp.${statPrefix}`,
    promPrefix: 'envoy_tcp',
    labels: { envoy_tcp_prefix: statPrefix },
  };
}
