// Client-side weighted round robin: hosts weigh what their ORCA reports say they can take. Each worker has what it heard
// itself. Envoy: client_side_weighted_round_robin_lb.cc.
//
//   no report -> blackout --blackoutPeriodMs of reports--> its weight counts --no report for weightExpirationPeriodMs--> no report
//   A host whose weight does not count gets the median of those that do; when none does, all weigh the same.

import type { Clock, Random } from '../../../../common/clock.ts';
import type { ClientSideWeightedRoundRobinData } from '../../../api/config/load-balancing.ts';
import type { HeaderFields } from '../../../api/headers.ts';
import type { HostMeter } from '../../../api/host.ts';
import type { UpstreamHost } from '../../host.ts';
import { EdfScheduler } from '../edf-scheduler.ts';
import type { Picker } from '../pickers.ts';
import { orcaReportIn } from './orca-headers.ts';
import { metricOf, type OrcaReport } from './orca-report.ts';

/** Envoy's weights are 32 bits wide. */
const MAX_WEIGHT = 4_294_967_295;

/** What one host says it can take. */
export class WeightMeter implements HostMeter {
  readonly #data: ClientSideWeightedRoundRobinData;
  readonly #clock: Clock;
  #reported = 0;
  /** -1 = no report counts. */
  #reportedSinceMs = -1;
  #reportedAtMs = 0;
  /** What it is picked by: its own, or the median. */
  weight = 1;

  constructor(data: ClientSideWeightedRoundRobinData, clock: Clock) {
    this.#data = data;
    this.#clock = clock;
  }

  onResponseHeaders(_status: number, fields: HeaderFields): void {
    this.#take(fields);
  }

  onResponseTrailers(fields: HeaderFields): void {
    this.#take(fields);
  }

  onFailure(): void {}

  onAbandoned(): void {}

  #take(fields: HeaderFields): void {
    const report = orcaReportIn(fields);
    const weight = report === null ? 0 : weightOf(report, this.#data);
    if (weight < 1) return;
    const nowMs = this.#clock.nowMs();
    this.#reported = weight;
    this.#reportedAtMs = nowMs;
    if (this.#reportedSinceMs === -1) this.#reportedSinceMs = nowMs;
  }

  /** 0 = it does not count now. */
  validWeight(nowMs: number): number {
    const { blackoutPeriodMs, weightExpirationPeriodMs } = this.#data;
    if (this.#reportedSinceMs === -1) return 0;
    if (this.#reportedAtMs < nowMs - weightExpirationPeriodMs) {
      this.#reportedSinceMs = -1;
      return 0;
    }
    return this.#reportedSinceMs > nowMs - blackoutPeriodMs ? 0 : this.#reported;
  }
}

/** Requests per second that it would serve at full use, a whole number; 0 = the report does not say. */
export function weightOf(report: OrcaReport, data: ClientSideWeightedRoundRobinData): number {
  const { rpsFractional: rps, eps } = report;
  if (rps <= 0) return 0;
  let utilization = report.applicationUtilization;
  if (utilization <= 0) {
    for (const name of data.metricNames) {
      utilization = Math.max(utilization, metricOf(report, name));
    }
  }
  if (utilization <= 0) utilization = report.cpuUtilization;
  utilization += (data.errorUtilizationPenalty * eps) / rps;
  if (utilization <= 0) return 0;
  return Math.floor(Math.min(MAX_WEIGHT, rps / utilization));
}

/** The weights of hosts that have a WeightMeter, priority by priority, as Envoy weighs them: all lists that are picked from share them. */
export class ReportedWeights {
  readonly #priorities: readonly (readonly UpstreamHost[])[];
  readonly #data: ClientSideWeightedRoundRobinData;
  readonly #clock: Clock;
  #updateAtMs = -1;
  #version = 0;

  constructor(
    priorities: readonly (readonly UpstreamHost[])[],
    data: ClientSideWeightedRoundRobinData,
    clock: Clock,
  ) {
    this.#priorities = priorities;
    this.#data = data;
    this.#clock = clock;
  }

  /** Weighs anew when it is time to. Another number than before = some weight has changed. */
  version(): number {
    const nowMs = this.#clock.nowMs();
    if (nowMs < this.#updateAtMs) return this.#version;
    this.#updateAtMs = nowMs + this.#data.weightUpdatePeriodMs;
    let isChanged = false;
    for (const hosts of this.#priorities) isChanged = setWeights(hosts, nowMs) || isChanged;
    if (isChanged) this.#version++;
    return this.#version;
  }
}

/** Over hosts that `weights` weighs. */
export class ClientSideWeightsPicker implements Picker {
  readonly #hosts: readonly UpstreamHost[];
  readonly #weights: ReportedWeights;
  readonly #random: Random;
  #version: number;
  #scheduler: EdfScheduler<UpstreamHost>;

  constructor(hosts: readonly UpstreamHost[], weights: ReportedWeights, random: Random) {
    this.#hosts = hosts;
    this.#weights = weights;
    this.#random = random;
    this.#version = weights.version();
    this.#scheduler = this.#schedule();
  }

  #schedule(): EdfScheduler<UpstreamHost> {
    const hosts = this.#hosts;
    return new EdfScheduler(hosts, weightOfHost, (this.#random() * hosts.length) | 0);
  }

  pick(): UpstreamHost | null {
    const version = this.#weights.version();
    if (version !== this.#version) {
      this.#version = version;
      // Deadlines by former weights would give who is next all picks until the others' are over.
      this.#scheduler = this.#schedule();
    }
    return this.#scheduler.pick(weightOfHost);
  }
}

function meterOf(host: UpstreamHost): WeightMeter {
  return host.meter as WeightMeter; // its cluster gave it one of this policy
}

function weightOfHost(host: UpstreamHost): number {
  return meterOf(host).weight;
}

/** Of two middle ones their mean, rounded down (Envoy); 1 = there is none. */
function medianOf(sorted: readonly number[]): number {
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 1;
  return sorted.length % 2 === 1 ? upper : Math.floor((upper + (sorted[middle - 1] ?? upper)) / 2);
}

/** True = some host's changed. */
function setWeights(hosts: readonly UpstreamHost[], nowMs: number): boolean {
  const valid = hosts.map((host) => meterOf(host).validWeight(nowMs));
  const sorted = valid.filter((weight) => weight > 0).sort((left, right) => left - right);
  const median = medianOf(sorted);
  let isChanged = false;
  for (let i = 0; i < hosts.length; i++) {
    const meter = meterOf(hosts[i]!);
    const weight = valid[i]! > 0 ? valid[i]! : median;
    isChanged ||= weight !== meter.weight;
    meter.weight = weight;
  }
  return isChanged;
}
