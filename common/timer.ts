// Timers that can be re-armed without a closure or an allocation per arming.
// The request path arms and disarms several per request, so arming is O(1) list work on a coarse
// wheel; delays under one second use a real timer because the wheel's tick would distort them.
// Delays past 24 days (setTimeout overflows and fires at once) are the wheel's by construction.

/** A service that creates timers; a test injects a fake one that it advances by hand. */
export interface TimerService {
  /** Creates a disarmed timer; `fire(state)` runs once per arming, on the event loop. */
  createTimer<S>(fire: (state: S) => void, state: S): Timer;
}

export interface Timer {
  /** (Re-)arms to fire in `delayMs` from now; what is no number or negative counts as 0. */
  start(delayMs: number): void;
  /** Disarms; harmless when not armed. */
  stop(): void;
  isArmed(): boolean;
}

const TICK_MS = 50;
const SLOTS = 512;
const REAL_TIMER_BELOW_MS = 1000;
/**
 * A timer that is later than this shows that the loop stood still (no CPU, a suspended machine). What came meanwhile is
 * read first then: the answer that a timeout waited for may be among it, and nobody is to be blamed for our own pause.
 */
const STALL_MS = 200;
/** Timers armed since the last tick: no clock is read per arming, and most are disarmed before they need a slot. */
const FRESH = SLOTS;
/** Values of WheelTimer.slot that are not a slot number. */
const NOT_ARMED = -1;
const DUE = -2;

class WheelTimer implements Timer {
  next: WheelTimer | null = null;
  prev: WheelTimer | null = null;
  slot = NOT_ARMED;
  delayMs = 0;
  /** Whole turns of the wheel still to wait. */
  rounds = 0;
  real: NodeJS.Timeout | null = null;
  /** When `real` is due, performance.now(). */
  dueMs = 0;
  /** Instead of `real`, once that was late. */
  late: NodeJS.Immediate | null = null;
  readonly #wheel: TimerWheel;
  readonly #fire: (state: unknown) => void;
  readonly #state: unknown;

  constructor(wheel: TimerWheel, fire: (state: unknown) => void, state: unknown) {
    this.#wheel = wheel;
    this.#fire = fire;
    this.#state = state;
  }

  start(delayMs: number): void {
    this.stop();
    // This way round because NaN is not less than anything either.
    if (!(delayMs >= REAL_TIMER_BELOW_MS)) {
      const waitMs = Math.max(0, delayMs);
      this.dueMs = performance.now() + waitMs;
      this.real = setTimeout(fireReal, waitMs, this);
      return;
    }
    this.#wheel.insert(this, delayMs);
  }

  stop(): void {
    if (this.real !== null) {
      clearTimeout(this.real);
      this.real = null;
    }
    if (this.late !== null) {
      clearImmediate(this.late);
      this.late = null;
    }
    if (this.slot >= 0) this.#wheel.remove(this);
    else this.slot = NOT_ARMED;
  }

  isArmed(): boolean {
    return this.real !== null || this.late !== null || this.slot !== NOT_ARMED;
  }

  run(): void {
    this.#fire(this.#state);
  }
}

function fireReal(timer: WheelTimer): void {
  timer.real = null;
  // An immediate comes behind the loop's next look at its sockets.
  if (performance.now() - timer.dueMs > STALL_MS) timer.late = setImmediate(fireLate, timer);
  else timer.run();
}

function fireLate(timer: WheelTimer): void {
  timer.late = null;
  timer.run();
}

/**
 * The production timer service. Precision: real-timer for < 1 s, else up to 50 ms late, never early.
 * The wheel's own interval runs only while something is armed and does not keep the process alive.
 */
export class TimerWheel implements TimerService {
  readonly #slots: (WheelTimer | null)[] = new Array<WheelTimer | null>(SLOTS + 1).fill(null);
  #current = 0;
  #armed = 0;
  #interval: NodeJS.Timeout | null = null;
  #lastTickMs = 0;
  /** A tick was late: it waits until the loop has looked at its sockets. */
  #isLate = false;

  createTimer<S>(fire: (state: S) => void, state: S): Timer {
    return new WheelTimer(this, fire as (state: unknown) => void, state);
  }

  insert(timer: WheelTimer, delayMs: number): void {
    if (this.#armed++ === 0) this.#resume();
    timer.delayMs = delayMs;
    this.#push(timer, FRESH);
  }

  /** Gives those that were armed since the last tick their slots, as if all had been armed just now. */
  #placeFresh(): void {
    let timer = this.#slots[FRESH] ?? null;
    this.#slots[FRESH] = null;
    while (timer !== null) {
      const { next } = timer;
      // +1: the current tick may be partly over, and a timer must never be early.
      const ticks = Math.ceil(timer.delayMs / TICK_MS) + 1;
      timer.rounds = Math.floor((ticks - 1) / SLOTS);
      this.#push(timer, (this.#current + ticks) % SLOTS);
      timer = next;
    }
  }

  #push(timer: WheelTimer, slot: number): void {
    timer.slot = slot;
    timer.prev = null;
    const head = this.#slots[slot] ?? null;
    timer.next = head;
    if (head !== null) head.prev = timer;
    this.#slots[slot] = timer;
  }

  remove(timer: WheelTimer): void {
    if (timer.prev !== null) timer.prev.next = timer.next;
    else this.#slots[timer.slot] = timer.next;
    if (timer.next !== null) timer.next.prev = timer.prev;
    timer.next = null;
    timer.prev = null;
    timer.slot = NOT_ARMED;
    this.#armed--;
  }

  #resume(): void {
    this.#lastTickMs = performance.now();
    if (this.#interval === null) {
      this.#interval = setInterval(onTick, TICK_MS, this);
      this.#interval.unref();
    }
  }

  /** Advances by as many ticks as time has passed (a stalled loop catches up, after STALL_MS behind its sockets). */
  tick(): void {
    if (this.#isLate) return;
    if (performance.now() - this.#lastTickMs > TICK_MS + STALL_MS) {
      this.#isLate = true;
      setImmediate(onLateTick, this);
    } else this.#advance();
  }

  advanceLate(): void {
    this.#isLate = false;
    this.#advance();
  }

  #advance(): void {
    if (this.#armed === 0) {
      // Kept running for an idle second or two would be simpler, but an idle sidecar should sleep.
      if (this.#interval !== null) clearInterval(this.#interval);
      this.#interval = null;
      return;
    }
    const nowMs = performance.now();
    // A tick in time counts for them from the one before. One that comes late does not: they may be younger than the stall.
    if (nowMs - this.#lastTickMs < 2 * TICK_MS) this.#placeFresh();
    while (nowMs - this.#lastTickMs >= TICK_MS) {
      this.#lastTickMs += TICK_MS;
      this.#current = (this.#current + 1) % SLOTS;
      const due: WheelTimer[] = [];
      for (let timer = this.#slots[this.#current] ?? null; timer !== null; ) {
        const next: WheelTimer | null = timer.next;
        if (timer.rounds > 0) timer.rounds--;
        else {
          this.remove(timer);
          timer.slot = DUE;
          due.push(timer);
        }
        timer = next;
      }
      for (const timer of due) {
        // One that an earlier one of this batch stopped or re-armed is no longer due.
        if (timer.slot !== DUE) continue;
        timer.slot = NOT_ARMED;
        try {
          timer.run();
        } catch (thrown) {
          // The others of this batch are due as well; whoever listens for uncaught exceptions hears of this one.
          queueMicrotask(() => {
            throw thrown;
          });
        }
      }
    }
    this.#placeFresh();
  }
}

function onLateTick(wheel: TimerWheel): void {
  wheel.advanceLate();
}

function onTick(wheel: TimerWheel): void {
  wheel.tick();
}
