// What supervision is given by server/, and whom it tells.

import type { ClusterConfig, PlacedAssignment } from '../../api/config/cluster.ts';
import type { DnsResolverConfig } from '../../api/config/dns.ts';
import type { NameResolver } from '../discovery/name-resolver.ts';
import type { HealthCheckParts } from '../health/health-checker.ts';
import type { SharedChunks, SlotAddress } from '../shared-state.ts';
import type { SlotAllocator } from './slot-allocator.ts';
import type { UpdateStats } from './update-merger.ts';

/** What one cluster is given besides. */
export interface SupervisedParts extends SupervisionParts {
  /** Counters of all clusters. */
  readonly updates: UpdateStats;
}

export interface SupervisionParts extends HealthCheckParts {
  /** The same that `slots` allocates from. */
  readonly chunks: SharedChunks;
  readonly slots: SlotAllocator;
  /** Shared ones are fine. */
  resolverFor(config: DnsResolverConfig): NameResolver;
  /** A cluster, new or changed; hosts that it already had stay valid. */
  onCluster(config: ClusterConfig, slot: SlotAddress): void;
  onClusterRemoved(name: string): void;
  /**
   * The full host set of a cluster. A host that did not change since the last one is the same object. `onSent`: to be
   * called once every worker was sent it (or a newer one), maybe at once.
   */
  onPlaced(assignment: PlacedAssignment, onSent: () => void): void;
  /** Once per cluster, after its first onPlaced (or instead of it: an EDS timeout). */
  onWarm(name: string): void;
  /** A host was ejected, or failed its checks: its connections are not to be used on. */
  onHostHealthFailure(cluster: string, host: SlotAddress): void;
  /** A line for outlier_detection.event_log_path, without line end. */
  onOutlierEvent(line: string): void;
}
