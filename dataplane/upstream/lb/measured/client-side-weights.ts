// Client-side weighted round robin: hosts weigh what their ORCA reports say they can take. A host whose weight does not
// count gets the median of those that do; when none does, all weigh the same. Envoy: client_side_weighted_round_robin_lb.cc.

import type { Clock, Random } from '../../../../common/clock.ts';
import type { ClientSideWeightedRoundRobinData } from '../../../api/config/load-balancing.ts';
import type { HeaderFields } from '../../../api/headers.ts';
import type { HostMeter } from '../../../api/host.ts';
import type { UpstreamHost } from '../../host.ts';
import type { SlotRef } from '../../shared-state.ts';
import { EdfScheduler } from '../edf-scheduler.ts';
import type { Picker } from '../pickers.ts';
import type { SlowStart } from '../slow-start.ts';
import { orcaReportIn } from './orca-headers.ts';
import { ReportedWeight } from './reported-weight.ts';

/** One host's reports, as its responses bring them. */
export class WeightMeter implements HostMeter {
  readonly #reported: ReportedWeight;
  readonly #clock: Clock;
  /** What it is picked by: its own, or the median. */
  weight = 1;

  constructor(data: ClientSideWeightedRoundRobinData, slot: SlotRef, clock: Clock) {
    this.#reported = new ReportedWeight(slot, data);
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
    if (report !== null) this.#reported.take(report, this.#clock.machineMs());
  }

  /** 0 = it does not count now. */
  validWeight(): number {
    return this.#reported.valid(this.#clock.machineMs());
  }
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
    for (const hosts of this.#priorities) isChanged = setWeights(hosts) || isChanged;
    if (isChanged) this.#version++;
    return this.#version;
  }
}

/** Over hosts that `weights` weighs. */
export class ClientSideWeightsPicker implements Picker {
  readonly #hosts: readonly UpstreamHost[];
  readonly #weights: ReportedWeights;
  readonly #random: Random;
  readonly #weightOf: (host: UpstreamHost) => number;
  #version: number;
  #scheduler: EdfScheduler<UpstreamHost>;

  /** `slowStart`: null = none of the cluster's hosts is in its window. */
  constructor(
    hosts: readonly UpstreamHost[],
    weights: ReportedWeights,
    random: Random,
    slowStart: SlowStart | null,
  ) {
    this.#hosts = hosts;
    this.#weights = weights;
    this.#random = random;
    this.#weightOf =
      slowStart === null ? weightOfHost : (host) => weightOfHost(host) * slowStart.factor(host);
    this.#version = weights.version();
    this.#scheduler = this.#schedule();
  }

  #schedule(): EdfScheduler<UpstreamHost> {
    const hosts = this.#hosts;
    return EdfScheduler.of(hosts, this.#weightOf, (this.#random() * hosts.length) | 0);
  }

  pick(): UpstreamHost | null {
    const version = this.#weights.version();
    if (version !== this.#version) {
      this.#version = version;
      // Deadlines by former weights would give who is next all picks until the others' are over.
      this.#scheduler = this.#schedule();
    }
    return this.#scheduler.pick(this.#weightOf);
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
function setWeights(hosts: readonly UpstreamHost[]): boolean {
  const valid = hosts.map((host) => meterOf(host).validWeight());
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
