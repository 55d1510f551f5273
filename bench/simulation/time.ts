// Simulated time: a clock that jumps from event to event, and timers on it. Everything of a simulation runs on one.

import type { Clock } from '../../common/clock.ts';
import type { Timer, TimerService } from '../../common/timer.ts';

interface Entry {
  dueMs: number;
  order: number;
  run: (() => void) | null;
}

export class SimulatedTime implements Clock, TimerService {
  #nowMs = 0;
  #order = 0;
  /** A binary heap by (dueMs, order). */
  readonly #heap: Entry[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  machineMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  /** The result cancels it. */
  after(delayMs: number, run: () => void): Entry {
    const entry = { dueMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run };
    this.#push(entry);
    return entry;
  }

  cancel(entry: Entry): void {
    entry.run = null;
  }

  createTimer<S>(fire: (state: S) => void, state: S): Timer {
    let armed: Entry | null = null;
    const stop = (): void => {
      if (armed !== null) this.cancel(armed);
      armed = null;
    };
    return {
      start: (delayMs) => {
        stop();
        armed = this.after(delayMs, () => {
          armed = null;
          fire(state);
        });
      },
      stop,
      isArmed: () => armed !== null,
    };
  }

  /** Everything that is due until then. */
  runUntil(ms: number): void {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.dueMs > ms) break;
      this.#pop();
      this.#nowMs = first.dueMs;
      first.run?.();
    }
    this.#nowMs = ms;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}
