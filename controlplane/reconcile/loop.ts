// Runs one round of work after things changed: soon after the last change, but never later than a limit
// after the first one, so that a burst makes one push and a steady stream of changes still gets through.

import type { Clock } from '../../common/clock.ts';
import type { Timer, TimerService } from '../../common/timer.ts';

const HOLDOFF_MS = 50;
const MAX_DELAY_MS = 1000;

export interface ReconcileLoopOptions {
  readonly clock: Clock;
  readonly timers: TimerService;
  /** One round; must not throw. */
  readonly run: () => void;
}

export class ReconcileLoop implements Disposable {
  readonly #options: ReconcileLoopOptions;
  readonly #timer: Timer;
  /** When the first change of the waiting round came; null = none waits. */
  #firstMs: number | null = null;
  #isClosed = false;

  constructor(options: ReconcileLoopOptions) {
    this.#options = options;
    this.#timer = options.timers.createTimer(() => this.flush(), null);
  }

  /** Something changed. */
  trigger(): void {
    if (this.#isClosed) return;
    const nowMs = this.#options.clock.nowMs();
    this.#firstMs ??= nowMs;
    const latestMs = this.#firstMs + MAX_DELAY_MS;
    this.#timer.start(Math.max(0, Math.min(HOLDOFF_MS, latestMs - nowMs)));
  }

  /** Runs the waiting round now, if any. */
  flush(): void {
    if (this.#firstMs === null) return;
    this.#firstMs = null;
    this.#timer.stop();
    this.#options.run();
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#firstMs = null;
    this.#timer.stop();
  }
}
