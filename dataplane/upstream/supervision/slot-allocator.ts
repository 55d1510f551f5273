// Gives out slots of shared memory in the main thread and takes them back once no worker uses them.

import type { Clock } from '../../../common/clock.ts';
import type { Timer, TimerService } from '../../../common/timer.ts';
import {
  CHUNK_SLOTS,
  ClusterWord,
  clearSlot,
  readWord,
  type SharedChunks,
  type SlotAddress,
  type SlotRef,
} from '../shared-state.ts';

/** A worker may not have read the message yet that makes it a user; nobody's queue is that long. */
const QUARANTINE_MS = 30_000;

interface RetiredSlot {
  readonly address: SlotAddress;
  readonly ref: SlotRef;
  readonly retiredMs: number;
}

export interface SlotAllocatorOptions {
  readonly shared: SharedChunks;
  readonly clock: Clock;
  readonly timers: TimerService;
  /** A new chunk: must reach every worker before anything that names a slot in it. */
  readonly onChunk: (index: number, buffer: SharedArrayBuffer) => void;
}

/** One per process. */
export class SlotAllocator {
  readonly #options: SlotAllocatorOptions;
  readonly #free: SlotAddress[] = [];
  #retired: RetiredSlot[] = [];
  readonly #timer: Timer;

  constructor(options: SlotAllocatorOptions) {
    this.#options = options;
    this.#timer = options.timers.createTimer(reclaim, this);
  }

  /** A zeroed slot. */
  allocate(): SlotAddress {
    if (this.#free.length === 0) this.#addChunk();
    const address = this.#free.pop()!;
    clearSlot(this.#options.shared.ref(address));
    return address;
  }

  /** The owner is gone; the slot is free once the workers have let go of it. */
  retire(address: SlotAddress): void {
    const { shared, clock } = this.#options;
    this.#retired.push({ address, ref: shared.ref(address), retiredMs: clock.nowMs() });
    if (!this.#timer.isArmed()) this.#timer.start(QUARANTINE_MS);
  }

  /** Timer: frees what may be freed. */
  reclaim(): void {
    const nowMs = this.#options.clock.nowMs();
    this.#retired = this.#retired.filter(({ address, ref, retiredMs }) => {
      // Host and cluster slots have `users` at the same place.
      const isInUse = nowMs - retiredMs < QUARANTINE_MS || readWord(ref, ClusterWord.Users) !== 0;
      if (!isInUse) this.#free.push(address);
      return isInUse;
    });
    if (this.#retired.length > 0) this.#timer.start(QUARANTINE_MS);
  }

  close(): void {
    this.#timer.stop();
  }

  #addChunk(): void {
    const { index, buffer } = this.#options.shared.create();
    // Last first, so that slots are given out in order.
    for (let slot = CHUNK_SLOTS - 1; slot >= 0; slot--) this.#free.push({ chunk: index, slot });
    this.#options.onChunk(index, buffer);
  }
}

function reclaim(allocator: SlotAllocator): void {
  allocator.reclaim();
}
