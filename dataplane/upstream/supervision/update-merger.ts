// When the workers hear of a changed host set: at once if hosts came or went, otherwise (weights, health, metadata) at
// most once per update_merge_window, all changes of a window together. Envoy: ClusterManagerImpl::scheduleUpdate. One per
// cluster, in main. What health checks and outlier detection find does not come this way: it is never held back.

import type { Clock } from '../../../common/clock.ts';
import type { Timer, TimerService } from '../../../common/timer.ts';

/** Counters `cluster_manager.*`. */
export interface UpdateStats {
  clusterUpdated: number;
  clusterUpdatedViaMerge: number;
  updateMergeCancelled: number;
  updateOutOfMergeWindow: number;
}

export interface UpdateMergerOptions {
  readonly clock: Clock;
  readonly timers: TimerService;
  readonly stats: UpdateStats;
  /** Tells the workers what holds now. */
  deliver(): void;
}

/** See the file head. */
export class UpdateMerger {
  readonly #options: UpdateMergerOptions;
  readonly #timer: Timer;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(options: UpdateMergerOptions) {
    this.#options = options;
    this.#timer = options.timers.createTimer(deliverMerged, this);
  }

  /** Something changed. `isMergeable`: the same hosts are where they were. `windowMs` 0 = nothing is merged. */
  update(isMergeable: boolean, windowMs: number): void {
    const { clock, stats } = this.#options;
    if (windowMs > 0) {
      const nowMs = clock.nowMs();
      const isOutside = nowMs - this.#lastMs > windowMs;
      if (isMergeable && !isOutside) {
        if (!this.#timer.isArmed()) this.#timer.start(windowMs);
        return;
      }
      if (isMergeable) stats.updateOutOfMergeWindow++;
      if (this.#timer.isArmed()) {
        this.#timer.stop();
        stats.updateMergeCancelled++;
      }
      this.#lastMs = nowMs;
    }
    stats.clusterUpdated++;
    this.#options.deliver();
  }

  /** Timer: the window is over. */
  deliverMerged(): void {
    this.#lastMs = this.#options.clock.nowMs();
    this.#options.stats.clusterUpdatedViaMerge++;
    this.#options.deliver();
  }

  close(): void {
    this.#timer.stop();
  }
}

function deliverMerged(merger: UpdateMerger): void {
  merger.deliverMerged();
}
