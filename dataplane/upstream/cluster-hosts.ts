// The hosts of one cluster in one worker, as objects: those of the host set, those that are made for the next one, and
// those that have left and still serve. Owned by cluster.ts, which tells the balancer.
//
//   prepare -> replace: in the set -> replace without it: leaving -> retireSome: retiring -> its connections are gone

import type { Timer, TimerService } from '../../common/timer.ts';
import type { PlacedHost } from '../api/config/cluster.ts';
import type { UpstreamHost } from './host.ts';
import { type SlotAddress, slotKey } from './shared-state.ts';

/** Below a millisecond. */
const RETIRED_PER_TURN = 500;

/** Who makes hosts, and hears of the end of each. */
export interface ClusterHostsOwner {
  createHost(placed: PlacedHost): UpstreamHost;
  onHostRetired(): void;
}

export class ClusterHosts {
  readonly #owner: ClusterHostsOwner;
  /** By slotKey: a slot is one host's as long as anybody uses it, whatever its address (LOGICAL_DNS). */
  #current = new Map<number, UpstreamHost>();
  /** Made, and not in the host set yet. */
  #prepared = new Map<number, UpstreamHost>();
  /** In no host set any more, with connections left. */
  readonly #retiring = new Set<UpstreamHost>();
  /** Among them, those that were not told yet. */
  readonly #leaving: UpstreamHost[] = [];
  readonly #retireTimer: Timer;

  constructor(owner: ClusterHostsOwner, timers: TimerService) {
    this.#owner = owner;
    this.#retireTimer = timers.createTimer(retireSome, this);
  }

  /** The host set. */
  current(): Iterable<UpstreamHost> {
    return this.#current.values();
  }

  count(): number {
    return this.#current.size;
  }

  /** Null = none of the host set. */
  at(slot: SlotAddress): UpstreamHost | null {
    return this.#current.get(slotKey(slot)) ?? null;
  }

  /** These will be in the next host set: the new ones among them are made now. */
  prepare(hosts: readonly PlacedHost[]): void {
    for (const placed of hosts) {
      const key = slotKey(placed);
      if (this.#current.has(key) || this.#prepared.has(key)) continue;
      this.#prepared.set(key, this.#owner.createHost(placed));
    }
  }

  /**
   * The full host set: hosts that stay keep object, counters and connections. True = some came or left. Call retireSome
   * once everybody knows the new set: what drains may retry.
   */
  replace(hosts: readonly PlacedHost[]): boolean {
    const former = this.#current;
    const prepared = this.#prepared;
    const current = new Map<number, UpstreamHost>();
    let isChanged = false;
    for (const placed of hosts) {
      const key = slotKey(placed);
      let host = former.get(key);
      if (host === undefined) {
        host = prepared.get(key) ?? this.#owner.createHost(placed);
        prepared.delete(key);
        isChanged = true;
      } else former.delete(key);
      if (host.placed !== placed) host.update(placed);
      current.set(key, host);
    }
    this.#current = current;
    isChanged ||= former.size > 0;
    // What was to come did not.
    this.#leave(prepared.values());
    this.#prepared = new Map();
    this.#leave(former.values());
    return isChanged;
  }

  #leave(hosts: Iterable<UpstreamHost>): void {
    for (const host of hosts) {
      this.#retiring.add(host);
      this.#leaving.push(host);
    }
  }

  /** Lets some of the hosts that left drain; when very many left at once, requests are served in between. */
  retireSome(): void {
    for (const host of this.#leaving.splice(0, RETIRED_PER_TURN)) this.retire(host);
    if (this.#leaving.length > 0) this.#retireTimer.start(0);
  }

  /** Serves what is under way, then lets go of its slot. */
  retire(host: UpstreamHost): void {
    this.#retiring.add(host);
    host.retire((retired) => {
      this.#retiring.delete(retired);
      this.#owner.onHostRetired();
    });
  }

  /** The cluster ends: all of them retire, those of the host set stay in it. */
  retireAll(): void {
    for (const host of this.#current.values()) this.retire(host);
    const prepared = this.#prepared;
    this.#prepared = new Map();
    for (const host of prepared.values()) this.retire(host);
  }

  /** Nobody retires (any more). */
  isQuiet(): boolean {
    return this.#retiring.size === 0;
  }

  /** The worker ends: nothing is waited for. */
  closeAll(): void {
    this.#retireTimer.stop();
    for (const host of this.#current.values()) host.pools.closeAll();
    for (const host of this.#retiring) host.pools.closeAll();
  }
}

function retireSome(hosts: ClusterHosts): void {
  hosts.retireSome();
}
