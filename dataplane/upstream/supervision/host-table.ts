// Hosts of one cluster with their slots in shared memory. Identity is the address (hostAddress): as long as it stays in
// the assignment, a host keeps its slot and thereby its counters and ejection. Main thread.

import type { LoadAssignment, PlacedHost } from '../../api/config/cluster.ts';
import { formatAddress } from '../../api/connection.ts';
import type { SlotAddress } from '../shared-state.ts';
import type { SlotAllocator } from './slot-allocator.ts';

export interface TableChange {
  /** `ip:port` */
  readonly added: ReadonlySet<string>;
  readonly removed: number;
}

export class HostTable {
  readonly #slots: SlotAllocator;
  readonly #addresses = new Map<string, SlotAddress>();
  #hosts: readonly PlacedHost[] = [];
  /** Not in the assignment any more, and kept. */
  #leaving: ReadonlySet<string> = new Set();

  constructor(slots: SlotAllocator) {
    this.#slots = slots;
  }

  hosts(): readonly PlacedHost[] {
    return this.#hosts;
  }

  /** Null = no such host. */
  slotOf(address: string): SlotAddress | null {
    return this.#addresses.get(address) ?? null;
  }

  /** Discovery has dropped it, but it was kept in the last update. */
  isLeaving(address: string): boolean {
    return this.#leaving.has(address);
  }

  /**
   * Replaces the host set. Of an address that is given twice, the first counts (as Envoy). One that is not given is
   * asked about with `keeps`.
   */
  update(assignment: LoadAssignment, keeps: (host: PlacedHost) => boolean): TableChange {
    const hosts = new Map<string, PlacedHost>();
    const added = new Set<string>();
    for (const { region, zone, subZone, priority, hosts: given } of assignment.localities) {
      const locality = { region, zone, subZone };
      for (const host of given) {
        const address = hostAddress(host);
        if (hosts.has(address)) continue;
        let slot = this.#addresses.get(address);
        if (slot === undefined) {
          slot = this.#slots.allocate();
          this.#addresses.set(address, slot);
          added.add(address);
        }
        hosts.set(address, { ...host, ...slot, priority, locality });
      }
    }
    const leaving = new Set<string>();
    for (const host of this.#hosts) {
      const address = hostAddress(host);
      if (hosts.has(address) || !keeps(host)) continue;
      hosts.set(address, host);
      leaving.add(address);
    }
    this.#leaving = leaving;
    let removed = 0;
    for (const [address, slot] of this.#addresses) {
      if (hosts.has(address)) continue;
      this.#addresses.delete(address);
      this.#slots.retire(slot);
      removed++;
    }
    this.#hosts = [...hosts.values()];
    return { added, removed };
  }

  /** A host that is leaving is not kept any longer. */
  remove(address: string): void {
    const slot = this.#addresses.get(address);
    if (slot === undefined) return;
    this.#addresses.delete(address);
    this.#slots.retire(slot);
    this.#hosts = this.#hosts.filter((host) => hostAddress(host) !== address);
  }

  /** The cluster is gone. */
  close(): void {
    for (const slot of this.#addresses.values()) this.#slots.retire(slot);
    this.#addresses.clear();
    this.#hosts = [];
  }
}

/** What a host is known by as long as it stays: `ip:port`, unless it may get another address (LOGICAL_DNS). */
export function hostAddress({
  address,
  port,
  identity,
}: Pick<PlacedHost, 'address' | 'port' | 'identity'>): string {
  return identity ?? formatAddress({ ip: address, port });
}
