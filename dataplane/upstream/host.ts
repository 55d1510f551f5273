// One endpoint in one worker. Identity is its address: the object, its counters and its pools stay when an
// update only changes weight, health or metadata.

import type { Host, HostStats, OutlierMonitor } from '../api/cluster.ts';
import type { PlacedHost } from '../api/config/cluster.ts';
import { formatAddress, type SocketAddress } from '../api/connection.ts';
import { HealthFlag, HostCell, type SlotView } from './shared-state.ts';

class SlotHostStats implements HostStats {
  cxTotal = 0;
  cxConnectFail = 0;
  rqTotal = 0;
  rqSuccess = 0;
  rqError = 0;
  rqTimeout = 0;
  readonly #cells: Int32Array;
  readonly #index: number;

  constructor({ cells, base }: SlotView) {
    this.#cells = cells;
    this.#index = base + HostCell.RqActive;
  }

  adjustActive(delta: 1 | -1): void {
    Atomics.add(this.#cells, this.#index, delta);
  }
}

export class UpstreamHost implements Host {
  readonly address: SocketAddress;
  readonly addressText: string;
  readonly canary: boolean;
  readonly stats: HostStats;
  readonly outlier: OutlierMonitor;
  hostname: string;
  /** As main placed it last; replaced on update. */
  placed: PlacedHost;
  readonly #slot: SlotView;

  constructor(placed: PlacedHost, slot: SlotView, outlier: OutlierMonitor) {
    this.address = { ip: placed.address, port: placed.port };
    this.addressText = formatAddress(this.address);
    this.canary = placed.metadata?.['envoy.lb']?.['canary'] === true;
    this.stats = new SlotHostStats(slot);
    this.outlier = outlier;
    this.hostname = placed.hostname;
    this.placed = placed;
    this.#slot = slot;
  }

  update(placed: PlacedHost): void {
    this.placed = placed;
    this.hostname = placed.hostname;
  }

  weight(): number {
    return this.placed.weight;
  }

  /** Over all workers. A plain read: an old value only makes a choice slightly less informed. */
  rqActive(): number {
    return this.#slot.cells[this.#slot.base + HostCell.RqActive]!;
  }

  addConnection(delta: 1 | -1): void {
    Atomics.add(this.#slot.cells, this.#slot.base + HostCell.CxActive, delta);
  }

  isEjected(): boolean {
    const flags = Atomics.load(this.#slot.cells, this.#slot.base + HostCell.HealthFlags);
    return (flags & HealthFlag.FailedOutlierCheck) !== 0;
  }

  /** healthy | degraded | unhealthy, as balancing sees it. */
  health(): PlacedHost['health'] {
    return this.isEjected() ? 'unhealthy' : this.placed.health;
  }
}
