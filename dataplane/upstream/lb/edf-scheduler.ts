// Earliest deadline first: weighted picks with the smoothest spread. Envoy: edf_scheduler.h.
//
//   binary min-heap over (deadline, order); entry i: #items[i], #deadlines[i], #orders[i]
//
// pick() takes the root, re-weighs it and puts it back 1 / weight later. Pickers and localities own one each.

import { finish, HOSTS_PER_STEP, type Steps } from '../steps.ts';

/** See the file head. */
export class EdfScheduler<T> {
  readonly #items: T[];
  readonly #deadlines: Float64Array;
  /** Of equal deadlines, who was put in first goes first. */
  readonly #orders: Float64Array;
  #nextOrder: number;

  private constructor(items: readonly T[]) {
    this.#items = [...items];
    this.#deadlines = new Float64Array(items.length);
    this.#orders = new Float64Array(items.length);
    this.#nextOrder = items.length;
  }

  /**
   * `weightOf` > 0. As if `picks` (>= 0) picks had been made before: workers that start at different ones do not march in
   * step. Linear in the number of items.
   */
  static of<T>(items: readonly T[], weightOf: (item: T) => number, picks: number): EdfScheduler<T> {
    return finish(EdfScheduler.make(items, weightOf, picks));
  }

  /** The same. */
  static *make<T>(
    items: readonly T[],
    weightOf: (item: T) => number,
    picks: number,
  ): Steps<EdfScheduler<T>> {
    const scheduler = new EdfScheduler(items);
    yield* scheduler.#start(weightOf, picks);
    return scheduler;
  }

  *#start(weightOf: (item: T) => number, picks: number): Steps {
    const items = this.#items;
    const { length } = items;
    let sum = 0;
    for (let i = 0; i < length; i++) {
      const weight = weightOf(items[i]!);
      this.#deadlines[i] = weight; // for now
      this.#orders[i] = i;
      sum += weight;
      if (i % HOSTS_PER_STEP === HOSTS_PER_STEP - 1) yield;
    }
    let left = picks;
    for (let i = 0; i < length; i++) {
      const weight = this.#deadlines[i]!;
      const whole = Math.floor((picks * weight) / sum);
      left -= whole;
      this.#deadlines[i] = (whole + 1) / weight;
      if (i % HOSTS_PER_STEP === HOSTS_PER_STEP - 1) yield;
    }
    for (let i = (length >> 1) - 1; i >= 0; i--) {
      this.#siftDown(i);
      if (i % HOSTS_PER_STEP === 0) yield;
    }
    for (; left > 0 && length > 0; left--) {
      this.pick(weightOf);
      if (left % HOSTS_PER_STEP === 0) yield;
    }
  }

  /** The next item; it comes again after 1 / weightOf(item). Null = there are none. */
  pick(weightOf: (item: T) => number): T | null {
    if (this.#items.length === 0) return null;
    const first = this.#items[0]!;
    this.#deadlines[0] = this.#deadlines[0]! + 1 / weightOf(first);
    this.#orders[0] = this.#nextOrder++;
    this.#siftDown(0);
    return first;
  }

  #siftDown(start: number): void {
    const items = this.#items;
    const deadlines = this.#deadlines;
    const orders = this.#orders;
    const { length } = items;
    const item = items[start]!;
    const deadline = deadlines[start]!;
    const order = orders[start]!;
    let at = start;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      let soonest = deadlines[child]!;
      if (child + 1 < length) {
        const other = deadlines[child + 1]!;
        if (other < soonest || (other === soonest && orders[child + 1]! < orders[child]!)) {
          child++;
          soonest = other;
        }
      }
      if (soonest > deadline || (soonest === deadline && orders[child]! > order)) break;
      items[at] = items[child]!;
      deadlines[at] = soonest;
      orders[at] = orders[child]!;
      at = child;
    }
    items[at] = item;
    deadlines[at] = deadline;
    orders[at] = order;
  }
}
