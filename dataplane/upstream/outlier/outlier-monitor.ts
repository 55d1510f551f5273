// A worker's view of one host's failures: counts consecutive ones in shared memory and reports when a
// counter equals its threshold. Envoy: DetectorHostMonitorImpl in outlier_detection_impl.cc.

import { type OutlierMonitor, OutlierResult } from '../../api/cluster.ts';
import type { OutlierDetectionConfig } from '../../api/config/cluster.ts';
import { HostCell, type SlotView } from '../shared-state.ts';
import type { OutlierKind } from './outlier-event.ts';

/** Tells main; called at most once per run of failures. */
export type ReportThreshold = (kind: OutlierKind) => void;

/** For clusters without outlier detection. */
export const noOutlierDetection: OutlierMonitor = {
  putHttpResponseCode() {},
  putResult() {},
};

export class SharedOutlierMonitor implements OutlierMonitor {
  readonly #config: OutlierDetectionConfig;
  readonly #cells: Int32Array;
  readonly #base: number;
  readonly #report: ReportThreshold;

  constructor(config: OutlierDetectionConfig, slot: SlotView, report: ReportThreshold) {
    this.#config = config;
    this.#cells = slot.cells;
    this.#base = slot.base;
    this.#report = report;
  }

  putHttpResponseCode(status: number): void {
    if (status >= 500) {
      this.#externalFailure(status >= 502 && status <= 504);
      return;
    }
    this.#reset(HostCell.Consecutive5xx);
    this.#reset(HostCell.ConsecutiveGatewayFailure);
  }

  putResult(result: OutlierResult): void {
    if (this.#config.splitExternalLocalOriginErrors) this.#putSplit(result);
    else this.#putMerged(result);
  }

  /** Local results become codes: timeout 504, connect failure 503, external failure 500. */
  #putMerged(result: OutlierResult): void {
    switch (result) {
      case OutlierResult.LocalOriginTimeout:
        this.putHttpResponseCode(504);
        return;
      case OutlierResult.LocalOriginConnectFailed:
        this.putHttpResponseCode(503);
        return;
      case OutlierResult.ExtOriginRequestFailed:
        this.putHttpResponseCode(500);
        return;
      case OutlierResult.ExtOriginRequestSuccess:
        this.putHttpResponseCode(200);
        return;
      case OutlierResult.LocalOriginConnectSuccess:
        // Says nothing of the answer that will follow.
        return;
      default:
        result satisfies never;
    }
  }

  #putSplit(result: OutlierResult): void {
    switch (result) {
      case OutlierResult.LocalOriginTimeout:
      case OutlierResult.LocalOriginConnectFailed:
        this.#count(
          HostCell.ConsecutiveLocalOriginFailure,
          this.#config.consecutiveLocalOriginFailure,
          'CONSECUTIVE_LOCAL_ORIGIN_FAILURE',
        );
        return;
      case OutlierResult.LocalOriginConnectSuccess:
        this.#reset(HostCell.ConsecutiveLocalOriginFailure);
        return;
      case OutlierResult.ExtOriginRequestFailed:
        this.putHttpResponseCode(500);
        return;
      case OutlierResult.ExtOriginRequestSuccess:
        this.putHttpResponseCode(200);
        return;
      default:
        result satisfies never;
    }
  }

  #externalFailure(isGateway: boolean): void {
    const { consecutiveGatewayFailure, consecutive5xx } = this.#config;
    if (isGateway) {
      this.#count(
        HostCell.ConsecutiveGatewayFailure,
        consecutiveGatewayFailure,
        'CONSECUTIVE_GATEWAY_FAILURE',
      );
    } else this.#reset(HostCell.ConsecutiveGatewayFailure);
    this.#count(HostCell.Consecutive5xx, consecutive5xx, 'CONSECUTIVE_5XX');
  }

  #count(cell: number, threshold: number, kind: OutlierKind): void {
    const before = Atomics.add(this.#cells, this.#base + cell, 1);
    // Equal, not above: a detection that is not enforced does not fire again until it was reset.
    if (before + 1 === threshold) this.#report(kind);
  }

  /** Nearly every request succeeds, and the counter is nearly always zero: look before writing. */
  #reset(cell: number): void {
    if (this.#cells[this.#base + cell] !== 0) Atomics.store(this.#cells, this.#base + cell, 0);
  }
}
