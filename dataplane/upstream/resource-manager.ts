// Ceilings of one cluster ("circuit breakers") over all workers, on the counters in its shared slot.
// Used by pools and the router. A ceiling is exact: compare-and-swap, so no worker overshoots, and none
// is refused because of another's attempt that fails.

import { tryAcquireBelow } from '../../common/shared-memory.ts';
import type { Resource, ResourceManager, ResourcePriority } from '../api/cluster.ts';
import type { ThresholdsConfig } from '../api/config/cluster.ts';
import { ResourceWord, resourceWord, type SlotRef } from './shared-state.ts';

/** A ceiling that config gives. */
class FixedResource implements Resource {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #max: number;

  constructor(words: Int32Array, at: number, max: number) {
    this.#words = words;
    this.#at = at;
    this.#max = max;
  }

  tryAcquire(): boolean {
    return tryAcquireBelow(this.#words, this.#at, this.#max);
  }

  acquire(): void {
    Atomics.add(this.#words, this.#at, 1);
  }

  release(): void {
    Atomics.sub(this.#words, this.#at, 1);
  }

  count(): number {
    return Atomics.load(this.#words, this.#at);
  }

  max(): number {
    return this.#max;
  }
}

/** Retries under a budget: the ceiling follows what is active and pending right now. */
class RetryBudget implements Resource {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #budgetPercent: number;
  readonly #minRetryConcurrency: number;
  readonly #requests: Resource;
  readonly #pending: Resource;

  constructor(
    words: Int32Array,
    at: number,
    budget: NonNullable<ThresholdsConfig['retryBudget']>,
    requests: Resource,
    pending: Resource,
  ) {
    this.#words = words;
    this.#at = at;
    this.#budgetPercent = budget.budgetPercent;
    this.#minRetryConcurrency = budget.minRetryConcurrency;
    this.#requests = requests;
    this.#pending = pending;
  }

  tryAcquire(): boolean {
    return tryAcquireBelow(this.#words, this.#at, this.max());
  }

  acquire(): void {
    Atomics.add(this.#words, this.#at, 1);
  }

  release(): void {
    Atomics.sub(this.#words, this.#at, 1);
  }

  count(): number {
    return Atomics.load(this.#words, this.#at);
  }

  max(): number {
    const current = this.#requests.count() + this.#pending.count();
    const allowed = Math.trunc((this.#budgetPercent / 100) * current);
    return Math.max(allowed, this.#minRetryConcurrency);
  }
}

/** The four ceilings of one priority. */
export class PriorityResources implements ResourceManager {
  readonly connections: Resource;
  readonly pendingRequests: Resource;
  readonly requests: Resource;
  readonly retries: Resource;

  constructor({ words, base }: SlotRef, priority: ResourcePriority, thresholds: ThresholdsConfig) {
    const at = (word: ResourceWord): number => base + resourceWord(priority, word);
    this.connections = new FixedResource(
      words,
      at(ResourceWord.Connections),
      thresholds.maxConnections,
    );
    this.pendingRequests = new FixedResource(
      words,
      at(ResourceWord.Pending),
      thresholds.maxPendingRequests,
    );
    this.requests = new FixedResource(words, at(ResourceWord.Requests), thresholds.maxRequests);
    this.retries =
      thresholds.retryBudget === null
        ? new FixedResource(words, at(ResourceWord.Retries), thresholds.maxRetries)
        : new RetryBudget(
            words,
            at(ResourceWord.Retries),
            thresholds.retryBudget,
            this.requests,
            this.pendingRequests,
          );
  }
}
