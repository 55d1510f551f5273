// Resources with a time to live (Resource.ttl): one that is not renewed in time, by a new version or by a heartbeat
// without content, is dropped. One per source; a resource without ttl lives for as long as it is wanted.

import type { Timer, TimerService } from '../../common/timer.ts';
import type { ResourceKind } from '../api/resource-compiler.ts';
import type { Update } from './resource-source.ts';
import type { TakenUpdate } from './resource-update.ts';

export class Lifetimes {
  readonly #timers: TimerService;
  readonly #onExpired: (kind: ResourceKind, name: string) => void;
  /** By kind and name: of those that have a ttl. */
  readonly #running = new Map<string, Timer>();

  constructor(timers: TimerService, onExpired: (kind: ResourceKind, name: string) => void) {
    this.#timers = timers;
    this.#onExpired = onExpired;
  }

  /**
   * Begins anew what an update says; a refused resource leaves the time of the one before running. Of resources without
   * wrapper (state of the world) only `present` knows the names: they have no ttl.
   */
  renew(
    { kind, resources, removed }: Update,
    { present, rejected }: TakenUpdate,
    wants: (name: string) => boolean,
  ): void {
    const ttls = new Map(resources.map(({ name, ttlMs }) => [name, ttlMs]));
    for (const name of present) {
      if (rejected.has(name)) continue;
      this.end(kind, name);
      const ttlMs = ttls.get(name);
      if (ttlMs !== undefined && wants(name)) this.#begin(kind, name, ttlMs);
    }
    for (const name of removed) this.end(kind, name);
  }

  /** Nobody wants it any more. */
  end(kind: ResourceKind, name: string): void {
    const key = `${kind} ${name}`;
    this.#running.get(key)?.stop();
    this.#running.delete(key);
  }

  stop(): void {
    for (const timer of this.#running.values()) timer.stop();
    this.#running.clear();
  }

  #begin(kind: ResourceKind, name: string, ttlMs: number): void {
    const timer = this.#timers.createTimer(() => {
      this.end(kind, name);
      this.#onExpired(kind, name);
    }, null);
    timer.start(ttlMs);
    this.#running.set(`${kind} ${name}`, timer);
  }
}
