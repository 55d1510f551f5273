// Timers that fire only when a test says that time has passed.

import type { Timer, TimerService } from '../../common/timer.ts';
import { FakeClock } from './clock.ts';

class FakeTimer implements Timer {
  dueMs: number | null = null;
  order = 0;
  readonly #timers: FakeTimers;
  readonly #fire: () => void;

  constructor(timers: FakeTimers, fire: () => void) {
    this.#timers = timers;
    this.#fire = fire;
  }

  start(delayMs: number): void {
    this.dueMs = this.#timers.clock.nowMs() + delayMs;
    this.order = this.#timers.nextOrder();
  }

  stop(): void {
    this.dueMs = null;
  }

  isArmed(): boolean {
    return this.dueMs !== null;
  }

  run(): void {
    this.dueMs = null;
    this.#fire();
  }
}

/** Fires what is due in order of time, then of arming; shares its clock with the code under test. */
export class FakeTimers implements TimerService {
  readonly clock: FakeClock;
  readonly #timers: FakeTimer[] = [];
  #order = 0;

  constructor(clock: FakeClock = new FakeClock()) {
    this.clock = clock;
  }

  createTimer<S>(fire: (state: S) => void, state: S): Timer {
    const timer = new FakeTimer(this, () => fire(state));
    this.#timers.push(timer);
    return timer;
  }

  /** Moves the clock on by `ms`, stopping at each due timer on the way to fire it. */
  advance(ms: number): void {
    const untilMs = this.clock.nowMs() + ms;
    for (;;) {
      let next: FakeTimer | null = null;
      for (const timer of this.#timers) {
        if (timer.dueMs === null || timer.dueMs > untilMs) continue;
        const isSooner =
          next === null ||
          timer.dueMs < next.dueMs! ||
          (timer.dueMs === next.dueMs && timer.order < next.order);
        if (isSooner) next = timer;
      }
      if (next === null) break;
      this.clock.advance(Math.max(0, next.dueMs! - this.clock.nowMs()));
      next.run();
    }
    this.clock.advance(untilMs - this.clock.nowMs());
  }

  /** One turn of the event loop: fires what is due now, but not what that arms. */
  turn(): void {
    const before = this.#order;
    const nowMs = this.clock.nowMs();
    for (const timer of this.#timers) {
      if (timer.dueMs !== null && timer.dueMs <= nowMs && timer.order < before) timer.run();
    }
  }

  /** How many timers are armed now; a test of clean-up expects 0. */
  armedCount(): number {
    return this.#timers.filter((timer) => timer.isArmed()).length;
  }

  /** Orders timers that are due at the same moment. */
  nextOrder(): number {
    return this.#order++;
  }
}
