// Merged stats -> Prometheus text, by prom-client, at a scrape and never before: its labelled inc() costs
// ~200 ns a call (measured), which the request path cannot pay.

import type { Metric } from 'prom-client';
import { histogramBounds } from '../api/stats.ts';
import type { StatEntry } from './snapshot.ts';

/** What the registry prints; prom-client's own type leaves out metricName, which its histograms use. */
interface Value {
  readonly value: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly metricName?: string;
}

/** Names and labels as Envoy's /stats/prometheus; text read-outs are left out, as there. */
export async function prometheusText(entries: readonly StatEntry[]): Promise<string> {
  const metrics = new Map<string, { type: string; values: Value[] }>();
  for (const entry of entries) {
    if (entry.kind === 'text') continue;
    const type =
      entry.kind === 'histogram' ? 'histogram' : entry.kind === 'counter' ? 'counter' : 'gauge';
    let metric = metrics.get(entry.promName);
    if (metric === undefined) {
      metric = { type, values: [] };
      metrics.set(entry.promName, metric);
    }
    if (entry.kind !== 'histogram') {
      metric.values.push({ value: entry.value, labels: { ...entry.labels } });
      continue;
    }
    const { count, sum, buckets } = entry.value;
    const name = entry.promName;
    histogramBounds.forEach((bound, i) => {
      const labels = { ...entry.labels, le: String(bound) };
      metric.values.push({ metricName: `${name}_bucket`, value: buckets[i] ?? 0, labels });
    });
    const inf = { ...entry.labels, le: '+Inf' };
    metric.values.push({ metricName: `${name}_bucket`, value: count, labels: inf });
    metric.values.push({ metricName: `${name}_sum`, value: sum, labels: { ...entry.labels } });
    metric.values.push({ metricName: `${name}_count`, value: count, labels: { ...entry.labels } });
  }
  // Loaded at the first scrape.
  const { Registry } = await import('prom-client');
  const registry = new Registry();
  for (const name of [...metrics.keys()].sort()) {
    const { type, values } = metrics.get(name)!;
    const data = { name, help: name.replaceAll('_', ' '), type, values, aggregator: 'sum' };
    // prom-client's type wants its own classes; the registry itself only calls name and get().
    registry.registerMetric({ name, get: async () => data } as unknown as Metric<string>);
  }
  return registry.metrics();
}
