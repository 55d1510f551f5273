// The timers of one stream at a time. They outlive it and are lent to the next one, so that a request neither
// creates timers nor touches the wheel in the usual case (see deadline-timer.ts). One pool per HcmConfig and worker.

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

  stopMaxDuration(): void {
    if (this.#maxDuration !== null) this.#maxDuration.stop();
  }

  /** The stream is over: nothing fires until the next one starts something. */
  release(): void {
    this.stream = null;
    this.stopIdle();
    this.stopRequest();
    this.stopMaxDuration();
  }

  /** Nobody will borrow them again. */
  dispose(): void {
    this.stream = null;
    this.#idle?.dispose();
    this.#request?.dispose();
    this.#maxDuration?.dispose();
  }
}

/** So many requests at once in one connection manager and worker find timers that are made already. */
const MAX_FREE = 256;

/** Lends StreamTimers. What is idle in it may still wake up once, to no effect. */
export class StreamTimersPool {
  readonly #timers: TimerService;
  readonly #clock: Clock;
  readonly #free: StreamTimers[];
  #isDisposed: boolean;

  constructor(timers: TimerService, clock: Clock) {
    this.#timers = timers;
    this.#clock = clock;
    this.#free = [];
    this.#isDisposed = false;
  }

  borrow(): StreamTimers {
    return this.#free.pop() ?? new StreamTimers(this.#timers, this.#clock);
  }

  /** They are released. */
  giveBack(timers: StreamTimers): void {
    if (this.#free.length < MAX_FREE && !this.#isDisposed) this.#free.push(timers);
    else timers.dispose();
  }

  dispose(): void {
    this.#isDisposed = true;
    for (const timers of this.#free) timers.dispose();
    this.#free.length = 0;
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
