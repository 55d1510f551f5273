// How many requests of one stream are read per second: a bucket of tokens. Above it the stream is not read for
// a while, which costs its client time and nobody anything else. Owned by stream.ts.

import type { Timer, TimerService } from '../../common/timer.ts';

/** So many seconds' worth may come at once: a client begins with a request per type and per name. */
const BURST_SECONDS = 5;

export class RequestRate {
  readonly #perSecond: number;
  #tokens: number;
  #filledMs: number;
  #timer: Timer | null = null;

  /** `perSecond` 0 = no limit. */
  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond * BURST_SECONDS;
    this.#filledMs = nowMs;
  }

  /** One request came. Returns for how long no more should be read, ms; 0 = read on. */
  take(nowMs: number): number {
    if (this.#perSecond === 0) return 0;
    const gained = ((nowMs - this.#filledMs) / 1000) * this.#perSecond;
    this.#filledMs = nowMs;
    this.#tokens = Math.min(this.#perSecond * BURST_SECONDS, this.#tokens + gained) - 1;
    return this.#tokens >= 0 ? 0 : (-this.#tokens / this.#perSecond) * 1000;
  }

  get isWaiting(): boolean {
    return this.#timer?.isArmed() ?? false;
  }

  wait(timers: TimerService, ms: number, then: () => void): void {
    this.#timer ??= timers.createTimer(then, undefined);
    this.#timer.start(ms);
  }

  stop(): void {
    this.#timer?.stop();
  }
}
