// Streams of one worker that wait for something that main was asked for. Holds nothing for longer than a stream waits:
// whoever goes takes its name along, so that there are never more names than waiting streams.

import {
  type OnDemand,
  type OnDemandOutcome,
  type OnDemandWaiter,
  onDemandKey,
} from '../api/on-demand.ts';
import type { ResourceReference } from '../api/resource-compiler.ts';

/** See the file head. One per worker. */
export class WorkerOnDemand implements OnDemand {
  readonly #request: (target: ResourceReference) => void;
  readonly #waiting = new Map<string, Set<OnDemandWaiter>>();
  readonly #keyOf = new Map<OnDemandWaiter, string>();

  /** `request`: to main. */
  constructor(request: (target: ResourceReference) => void) {
    this.#request = request;
  }

  ask(target: ResourceReference, waiter: OnDemandWaiter): void {
    const key = onDemandKey(target);
    let waiting = this.#waiting.get(key);
    if (waiting === undefined) {
      waiting = new Set();
      this.#waiting.set(key, waiting);
      this.#request(target);
    }
    waiting.add(waiter);
    this.#keyOf.set(waiter, key);
  }

  cancel(waiter: OnDemandWaiter): void {
    const key = this.#keyOf.get(waiter);
    if (key === undefined) return;
    this.#keyOf.delete(waiter);
    const waiting = this.#waiting.get(key);
    waiting?.delete(waiter);
    if (waiting?.size === 0) this.#waiting.delete(key);
  }

  /** From main. */
  answer(key: string, outcome: OnDemandOutcome): void {
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) return;
    this.#waiting.delete(key);
    const bugs: unknown[] = [];
    for (const waiter of waiting) {
      // Gone, because of what one before it did.
      if (this.#keyOf.get(waiter) !== key) continue;
      this.#keyOf.delete(waiter);
      try {
        waiter.onDemandAnswer(outcome);
      } catch (thrown) {
        // Nobody will answer the others a second time.
        bugs.push(thrown);
      }
    }
    if (bugs.length > 0) throw bugs[0];
  }
}
