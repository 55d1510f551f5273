// The timers of one downstream connection: created when they are first needed, gone with the connection. Owned by
// connection-manager, which is told. Streams have their own (stream-timers.ts).

import type { Clock } from '../../common/clock.ts';
import type { TimerService } from '../../common/timer.ts';
import { DeadlineTimer } from './deadline-timer.ts';

/** Who is told. */
export interface TimedConnection {
  onIdleTimeout(): void;
  onMaxDuration(): void;
  onHeadersTimeout(): void;
  onDrainTimeout(): void;
  onListenerDrainTimeout(): void;
}

type ConnectionTimer = DeadlineTimer<TimedConnection>;

/** All delays in ms; `nowMs` from Clock.nowMs. */
export class ConnectionTimers {
  readonly #owner: TimedConnection;
  readonly #timers: TimerService;
  readonly #clock: Clock;
  #idle: ConnectionTimer | null;
  #duration: ConnectionTimer | null;
  #headers: ConnectionTimer | null;
  #drain: ConnectionTimer | null;
  #listenerDrain: ConnectionTimer | null;
  #isDisposed: boolean;

  constructor(owner: TimedConnection, timers: TimerService, clock: Clock) {
    this.#owner = owner;
    this.#timers = timers;
    this.#clock = clock;
    this.#idle = null;
    this.#duration = null;
    this.#headers = null;
    this.#drain = null;
    this.#listenerDrain = null;
    this.#isDisposed = false;
  }

  /** (Re-)starts idle_timeout; 0 = there is none. */
  startIdle(timeoutMs: number, nowMs: number): void {
    if (timeoutMs === 0 || this.#isDisposed) return;
    this.#idle ??= this.#create(onIdle);
    this.#idle.start(timeoutMs, nowMs);
  }

  stopIdle(): void {
    if (this.#idle !== null) this.#idle.stop();
  }

  startDuration(timeoutMs: number, nowMs: number): void {
    this.#duration ??= this.#create(onDuration);
    this.#duration.start(timeoutMs, nowMs);
  }

  /** request_headers_timeout, unless it runs. */
  watchHead(timeoutMs: number): void {
    this.#headers ??= this.#create(onHeaders);
    if (!this.#headers.isArmed()) this.#headers.start(timeoutMs, this.#clock.nowMs());
  }

  stopWatchingHead(): void {
    if (this.#headers !== null) this.#headers.stop();
  }

  isDraining(): boolean {
    return this.#drain !== null;
  }

  startDrain(timeoutMs: number, nowMs: number): void {
    this.#drain ??= this.#create(onDrain);
    this.#drain.start(timeoutMs, nowMs);
  }

  startListenerDrain(timeoutMs: number, nowMs: number): void {
    this.#listenerDrain ??= this.#create(onListenerDrain);
    this.#listenerDrain.start(timeoutMs, nowMs);
  }

  /** The connection is over. */
  dispose(): void {
    this.#isDisposed = true;
    this.#idle?.dispose();
    this.#duration?.dispose();
    this.#headers?.dispose();
    this.#drain?.dispose();
    this.#listenerDrain?.dispose();
  }

  #create(expire: (owner: TimedConnection) => void): ConnectionTimer {
    return new DeadlineTimer<TimedConnection>(this.#timers, this.#clock, expire, this.#owner);
  }
}

function onIdle(owner: TimedConnection): void {
  owner.onIdleTimeout();
}

function onDuration(owner: TimedConnection): void {
  owner.onMaxDuration();
}

function onHeaders(owner: TimedConnection): void {
  owner.onHeadersTimeout();
}

function onDrain(owner: TimedConnection): void {
  owner.onDrainTimeout();
}

function onListenerDrain(owner: TimedConnection): void {
  owner.onListenerDrainTimeout();
}
