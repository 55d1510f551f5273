// What runtime says of all retries of a router filter (runtime keys upstream.base_retry_backoff_ms and upstream.use_retry).

import type { RuntimeNumber } from '../../api/runtime.ts';
import { RuntimeValue } from '../../matcher/runtime-value.ts';

export class RetryRuntime {
  readonly #baseMs: RuntimeValue;
  readonly #usePercent: RuntimeValue;

  constructor(data: { readonly baseMs: RuntimeNumber; readonly usePercent: RuntimeNumber }) {
    this.#baseMs = new RuntimeValue(data.baseMs);
    this.#usePercent = new RuntimeValue(data.usePercent);
  }

  /** Of a policy without a back-off of its own; >= 1. */
  baseIntervalMs(): number {
    return Math.max(1, this.#baseMs.number());
  }

  /** `random`: in [0, 1). */
  allows(random: number): boolean {
    return random * 100 < this.#usePercent.number();
  }
}
