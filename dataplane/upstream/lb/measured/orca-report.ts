// What a host reports of its load (xds.data.orca.v3.OrcaLoadReport), as far as a balancer may ask for it.

/** Every value is finite; 0 = not reported. */
export interface OrcaReport {
  cpuUtilization: number;
  memUtilization: number;
  applicationUtilization: number;
  rpsFractional: number;
  eps: number;
  /** `named_metrics.<key>`, `utilization.<key>`, `request_cost.<key>`; null = none. */
  metrics: Map<string, number> | null;
}

/** More named metrics than this are no report but an attack. */
export const MAX_METRICS = 100;
export function emptyReport(): OrcaReport {
  return {
    cpuUtilization: 0,
    memUtilization: 0,
    applicationUtilization: 0,
    rpsFractional: 0,
    eps: 0,
    metrics: null,
  };
}

/** False = such a metric, or such a value, does not exist. */
export function setMetric(report: OrcaReport, name: string, value: number): boolean {
  if (!Number.isFinite(value)) return false;
  switch (name) {
    case 'cpu_utilization':
      report.cpuUtilization = value;
      return true;
    case 'mem_utilization':
      report.memUtilization = value;
      return true;
    case 'application_utilization':
      report.applicationUtilization = value;
      return true;
    case 'rps_fractional':
      report.rpsFractional = value;
      return true;
    case 'eps':
      report.eps = value;
      return true;
    default:
      return setNamedMetric(report, name, value);
  }
}

function setNamedMetric(report: OrcaReport, name: string, value: number): boolean {
  if (!/^(named_metrics|utilization|request_cost)\../s.test(name)) return false;
  report.metrics ??= new Map();
  if (report.metrics.size >= MAX_METRICS) return false;
  report.metrics.set(name, value);
  return true;
}

/** `name` as in metric_names_for_computing_utilization; 0 = not reported. */
export function metricOf(report: OrcaReport, name: string): number {
  switch (name) {
    case 'cpu_utilization':
      return report.cpuUtilization;
    case 'mem_utilization':
      return report.memUtilization;
    case 'application_utilization':
      return report.applicationUtilization;
    default:
      return report.metrics?.get(name) ?? 0;
  }
}
