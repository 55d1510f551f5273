import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoadStats } from '../load/load-stats.ts';
import { statusMetricsText } from './metrics.ts';

test('load reports, denied client status calls and traces are in Prometheus text', () => {
  const loadStats = new LoadStats();
  loadStats.reportsTotal = 3;
  const text = statusMetricsText({
    ...{ loadStats, loadReporters: 2, loadDroppedTotal: 1 },
    ...{ clientStatusDeniedTotal: 4, traces: 5 },
  });
  for (const line of [
    '# TYPE remora_cp_load_reports_total counter',
    'remora_cp_load_reports_total 3',
    'remora_cp_load_reporters 2',
    'remora_cp_load_dropped_total 1',
    'remora_cp_client_status_denied_total 4',
    'remora_cp_traces 5',
  ]) {
    assert.ok(text.split('\n').includes(line), `${line} is not in:\n${text}`);
  }
});
