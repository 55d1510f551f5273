// The hosts of one cluster in one worker, as objects: those of the host set, those that are made for the next one, and
// those that have left and still serve. Owned by cluster.ts, which tells the balancer. All that grows with the number of
// hosts is done in steps.
//
//   prepare -> change: in the set -> change without it: leaving -> retireSome: retiring -> its connections are gone

import type { Timer, TimerService } from '../../common/timer.ts';
import type { PlacedHost } from '../api/config/cluster.ts';
import type { UpstreamHost } from './host.ts';
import { type SlotAddress, slotKey } from './shared-state.ts';
import { HOSTS_PER_STEP, type Steps } from './steps.ts';

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
  /** What hosts of the set will be, index by index; of a host that is there twice, the last counts. */
  #changing: UpstreamHost[] = [];
  #changes: PlacedHost[] = [];
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

  /** What was announced for the next host set and is not in it yet. */
  announced(): PlacedHost[] {
    return [...Array.from(this.#prepared.values(), ({ placed }) => placed), ...this.#changes];
  }

  /** These will be in the next host set as they are here: the new ones among them are made now. */
  *prepare(hosts: readonly PlacedHost[]): Steps {
    for (let i = 0; i < hosts.length; i++) {
      const placed = hosts[i]!;
      const key = slotKey(placed);
      const host = this.#current.get(key);
      const prepared = this.#prepared.get(key);
      if (host !== undefined) {
        this.#changing.push(host);
        this.#changes.push(placed);
      } else if (prepared !== undefined) prepared.update(placed);
      else this.#prepared.set(key, this.#owner.createHost(placed));
      if (i % HOSTS_PER_STEP === HOSTS_PER_STEP - 1) yield;
    }
  }

  /**
   * What was prepared holds, and the hosts of these slotKeys leave; those that stay keep object, counters and connections.
   * True = some came or left. Call retireSome once everybody knows the new set: what drains may retry.
   */
  *change(removed: readonly number[]): Steps<boolean> {
    const [changing, changes] = [this.#changing, this.#changes];
    this.#changing = [];
    this.#changes = [];
    for (let i = 0; i < changing.length; i++) {
      changing[i]!.update(changes[i]!);
      if (i % HOSTS_PER_STEP === HOSTS_PER_STEP - 1) yield;
    }
    for (let i = 0; i < removed.length; i++) {
      this.#remove(removed[i]!);
      if (i % HOSTS_PER_STEP === HOSTS_PER_STEP - 1) yield;
    }
    const prepared = this.#prepared;
    const isChanged = removed.length > 0 || prepared.size > 0;
    this.#prepared = new Map();
    if (this.#current.size === 0) {
      this.#current = prepared;
      return isChanged;
    }
    let added = 0;
    for (const [key, host] of prepared) {
      this.#current.set(key, host);
      if (++added % HOSTS_PER_STEP === 0) yield;
    }
    return isChanged;
  }

  #remove(key: number): void {
    // What was to come, and does not after all, leaves as well.
    for (const hosts of [this.#current, this.#prepared]) {
      const host = hosts.get(key);
      if (host === undefined) continue;
      hosts.delete(key);
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
    for (const host of this.#current.values()) host.closeAll();
    for (const host of this.#retiring) host.closeAll();
  }
}

function retireSome(hosts: ClusterHosts): void {
  hosts.retireSome();
}
