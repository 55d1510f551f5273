// One cluster in main: where its hosts come from, their slots, their checks and ejections. Owned by
// cluster-supervision, which knows the workers.
//
//   warming --STATIC, and without hosts of its own: at once | DNS: all names asked once
//             | EDS: assignment or its timeout--> has hosts
//           --each was checked once, if there are checks--> warm
//
// A changed config keeps the hosts of the former one until its own source has spoken.

import { isSameJson } from '../../../common/same-json.ts';
import type {
  ClusterConfig,
  LoadAssignment,
  LocalityWeight,
  PlacedAssignment,
  PlacedHost,
} from '../../api/config/cluster.ts';
import type { ClusterSample } from '../../api/load-sample.ts';
import { DnsDiscovery } from '../discovery/dns-discovery.ts';
import { type NamedBreaker, readBreaker } from '../error-ratio-breaker.ts';
import { HealthCheckStats } from '../health/health-check-stats.ts';
import { clearOwnFlags, HealthChecker } from '../health/health-checker.ts';
import type { Transition } from '../health/interval.ts';
import { healthOf, isExcludedHost } from '../host.ts';
import { type HostSummary, type ReportIndex, unrated } from '../host-report.ts';
import { clusterSample, type LoadIndex } from '../load-sample.ts';
import { LoadReportStats } from '../orca/load-report-stats.ts';
import { LoadReports, outOfBandPolicy } from '../orca/load-reports.ts';
import { currentOutlierConfig } from '../outlier/current-config.ts';
import { OutlierDetector } from '../outlier/detector.ts';
import type { OutlierReport } from '../outlier/outlier-event.ts';
import { OutlierStats } from '../outlier/outlier-stats.ts';
import type { OutlierStatus } from '../outlier/status.ts';
import {
  breakerWords,
  ClusterWord,
  HealthFlag,
  HostWord,
  hasHealthFlag,
  readWord,
  type SlotAddress,
  setHealthFlag,
  writeHealthySince,
} from '../shared-state.ts';
import { HostTable, hostAddress } from './host-table.ts';
import { type Membership, MembershipStats } from './membership-stats.ts';
import type { SupervisedParts } from './parts.ts';
import { UpdateMerger } from './update-merger.ts';

/** Discovery has none: its workers know them. */
const noHosts: LoadAssignment = {
  clusterName: '',
  overprovisioningFactor: 140,
  weightedPriorityHealth: false,
  dropOverload: null,
  localities: [],
};

export class SupervisedCluster {
  readonly slot: SlotAddress;
  readonly addedViaApi: boolean;
  readonly stats = new MembershipStats(() => this.#membership());
  readonly outlierStats = new OutlierStats();
  readonly healthCheckStats = new HealthCheckStats();
  readonly loadReportStats = new LoadReportStats();
  #config: ClusterConfig;
  readonly #parts: SupervisedParts;
  readonly #table: HostTable;
  readonly #merger: UpdateMerger;
  #detector: OutlierDetector | null = null;
  #checker: HealthChecker | null = null;
  #reports: LoadReports | null = null;
  #dns: DnsDiscovery | null = null;
  #isWarm = false;
  /** Host sets on their way to the workers. */
  #unsent = 0;
  /** Its source has spoken once, or will not. */
  #hasHosts = false;
  /** The last one that its source gave. */
  #assignment: LoadAssignment | null = null;
  /** Its own config's source has spoken. */
  #isCurrent = false;

  constructor(
    config: ClusterConfig,
    slot: SlotAddress,
    addedViaApi: boolean,
    parts: SupervisedParts,
  ) {
    this.slot = slot;
    this.addedViaApi = addedViaApi;
    this.#config = config;
    this.#parts = parts;
    this.#table = new HostTable(parts.slots);
    this.#merger = new UpdateMerger({
      clock: parts.clock,
      timers: parts.timers,
      stats: parts.updates,
      deliver: () => this.#sendHosts(),
    });
    this.stats.warmingState = 1;
    this.#updateDetector();
    this.#updateChecker();
    this.#updateReports();
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
    if (this.#config.provided !== null) {
      // Its former type may have had some.
      this.place(noHosts);
      return;
    }
    if (type === 'EDS' || loadAssignment === null) return;
    if (type !== 'STRICT_DNS' && type !== 'LOGICAL_DNS') {
      this.place(loadAssignment);
      return;
    }
    const { resolverFor, timers, random } = this.#parts;
    this.#dns = new DnsDiscovery(type, this.#config.dns, loadAssignment, {
      resolver: resolverFor(this.#config.dns.resolver),
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
    this.#updateChecker();
    this.#updateReports();
    this.#watchHosts();
    this.#checkHosts(new Set());
    this.#startStreams();
  }

  /** A host set from discovery: gives every host its slot and sends the set to the workers. */
  place(assignment: LoadAssignment): void {
    const wasLeaving = this.#table.hasLeaving();
    const change = this.#table.update(assignment, (host) => this.#keeps(host));
    const { added, removed, moved, priorities } = change;
    const isOther = added.size > 0 || removed > 0;
    const isFirst = !this.#isCurrent;
    const isSame = change.changed === 0 && isSamePolicy(this.#assignment, assignment);
    if (priorities > 0) this.stats.membershipChange += priorities;
    else if (isSame && !isFirst) this.stats.updateNoRebuild++;
    this.#isCurrent = true;
    this.#hasHosts = true;
    this.#assignment = assignment;
    if (wasLeaving || this.#table.hasLeaving()) this.#markLeaving();
    this.#watchHosts();
    // Before the workers hear of them: hosts that have not been checked get no traffic.
    this.#checkHosts(added);
    this.#startSlowly(added);
    if (isFirst || isOther || !isSame) {
      this.#updateWorkers(!isFirst && !isOther && moved === 0);
    }
    this.#startStreams();
    this.#becomeWarm();
  }

  /** EDS did not answer within initial_fetch_timeout: goes on without hosts. */
  onInitialFetchTimeout(): void {
    this.#hasHosts = true;
    this.#becomeWarm();
  }

  /** A worker saw a response with x-envoy-immediate-health-check-fail. */
  onImmediateHealthCheckFail(address: string): void {
    this.#checker?.onImmediateFailure(address);
  }

  /** Runtime keys have other values: main's own numbers are read anew, and the workers make up their minds again. */
  onRuntimeChange(): void {
    this.#updateDetector();
    this.#onHealthChanged(null);
  }

  /** A secret came: checks and reports that waited for it may begin. */
  onSecret(): void {
    this.#startStreams();
  }

  /** From a worker. */
  onOutlierReport({ address, kind }: OutlierReport): void {
    this.#detector?.onReport(address, kind);
  }

  /** Null = it has no outlier detection. */
  outlierStatus(): OutlierStatus | null {
    return this.#detector?.status() ?? null;
  }

  /** For /breakers. `nowMs`: Clock.machineMs. */
  breakers(nowMs: number): NamedBreaker[] {
    const { name, breaker, hostBreaker } = this.#config;
    const { chunks } = this.#parts;
    const read = (slot: SlotAddress) => readBreaker(breakerWords(chunks.ref(slot)), nowMs);
    const all: NamedBreaker[] = [];
    if (breaker !== null) {
      all.push({ scope: 'cluster', name, address: '', status: read(this.slot) });
    }
    if (hostBreaker === null) return all;
    for (const host of this.#table.hosts()) {
      all.push({ scope: 'host', name, address: hostAddress(host), status: read(host) });
    }
    return all;
  }

  /** For /clusters. */
  hostSummaries(reports: ReportIndex): HostSummary[] {
    if (this.#config.provided !== null) return reports.ownHosts(this.#config.name);
    return this.#table.hosts().map((host) => {
      const slot = this.#parts.chunks.ref(host);
      const address = hostAddress(host);
      return {
        ...reports.get(this.#config.name, address),
        host,
        cxActive: readWord(slot, HostWord.CxActive),
        rqActive: readWord(slot, HostWord.RqActive),
        rates: this.#detector?.ratesOf(address) ?? unrated,
        healthFlags: healthFlags(host, readWord(slot, HostWord.HealthFlags)),
      };
    });
  }

  /** For the load reporter. */
  loadSample(index: LoadIndex): ClusterSample {
    const category = this.#assignment?.dropOverload?.category ?? '';
    const { chunks } = this.#parts;
    const active = (host: PlacedHost) => readWord(chunks.ref(host), HostWord.RqActive);
    return clusterSample(this.#config, category, this.#table.hosts(), active, index);
  }

  close(): void {
    this.#merger.close();
    this.#dns?.close();
    this.#detector?.close();
    this.#checker?.close();
    this.#reports?.close();
    this.#table.close();
    this.#parts.slots.retire(this.slot);
  }

  #becomeWarm(): void {
    if (this.#isWarm || !this.#hasHosts || this.#unsent > 0) return;
    if (this.#checker?.isUnsure() === true) return;
    this.#isWarm = true;
    this.stats.warmingState = 0;
    this.#parts.onWarm(this.#config.name);
  }

  #updateDetector(): void {
    const { outlierDetection: configured, name } = this.#config;
    const outlierDetection = configured === null ? null : currentOutlierConfig(configured);
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

  /** Checks of another config begin anew, for hosts that are what they were until then. */
  #updateChecker(): void {
    const { healthCheck } = this.#config;
    this.#checker?.close();
    this.#checker = null;
    if (healthCheck === null) {
      for (const host of this.#table.hosts()) clearOwnFlags(this.#parts.chunks.ref(host));
      return;
    }
    this.#checker = new HealthChecker({
      cluster: this.#config,
      check: healthCheck,
      stats: this.healthCheckStats,
      parts: this.#parts,
      hasTraffic: () => this.#hasHadTraffic(),
      onResult: (host, transition, isHealthy) => this.#onChecked(host, transition, isHealthy),
    });
  }

  #hasHadTraffic(): boolean {
    return readWord(this.#parts.chunks.ref(this.slot), ClusterWord.HasHadTraffic) !== 0;
  }

  #checkHosts(added: ReadonlySet<string>): void {
    if (this.#checker === null && this.#reports === null) return;
    const { chunks } = this.#parts;
    const hosts = this.#table.hosts().map((host) => ({ host, slot: chunks.ref(host) }));
    this.#checker?.setHosts(hosts, added);
    this.#reports?.setHosts(hosts);
  }

  #startStreams(): void {
    this.#checker?.start();
    this.#reports?.start();
  }

  #updateReports(): void {
    this.#reports?.close();
    const policy = outOfBandPolicy(this.#config.loadBalancing);
    this.#reports =
      policy === null
        ? null
        : new LoadReports(this.#config, policy, this.loadReportStats, this.#parts);
  }

  /** A host that discovery has dropped stays while its checks pass (Envoy: PENDING_DYNAMIC_REMOVAL). */
  #keeps(host: PlacedHost): boolean {
    const { type, ignoreHealthOnHostRemoval } = this.#config;
    // The first assignment of a changed config takes the place of whatever was there.
    if (!this.#isCurrent || type === 'STATIC' || ignoreHealthOnHostRemoval) return false;
    return host.health !== 'unhealthy' && this.#checker?.isPassing(hostAddress(host)) === true;
  }

  #markLeaving(): void {
    for (const host of this.#table.hosts()) {
      const isLeaving = this.#table.isLeaving(hostAddress(host));
      setHealthFlag(this.#parts.chunks.ref(host), HealthFlag.PendingDynamicRemoval, isLeaving);
    }
  }

  /** Of new hosts that are to be checked first, slow start begins with the check that passes. */
  #startSlowly(added: ReadonlySet<string>): void {
    const nowMs = this.#parts.clock.machineMs();
    for (const address of added) {
      const host = this.#table.get(address)!; // it has just come
      const slot = this.#parts.chunks.ref(host);
      if (healthOf(host, slot) === 'healthy') writeHealthySince(slot, nowMs);
    }
  }

  /** `isMergeable`: the same hosts are where they were. */
  #updateWorkers(isMergeable: boolean): void {
    this.#merger.update(isMergeable, this.#config.commonLb.updateMergeWindowMs);
  }

  #sendHosts(): void {
    const assignment = this.#assignment;
    if (assignment === null) return; // its source has not spoken: it has no hosts
    this.#unsent++;
    const placed: PlacedAssignment = {
      clusterName: this.#config.name,
      overprovisioningFactor: assignment.overprovisioningFactor,
      weightedPriorityHealth: assignment.weightedPriorityHealth,
      dropOverload: assignment.dropOverload,
      localityWeights: localityWeights(assignment),
      hosts: this.#table.hosts(),
    };
    let isLater = false;
    this.#parts.onPlaced(placed, () => {
      this.#unsent--;
      // Otherwise whoever places goes on to the checks, and then asks itself.
      if (isLater) this.#becomeWarm();
    });
    isLater = true;
  }

  #onChecked(host: PlacedHost, transition: Transition, isHealthy: boolean): void {
    const address = hostAddress(host);
    if (isHealthy) this.#detector?.onActiveCheckPassed(address);
    if (transition === 'changed') {
      const isFailed = hasHealthFlag(this.#parts.chunks.ref(host), HealthFlag.FailedActiveHc);
      if (isFailed && this.#table.isLeaving(address)) this.#removeHost(address);
      else this.#onHealthChanged(isFailed ? address : null);
    }
    this.#becomeWarm();
  }

  /** Its checks were all that held it. */
  #removeHost(address: string): void {
    this.#table.remove(address);
    this.stats.membershipChange++;
    this.#watchHosts();
    this.#checkHosts(new Set());
    this.#updateWorkers(false);
  }

  #watchHosts(): void {
    if (this.#detector === null) return;
    const { chunks } = this.#parts;
    this.#detector.setHosts(
      new Map(this.#table.hosts().map((host) => [hostAddress(host), chunks.ref(host)])),
    );
  }

  /** `failed`: the host that gets no traffic any more, null = flags changed in another way. */
  #onHealthChanged(failed: string | null): void {
    const { words, base } = this.#parts.chunks.ref(this.slot);
    Atomics.add(words, base + ClusterWord.HealthEpoch, 1);
    if (failed === null) return;
    const host = this.#table.get(failed);
    if (host === null) return;
    const { chunk, slot } = host;
    this.#parts.onHostHealthFailure(this.#config.name, { chunk, slot });
  }

  #membership(): Membership {
    const hosts = this.#table.hosts();
    const membership = { total: hosts.length, healthy: 0, degraded: 0, excluded: 0, maxWeight: 0 };
    for (const host of hosts) {
      const slot = this.#parts.chunks.ref(host);
      const health = healthOf(host, slot);
      // Envoy looks at weights where hosts come and go.
      if (this.#config.type !== 'STATIC')
        membership.maxWeight = Math.max(membership.maxWeight, host.weight);
      if (health === 'healthy') membership.healthy++;
      else if (health === 'degraded') membership.degraded++;
      if (isExcludedHost(host, slot)) membership.excluded++;
    }
    return membership;
  }
}

/** What an assignment says besides its hosts. */
function isSamePolicy(a: LoadAssignment | null, b: LoadAssignment): boolean {
  return (
    a !== null &&
    a.overprovisioningFactor === b.overprovisioningFactor &&
    a.weightedPriorityHealth === b.weightedPriorityHealth &&
    isSameJson(a.dropOverload, b.dropOverload) &&
    isSameJson(localityWeights(a), localityWeights(b))
  );
}

function localityWeights({ localities }: LoadAssignment): LocalityWeight[] {
  return localities
    .filter(({ weight }) => weight > 0)
    .map(({ region, zone, subZone, priority, weight }) => ({
      locality: { region, zone, subZone },
      priority,
      weight,
    }));
}

/** In Envoy's order, which is that of the bits. */
function healthFlags({ health, healthStatus }: PlacedHost, flags: number): string[] {
  const names: string[] = [];
  const add = (isSet: boolean, name: string): void => {
    if (isSet) names.push(name);
  };
  add((flags & HealthFlag.FailedActiveHc) !== 0, 'failed_active_hc');
  add((flags & HealthFlag.FailedOutlierCheck) !== 0, 'failed_outlier_check');
  const isDraining = healthStatus === 'DRAINING';
  add(health === 'unhealthy' && !isDraining, 'failed_eds_health');
  add((flags & HealthFlag.DegradedActiveHc) !== 0, 'degraded_active_hc');
  add(health === 'degraded', 'degraded_eds_health');
  add((flags & HealthFlag.PendingDynamicRemoval) !== 0, 'pending_dynamic_removal');
  add((flags & HealthFlag.PendingActiveHc) !== 0, 'pending_active_hc');
  add((flags & HealthFlag.ExcludedViaImmediateHcFail) !== 0, 'excluded_via_immediate_hc_fail');
  add((flags & HealthFlag.ActiveHcTimeout) !== 0, 'active_hc_timeout');
  add(isDraining, 'eds_status_draining');
  add((flags & HealthFlag.DegradedOutlierDetection) !== 0, 'degraded_outlier_detection');
  return names;
}
