// One instance of the simulated service: so many calls at once, the rest waits in line. What it does with a call is set
// by the scenario.

import type { Random } from '../../common/clock.ts';
import type { SimulatedTime } from './time.ts';

/** `fail`: 503 after a millisecond. `hang`: no answer, ever. */
export type Behaviour = 'serve' | 'fail' | 'hang';

const FAIL_MS = 1;
const REPORT_WINDOW_MS = 1000;

export class Server {
  behaviour: Behaviour = 'serve';
  /** Times as long as the others. */
  slowness = 1;
  /** Calls that came. */
  arrived = 0;
  readonly #time: SimulatedTime;
  readonly #random: Random;
  readonly #concurrency: number;
  readonly #meanMs: number;
  #busy = 0;
  readonly #waiting: ((status: number) => void)[] = [];
  #served = 0;
  #busyMs = 0;
  #windowFromMs = 0;
  /** endpoint-load-metrics of the last full second. */
  report = '';

  constructor(time: SimulatedTime, random: Random, concurrency: number, meanMs: number) {
    this.#time = time;
    this.#random = random;
    this.#concurrency = concurrency;
    this.#meanMs = meanMs;
  }

  handle(answer: (status: number) => void): void {
    this.arrived++;
    if (this.behaviour === 'fail') this.#time.after(FAIL_MS, () => answer(503));
    else if (this.behaviour === 'serve') {
      if (this.#busy < this.#concurrency) this.#serve(answer);
      else this.#waiting.push(answer);
    }
  }

  #serve(answer: (status: number) => void): void {
    this.#busy++;
    // Exponential: most calls are short, some are not.
    const ms = -Math.log(1 - this.#random()) * this.#meanMs * this.slowness;
    this.#time.after(ms, () => {
      this.#busy--;
      this.#served++;
      this.#busyMs += ms;
      this.#measure();
      answer(200);
      const next = this.#waiting.shift();
      if (next !== undefined) this.#serve(next);
    });
  }

  #measure(): void {
    const nowMs = this.#time.nowMs();
    const elapsedMs = nowMs - this.#windowFromMs;
    if (elapsedMs < REPORT_WINDOW_MS) return;
    const rps = (1000 * this.#served) / elapsedMs;
    const utilization = this.#busyMs / (elapsedMs * this.#concurrency);
    this.report = `TEXT rps_fractional:${rps},application_utilization:${utilization}`;
    this.#served = 0;
    this.#busyMs = 0;
    this.#windowFromMs = nowMs;
  }
}
