// Long work of a worker in small steps, so that requests are served in between: a generator yields wherever it may be
// put off, and a StepRunner goes on with it for a while in each turn of the event loop. Used for host sets and what
// policies make of them (cluster-hosts, lb/).

import type { Clock } from '../../common/clock.ts';
import type { Timer, TimerService } from '../../common/timer.ts';

/** Work that ends with a T. Between two yields: well below a millisecond, also in code that runs for the first time. */
export type Steps<T = void> = Generator<void, T, void>;

/** Loops over hosts yield after as many: a few microseconds each before they are compiled. */
export const HOSTS_PER_STEP = 64;

/** With a turn's other work, and a collection of garbage, well below 10 ms. */
const TURN_MS = 2;

/** All of it now. */
export function finish<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

interface Work {
  readonly name: string;
  readonly steps: Steps;
  readonly onDone: () => void;
}

/** See the file head. Work is done in the order in which it came. One per worker. */
export class StepRunner {
  readonly #clock: Clock;
  readonly #timer: Timer;
  readonly #waiting: Work[] = [];

  constructor(clock: Clock, timers: TimerService) {
    this.#clock = clock;
    this.#timer = timers.createTimer(runSome, this);
  }

  /** Begins at once unless others wait; `onDone` may be called before this returns. Throws what the first steps throw. */
  run(name: string, steps: Steps, onDone: () => void): void {
    this.#waiting.push({ name, steps, onDone });
    if (this.#waiting.length === 1) this.runSome();
  }

  /** All work of that name is done now, because something comes that builds upon it. */
  finish(name: string): void {
    for (const work of this.#waiting.filter((one) => one.name === name)) {
      this.#remove(work);
      try {
        finish(work.steps);
      } finally {
        work.onDone();
      }
    }
  }

  /** Timer: as much as a turn allows. */
  runSome(): void {
    const untilMs = this.#clock.nowMs() + TURN_MS;
    for (let work = this.#waiting[0]; work !== undefined; work = this.#waiting[0]) {
      if (this.#isDone(work)) {
        this.#remove(work);
        work.onDone();
      }
      if (this.#clock.nowMs() >= untilMs) break;
    }
    if (this.#waiting.length > 0) this.#timer.start(0);
  }

  /** One step. Work that throws is over: whoever waits for it or behind it goes on. */
  #isDone(work: Work): boolean {
    try {
      return work.steps.next().done === true;
    } catch (thrown) {
      this.#remove(work);
      if (this.#waiting.length > 0) this.#timer.start(0);
      work.onDone();
      throw thrown;
    }
  }

  #remove(work: Work): void {
    this.#waiting.splice(this.#waiting.indexOf(work), 1);
  }
}

function runSome(runner: StepRunner): void {
  runner.runSome();
}
