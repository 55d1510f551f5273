// The timers of one stream at a time. A connection keeps them and lends them to its next stream, so that a
// request neither creates timers nor touches the wheel in the usual case (see deadline-timer.ts).

import type { Clock } from '../../common/clock.ts';
import type { TimerService } from '../../common/timer.ts';
import { DeadlineTimer } from './deadline-timer.ts';

/** Who is told; null while nobody borrows. */
export interface TimedStream {
  onStreamIdleTimeout(): void;
  onRequestTimeout(): void;
  onMaxStreamDuration(): void;
}

export class StreamTimers {
  stream: TimedStream | null;
  readonly #timers: TimerService;
  readonly #clock: Clock;
  #idle: DeadlineTimer<StreamTimers> | null;
  #request: DeadlineTimer<StreamTimers> | null;
  #maxDuration: DeadlineTimer<StreamTimers> | null;

  constructor(timers: TimerService, clock: Clock) {
    this.stream = null;
    this.#timers = timers;
    this.#clock = clock;
    this.#idle = null;
    this.#request = null;
    this.#maxDuration = null;
  }

  /** (Re-)starts stream_idle_timeout. All delays in ms, `nowMs` from Clock.nowMs. */
  startIdle(timeoutMs: number, nowMs: number): void {
    this.#idle ??= new DeadlineTimer<StreamTimers>(this.#timers, this.#clock, onIdle, this);
    this.#idle.start(timeoutMs, nowMs);
  }

  stopIdle(): void {
    if (this.#idle !== null) this.#idle.stop();
  }

  startRequest(timeoutMs: number, nowMs: number): void {
    this.#request ??= new DeadlineTimer<StreamTimers>(this.#timers, this.#clock, onRequest, this);
    this.#request.start(timeoutMs, nowMs);
  }

  stopRequest(): void {
    if (this.#request !== null) this.#request.stop();
  }

  startMaxDuration(timeoutMs: number, nowMs: number): void {
    this.#maxDuration ??= new DeadlineTimer<StreamTimers>(
      this.#timers,
      this.#clock,
      onMaxDuration,
      this,
    );
    this.#maxDuration.start(timeoutMs, nowMs);
  }

  /** A route's max_stream_duration instead of what was started; 0 = none. */
  overrideMaxDuration(timeoutMs: number, nowMs: number): void {
    if (timeoutMs > 0) this.startMaxDuration(timeoutMs, nowMs);
    else if (this.#maxDuration !== null) this.#maxDuration.stop();
  }

  /** The stream is over: nothing fires until the next one starts something. */
  release(): void {
    this.stream = null;
    this.stopIdle();
    this.stopRequest();
    if (this.#maxDuration !== null) this.#maxDuration.stop();
  }

  /** The connection is over. */
  dispose(): void {
    this.stream = null;
    this.#idle?.dispose();
    this.#request?.dispose();
    this.#maxDuration?.dispose();
  }
}

function onIdle(timers: StreamTimers): void {
  timers.stream?.onStreamIdleTimeout();
}

function onRequest(timers: StreamTimers): void {
  timers.stream?.onRequestTimeout();
}

function onMaxDuration(timers: StreamTimers): void {
  timers.stream?.onMaxStreamDuration();
}
