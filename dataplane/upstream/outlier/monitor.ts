// A host's results as a worker counts them for outlier detection, in the host's shared slot. Made per
// host; the router and tcp_proxy report to it, pools do not.

import type { OutlierDetectionConfig } from '../../api/config/cluster.ts';
import { type OutlierMonitor, OutlierResult } from '../../api/host.ts';
import { HostWord, type SlotRef } from '../shared-state.ts';
import type { OutlierKind } from './outlier-event.ts';

/** Told when a counter equals its threshold (not above: Envoy fires once per run of failures). */
export interface OutlierObserver {
  onThreshold(kind: OutlierKind): void;
}

/** For clusters without outlier detection. */
export const idleMonitor: OutlierMonitor = {
  putHttpResponseCode: () => {},
  putResult: () => {},
};

/** Counts in shared memory, so a run of failures is a run over all workers. */
export class SharedOutlierMonitor implements OutlierMonitor {
  readonly #config: OutlierDetectionConfig;
  readonly #words: Int32Array;
  readonly #base: number;
  readonly #observer: OutlierObserver;

  constructor(config: OutlierDetectionConfig, slot: SlotRef, observer: OutlierObserver) {
    this.#config = config;
    this.#words = slot.words;
    this.#base = slot.base;
    this.#observer = observer;
  }

  putHttpResponseCode(status: number): void {
    if (status < 500 || status > 599) {
      this.#reset(HostWord.Consecutive5xx);
      this.#reset(HostWord.ConsecutiveGatewayFailure);
      return;
    }
    if (status >= 502 && status <= 504) {
      if (this.#count(HostWord.ConsecutiveGatewayFailure, this.#config.consecutiveGatewayFailure)) {
        this.#observer.onThreshold('consecutive_gateway_failure');
      }
    } else this.#reset(HostWord.ConsecutiveGatewayFailure);
    if (this.#count(HostWord.Consecutive5xx, this.#config.consecutive5xx)) {
      this.#observer.onThreshold('consecutive_5xx');
    }
  }

  putResult(result: OutlierResult): void {
    if (this.#config.splitExternalLocalOriginErrors) this.#putSplit(result);
    else this.#putAsCode(result);
  }

  #putSplit(result: OutlierResult): void {
    switch (result) {
      case OutlierResult.LocalOriginConnectSuccess:
      case OutlierResult.LocalOriginConnectSuccessFinal:
        this.#reset(HostWord.ConsecutiveLocalOriginFailure);
        return;
      case OutlierResult.LocalOriginTimeout:
      case OutlierResult.LocalOriginConnectFailed:
        if (
          this.#count(
            HostWord.ConsecutiveLocalOriginFailure,
            this.#config.consecutiveLocalOriginFailure,
          )
        ) {
          this.#observer.onThreshold('consecutive_local_origin_failure');
        }
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

  #putAsCode(result: OutlierResult): void {
    switch (result) {
      case OutlierResult.LocalOriginConnectSuccess:
        // Says nothing yet: the request on the new connection will have its own result.
        return;
      case OutlierResult.LocalOriginConnectSuccessFinal:
      case OutlierResult.ExtOriginRequestSuccess:
        this.putHttpResponseCode(200);
        return;
      case OutlierResult.LocalOriginTimeout:
        this.putHttpResponseCode(504);
        return;
      case OutlierResult.LocalOriginConnectFailed:
        this.putHttpResponseCode(503);
        return;
      case OutlierResult.ExtOriginRequestFailed:
        this.putHttpResponseCode(500);
        return;
      default:
        result satisfies never;
    }
  }

  #count(word: HostWord, threshold: number): boolean {
    return Atomics.add(this.#words, this.#base + word, 1) + 1 === threshold;
  }

  /** Reads first: the common case is 0, and a write would take the cache line from other workers. */
  #reset(word: HostWord): void {
    const at = this.#base + word;
    if (Atomics.load(this.#words, at) !== 0) Atomics.store(this.#words, at, 0);
  }
}
