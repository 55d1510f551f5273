// What a host said last that it can take, in its shared slot: reports come to whichever worker had the request, or to main
// where they come out of band, and all balance by them.
//
//   no report -> blackout --blackoutPeriodMs of reports--> its weight counts --no report for weightExpirationPeriodMs--> no report

import type { ClientSideWeightedRoundRobinData } from '../../../api/config/load-balancing.ts';
import {
  elapsedMs,
  HostWord,
  readWord,
  type SlotRef,
  timeWord,
  writeWord,
} from '../../shared-state.ts';
import { metricOf, type OrcaReport } from './orca-report.ts';

/** Envoy's weights are 32 bits wide. */
const MAX_WEIGHT = 4_294_967_295;

/** See the file head. Times are Clock.machineMs: all threads agree about it. */
export class ReportedWeight {
  readonly #slot: SlotRef;
  readonly #data: ClientSideWeightedRoundRobinData;

  constructor(slot: SlotRef, data: ClientSideWeightedRoundRobinData) {
    this.#slot = slot;
    this.#data = data;
  }

  /** False = the report says nothing that a weight can be made of. */
  take(report: OrcaReport, nowMs: number): boolean {
    const weight = weightOf(report, this.#data);
    if (weight < 1) return false;
    const slot = this.#slot;
    const now = timeWord(nowMs);
    if (this.#reported(nowMs) === 0) writeWord(slot, HostWord.ReportedSince, now);
    writeWord(slot, HostWord.ReportedAt, now);
    // Last: whoever sees it finds its times.
    writeWord(slot, HostWord.ReportedWeight, weight | 0);
    return true;
  }

  /** 0 = it does not count now. */
  valid(nowMs: number): number {
    const weight = this.#reported(nowMs);
    const sinceMs = elapsedMs(readWord(this.#slot, HostWord.ReportedSince), nowMs);
    return sinceMs < this.#data.blackoutPeriodMs ? 0 : weight;
  }

  /** 0 = nothing, for too long. */
  #reported(nowMs: number): number {
    const weight = readWord(this.#slot, HostWord.ReportedWeight) >>> 0;
    const agoMs = elapsedMs(readWord(this.#slot, HostWord.ReportedAt), nowMs);
    return agoMs > this.#data.weightExpirationPeriodMs ? 0 : weight;
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
