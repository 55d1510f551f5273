// Counters below `tcp.<stat_prefix>.`, names as Envoy's.

import type { StatField, StatScope } from '../../../api/stats.ts';

export class TcpProxyStats {
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
}

export function tcpProxyScope(statPrefix: string): StatScope {
  return {
    prefix: `tcp.${statPrefix}`,
    promPrefix: 'envoy_tcp',
    labels: { envoy_tcp_prefix: statPrefix },
  };
}
