// Hosts of one cluster with their slots in shared memory. Identity is the address (hostAddress): as long as it stays in
// the assignment, a host keeps its slot and thereby its counters and ejection. Main thread.

import { isSameJson } from '../../../common/same-json.ts';
import type { HostConfig, LoadAssignment, Locality, PlacedHost } from '../../api/config/cluster.ts';
import { formatAddress } from '../../api/connection.ts';
import type { SlotAllocator } from './slot-allocator.ts';

export interface TableChange {
  /** `ip:port` */
  readonly added: ReadonlySet<string>;
  readonly removed: number;
  /** Of those that stayed, how many are in another priority or locality, or have another address (LOGICAL_DNS). */
  readonly moved: number;
  /** In how many priorities hosts came, went or moved. */
  readonly priorities: number;
  /** How many are not what they were, among them the added and moved ones. */
  readonly changed: number;
}

/** See the file head. A host that did not change stays the same object. */
export class HostTable {
  readonly #slots: SlotAllocator;
  #byAddress: ReadonlyMap<string, PlacedHost> = new Map();
  #hosts: readonly PlacedHost[] = [];
  /** Of the hosts of the last assignment: those that come again are mostly the same objects. */
  #addressOf: ReadonlyMap<HostConfig, string> = new Map();
  /** Not in the assignment any more, and kept. */
  #leaving: ReadonlySet<string> = new Set();

  constructor(slots: SlotAllocator) {
    this.#slots = slots;
  }

  hosts(): readonly PlacedHost[] {
    return this.#hosts;
  }

  /** Null = no such host. */
  get(address: string): PlacedHost | null {
    return this.#byAddress.get(address) ?? null;
  }

  /** Discovery has dropped it, but it was kept in the last update. */
  isLeaving(address: string): boolean {
    return this.#leaving.has(address);
  }

  /** Some host is leaving. */
  hasLeaving(): boolean {
    return this.#leaving.size > 0;
  }

  /**
   * Replaces the host set. Of an address that is given twice, the first counts (as Envoy). One that is not given is
   * asked about with `keeps`.
   */
  update(assignment: LoadAssignment, keeps: (host: PlacedHost) => boolean): TableChange {
    const former = this.#byAddress;
    const hosts = new Map<string, PlacedHost>();
    const addressOf = new Map<HostConfig, string>();
    const added = new Set<string>();
    const priorities = new Set<number>();
    let moved = 0;
    let changed = 0;
    for (const { region, zone, subZone, priority, hosts: given } of assignment.localities) {
      const locality: Locality = { region, zone, subZone };
      for (const host of given) {
        const address = this.#addressOf.get(host) ?? hostAddress(host);
        addressOf.set(host, address);
        if (hosts.has(address)) continue;
        const before = former.get(address);
        if (before === undefined) {
          added.add(address);
          priorities.add(priority);
        } else if (before.address !== host.address || !isAt(before, locality, priority)) {
          moved++;
          priorities.add(before.priority).add(priority);
        } else if (isSameHost(before, host)) {
          hosts.set(address, before);
          continue;
        }
        changed++;
        const { chunk, slot } = before ?? this.#slots.allocate();
        hosts.set(address, { ...host, chunk, slot, locality, priority });
      }
    }
    const leaving = new Set<string>();
    let removed = 0;
    // Nobody is missing when all that are there came now or stayed.
    if (hosts.size - added.size < former.size) {
      for (const [address, host] of former) {
        if (hosts.has(address)) continue;
        if (keeps(host)) {
          hosts.set(address, host);
          leaving.add(address);
          continue;
        }
        this.#retire(host);
        priorities.add(host.priority);
        removed++;
      }
    }
    this.#leaving = leaving;
    this.#addressOf = addressOf;
    this.#replace(hosts);
    return { added, removed, moved, priorities: priorities.size, changed };
  }

  /** A host that is leaving is not kept any longer. */
  remove(address: string): void {
    const host = this.#byAddress.get(address);
    if (host === undefined) return;
    this.#retire(host);
    const hosts = new Map(this.#byAddress);
    hosts.delete(address);
    this.#replace(hosts);
  }

  /** The cluster is gone. */
  close(): void {
    for (const host of this.#hosts) this.#retire(host);
    this.#addressOf = new Map();
    this.#replace(new Map());
  }

  #retire({ chunk, slot }: PlacedHost): void {
    this.#slots.retire({ chunk, slot });
  }

  #replace(hosts: ReadonlyMap<string, PlacedHost>): void {
    this.#byAddress = hosts;
    this.#hosts = [...hosts.values()];
  }
}

function isAt(host: PlacedHost, { region, zone, subZone }: Locality, priority: number): boolean {
  const { locality } = host;
  return (
    host.priority === priority &&
    locality.region === region &&
    locality.zone === zone &&
    locality.subZone === subZone
  );
}

function isSameHost(a: HostConfig, b: HostConfig): boolean {
  return (
    a.weight === b.weight &&
    a.healthStatus === b.healthStatus &&
    a.health === b.health &&
    a.address === b.address &&
    a.port === b.port &&
    a.hostname === b.hostname &&
    isSameJson(a.metadata, b.metadata) &&
    isSameJson(a.healthCheck, b.healthCheck)
  );
}

/** What a host is known by as long as it stays: `ip:port`, unless it may get another address (LOGICAL_DNS). */
export function hostAddress({
  address,
  port,
  identity,
}: Pick<PlacedHost, 'address' | 'port' | 'identity'>): string {
  return identity ?? formatAddress({ ip: address, port });
}
