// A retry budget by rate: of the first tries that began in the last time, so many per cent may be followed by another. Over
// all workers; made from ClusterConfig.retryRate (config/retry-rate.ts). Used by resource-manager.ts.

import type { Clock } from '../../common/clock.ts';
import type { RetryRateConfig } from '../api/config/cluster.ts';
import { RecentRequests } from './recent-requests.ts';

export class RetryRate {
  /** Tries of any kind. */
  readonly requests: RecentRequests;
  readonly #retries: RecentRequests;
  readonly #share: number;
  readonly #least: number;

  constructor(config: RetryRateConfig, clock: Clock) {
    const { percent, intervalMs, minRetriesPerSecond } = config;
    this.requests = new RecentRequests(config.requests, intervalMs, clock);
    this.#retries = new RecentRequests(config.retries, intervalMs, clock);
    this.#share = percent / 100;
    this.#least = (minRetriesPerSecond * intervalMs) / 1000;
  }

  /** One retry more; false = the budget is used up. Never more than it, whatever other workers do at the same time. */
  tryTake(): boolean {
    this.#retries.add();
    const retries = this.#retries.count();
    const first = Math.max(0, this.requests.count() - (retries - 1));
    if (retries <= Math.max(this.#share * first, this.#least)) return true;
    this.#retries.remove();
    return false;
  }
}
