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

interface Entry {
  /** What the assignment says of it: mostly the same object again the next time. */
  config: HostConfig;
  placed: PlacedHost;
  /** The update that had it last. */
  update: number;
}

/** See the file head. A host that did not change stays the same object. */
export class HostTable {
  readonly #slots: SlotAllocator;
  readonly #byAddress = new Map<string, Entry>();
  readonly #byConfig = new Map<HostConfig, Entry>();
  #hosts: readonly PlacedHost[] = [];
  /** Not in the assignment any more, and kept. */
  #leaving: ReadonlySet<string> = new Set();
  #updates = 0;

  constructor(slots: SlotAllocator) {
    this.#slots = slots;
  }

  hosts(): readonly PlacedHost[] {
    return this.#hosts;
  }

  /** Null = no such host. */
  get(address: string): PlacedHost | null {
    return this.#byAddress.get(address)?.placed ?? null;
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
    const update = ++this.#updates;
    const hosts: PlacedHost[] = [];
    const added = new Set<string>();
    const priorities = new Set<number>();
    let moved = 0;
    let changed = 0;
    for (const { region, zone, subZone, priority, hosts: given } of assignment.localities) {
      const locality: Locality = { region, zone, subZone };
      for (const host of given) {
        const known = this.#byConfig.get(host);
        if (known !== undefined && known.update !== update) {
          if (isAt(known.placed, locality, priority)) {
            known.update = update;
            hosts.push(known.placed);
            continue;
          }
        }
        const address = hostAddress(host);
        const entry = this.#byAddress.get(address);
        if (entry?.update === update) continue;
        const before = entry?.placed;
        if (before === undefined) {
          added.add(address);
          priorities.add(priority);
        } else if (before.address !== host.address || !isAt(before, locality, priority)) {
          moved++;
          priorities.add(before.priority).add(priority);
        } else if (isSameHost(before, host)) {
          this.#put(address, { config: host, placed: before, update });
          hosts.push(before);
          continue;
        }
        changed++;
        const { chunk, slot } = before ?? this.#slots.allocate();
        const placed: PlacedHost = { ...host, chunk, slot, locality, priority };
        this.#put(address, { config: host, placed, update });
        hosts.push(placed);
      }
    }
    const leaving = new Set<string>();
    let removed = 0;
    if (hosts.length < this.#byAddress.size) {
      for (const [address, entry] of this.#byAddress) {
        if (entry.update === update) continue;
        const { placed } = entry;
        if (keeps(placed)) {
          hosts.push(placed);
          leaving.add(address);
          continue;
        }
        this.#delete(address, entry);
        priorities.add(placed.priority);
        removed++;
      }
    }
    this.#leaving = leaving;
    this.#hosts = hosts;
    return { added, removed, moved, priorities: priorities.size, changed };
  }

  /** A host that is leaving is not kept any longer. */
  remove(address: string): void {
    const entry = this.#byAddress.get(address);
    if (entry === undefined) return;
    this.#delete(address, entry);
    this.#hosts = this.#hosts.filter((host) => host !== entry.placed);
  }

  /** The cluster is gone. */
  close(): void {
    for (const [address, entry] of this.#byAddress) this.#delete(address, entry);
    this.#hosts = [];
  }

  #put(address: string, entry: Entry): void {
    const former = this.#byAddress.get(address);
    if (former !== undefined) this.#byConfig.delete(former.config);
    this.#byAddress.set(address, entry);
    this.#byConfig.set(entry.config, entry);
  }

  #delete(address: string, entry: Entry): void {
    this.#byAddress.delete(address);
    this.#byConfig.delete(entry.config);
    const { chunk, slot } = entry.placed;
    this.#slots.retire({ chunk, slot });
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
