// Ceilings of one cluster ("circuit breakers") over all workers, on the counters in its shared slot.
// Used by pools and the router. A ceiling is exact: compare-and-swap, so no worker overshoots, and none
// is refused because of another's attempt that fails.

import type { Clock } from '../../common/clock.ts';
import { tryAcquireBelow } from '../../common/shared-memory.ts';
import type { Resource, ResourceManager, ResourcePriority } from '../api/cluster.ts';
import type { RetryBudgetConfig, ThresholdsConfig } from '../api/config/cluster.ts';
import type { RuntimeNumber } from '../api/runtime.ts';
import { RuntimeValue } from '../matcher/runtime-value.ts';
import { RecentRequests } from './recent-requests.ts';
import type { RetryRate } from './retry-rate.ts';
import {
  changeUsers,
  poolsWord,
  ResourceWord,
  resourceWord,
  type SlotRef,
} from './shared-state.ts';

/** A counter in shared memory; a subclass says where its ceiling is. */
abstract class SharedResource implements Resource {
  readonly #words: Int32Array;
  readonly #at: number;

  constructor({ words, base }: SlotRef, word: number) {
    this.#words = words;
    this.#at = base + word;
  }

  abstract max(): number;

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
}

/** A ceiling that config gives, and runtime may change. */
class FixedResource extends SharedResource {
  readonly #max: RuntimeValue;

  constructor(slot: SlotRef, word: number, max: RuntimeNumber) {
    super(slot, word);
    this.#max = new RuntimeValue(max);
  }

  override max(): number {
    return this.#max.number();
  }
}

/** Requests whose number in the last time matters, too. */
class CountedRequests extends FixedResource {
  readonly #recent: readonly RecentRequests[];

  constructor(slot: SlotRef, word: number, max: RuntimeNumber, recent: readonly RecentRequests[]) {
    super(slot, word, max);
    this.#recent = recent;
  }

  override tryAcquire(): boolean {
    if (!super.tryAcquire()) return false;
    for (const recent of this.#recent) recent.add();
    return true;
  }

  override acquire(): void {
    super.acquire();
    for (const recent of this.#recent) recent.add();
  }
}

/** Retries under a budget: the ceiling follows what is active and pending right now, or was begun lately. */
class RetryBudget extends SharedResource {
  readonly #percent: RuntimeValue;
  readonly #minConcurrency: RuntimeValue;
  readonly #requests: Resource;
  readonly #pending: Resource;
  readonly #recent: RecentRequests | null;

  constructor(
    slot: SlotRef,
    word: number,
    budget: RetryBudgetConfig,
    requests: readonly [active: Resource, pending: Resource],
    recent: RecentRequests | null,
  ) {
    super(slot, word);
    this.#percent = new RuntimeValue(budget.budgetPercent);
    this.#minConcurrency = new RuntimeValue(budget.minRetryConcurrency);
    [this.#requests, this.#pending] = requests;
    this.#recent = recent;
  }

  override max(): number {
    const requests =
      this.#recent === null ? this.#requests.count() + this.#pending.count() : this.#recent.count();
    const allowed = Math.trunc((this.#percent.number() / 100) * requests);
    return Math.max(allowed, this.#minConcurrency.number());
  }
}

/**
 * A retry is held over its back-off, and by a try that may be another cluster's: when this cluster was removed meanwhile,
 * its slot must not be given to somebody else before that.
 */
class HeldRetries implements Resource {
  readonly #retries: Resource;
  readonly #slot: SlotRef;

  constructor(retries: Resource, slot: SlotRef) {
    this.#retries = retries;
    this.#slot = slot;
  }

  tryAcquire(): boolean {
    if (!this.#retries.tryAcquire()) return false;
    changeUsers(this.#slot, 1);
    return true;
  }

  acquire(): void {
    this.#retries.acquire();
    changeUsers(this.#slot, 1);
  }

  release(): void {
    this.#retries.release();
    changeUsers(this.#slot, -1);
  }

  count(): number {
    return this.#retries.count();
  }

  max(): number {
    return this.#retries.max();
  }
}

/** Retries that a budget by rate has to allow, too. */
class RatedRetries implements Resource {
  readonly #retries: Resource;
  readonly #rate: RetryRate;

  constructor(retries: Resource, rate: RetryRate) {
    this.#retries = retries;
    this.#rate = rate;
  }

  tryAcquire(): boolean {
    if (!this.#retries.tryAcquire()) return false;
    if (this.#rate.tryTake()) return true;
    this.#retries.release();
    return false;
  }

  acquire(): void {
    this.#retries.acquire();
  }

  release(): void {
    this.#retries.release();
  }

  count(): number {
    return this.#retries.count();
  }

  max(): number {
    return this.#retries.max();
  }
}

/** What is not counted, as there is no ceiling. */
const unlimited: Resource = {
  tryAcquire: () => true,
  acquire() {},
  release() {},
  count: () => 0,
  max: () => Number.POSITIVE_INFINITY,
};

/** The ceilings of one priority. */
export class PriorityResources implements ResourceManager {
  readonly connections: Resource;
  readonly connectionPools: Resource;
  readonly maxConnectionsPerHost: number;
  readonly pendingRequests: Resource;
  readonly requests: Resource;
  readonly retries: Resource;

  constructor(
    slot: SlotRef,
    priority: ResourcePriority,
    thresholds: ThresholdsConfig,
    clock: Clock,
    rate: RetryRate | null = null,
  ) {
    const { maxConnectionPools, maxRequests, retryBudget } = thresholds;
    const at = (word: ResourceWord): number => resourceWord(priority, word);
    const fixed = (word: ResourceWord, max: RuntimeNumber): Resource =>
      new FixedResource(slot, at(word), max);
    const memory = retryBudget?.recentRequests ?? null;
    const recent =
      memory === null ? null : new RecentRequests(memory, retryBudget!.intervalMs, clock);
    this.connections = fixed(ResourceWord.Connections, thresholds.maxConnections);
    this.connectionPools =
      maxConnectionPools === null
        ? unlimited
        : new FixedResource(slot, poolsWord(priority), maxConnectionPools);
    this.maxConnectionsPerHost = thresholds.maxConnectionsPerHost ?? Number.POSITIVE_INFINITY;
    this.pendingRequests = fixed(ResourceWord.Pending, thresholds.maxPendingRequests);
    const counts = [recent, rate?.requests ?? null].filter((count) => count !== null);
    this.requests =
      counts.length === 0
        ? fixed(ResourceWord.Requests, maxRequests)
        : new CountedRequests(slot, at(ResourceWord.Requests), maxRequests, counts);
    const retries =
      retryBudget === null
        ? fixed(ResourceWord.Retries, thresholds.maxRetries)
        : new RetryBudget(
            slot,
            at(ResourceWord.Retries),
            retryBudget,
            [this.requests, this.pendingRequests],
            recent,
          );
    this.retries = new HeldRetries(rate === null ? retries : new RatedRetries(retries, rate), slot);
  }
}
