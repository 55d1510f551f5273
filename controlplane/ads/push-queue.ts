// Streams whose snapshot changed, in order of the change, and how fast they are pumped: some per turn of the
// event loop, so that 10,000 do not hold up everything else, and no more per second than allowed.

import type { Clock } from '../../common/clock.ts';
import type { Timer, TimerService } from '../../common/timer.ts';
import type { AdsStream } from './stream-context.ts';

export interface PushQueueOptions {
  readonly clock: Clock;
  readonly timers: TimerService;
  /** Runs the next slice of streams, e.g. setImmediate. */
  readonly schedule: (run: () => void) => void;
  readonly streamsPerTurn: number;
  /** 0 = no limit. */
  readonly streamsPerSecond: number;
}

export class PushQueue {
  readonly #options: PushQueueOptions;
  readonly #waiting = new Set<AdsStream>();
  readonly #timer: Timer;
  #isScheduled = false;
  #tokens: number;
  #filledMs: number;

  constructor(options: PushQueueOptions) {
    this.#options = options;
    this.#tokens = options.streamsPerSecond;
    this.#filledMs = options.clock.nowMs();
    this.#timer = options.timers.createTimer(() => this.#schedule(), undefined);
  }

  get depth(): number {
    return this.#waiting.size;
  }

  /** A stream that waits already keeps its place: it will get the newest snapshot. */
  add(stream: AdsStream): void {
    this.#waiting.add(stream);
    this.#schedule();
  }

  delete(stream: AdsStream): void {
    this.#waiting.delete(stream);
  }

  close(): void {
    this.#waiting.clear();
    this.#timer.stop();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#timer.isArmed() || this.#waiting.size === 0) return;
    this.#isScheduled = true;
    this.#options.schedule(() => {
      this.#isScheduled = false;
      this.#runSlice();
      this.#schedule();
    });
  }

  #runSlice(): void {
    const { streamsPerTurn, streamsPerSecond } = this.#options;
    let left = Math.min(streamsPerTurn, this.#allowed());
    for (const stream of this.#waiting) {
      if (left-- <= 0) break;
      this.#waiting.delete(stream);
      this.#tokens--;
      stream.pump();
    }
    if (streamsPerSecond > 0 && this.#tokens < 1 && this.#waiting.size > 0) {
      this.#timer.start(((1 - this.#tokens) / streamsPerSecond) * 1000);
    }
  }

  #allowed(): number {
    const { clock, streamsPerSecond } = this.#options;
    if (streamsPerSecond === 0) return Number.POSITIVE_INFINITY;
    const nowMs = clock.nowMs();
    const gained = ((nowMs - this.#filledMs) / 1000) * streamsPerSecond;
    this.#filledMs = nowMs;
    this.#tokens = Math.min(Math.max(1, streamsPerSecond), this.#tokens + gained);
    return Math.floor(this.#tokens);
  }
}
