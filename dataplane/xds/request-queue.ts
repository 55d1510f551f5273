// rate_limit_settings: requests to one management server pass through a token bucket, which is full at first; what there
// is no token for waits.

import type { Clock } from '../../common/clock.ts';
import type { Timer, TimerService } from '../../common/timer.ts';
import type { RequestRateLimit } from '../api/config/config-source.ts';
import type { ControlPlaneStats } from './xds-stats.ts';

export interface RequestQueueOptions {
  readonly limit: RequestRateLimit;
  readonly clock: Clock;
  readonly timers: TimerService;
  readonly stats: Pick<ControlPlaneStats, 'pendingRequests' | 'rateLimitEnforced'>;
  readonly send: (bytes: Buffer) => void;
}

const MS_PER_SECOND = 1000;

export class RequestQueue {
  readonly #options: RequestQueueOptions;
  readonly #timer: Timer;
  #waiting: Buffer[] = [];
  #tokens: number;
  #filledAtMs: number;

  constructor(options: RequestQueueOptions) {
    this.#options = options;
    this.#timer = options.timers.createTimer(sendWaiting, this);
    this.#tokens = options.limit.maxTokens;
    this.#filledAtMs = options.clock.nowMs();
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.length;
  }

  /** Sends it now or when its turn comes. */
  add(bytes: Buffer): void {
    this.#waiting.push(bytes);
    if (!this.#timer.isArmed()) this.sendWaiting();
    this.#options.stats.pendingRequests = this.size;
  }

  /** The stream is gone: nobody wants them any more. */
  clear(): void {
    this.#timer.stop();
    this.#waiting = [];
    this.#options.stats.pendingRequests = 0;
  }

  /** Of the timer. */
  sendWaiting(): void {
    const { limit, stats, send } = this.#options;
    this.#fill();
    const count = Math.min(this.size, Math.floor(this.#tokens));
    this.#tokens -= count;
    for (const bytes of this.#waiting.splice(0, count)) send(bytes);
    stats.pendingRequests = this.size;
    if (this.size === 0) return;
    stats.rateLimitEnforced++;
    this.#timer.start(Math.ceil(((1 - this.#tokens) / limit.fillRate) * MS_PER_SECOND));
  }

  #fill(): void {
    const { limit, clock } = this.#options;
    const nowMs = clock.nowMs();
    const filled = ((nowMs - this.#filledAtMs) / MS_PER_SECOND) * limit.fillRate;
    this.#tokens = Math.min(limit.maxTokens, this.#tokens + filled);
    this.#filledAtMs = nowMs;
  }
}

function sendWaiting(queue: RequestQueue): void {
  queue.sendWaiting();
}
