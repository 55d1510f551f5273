// Requests that wait for a connection, oldest first; those that were sent and refused are older than all others. A doubly linked list, because any of them may be
// cancelled (timeouts) while the connection that all wait for is still being made.

import type { Cancellable } from '../../api/cluster.ts';
import type { ResponseDecoder, StreamResetReason } from '../../api/codec.ts';
import type { Host } from '../../api/host.ts';

/** The part of a pool's callbacks that waiting needs. */
export interface FailureCallbacks {
  onPoolFailure(reason: StreamResetReason, transportFailureReason: string, host: Host | null): void;
}

/** Who is told of cancellations. */
export interface PendingOwner<Callbacks extends FailureCallbacks> {
  onPendingCancelled(pending: Pending<Callbacks>): void;
}

export class Pending<Callbacks extends FailureCallbacks> implements Cancellable {
  /** Null in TCP pools. */
  readonly decoder: ResponseDecoder | null;
  readonly callbacks: Callbacks;
  next: Pending<Callbacks> | null = null;
  prev: Pending<Callbacks> | null = null;
  isQueued = false;
  isCancelled = false;
  /** Only a connection that was never used will do, while one is under way. */
  needsNew = false;
  /** It was sent and refused before. */
  isAgain = false;
  readonly #owner: PendingOwner<Callbacks>;

  constructor(
    owner: PendingOwner<Callbacks>,
    callbacks: Callbacks,
    decoder: ResponseDecoder | null,
  ) {
    this.#owner = owner;
    this.callbacks = callbacks;
    this.decoder = decoder;
  }

  /** Harmless once it was served. */
  cancel(): void {
    if (this.isCancelled) return;
    this.isCancelled = true;
    if (this.isQueued) this.#owner.onPendingCancelled(this);
  }
}

export class PendingList<Callbacks extends FailureCallbacks> {
  size = 0;
  #head: Pending<Callbacks> | null = null;
  #tail: Pending<Callbacks> | null = null;
  #lastAgain: Pending<Callbacks> | null = null;

  push(pending: Pending<Callbacks>): void {
    this.#insert(pending, this.#tail);
  }

  /** Before all that were not sent yet, behind the others that were. */
  pushAgain(pending: Pending<Callbacks>): void {
    pending.isAgain = true;
    this.#insert(pending, this.#lastAgain);
    this.#lastAgain = pending;
  }

  /** `prev` null = at the head. */
  #insert(pending: Pending<Callbacks>, prev: Pending<Callbacks> | null): void {
    const next = prev === null ? this.#head : prev.next;
    pending.isQueued = true;
    pending.prev = prev;
    pending.next = next;
    if (prev === null) this.#head = pending;
    else prev.next = pending;
    if (next === null) this.#tail = pending;
    else next.prev = pending;
    this.size++;
  }

  peek(): Pending<Callbacks> | null {
    return this.#head;
  }

  shift(): Pending<Callbacks> | null {
    const head = this.#head;
    if (head !== null) this.remove(head);
    return head;
  }

  remove(pending: Pending<Callbacks>): void {
    if (!pending.isQueued) return;
    pending.isQueued = false;
    if (this.#lastAgain === pending) this.#lastAgain = pending.prev;
    if (pending.prev === null) this.#head = pending.next;
    else pending.prev.next = pending.next;
    if (pending.next === null) this.#tail = pending.prev;
    else pending.next.prev = pending.prev;
    pending.next = null;
    pending.prev = null;
    this.size--;
  }
}
