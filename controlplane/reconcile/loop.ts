// Runs one round of work after things changed: soon after the last change, but never later than a limit
// after the first one, so that a burst makes one push and a steady stream of changes still gets through.
// Endpoints that come and go do not wait: for them a round runs at once, or when as much time has passed
// since the last round as that took, so that rounds never take more than half of the process.

import type { Clock } from '../../common/clock.ts';
import type { Timer, TimerService } from '../../common/timer.ts';

const HOLDOFF_MS = 50;
const MAX_DELAY_MS = 1000;
/** Instances that come one by one at once make few rounds, whose pushes cost more than they do. */
const MIN_REST_MS = 10;

/** What changed: 'endpoints' = nothing but instances of services. */
export type ChangeKind = 'config' | 'endpoints';

export interface ReconcileLoopOptions {
  readonly clock: Clock;
  readonly timers: TimerService;
  /** One round; must not throw. */
  readonly run: () => void;
  /** How long after the last change; default 50. */
  readonly holdoffMs?: number;
  /** How long at most after the first; default 1000. */
  readonly maxDelayMs?: number;
}

export class ReconcileLoop implements Disposable {
  readonly #options: ReconcileLoopOptions;
  readonly #holdoffMs: number;
  readonly #maxDelayMs: number;
  readonly #timer: Timer;
  /** When the first change of the waiting round came; null = none waits. */
  #firstMs: number | null = null;
  /** When the waiting round is due, for documents and for endpoints; Infinity = not for those. */
  #configDueMs = Number.POSITIVE_INFINITY;
  #endpointsDueMs = Number.POSITIVE_INFINITY;
  #restUntilMs = 0;
  #isClosed = false;
  #changesTotal = 0;
  #roundsTotal = 0;

  constructor(options: ReconcileLoopOptions) {
    this.#options = options;
    this.#holdoffMs = options.holdoffMs ?? HOLDOFF_MS;
    this.#maxDelayMs = options.maxDelayMs ?? MAX_DELAY_MS;
    this.#timer = options.timers.createTimer(() => this.flush(), null);
  }

  /** Changes heard of. */
  get changesTotal(): number {
    return this.#changesTotal;
  }

  /** Rounds run: what is missing to `changesTotal` was merged. */
  get roundsTotal(): number {
    return this.#roundsTotal;
  }

  /** Something changed. */
  trigger(change: ChangeKind = 'config'): void {
    if (this.#isClosed) return;
    this.#changesTotal++;
    const nowMs = this.#options.clock.nowMs();
    this.#firstMs ??= nowMs;
    if (change === 'endpoints') {
      this.#endpointsDueMs = Math.max(nowMs, this.#restUntilMs);
    } else {
      const latestMs = this.#firstMs + this.#maxDelayMs;
      this.#configDueMs = Math.min(nowMs + this.#holdoffMs, latestMs);
    }
    const dueMs = Math.min(this.#configDueMs, this.#endpointsDueMs);
    this.#timer.start(Math.max(0, dueMs - nowMs));
  }

  /** Runs the waiting round now, if any. */
  flush(): void {
    if (this.#firstMs === null) return;
    this.#firstMs = null;
    this.#configDueMs = Number.POSITIVE_INFINITY;
    this.#endpointsDueMs = Number.POSITIVE_INFINITY;
    this.#timer.stop();
    this.#roundsTotal++;
    const { clock, run } = this.#options;
    const beganMs = clock.nowMs();
    run();
    const endedMs = clock.nowMs();
    this.#restUntilMs = endedMs + Math.max(MIN_REST_MS, endedMs - beganMs);
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#firstMs = null;
    this.#timer.stop();
  }
}
