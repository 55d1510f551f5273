// Counters of load reports, client status and traces as Prometheus text, beside those of ads/metrics.ts on /metrics.

import type { LoadStats } from '../load/load-stats.ts';

export interface StatusFacts {
  readonly loadStats: LoadStats;
  /** Sidecars whose load is known. */
  readonly loadReporters: number;
  /** Loads that did not fit. */
  readonly loadDroppedTotal: number;
  /** CSDS calls of peers that are no operators. */
  readonly clientStatusDeniedTotal: number;
  /** Running now. */
  readonly traces: number;
}

export function statusMetricsText(facts: StatusFacts): string {
  const { loadStats: load, loadReporters, loadDroppedTotal } = facts;
  const rows: readonly (readonly [string, 'gauge' | 'counter', string, number])[] = [
    ['load_streams', 'gauge', 'open streams of load reports', load.streamsActive],
    ['load_reporters', 'gauge', 'sidecars whose load is known', loadReporters],
    ['load_streams_total', 'counter', 'streams of load reports opened', load.streamsTotal],
    ['load_reports_total', 'counter', 'load reports taken', load.reportsTotal],
    [
      'load_streams_refused_total',
      'counter',
      'load reporters that are not who they say',
      load.refusedTotal,
    ],
    ['load_streams_overloaded_total', 'counter', 'load reporters too many', load.overloadedTotal],
    ['load_reports_bad_total', 'counter', 'streams against the protocol', load.badRequestsTotal],
    [
      'load_reports_too_fast_total',
      'counter',
      'streams ended for reporting too often',
      load.tooFastTotal,
    ],
    ['load_dropped_total', 'counter', 'loads left out for want of room', loadDroppedTotal],
    [
      'client_status_denied_total',
      'counter',
      'client status calls of peers that are no operators',
      facts.clientStatusDeniedTotal,
    ],
    ['traces', 'gauge', 'running xds-traces', facts.traces],
  ];
  return rows
    .map(([name, type, help, value]) => {
      const full = `remora_cp_${name}`;
      return `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n${full} ${value}\n`;
    })
    .join('');
}
