// One cluster in main: where its hosts come from, their slots, their ejections. Owned by
// cluster-supervision, which knows the workers.
//
//   warming --STATIC: at once | DNS: all names asked once | EDS: assignment or its timeout--> warm
//
// A changed config keeps the hosts of the former one until its own source has spoken.

import type { ClusterConfig, LoadAssignment, PlacedHost } from '../../api/config/cluster.ts';
import { StrictDns } from '../discovery/strict-dns.ts';
import type { HostSummary, ReportIndex } from '../host-report.ts';
import { OutlierDetector } from '../outlier/detector.ts';
import type { OutlierKind } from '../outlier/outlier-event.ts';
import { OutlierStats } from '../outlier/outlier-stats.ts';
import { ClusterWord, HostWord, readWord, type SlotAddress } from '../shared-state.ts';
import { HostTable, hostAddress } from './host-table.ts';
import { MembershipStats } from './membership-stats.ts';
import type { SupervisionParts } from './parts.ts';

export class SupervisedCluster {
  readonly slot: SlotAddress;
  readonly addedViaApi: boolean;
  readonly stats = new MembershipStats();
  readonly outlierStats = new OutlierStats();
  #config: ClusterConfig;
  readonly #parts: SupervisionParts;
  readonly #table: HostTable;
  #detector: OutlierDetector | null = null;
  #dns: StrictDns | null = null;
  #isWarm = false;
  /** Its own config's source has spoken. */
  #isCurrent = false;

  constructor(
    config: ClusterConfig,
    slot: SlotAddress,
    addedViaApi: boolean,
    parts: SupervisionParts,
  ) {
    this.slot = slot;
    this.addedViaApi = addedViaApi;
    this.#config = config;
    this.#parts = parts;
    this.#table = new HostTable(parts.slots);
    this.stats.warmingState = 1;
    this.#updateDetector();
  }

  get config(): ClusterConfig {
    return this.#config;
  }

  hosts(): readonly PlacedHost[] {
    return this.#table.hosts();
  }

  /** It has its first hosts, or knows that there are none: routes to it make sense. */
  isWarm(): boolean {
    return this.#isWarm;
  }

  /** Places static endpoints, begins to resolve names; EDS waits for `place`. */
  start(): void {
    const { type, loadAssignment } = this.#config;
    this.#dns?.close();
    this.#dns = null;
    if (type === 'EDS' || loadAssignment === null) return;
    if (type === 'STATIC') {
      this.place(loadAssignment);
      return;
    }
    const { resolverFor, timers, random } = this.#parts;
    this.#dns = new StrictDns(this.#config.dns, loadAssignment, {
      resolver: resolverFor(this.#config.dns.resolvers),
      timers,
      random,
      stats: this.stats,
      onResolved: (assignment) => this.place(assignment),
    });
    this.#dns.start();
  }

  /** Call start() after the workers were told. */
  update(config: ClusterConfig): void {
    this.#config = config;
    this.#isCurrent = false;
    this.#updateDetector();
    this.#watchHosts();
  }

  /** A host set from discovery: gives every host its slot and sends the set to the workers. */
  place(assignment: LoadAssignment): void {
    const { added, removed } = this.#table.update(assignment);
    if (added > 0 || removed > 0) this.stats.membershipChange++;
    else if (this.#isCurrent) this.stats.updateNoRebuild++;
    this.#isCurrent = true;
    this.#watchHosts();
    this.#countMembership();
    this.#parts.onPlaced({
      clusterName: this.#config.name,
      overprovisioningFactor: assignment.overprovisioningFactor,
      hosts: this.#table.hosts(),
    });
    this.#becomeWarm();
  }

  /** EDS did not answer within initial_fetch_timeout: goes on without hosts. */
  onInitialFetchTimeout(): void {
    this.#becomeWarm();
  }

  onThreshold(address: string, kind: OutlierKind): void {
    this.#detector?.onThreshold(address, kind);
  }

  /** For /clusters. */
  hostSummaries(reports: ReportIndex): HostSummary[] {
    return this.#table.hosts().map((host) => {
      const slot = this.#parts.chunks.ref(host);
      const address = hostAddress(host);
      return {
        ...reports.get(this.#config.name, address),
        host,
        cxActive: readWord(slot, HostWord.CxActive),
        rqActive: readWord(slot, HostWord.RqActive),
        healthFlags: healthFlags(host, this.#detector?.isEjected(address) === true),
      };
    });
  }

  close(): void {
    this.#dns?.close();
    this.#detector?.close();
    this.#table.close();
    this.#parts.slots.retire(this.slot);
  }

  #becomeWarm(): void {
    if (this.#isWarm) return;
    this.#isWarm = true;
    this.stats.warmingState = 0;
    this.#parts.onWarm(this.#config.name);
  }

  #updateDetector(): void {
    const { outlierDetection, name } = this.#config;
    if (outlierDetection === null) {
      this.#detector?.close();
      this.#detector = null;
      return;
    }
    if (this.#detector !== null) {
      this.#detector.updateConfig(outlierDetection);
      return;
    }
    const { clock, random, timers, onOutlierEvent } = this.#parts;
    this.#detector = new OutlierDetector({
      clusterName: name,
      config: outlierDetection,
      stats: this.outlierStats,
      clock,
      random,
      timers,
      onHealthChanged: (ejected) => this.#onHealthChanged(ejected),
      onEventLine: onOutlierEvent,
    });
  }

  #watchHosts(): void {
    const { chunks } = this.#parts;
    this.#detector?.setHosts(
      new Map(this.#table.hosts().map((host) => [hostAddress(host), chunks.ref(host)])),
    );
  }

  #onHealthChanged(ejected: string | null): void {
    const { words, base } = this.#parts.chunks.ref(this.slot);
    Atomics.add(words, base + ClusterWord.HealthEpoch, 1);
    this.#countMembership();
    const host = this.#table.hosts().find((placed) => hostAddress(placed) === ejected);
    if (host !== undefined) this.#parts.onHostHealthFailure(this.#config.name, host);
  }

  #countMembership(): void {
    const { stats } = this;
    const hosts = this.#table.hosts();
    stats.membershipTotal = hosts.length;
    stats.membershipHealthy = 0;
    stats.membershipDegraded = 0;
    stats.maxHostWeight = 0;
    for (const host of hosts) {
      stats.maxHostWeight = Math.max(stats.maxHostWeight, host.weight);
      if (this.#detector?.isEjected(hostAddress(host)) === true) continue;
      if (host.health === 'healthy') stats.membershipHealthy++;
      else if (host.health === 'degraded') stats.membershipDegraded++;
    }
  }
}

function healthFlags(host: PlacedHost, isEjected: boolean): string[] {
  const flags: string[] = [];
  if (isEjected) flags.push('failed_outlier_check');
  if (host.health === 'unhealthy') flags.push('failed_eds_health');
  if (host.health === 'degraded') flags.push('degraded_eds_health');
  return flags;
}
