// Rapid reset (CVE-2023-44487): when a connection resets most of its requests before they are answered. Arithmetic
// after Envoy's ConnectionManagerImpl::maybeDrainDueToPrematureResets. One per connection; connection-manager asks.

import type { HcmConfig } from '../api/config/hcm.ts';
import type { StreamInfo } from '../api/stream-info.ts';
import { readRuntime } from '../matcher/runtime-value.ts';

/** Why the connection was closed: its streams' RESPONSE_CODE_DETAILS. */
export const TOO_MANY_PREMATURE_RESETS = 'too_many_premature_resets';

/** So many may happen before the requests that follow are suspect. */
const UNSUSPECTED_RESETS = 8;

export class PrematureResets {
  readonly #limits: HcmConfig['prematureResets'];
  /** Requests that are over, and of them those that had no answer and lived shortly. */
  #ended: number;
  #premature: number;

  constructor(limits: HcmConfig['prematureResets']) {
    this.#limits = limits;
    this.#ended = 0;
    this.#premature = 0;
  }

  /** A request is over. */
  count({ responseCode, startMs, endMs }: StreamInfo): void {
    this.#ended++;
    if (responseCode !== 0) return;
    const lifetimeS = Math.floor((endMs - startMs) / 1000);
    if (lifetimeS <= readRuntime(this.#limits.minStreamLifetimeS)) this.#premature++;
  }

  /** Most were reset so far: the next one may be too. Ours, not Envoy's. */
  areUsual(): boolean {
    return this.#premature > UNSUSPECTED_RESETS && this.#premature * 2 >= this.#ended;
  }

  /** At least half of them all, or so many that it will be half of the first totalStreamCount, come what may. */
  areTooMany(): boolean {
    if (this.#premature * 2 < this.#ended) return false;
    return this.#premature * 2 >= readRuntime(this.#limits.totalStreamCount);
  }
}
