// One cluster in main: where its hosts come from, their slots, their ejections.

import type {
  ClusterConfig,
  LoadAssignment,
  PlacedAssignment,
  PlacedHost,
} from '../../api/config/cluster.ts';
import { StrictDns } from '../discovery/strict-dns.ts';
import { UpdateStats } from '../discovery/update-stats.ts';
import { OutlierDetector } from '../outlier/detector.ts';
import type { OutlierKind } from '../outlier/outlier-event.ts';
import { ClusterCell, type SlotRef, type SlotView } from '../shared-state.ts';
import type { SupervisionParts } from './cluster-supervision.ts';

export class SupervisedCluster {
  config: ClusterConfig;
  readonly slot: SlotRef;
  readonly addedViaApi: boolean;
  readonly stats = new UpdateStats();
  detector: OutlierDetector | null = null;
  #dns: StrictDns | null = null;
  readonly #parts: SupervisionParts;
  readonly #slots = new Map<string, SlotRef>();
  #assignment: PlacedAssignment | null = null;

  constructor(config: ClusterConfig, slot: SlotRef, addedViaApi: boolean, parts: SupervisionParts) {
    this.config = config;
    this.slot = slot;
    this.addedViaApi = addedViaApi;
    this.#parts = parts;
    this.#startDetector();
  }

  /** Static endpoints are placed at once, names are asked for; EDS waits for its assignment. */
  start(): void {
    const { type, loadAssignment } = this.config;
    this.#dns?.close();
    this.#dns = null;
    if (loadAssignment === null || type === 'EDS') return;
    if (type === 'STATIC') {
      this.place(loadAssignment);
      return;
    }
    this.#dns = new StrictDns(this.config, loadAssignment, {
      resolver: this.#parts.resolverFor(this.config.dns.resolvers),
      timers: this.#parts.timers,
      random: this.#parts.random,
      stats: this.stats,
      onResolved: (assignment) => this.place(assignment),
    });
    this.#dns.start();
  }

  /** The config changed; hosts and their slots stay until a new assignment says otherwise. */
  update(config: ClusterConfig): void {
    this.config = config;
    this.detector?.close();
    this.detector = null;
    this.#startDetector();
    this.start();
    if (this.#assignment !== null) this.#tellDetector(this.#assignment.hosts);
  }

  /** Gives every host its slot and sends the set to the workers. */
  place(assignment: LoadAssignment): void {
    const hosts: PlacedHost[] = [];
    const seen = new Set<string>();
    let added = false;
    for (const locality of assignment.localities) {
      const { region, zone, subZone, priority } = locality;
      for (const host of locality.hosts) {
        const key = `${host.address}:${host.port}`;
        if (seen.has(key)) continue;
        seen.add(key);
        let slot = this.#slots.get(key);
        if (slot === undefined) {
          slot = this.#parts.slots.allocate();
          this.#slots.set(key, slot);
          added = true;
        }
        hosts.push({ ...host, ...slot, priority, locality: { region, zone, subZone } });
      }
    }
    const removed = [...this.#slots.keys()].filter((key) => !seen.has(key));
    for (const key of removed) {
      this.#parts.slots.free(this.#slots.get(key)!);
      this.#slots.delete(key);
    }
    if (added || removed.length > 0) this.stats.membershipChange++;
    this.#assignment = {
      clusterName: this.config.name,
      overprovisioningFactor: assignment.overprovisioningFactor,
      hosts,
    };
    this.#tellDetector(hosts);
    this.countMembership();
    this.#parts.onPlaced(this.#assignment);
  }

  hosts(): readonly PlacedHost[] {
    return this.#assignment?.hosts ?? [];
  }

  /** True once the workers can use it. */
  isPlaced(): boolean {
    return this.#assignment !== null;
  }

  viewOf(host: PlacedHost): SlotView {
    return this.#parts.slots.view(host);
  }

  onThreshold(address: string, kind: OutlierKind): void {
    this.detector?.onThreshold(address, kind);
  }

  countMembership(): void {
    const hosts = this.hosts();
    const ejected = (host: PlacedHost) =>
      this.detector?.isEjected(`${host.address}:${host.port}`) === true;
    this.stats.membershipTotal = hosts.length;
    this.stats.membershipHealthy = hosts.filter(
      (host) => host.health === 'healthy' && !ejected(host),
    ).length;
    this.stats.membershipDegraded = hosts.filter(
      (host) => host.health === 'degraded' && !ejected(host),
    ).length;
  }

  close(): void {
    this.#dns?.close();
    this.detector?.close();
    for (const slot of this.#slots.values()) this.#parts.slots.free(slot);
    this.#parts.slots.free(this.slot);
  }

  #startDetector(): void {
    const { outlierDetection, name } = this.config;
    if (outlierDetection === null) return;
    const { clock, random, timers, onOutlierEvent } = this.#parts;
    this.detector = new OutlierDetector(name, outlierDetection, {
      clock,
      random,
      timers,
      onHealthChanged: () => {
        const { cells, base } = this.#parts.slots.view(this.slot);
        Atomics.add(cells, base + ClusterCell.HealthEpoch, 1);
        this.countMembership();
      },
      onEvent: onOutlierEvent,
    });
  }

  #tellDetector(hosts: readonly PlacedHost[]): void {
    this.detector?.setHosts(
      new Map(hosts.map((host) => [`${host.address}:${host.port}`, this.viewOf(host)])),
    );
  }
}
