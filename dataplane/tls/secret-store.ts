// What the TLS contexts of one worker share: the SDS secrets by name, the seed of this process's session
// tickets, and the clock that certificates are judged by. Contexts subscribe; a rotation replaces the entry
// and the next handshake uses it, connections that stand are not touched (as Envoy).

import { randomBytes } from 'node:crypto';
import { type Clock, systemClock } from '../../common/clock.ts';
import type { SecretData } from '../api/config/tls.ts';

export interface SecretStoreOptions {
  /** 32 random bytes, the same in all workers of a process; default: this thread's own. */
  readonly ticketSeed?: Uint8Array;
  readonly clock?: Clock;
}

/** Holds SDS secrets; written by the worker's channel, read by TLS contexts. */
export class SecretStore {
  readonly ticketSeed: Uint8Array;
  readonly clock: Clock;
  readonly #secrets = new Map<string, SecretData>();
  readonly #listeners = new Map<string, Set<() => void>>();

  constructor({ ticketSeed, clock }: SecretStoreOptions = {}) {
    this.ticketSeed = ticketSeed ?? randomBytes(32);
    this.clock = clock ?? systemClock;
  }

  get(name: string): SecretData | null {
    return this.#secrets.get(name) ?? null;
  }

  /** Adds or replaces; tells the subscribers of that name at once. */
  set(secret: SecretData): void {
    this.#secrets.set(secret.name, secret);
    const listeners = this.#listeners.get(secret.name);
    if (listeners !== undefined) for (const listener of listeners) listener();
  }

  /** Calls `onChange` after every set of `name`; the returned function unsubscribes. */
  subscribe(name: string, onChange: () => void): () => void {
    let listeners = this.#listeners.get(name);
    if (listeners === undefined) {
      listeners = new Set();
      this.#listeners.set(name, listeners);
    }
    const set = listeners;
    set.add(onChange);
    return () => set.delete(onChange);
  }
}
