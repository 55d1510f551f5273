// What the responses of one host say of its load, summed for load reports: in one worker, by the names that the cluster's
// lrs_report_endpoint_metrics asks for. Written by the router, read by load-report.ts.

import type { HeaderFields } from '../api/headers.ts';
import type { LoadMetricSink } from '../api/host.ts';
import { orcaReportIn } from './lb/measured/orca-headers.ts';
import type { OrcaReport } from './lb/measured/orca-report.ts';

/** `*` lets the host choose the names: so many of them are kept. */
export const MAX_METRIC_NAMES = 100;
const ANY_KEY = '.*';

/** Name, responses that said it, sum of what they said. */
export type LoadMetric = readonly [name: string, count: number, total: number];

interface Sum {
  count: number;
  total: number;
}

export class LoadMetrics implements LoadMetricSink {
  readonly #names: readonly string[];
  readonly #sums = new Map<string, Sum>();

  /** `names` as in lrs_report_endpoint_metrics: `cpu_utilization`, `named_metrics.foo`, `named_metrics.*`. */
  constructor(names: readonly string[]) {
    this.#names = names;
  }

  take(fields: HeaderFields): void {
    const report = orcaReportIn(fields);
    if (report === null) return;
    for (const name of this.#names) {
      if (name.endsWith(ANY_KEY)) this.#addAll(report, name.slice(0, -1));
      else this.#add(name, reported(report, name));
    }
  }

  sums(): LoadMetric[] {
    return [...this.#sums].map(([name, { count, total }]) => [name, count, total]);
  }

  #addAll(report: OrcaReport, prefix: string): void {
    if (report.metrics === null) return;
    for (const [name, value] of report.metrics) {
      if (name.startsWith(prefix)) this.#add(name, value);
    }
  }

  #add(name: string, value: number | null): void {
    if (value === null) return;
    let sum = this.#sums.get(name);
    if (sum === undefined) {
      if (this.#sums.size >= MAX_METRIC_NAMES) return;
      sum = { count: 0, total: 0 };
      this.#sums.set(name, sum);
    }
    sum.count++;
    sum.total += value;
  }
}

/** Null = the report does not say it. Of plain fields that is 0, which counts, as in Envoy. */
function reported(report: OrcaReport, name: string): number | null {
  switch (name) {
    case 'cpu_utilization':
      return report.cpuUtilization;
    case 'mem_utilization':
      return report.memUtilization;
    case 'application_utilization':
      return report.applicationUtilization;
    case 'rps_fractional':
      return report.rpsFractional;
    case 'eps':
      return report.eps;
    default:
      return report.metrics?.get(name) ?? null;
  }
}
