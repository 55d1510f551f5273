// A clock that stands still until a test moves it.

import type { Clock } from '../../common/clock.ts';

/** Starts at monotonic 1000 ms and 2026-01-02T03:04:05.678Z. */
export class FakeClock implements Clock {
  #nowMs = 1000;
  #wallMs = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

  nowMs(): number {
    return this.#nowMs;
  }

  machineMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#wallMs;
  }

  /** Moves both times on. A test with timers calls FakeTimers.advance instead, which calls this. */
  advance(ms: number): void {
    this.#nowMs += ms;
    this.#wallMs += ms;
  }

  /** Somebody sets the date; monotonic time does not notice. */
  jumpWall(ms: number): void {
    this.#wallMs += ms;
  }
}
