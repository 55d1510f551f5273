// How many streams there may be, and how fast they come in (a storm of reconnects: XD-14). Who comes too fast
// waits unread, in order; who comes when too many wait is sent elsewhere. Called by server.ts.

import type { Clock } from '../../common/clock.ts';
import type { Timer, TimerService } from '../../common/timer.ts';
import type { AdsStats } from './ads-stats.ts';

export interface StreamAdmissionOptions {
  readonly clock: Clock;
  readonly timers: TimerService;
  readonly stats: AdsStats;
  /** Open and waiting together; 0 = no limit. */
  readonly maxStreams: number;
  /** 0 = no limit. As many as one second's worth may come at once. */
  readonly streamsPerSecond: number;
}

/** A stream that is not begun with yet. */
export interface Newcomer {
  begin(): void;
}

export class StreamAdmission {
  readonly #options: StreamAdmissionOptions;
  readonly #waiting = new Set<Newcomer>();
  readonly #timer: Timer;
  #tokens: number;
  #filledMs: number;

  constructor(options: StreamAdmissionOptions) {
    this.#options = options;
    this.#tokens = options.streamsPerSecond;
    this.#filledMs = options.clock.nowMs();
    this.#timer = options.timers.createTimer(() => this.#next(), undefined);
  }

  /** Begins with it now or later, or not at all. */
  offer(newcomer: Newcomer): 'begun' | 'waiting' | 'refused' {
    const { stats, maxStreams, streamsPerSecond } = this.#options;
    if (maxStreams > 0 && stats.streamsActive + this.#waiting.size >= maxStreams) {
      stats.overloadedTotal++;
      return 'refused';
    }
    if (streamsPerSecond === 0) {
      newcomer.begin();
      return 'begun';
    }
    this.#waiting.add(newcomer);
    stats.streamsWaiting = this.#waiting.size;
    if (!this.#timer.isArmed()) this.#next();
    return this.#waiting.has(newcomer) ? 'waiting' : 'begun';
  }

  /** It went away before its turn. */
  withdraw(newcomer: Newcomer): void {
    this.#waiting.delete(newcomer);
    this.#options.stats.streamsWaiting = this.#waiting.size;
  }

  close(): void {
    this.#waiting.clear();
    this.#timer.stop();
  }

  #next(): void {
    const { clock, stats, streamsPerSecond } = this.#options;
    const nowMs = clock.nowMs();
    const gained = ((nowMs - this.#filledMs) / 1000) * streamsPerSecond;
    this.#filledMs = nowMs;
    this.#tokens = Math.min(Math.max(1, streamsPerSecond), this.#tokens + gained);
    for (const newcomer of this.#waiting) {
      if (this.#tokens < 1) break;
      this.#tokens--;
      this.#waiting.delete(newcomer);
      newcomer.begin();
    }
    stats.streamsWaiting = this.#waiting.size;
    if (this.#waiting.size === 0) return;
    this.#timer.start(Math.max(1, ((1 - this.#tokens) / streamsPerSecond) * 1000));
  }
}
