// A host's results as a worker counts them for outlier detection, in the host's shared slot. Made per
// host; the router and tcp_proxy report to it, pools do not.

import type { OutlierDetectionConfig } from '../../api/config/outlier-detection.ts';
import { getField, type ResponseHeaders } from '../../api/headers.ts';
import { type OutlierMonitor, OutlierResult } from '../../api/host.ts';
import type { ResponsePredicate } from '../../matcher/response-predicate.ts';
import { HostWord, type SlotRef } from '../shared-state.ts';
import { currentOutlierNumber } from './current-config.ts';
import { countLocalResult, countResult } from './interval-counts.ts';
import { type ConsecutiveKind, counterWord } from './outlier-event.ts';

/** Tells main what a worker saw. */
export interface OutlierObserver {
  /** A counter equals its threshold (not above: Envoy fires once per run of failures). */
  onThreshold(kind: ConsecutiveKind): void;
  /** A response said x-envoy-degraded, and main does not know that yet. */
  onDegraded(): void;
}

const DEGRADED = 'x-envoy-degraded';

/** For clusters without outlier detection. */
export const idleMonitor: OutlierMonitor = {
  putResponse: () => {},
  putHttpResponseCode: () => {},
  putResult: () => {},
};

/** Counts in shared memory, so a run of failures is a run over all workers. */
export class SharedOutlierMonitor implements OutlierMonitor {
  readonly #config: OutlierDetectionConfig;
  readonly #errors: ResponsePredicate | null;
  readonly #slot: SlotRef;
  readonly #observer: OutlierObserver;

  /** `errors`: the cluster's error_matcher, null = none. */
  constructor(
    config: OutlierDetectionConfig,
    errors: ResponsePredicate | null,
    slot: SlotRef,
    observer: OutlierObserver,
  ) {
    this.#config = config;
    this.#errors = errors;
    this.#slot = slot;
    this.#observer = observer;
  }

  putResponse(status: number, headers: ResponseHeaders): void {
    const code = this.#errors === null ? status : this.#judged(status, headers, this.#errors);
    if (
      this.#config.detectDegradedHosts &&
      !is5xx(code) &&
      getField(headers.fields, DEGRADED) !== null
    ) {
      this.#sayDegraded();
    }
    this.putHttpResponseCode(code);
  }

  putHttpResponseCode(status: number): void {
    const isSuccess = !is5xx(status);
    countResult(this.#slot, isSuccess);
    if (isSuccess) {
      this.#reset(HostWord.Consecutive5xx);
      this.#reset(HostWord.ConsecutiveGatewayFailure);
      return;
    }
    if (status >= 502 && status <= 504) {
      this.#count(
        'consecutive_gateway_failure',
        currentOutlierNumber(this.#config, 'consecutiveGatewayFailure'),
      );
    } else this.#reset(HostWord.ConsecutiveGatewayFailure);
    this.#count('consecutive_5xx', currentOutlierNumber(this.#config, 'consecutive5xx'));
  }

  putResult(result: OutlierResult): void {
    if (this.#config.splitExternalLocalOriginErrors) this.#putSplit(result);
    else this.#putAsCode(result);
  }

  /** An error that is no 5xx counts as 500, a 5xx that is no error as 200. */
  #judged(status: number, headers: ResponseHeaders, errors: ResponsePredicate): number {
    if (errors.matches(headers)) return is5xx(status) ? status : 500;
    return is5xx(status) ? 200 : status;
  }

  #sayDegraded(): void {
    const { words, base } = this.#slot;
    // One worker tells main, and none again until the host is no longer degraded.
    if (Atomics.compareExchange(words, base + HostWord.SaidDegraded, 0, 1) === 0) {
      this.#observer.onDegraded();
    }
  }

  #putSplit(result: OutlierResult): void {
    switch (result) {
      case OutlierResult.LocalOriginConnectSuccess:
      case OutlierResult.LocalOriginConnectSuccessFinal:
        countLocalResult(this.#slot, true);
        this.#reset(HostWord.ConsecutiveLocalOriginFailure);
        return;
      case OutlierResult.LocalOriginTimeout:
      case OutlierResult.LocalOriginConnectFailed:
        countLocalResult(this.#slot, false);
        this.#count(
          'consecutive_local_origin_failure',
          currentOutlierNumber(this.#config, 'consecutiveLocalOriginFailure'),
        );
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

  #count(kind: ConsecutiveKind, threshold: number): void {
    const { words, base } = this.#slot;
    const count = Atomics.add(words, base + counterWord[kind], 1) + 1;
    if (count === threshold) this.#observer.onThreshold(kind);
  }

  /** Reads first: the common case is 0, and a write would take the cache line from other workers. */
  #reset(word: HostWord): void {
    const { words, base } = this.#slot;
    const at = base + word;
    if (Atomics.load(words, at) !== 0) Atomics.store(words, at, 0);
  }
}

function is5xx(status: number): boolean {
  return status >= 500 && status <= 599;
}
