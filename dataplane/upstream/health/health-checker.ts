// The active health checks of one cluster: a session for each of its hosts. Main thread, so that a host is checked
// once for the process; workers see the flags that come of it. Owned by supervision/supervised-cluster.

import type { Clock, Random } from '../../../common/clock.ts';
import type { TimerService } from '../../../common/timer.ts';
import type { ClusterConfig, PlacedHost } from '../../api/config/cluster.ts';
import type { HealthCheckConfig } from '../../api/config/health-check.ts';
import type { StatsStore } from '../../api/stats.ts';
import { Http1CodecStats } from '../../http/h1/codec-stats.ts';
import { Http2CodecStats } from '../../http/h2/codec-stats.ts';
import { clusterScope } from '../cluster-stats.ts';
import type { ClusterTls } from '../cluster-tls.ts';
import { http1ClientOptions, http2ClientOptions } from '../codec-options.ts';
import { HealthFlag, hasHealthFlag, type SlotRef, setHealthFlag } from '../shared-state.ts';
import { hostAddress } from '../supervision/host-table.ts';
import { CheckSession, type SessionContext } from './check-session.ts';
import { createProbe } from './create-probe.ts';
import type { HealthCheckStats } from './health-check-stats.ts';
import type { Transition } from './interval.ts';

/** What checkers are given by server/. */
export interface HealthCheckParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerService;
  readonly stats: StatsStore;
  /** TLS towards the hosts, null = plaintext (createClusterTls of cluster-tls.ts). */
  createTls(config: ClusterConfig): ClusterTls | null;
  /** Unique in the process. */
  nextConnectionId(): number;
  /** A line for each of these files, without line end. */
  onHealthCheckEvent(paths: readonly string[], line: string): void;
}

export interface HealthCheckerOptions {
  readonly cluster: ClusterConfig;
  readonly check: HealthCheckConfig;
  readonly stats: HealthCheckStats;
  readonly parts: HealthCheckParts;
  hasTraffic(): boolean;
  /** After each check, passive failures included; the host's flags are set already. May change the hosts. */
  onResult(host: PlacedHost, transition: Transition, isHealthy: boolean): void;
}

/** All flags that this room sets. */
const OWN_FLAGS = [
  HealthFlag.FailedActiveHc,
  HealthFlag.DegradedActiveHc,
  HealthFlag.PendingActiveHc,
  HealthFlag.ExcludedViaImmediateHcFail,
  HealthFlag.ActiveHcTimeout,
] as const;

/** A host with its place in shared memory. */
export interface HostSlot {
  readonly host: PlacedHost;
  readonly slot: SlotRef;
}

/** See the file head. */
export class HealthChecker {
  readonly check: HealthCheckConfig;
  readonly #options: HealthCheckerOptions;
  readonly #tls: ClusterTls | null;
  readonly #context: SessionContext;
  readonly #codecStats: Http1CodecStats | Http2CodecStats | null;
  /** By `ip:port`. */
  readonly #sessions = new Map<string, CheckSession>();
  readonly #unstarted = new Set<CheckSession>();
  /** Started, without a result yet. */
  readonly #unsure = new Set<CheckSession>();

  constructor(options: HealthCheckerOptions) {
    const { check, cluster, parts } = options;
    this.check = check;
    this.#options = options;
    this.#tls = parts.createTls(withAlpn(cluster, check.alpnProtocols));
    const http1Stats = new Http1CodecStats();
    const http2Stats = new Http2CodecStats();
    const { checker } = check;
    const isHttp2 =
      checker.kind === 'GRPC' || (checker.kind === 'HTTP' && checker.protocol === 'HTTP/2');
    this.#codecStats = isHttp2 ? http2Stats : checker.kind === 'HTTP' ? http1Stats : null;
    if (this.#codecStats !== null) {
      const below = isHttp2 ? 'http2' : 'http1';
      parts.stats.add(clusterScope(cluster, below), this.#codecStats);
    }
    const probeContext = {
      cluster,
      check,
      clock: parts.clock,
      random: parts.random,
      timers: parts.timers,
      tls: this.#tls,
      http1: http1ClientOptions(cluster, http1Stats),
      http2: http2ClientOptions(cluster, http2Stats, parts),
      nextConnectionId: () => parts.nextConnectionId(),
    };
    this.#context = {
      clusterName: cluster.name,
      config: check,
      stats: options.stats,
      clock: parts.clock,
      random: parts.random,
      timers: parts.timers,
      hasTraffic: () => options.hasTraffic(),
      createProbe: (host, observer) => createProbe(probeContext, host, observer),
      onEventLine: (paths, line) => parts.onHealthCheckEvent(paths, line),
      onResult: (session, transition, isHealthy) => {
        this.#unsure.delete(session);
        options.onResult(session.host, transition, isHealthy);
      },
    };
  }

  /**
   * The cluster's hosts now. Those of `added` (`ip:port`) are new and fail until their first check, others without
   * a session were checked in another way before and are trusted until then. Call start() when workers know them.
   */
  setHosts(hosts: readonly HostSlot[], added: ReadonlySet<string>): void {
    const left = new Map(this.#sessions);
    for (const { host, slot } of hosts) {
      const address = hostAddress(host);
      const session = left.get(address);
      if (host.healthCheck?.disabled === true) {
        clearOwnFlags(slot);
        continue;
      }
      if (session !== undefined && sameCheck(session.host, host)) {
        left.delete(address);
        session.host = host;
        continue;
      }
      if (session !== undefined) this.#end(address, session);
      left.delete(address);
      this.#add(address, host, slot, session !== undefined || added.has(address));
    }
    for (const [address, session] of left) this.#end(address, session);
  }

  /** Begins to check those that are new, as soon as TLS has what it needs. */
  start(): void {
    if (this.#tls?.isReady() === false) return;
    const sessions = [...this.#unstarted];
    this.#unstarted.clear();
    for (const session of sessions) {
      this.#unsure.add(session);
      session.start();
    }
  }

  /** Some host waits for its first result; one whose first check cannot begin yet is not waited for. */
  isUnsure(): boolean {
    return this.#unsure.size > 0;
  }

  /** It is checked, and passes. */
  isPassing(address: string): boolean {
    const session = this.#sessions.get(address);
    return session !== undefined && !hasHealthFlag(session.slot, HealthFlag.FailedActiveHc);
  }

  /** A response to traffic said x-envoy-immediate-health-check-fail. Unknown hosts are ignored: they left meanwhile. */
  onImmediateFailure(address: string): void {
    this.#sessions.get(address)?.onPassiveFailure();
  }

  /** Flags stay: whoever comes next decides about them (clearFlags, or a checker with another config). */
  close(): void {
    for (const session of this.#sessions.values()) session.close();
    this.#sessions.clear();
    this.#unstarted.clear();
    this.#unsure.clear();
    this.#tls?.close();
    if (this.#codecStats !== null) this.#options.parts.stats.remove(this.#codecStats);
  }

  #add(address: string, host: PlacedHost, slot: SlotRef, isNew: boolean): void {
    const { commonLb, type } = this.#options.cluster;
    if (isNew) {
      clearOwnFlags(slot);
      setHealthFlag(slot, HealthFlag.FailedActiveHc, true);
      // Envoy: endpoints of a static cluster come all at once.
      const isPending = commonLb.ignoreNewHostsUntilFirstHc && type !== 'STATIC';
      setHealthFlag(slot, HealthFlag.PendingActiveHc, isPending);
    }
    const session = new CheckSession(host, slot, this.#context);
    this.#sessions.set(address, session);
    this.#unstarted.add(session);
  }

  #end(address: string, session: CheckSession): void {
    session.close();
    this.#sessions.delete(address);
    this.#unstarted.delete(session);
    this.#unsure.delete(session);
  }
}

/** The hosts are not checked any more. */
export function clearOwnFlags(slot: SlotRef): void {
  for (const flag of OWN_FLAGS) setHealthFlag(slot, flag, false);
}

function sameCheck({ healthCheck: a }: PlacedHost, { healthCheck: b }: PlacedHost): boolean {
  if (a === null || b === null) return a === b;
  return a.port === b.port && a.address === b.address && a.hostname === b.hostname;
}

/** tls_options.alpn_protocols takes the place of the transport socket's own list. */
function withAlpn(cluster: ClusterConfig, alpnProtocols: readonly string[]): ClusterConfig {
  if (cluster.tls === null || alpnProtocols.length === 0) return cluster;
  return { ...cluster, tls: { ...cluster.tls, alpnProtocols } };
}
