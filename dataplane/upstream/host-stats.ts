// Counters of one host in one worker, with the two that all workers share. Written by pools and the
// router, read by least request and /clusters.

import { tryAcquireBelow } from '../../common/shared-memory.ts';
import type { HostStats } from '../api/host.ts';
import { HostWord, type SlotRef } from './shared-state.ts';

export class SharedHostStats implements HostStats {
  cxTotal = 0;
  cxConnectFail = 0;
  rqPendingActive = 0;
  rqTotal = 0;
  rqSuccess = 0;
  rqError = 0;
  rqTimeout = 0;
  readonly #words: Int32Array;
  readonly #rqActiveAt: number;
  readonly #cxActiveAt: number;

  constructor({ words, base }: SlotRef) {
    this.#words = words;
    this.#rqActiveAt = base + HostWord.RqActive;
    this.#cxActiveAt = base + HostWord.CxActive;
  }

  adjustActive(delta: 1 | -1): void {
    Atomics.add(this.#words, this.#rqActiveAt, delta);
  }

  /** One connection more, unless there are `max` of all workers. */
  tryAddCx(max: number): boolean {
    return tryAcquireBelow(this.#words, this.#cxActiveAt, max);
  }

  adjustCxActive(delta: 1 | -1): void {
    Atomics.add(this.#words, this.#cxActiveAt, delta);
  }

  /** Over all workers. */
  rqActive(): number {
    return Atomics.load(this.#words, this.#rqActiveAt);
  }
}
