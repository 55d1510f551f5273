// A timer that is re-armed far more often than it fires: idle timeouts, per stream and per connection.
// Moving the deadline later is one field store; the underlying timer is touched only when it fires too
// early, and then waits for the rest. A keep-alive connection so costs no timer work per request.

import type { Clock } from '../../common/clock.ts';
import type { Timer, TimerService } from '../../common/timer.ts';

const NONE = -1;

/** `expire(state)` runs once per deadline that passes. Owned by one stream or connection. */
export class DeadlineTimer<S> {
  readonly #clock: Clock;
  readonly #timer: Timer;
  readonly #expire: (state: S) => void;
  readonly #state: S;
  #deadlineMs: number;
  /** When the underlying timer will fire; NONE = it is not armed. */
  #firesAtMs: number;

  constructor(timers: TimerService, clock: Clock, expire: (state: S) => void, state: S) {
    this.#clock = clock;
    this.#expire = expire;
    this.#state = state;
    this.#deadlineMs = NONE;
    this.#firesAtMs = NONE;
    this.#timer = timers.createTimer(onFire, this as DeadlineTimer<unknown>);
  }

  /** Sets the deadline `timeoutMs` after `nowMs` (Clock.nowMs), replacing a former one. */
  start(timeoutMs: number, nowMs: number): void {
    const deadlineMs = nowMs + timeoutMs;
    this.#deadlineMs = deadlineMs;
    if (this.#firesAtMs !== NONE && this.#firesAtMs <= deadlineMs) return;
    this.#firesAtMs = deadlineMs;
    this.#timer.start(timeoutMs);
  }

  /** Forgets the deadline; the underlying timer may still fire once, to no effect. */
  stop(): void {
    this.#deadlineMs = NONE;
  }

  /** Frees the underlying timer. May be started again. */
  dispose(): void {
    this.#deadlineMs = NONE;
    this.#firesAtMs = NONE;
    this.#timer.stop();
  }

  isArmed(): boolean {
    return this.#deadlineMs !== NONE;
  }

  onFire(): void {
    this.#firesAtMs = NONE;
    const deadlineMs = this.#deadlineMs;
    if (deadlineMs === NONE) return;
    const restMs = deadlineMs - this.#clock.nowMs();
    // Half a millisecond: real timers may fire a fraction early by the monotonic clock.
    if (restMs > 0.5) {
      this.#firesAtMs = deadlineMs;
      this.#timer.start(restMs);
      return;
    }
    this.#deadlineMs = NONE;
    this.#expire(this.#state);
  }
}

function onFire(timer: DeadlineTimer<unknown>): void {
  timer.onFire();
}
